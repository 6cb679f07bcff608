import type { Call, ExitCode } from "../../shared/cli/command.ts";
import { count, isoTime } from "../../shared/cli/age.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { isFault } from "../../shared/core/fault.ts";
import { Fault } from "../../shared/core/fault.ts";
import { readOpLogLine } from "../../shared/ops/op-log.ts";
import type { HostIdentity } from "../../shared/trust/host-identity.ts";
import { verifyReturn } from "../../shared/trust/op.ts";
import { chooseHost } from "../core/fleet/choose-hosts.ts";
import { checkOpLog, type OpLogCheck, type SignedHead } from "../core/fleet/op-log-check.ts";
import { inParallel } from "../core/in-parallel.ts";
import { HostIdentities } from "./host-identities.ts";
import { listHosts, take } from "./hub-api.ts";
import { listOpLog, listReturns } from "./hub-ops.ts";
import { readOpHeads, rememberOpHeads } from "./op-heads.ts";
import { openSession, type Session } from "./session.ts";

/** `felhom audit verify HOST`: the copy at the hub, the heads in the newest signed answers, and the newest head that was seen here. */
const ENTRIES_MAX = 200_000;
/** Answers whose signed heads are looked at: each proves everything before it. */
const ANSWERS_MAX = 32;
const AT_ONCE = 8;

export async function verifyHostLog(call: Call, asked: string): Promise<ExitCode> {
  const session = await openSession(call);
  const host = chooseHost(await take(listHosts(session.hub)), asked);
  const identity = await new HostIdentities(session).of(host.host_id);
  if (!identity.ok) throw new Fault("unverified", `Cannot verify the log of ${host.name}: ${identity.refusal} ${identity.detail}`);
  const texts = (await take(listOpLog(session.hub, host.host_id), ENTRIES_MAX)).map(({ entry }) => entry);
  const remembered = readOpHeads(call.world, call.globals.home, session.context.fleetId).get(host.host_id);
  const signed = [
    ...(await signedHeads(session, identity.value, texts)),
    ...(remembered === undefined ? [] : [{ ...remembered, from: "what this workstation saw before" }]),
  ];
  const check = checkOpLog(texts, signed);
  if (check.is === "whole" && !call.globals.dryRun) {
    const newest = signed.reduce<SignedHead | undefined>((best, head) => (best === undefined || head.seq > best.seq ? head : best), undefined);
    if (newest !== undefined)
      rememberOpHeads(call.world, call.globals.home, session.context.fleetId, [{ hostId: host.host_id, seq: newest.seq, hash: newest.hash }]);
  }
  const name = escapeUntrusted(identity.value.name);
  const newest = texts.at(-1);
  const last = newest === undefined ? undefined : readOpLogLine(newest)?.entry;
  present(call, {
    kind: "OpLogVerification",
    data: {
      host: identity.value.name,
      hostId: host.host_id,
      whole: check.is === "whole",
      signedHeads: signed.length,
      check,
      newestAt: last === undefined ? null : isoTime(last.at),
    },
    human: () => `  ${sentence(name, check, signed.length, call.terminal)}`,
    next: check.is === "whole" ? undefined : `on the box: felhom status --log, and compare`,
  });
  return check.is === "whole" ? 0 : 7;
}

/** Heads of the newest answers that this host signed. What does not verify proves nothing and is passed over: `job results` names it. */
async function signedHeads(session: Session, identity: HostIdentity, texts: readonly string[]): Promise<readonly SignedHead[]> {
  const ops: string[] = [];
  for (const text of texts.toReversed()) {
    const op = readOpLogLine(text)?.entry.op;
    if (op !== null && op !== undefined && !ops.includes(op)) ops.push(op);
    if (ops.length >= ANSWERS_MAX) break;
  }
  const heads: SignedHead[] = [];
  await inParallel(ops, AT_ONCE, async (op) => {
    for (const { envelope, host_id } of await answersTo(session, op, identity.hostId)) {
      const verdict = host_id === identity.hostId ? verifyReturn(envelope, identity) : undefined;
      if (verdict?.ok === true && verdict.value.log !== undefined)
        heads.push({ seq: verdict.value.log.seq, hash: verdict.value.log.hash, from: `the answer to ${op}` });
    }
  });
  return heads;
}

/** An op that came on a stick, or that was pruned, is none the hub knows. */
async function answersTo(session: Session, op: string, hostId: string) {
  try {
    return await take(listReturns(session.hub, op, { host: hostId }));
  } catch (error) {
    if (isFault(error, "not_found")) return [];
    throw error;
  }
}

function sentence(name: string, check: OpLogCheck, heads: number, terminal: Parameters<typeof mark>[0]): string {
  switch (check.is) {
    case "whole": {
      if (check.entries === 0) return `${mark(terminal, "off", name)}  has run and refused no op that the hub heard of`;
      const pruned = check.first === 1 ? "from its first op on" : `from ${check.first} on; older ones were pruned`;
      const proof = heads === 0 ? "No answer of this host carries a head yet." : `Proven up to ${check.proven} by ${count(heads, "signed head")}.`;
      return `${mark(terminal, "good", `${name}: ${count(check.entries, "entry", "entries")} whole`)}, ${pruned}. Head ${check.head.seq} ${check.head.hash.slice(0, 16)}. ${proof}`;
    }
    case "broken":
      return `${mark(terminal, "bad", `${name}: broken at ${check.atSeq}`)}: ${check.because === "gap" ? "an entry is missing before it" : check.because === "hash" ? "this entry or the one before it was changed" : "this entry can't be read"}`;
    case "rewritten":
      return `${mark(terminal, "bad", `${name}: rewritten`)}: entry ${check.atSeq} is not the one that the box signed in ${check.from}`;
    case "shortened":
      return `${mark(terminal, "bad", `${name}: shortened`)}: the hub shows ${check.headSeq} entries, the box signed entry ${check.signedSeq} in ${check.from}. An entry that is still on its way looks like this for a moment`;
  }
}
