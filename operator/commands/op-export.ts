import type { Run } from "../../shared/cli/command.ts";
import { isoTime, until } from "../../shared/cli/age.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import { durableWrite } from "../../shared/edge/durable-write.ts";
import { encodeEnvelope } from "../../shared/trust/envelope.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { verifyOp } from "../../shared/trust/op.ts";
import { argText, optionText } from "../core/cli/option-values.ts";
import { envelopeOf, findOp } from "../edge/find-op.ts";
import { openSession } from "../edge/session.ts";

/** A signed op into a file for a box that no network reaches. Only what that box would take is written: it is verified here first. */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const asked = argText(call, "op");
  const envelope = envelopeOf(await findOp(session, asked));
  const op = mustVerify(verifyOp({ envelope, root: session.root }), `Cannot export ${asked}`, "It has to be signed first: felhom sign pending");
  const { id, kind, expires_at } = op.payload;
  if (expires_at <= session.nowMs) throw new Fault("conflict", `Cannot export ${id}: it expired ${until(expires_at, session.nowMs)}`);
  const bytes = encodeEnvelope(envelope);
  const out = optionText(call, "out");
  if (out === undefined) {
    call.terminal.out(`${new TextDecoder().decode(bytes)}\n`);
    return 0;
  }
  if (!call.globals.dryRun) {
    durableWrite(call.world.files, call.world.crypto, "op.export", out.startsWith("/") ? out : `${call.cwd}/${out}`, bytes, { mode: 0o600 });
    hint(call, "  Whoever holds the file can carry it, not change it: a box takes it only as it was signed, and once.");
  }
  present(call, {
    kind: "OpFile",
    data: { file: out, id, opKind: kind, expiresAt: isoTime(expires_at), dryRun: call.globals.dryRun },
    human: () => `  ${mark(call.terminal, "good", `${id} written to ${out}`)}  no box starts it after ${isoTime(expires_at)}`,
    next: `on the box: felhom op import ${out}`,
  });
  return 0;
};
