import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import { describeOp } from "../../shared/ops/catalogue.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { REFUSALS } from "../../shared/trust/verdict.ts";
import { argText } from "../core/cli/option-values.ts";
import { opScreen } from "../core/sign/op-screen.ts";
import { readPending } from "../core/sign/pending-op.ts";
import { unusualLines } from "../core/sign/unusual.ts";
import { findOp } from "../edge/find-op.ts";
import { readKnownHosts } from "../edge/known-hosts.ts";
import { openSession } from "../edge/session.ts";
import { readSigningMemory } from "../edge/signing-memory.ts";
import { TargetBook } from "../edge/target-book.ts";

/** One op that waits, whole: every line of what would be signed. */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const [op] = readPending([await findOp(session, argText(call, "op"))], session.root, session.nowMs);
  if (op === undefined || op.is === "refused") {
    throw new Fault("refused", `Cannot show this op: ${op === undefined ? "there is none" : `${REFUSALS[op.code]} (${op.detail})`}`, {
      facts: { refusal: op?.code ?? "envelope_malformed" },
    });
  }
  if (op.is === "over")
    throw new Fault(
      "conflict",
      `Cannot show ${op.draft.payload.id} as waiting: ${op.because === "expired" ? "its time has passed" : "enough have signed it"}`,
      { remedy: `felhom op show ${op.draft.payload.id}` },
    );
  const { draft, standing, draftedBy, note } = op;
  const { fleetId } = session.context;
  const book = new TargetBook(session, readKnownHosts(call.world, call.globals.home, fleetId));
  const view = mustVerify(await book.view(draft.payload.target), "Cannot tell whom this op means");
  const memory = readSigningMemory(call.world, call.globals.home, fleetId);
  const unusual = unusualLines({ payload: draft.payload, draftedBy, root: session.root.payload, view, standing, memory, nowMs: session.nowMs });
  present(call, {
    kind: "PendingOp",
    data: {
      id: draft.payload.id,
      kind: draft.payload.kind,
      class: draft.class,
      risk: op.risk,
      digest: `sha256:${draft.sha256}`,
      words: op.words,
      does: describeOp(draft.op),
      payload: draft.payload,
      hosts: view.meant.map(({ identity }) => ({ id: identity.hostId, name: identity.name })),
      unusual,
      signed: standing.signers,
      threshold: standing.threshold,
      draftedBy,
      note: note ?? null,
    },
    human: () =>
      opScreen(
        { draft, standing, root: session.root, view, unusual, draftedBy, note, nowMs: session.nowMs, linesMax: Number.POSITIVE_INFINITY },
        call.terminal,
      ),
    next: "felhom-sign --pending",
  });
  return 0;
};
