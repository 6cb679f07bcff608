import type { Call, Run } from "../../shared/cli/command.ts";
import { count, until } from "../../shared/cli/age.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { utf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { durableWrite } from "../../shared/edge/durable-write.ts";
import type { OpFile } from "../../shared/protocol/op-carrier.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { verifyOp } from "../../shared/trust/op.ts";
import { argList, optionText } from "../core/cli/option-values.ts";
import { envelopeOf, findOp } from "../edge/find-op.ts";
import { openSession } from "../edge/session.ts";

/** Signed ops into a file for a box that no network reaches. Only what that box would take is written: each is verified here first. */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const ops: OpFile["ops"] = [];
  const shown: Readonly<Record<string, unknown>>[] = [];
  for (const asked of argList(call, "ops")) {
    const envelope = envelopeOf(await findOp(session, asked));
    const op = mustVerify(verifyOp({ envelope, root: session.root }), `Cannot export ${asked}`, "It has to be signed first: felhom sign pending");
    if (op.payload.expires_at <= session.nowMs)
      throw new Fault("conflict", `Cannot export ${op.payload.id}: it expired ${until(op.payload.expires_at, session.nowMs)}`);
    ops.push(envelope);
    shown.push({ id: op.payload.id, opKind: op.payload.kind, expiresAt: op.payload.expires_at });
  }
  const file: OpFile = { v: 1, file: "ops", fleet_id: session.context.fleetId, ops };
  const text = `${JSON.stringify(file)}\n`;
  const out = optionText(call, "out");
  if (out === undefined) {
    call.terminal.out(text);
    return 0;
  }
  if (!call.globals.dryRun) write(call, out, text);
  present(call, {
    kind: "OpFile",
    data: { file: out, ops: shown },
    human: () => `  ${mark(call.terminal, "good", `${count(ops.length, "op")} written to ${out}`)}`,
    next: `on the box: felhom op import ${out}`,
  });
  return 0;
};

function write(call: Call, out: string, text: string): void {
  durableWrite(call.world.files, call.world.crypto, "op.export", out.startsWith("/") ? out : `${call.cwd}/${out}`, utf8(text), { mode: 0o600 });
  hint(call, "  Whoever holds the file can carry it, not change it: boxes take it only as it was signed, and once.");
}
