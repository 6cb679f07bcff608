import type { Run } from "../../shared/cli/command.ts";
import { take } from "../edge/hub-api.ts";
import { listTargets } from "../edge/hub-ops.ts";
import { argText } from "../core/cli/option-values.ts";
import { mustFindJob } from "../edge/find-op.ts";
import { followJob } from "../edge/follow-job.ts";
import { HostIdentities } from "../edge/host-identities.ts";
import { JobOutput } from "../edge/job-output.ts";
import { followLimit } from "../edge/send-op.ts";
import { openSession } from "../edge/session.ts";

/** Every answer that is there, then each as it comes, until nothing is left to wait for. */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const { item, op } = await mustFindJob(session, argText(call, "job"));
  const targets = await take(listTargets(session.hub, item.op_id));
  const output = new JobOutput(call, op);
  output.targets({
    target: op.payload.target,
    count: item.total,
    hosts: targets.map(({ host_id, name }) => ({ id: host_id, name })),
  });
  return output.around(() =>
    followJob(call, session, {
      opId: item.op_id,
      sha256: op.sha256,
      identities: new HostIdentities(session),
      expected: targets.map(({ host_id, name }) => ({ hostId: host_id, name })),
      wait: call.options["wait"] === true,
      timeoutMs: followLimit(call),
      onHost: output.onHost,
    }),
  );
};
