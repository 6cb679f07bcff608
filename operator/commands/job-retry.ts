import type { Call, Run } from "../../shared/cli/command.ts";
import { count } from "../../shared/cli/age.ts";
import { paint } from "../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { hint } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import { OP_KINDS } from "../../shared/ops/catalogue.ts";
import { hostsTarget } from "../../shared/ops/op-target.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { argText } from "../core/cli/option-values.ts";
import type { Candidate } from "../core/jobs/choose-targets.ts";
import { nameList } from "../core/jobs/job-screen.ts";
import { retryHosts } from "../core/jobs/retry-hosts.ts";
import { mustFindJob } from "../edge/find-op.ts";
import { gatherJob } from "../edge/gather-job.ts";
import { HostIdentities } from "../edge/host-identities.ts";
import { makeOp, pacingOf } from "../edge/make-op.ts";
import { sendAndFollow } from "../edge/send-op.ts";
import { openSession } from "../edge/session.ts";

/** A new op with the same kind and params, signed here, for those hosts that did not run the old one and can't run it any more. */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const { op } = await mustFindJob(session, argText(call, "job"));
  const identities = new HostIdentities(session);
  const book = await gatherJob(call, session, op, identities);
  const kind = op.op.kind;
  const rules = { idempotent: OP_KINDS[kind].idempotent, failedToo: call.options["failed"] === true };
  const { again, unsure } = retryHosts(book.hosts(), rules);
  if (unsure.length > 0) hint(call, left(call, unsure));
  const hosts: Candidate[] = [];
  const unverified: string[] = [];
  for (const { hostId, name } of again) {
    const identity = await identities.of(hostId);
    if (identity.ok) hosts.push({ hostId: identity.value.hostId, name: identity.value.name, labels: identity.value.labels, facts: {} });
    else unverified.push(`${name}: ${identity.refusal}`);
  }
  if (hosts.length === 0)
    throw new Fault("not_found", `Cannot run ${op.payload.id} again: there is no host that did not run it`, {
      remedy: rules.failedToo ? `felhom job results ${op.payload.id}` : "--failed takes those too that ran it and failed, or may have.",
    });
  const target = "guest_id" in op.payload.target ? op.payload.target : mustVerify(hostsTarget(hosts.map(({ hostId }) => hostId)), "Cannot aim the retry");
  const made = makeOp(call, session, { kind, target, params: op.payload.params, reason: call.globals.reason ?? op.payload.reason });
  const seed = op.payload.id.slice(2, 8);
  const of = book.size;
  return sendAndFollow(call, session, {
    op: made,
    aimed: {
      hosts,
      identities: await identities.map(hosts.map(({ hostId }) => hostId)),
      unverified,
      of,
      meant: hosts.length,
      aim: "list",
      undecided: undefined,
      seed,
    },
    pacing: pacingOf(call, hosts, seed),
  });
};

function left(call: Call, unsure: readonly { readonly name: string }[]): string {
  const text = `${count(unsure.length, "host")} may have run it, or still can, and ${unsure.length === 1 ? "is" : "are"} left out: ${nameList(unsure, call.globals.verbose, 200)}`;
  return `  ${paint(call.terminal, "warn", escapeUntrusted(text))}`;
}
