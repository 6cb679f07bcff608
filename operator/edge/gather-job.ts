import type { Call } from "../../shared/cli/command.ts";
import type { DraftedOp } from "../../shared/trust/op.ts";
import { JobBook } from "../core/jobs/job-book.ts";
import type { HostIdentities } from "./host-identities.ts";
import { take } from "./hub-api.ts";
import { listReturns, listTargets } from "./hub-ops.ts";
import { rememberOpHeads } from "./op-heads.ts";
import { ReturnJudge } from "./return-judge.ts";
import type { Session } from "./session.ts";

/** Everything that the hub has of one job now, each answer held against the certificate of the host that it is said to be from. */
export async function gatherJob(call: Call, session: Session, op: DraftedOp, identities: HostIdentities, hostId?: string): Promise<JobBook> {
  const book = new JobBook();
  const { id } = op.payload;
  for (const item of await take(listTargets(session.hub, id))) {
    if (hostId !== undefined && item.host_id !== hostId) continue;
    book.told(item);
  }
  const judge = new ReturnJudge({
    crypto: call.world.crypto,
    identities,
    op: { id, sha256: op.sha256 },
    take: ({ item, identity, verdict }) => void book.heard(item.host_id, identity.ok ? identity.value.name : item.host_id, verdict),
  });
  for await (const item of listReturns(session.hub, id, { host: hostId })) await judge.hear(item);
  await judge.settled();
  const seen = book
    .hosts()
    .flatMap((host) => (host.answer?.log === undefined ? [] : [{ hostId: host.hostId, seq: host.answer.log.seq, hash: host.answer.log.hash }]));
  rememberOpHeads(call.world, call.globals.home, session.context.fleetId, seen);
  return book;
}
