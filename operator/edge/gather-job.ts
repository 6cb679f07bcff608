import type { Call } from "../../shared/cli/command.ts";
import { verifyReturn } from "../../shared/trust/op.ts";
import type { DraftedOp } from "../../shared/trust/op.ts";
import { JobBook } from "../core/jobs/job-book.ts";
import type { HostIdentities } from "./host-identities.ts";
import { take } from "./hub-api.ts";
import { listReturns, listTargets } from "./hub-ops.ts";
import { rememberOpHeads } from "./op-heads.ts";
import type { Session } from "./session.ts";

/** Everything that the hub has of one job now, each answer held against the certificate of the host that it is said to be from. */
export async function gatherJob(call: Call, session: Session, op: DraftedOp, identities: HostIdentities, hostId?: string): Promise<JobBook> {
  const book = new JobBook();
  const { id } = op.payload;
  for (const item of await take(listTargets(session.hub, id))) {
    if (hostId !== undefined && item.host_id !== hostId) continue;
    book.told(item);
  }
  for await (const item of listReturns(session.hub, id, { host: hostId })) {
    const identity = await identities.of(item.host_id);
    book.heard(
      item.host_id,
      identity.ok ? identity.value.name : item.host_id,
      identity.ok ? verifyReturn(item.envelope, identity.value, { id, sha256: op.sha256 }) : identity,
    );
  }
  const seen = book
    .hosts()
    .flatMap((host) => (host.answer?.log === undefined ? [] : [{ hostId: host.hostId, seq: host.answer.log.seq, hash: host.answer.log.hash }]));
  rememberOpHeads(call.world, call.globals.home, session.context.fleetId, seen);
  return book;
}
