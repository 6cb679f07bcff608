/**
 * Whom an op means, as far as the hub knows: labels from the certificates it stores, facts from each host's newest verified
 * report. Only to track who should answer; each box decides for itself, on what it knows of itself. Read in pages, outside of
 * any transaction, so that a fleet of 100 000 stops nobody.
 */
import { hostList, judgeTarget, openTargets } from "../../../shared/ops/op-target.ts";
import type { OpTarget } from "../../../shared/trust/payloads.ts";
import { type Expressions, type Subject, trivial } from "../../../shared/states/expression.ts";
import { fromBase64, fromUtf8 } from "../../../shared/core/bytes.ts";
import type { Hub } from "../hub.ts";
import { type SubjectRow, subjectsAfter } from "../store/host-views.ts";

const HOSTS_PER_READ = 500;

/** Ids of active hosts, in order. */
export async function resolveTarget(hub: Hub, target: OpTarget): Promise<readonly string[]> {
  if ("host_id" in target) return active(hub, [target.host_id]);
  const list = hostList(target.expr);
  if (list !== undefined) return active(hub, [...list]);
  const plain = trivial(target.expr);
  if (plain !== undefined)
    return plain.ok && plain.value
      ? active(
          hub,
          [...hub.hosts.all()].map(({ hostId }) => hostId),
        )
      : [];
  const expressions = await openTargets();
  const withFacts = expressions.namesRead(target.expr, "host").facts.length > 0;
  const meant: string[] = [];
  for (let after = ""; ; ) {
    const from = after;
    const page = await hub.store.read((db) => subjectsAfter(db, from, withFacts, HOSTS_PER_READ));
    for (const row of page) if (isMeant(target, row, expressions)) meant.push(row.host_id);
    const last = page.at(-1);
    if (last === undefined) return active(hub, meant);
    after = last.host_id;
  }
}

function isMeant(target: OpTarget, row: SubjectRow, expressions: Expressions): boolean {
  const labels: Subject["labels"] = JSON.parse(row.labels);
  const subject: Subject = { labels, facts: row.facts === null ? {} : factsIn(row.facts), host: { id: row.host_id, name: row.name } };
  return judgeTarget(target, subject, expressions).is === "meant";
}

/** Of an envelope that was verified when it was stored. What can't be read is no facts: the box itself decides on its own. */
function factsIn(envelope: string): Subject["facts"] {
  try {
    const { payload }: { readonly payload: string } = JSON.parse(envelope);
    const { facts }: { readonly facts: Subject["facts"] } = JSON.parse(fromUtf8(fromBase64(payload) ?? new Uint8Array()));
    return facts;
  } catch {
    return {};
  }
}

const active = (hub: Hub, hostIds: readonly string[]): readonly string[] => hostIds.filter((id) => hub.hosts.get(id)?.revoked === false).toSorted();
