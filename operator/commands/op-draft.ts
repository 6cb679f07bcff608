import type { Run } from "../../shared/cli/command.ts";
import { base64 } from "../../shared/core/bytes.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { count } from "../../shared/cli/age.ts";
import { argText, optionText } from "../core/cli/option-values.ts";
import { readKind } from "../core/jobs/kind-params.ts";
import { nameList } from "../core/jobs/job-screen.ts";
import { opData, opText, targetText } from "../core/jobs/op-screen.ts";
import { aim } from "../edge/aim.ts";
import { draftOp } from "../edge/hub-ops.ts";
import { makeOp, pacingOf, paramsOf } from "../edge/make-op.ts";
import { openSession } from "../edge/session.ts";

/** The same as `run`, for somebody else to sign: no key is needed, and nothing reaches a box before others have signed. */
export const run: Run = async (call) => {
  const kind = readKind(argText(call, "kind"));
  const params = await paramsOf(call, kind);
  const session = await openSession(call);
  const aimed = await aim(call, session, argText(call, "target"), kind);
  const op = makeOp(call, session, { kind, target: aimed.target, params });
  hint(
    call,
    opText(op, {
      nowMs: session.nowMs,
      terminal: call.terminal,
      targetText: targetText(op.payload.target, (id) => aimed.identities.get(id)?.name),
      more: [["hosts", `${aimed.hosts.length} of ${aimed.of}: ${nameList(aimed.hosts, call.globals.verbose, 60)}`]],
    }),
  );
  if (!call.globals.dryRun) {
    await confirm(call, `Leave this at the hub for others to sign?`);
    const note = optionText(call, "note");
    const pacing = pacingOf(call, aimed.hosts, aimed.seed);
    await draftOp(session.hub, { payload: base64(op.bytes), ...(note === undefined ? {} : { note }), ...(pacing === undefined ? {} : { pacing }) });
  }
  present(call, {
    kind: "Op",
    data: { ...opData(op), state: "draft", dryRun: call.globals.dryRun, hosts: aimed.hosts.map(({ hostId, name }) => ({ id: hostId, name })) },
    human: () =>
      call.globals.dryRun
        ? "  Nothing was sent: this was a dry run."
        : `  ${mark(call.terminal, "busy", `${op.payload.id} drafted`)}  for ${count(aimed.hosts.length, "host")}; it waits for signatures`,
    next: call.globals.dryRun ? undefined : `felhom sign show ${op.payload.id}`,
  });
  return 0;
};
