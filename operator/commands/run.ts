import type { Run } from "../../shared/cli/command.ts";
import { argText } from "../core/cli/option-values.ts";
import { readKind } from "../core/jobs/kind-params.ts";
import { aim } from "../edge/aim.ts";
import { makeOp, pacingOf, paramsOf } from "../edge/make-op.ts";
import { sendAndFollow } from "../edge/send-op.ts";
import { openSession } from "../edge/session.ts";

/** Aims at verified hosts, shows the op from its own bytes, asks, signs here, sends, and follows. */
export const run: Run = async (call) => {
  const kind = readKind(argText(call, "kind"));
  const params = await paramsOf(call, kind);
  const session = await openSession(call);
  const aimed = await aim(call, session, argText(call, "target"), kind);
  const op = makeOp(call, session, { kind, target: aimed.target, params });
  return sendAndFollow(call, session, { op, aimed, pacing: pacingOf(call, aimed.hosts, aimed.seed) });
};
