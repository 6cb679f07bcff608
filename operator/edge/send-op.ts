import type { Call, ExitCode } from "../../shared/cli/command.ts";
import { parseDuration } from "../../shared/cli/age.ts";
import { count } from "../../shared/cli/age.ts";
import { paint } from "../../shared/cli/colour.ts";
import { confirm, confirmName } from "../../shared/cli/confirm.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { hint, isHuman, present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { OpItem, Pacing } from "../../shared/protocol/api/ops.ts";
import { opTraits } from "../../shared/ops/catalogue.ts";
import { ROLE_OF_CLASS } from "../../shared/ops/op-kind.ts";
import type { Envelope } from "../../shared/trust/envelope.ts";
import { type DraftedOp, standingOf, unsignedOp } from "../../shared/trust/op.ts";
import { optionList, optionText } from "../core/cli/option-values.ts";
import { nameList } from "../core/jobs/job-screen.ts";
import { opData, opText, targetText } from "../core/jobs/op-screen.ts";
import { signOp } from "../core/sign/op-signer.ts";
import type { Aimed } from "./aim.ts";
import { followJob } from "./follow-job.ts";
import { HostIdentities } from "./host-identities.ts";
import { uploadOp } from "./hub-ops.ts";
import { JobOutput } from "./job-output.ts";
import { chooseOpSigners, openSigners } from "./op-signers.ts";
import type { Session } from "./session.ts";

/** The last steps of `run` and `job retry`: show, ask, sign, send, follow. Nothing is signed before it was shown from its own bytes. */
export interface Sending {
  readonly op: DraftedOp;
  readonly aimed: Pick<Aimed, "hosts" | "identities" | "unverified" | "of" | "meant" | "aim" | "undecided" | "seed">;
  readonly pacing: Pacing | undefined;
}

export async function sendAndFollow(call: Call, session: Session, sending: Sending): Promise<ExitCode> {
  const { op, aimed } = sending;
  const unsigned = isSentUnsigned(call, op);
  // A question of this moment to boxes that answer anybody needs no ceremony.
  if (!unsigned || call.globals.dryRun || call.globals.verbose) hint(call, introduction(call, session, sending));
  else for (const line of aimed.unverified) hint(call, warning(call, `left out: ${line}`));
  if (call.globals.dryRun) return dryRun(call, sending);
  if (!unsigned) await ask(call, sending);
  const envelope = unsigned ? unsignedOp(op.bytes) : await sign(call, session, op);
  const item = await uploadOp(session.hub, envelope, sending.pacing);
  if (item.state === "draft" || item.state === "pending") return waiting(call, session, op, envelope);
  if (call.options["detach"] === true) return detached(call, op, item);
  return follow(call, session, sending);
}

export const isSentUnsigned = (call: Pick<Call, "options">, op: DraftedOp): boolean =>
  opTraits(op.payload.kind)?.unsignedByDefault === true &&
  call.options["sign"] !== true &&
  call.options["ssh-agent"] !== true &&
  optionList(call, "key").length === 0;

function introduction(call: Call, session: Session, { op, aimed, pacing }: Sending): string {
  const { terminal } = call;
  const names = nameList(aimed.hosts, call.globals.verbose, terminal.outIsTty ? terminal.columns - 14 : Number.POSITIVE_INFINITY);
  const { threshold } = session.root.payload.roles[ROLE_OF_CLASS[op.class]];
  const pace = pacing === undefined ? "" : paceText(pacing);
  return [
    opText(op, {
      nowMs: session.nowMs,
      terminal,
      targetText: targetText(op.payload.target, (id) => aimed.identities.get(id)?.name),
      more: [
        ["hosts", `${countText(aimed)}: ${names}`],
        ...(pace === "" ? [] : [["pace", pace] as const]),
        ...(threshold > 1 ? [["needs", `${threshold} signatures of the role ${ROLE_OF_CLASS[op.class]}`] as const] : []),
      ],
    }),
    ...(aimed.aim === "expression" && aimed.hosts.length > 0 ? [note(call, "each box decides for itself; one that fits before it expires runs it too")] : []),
    ...(aimed.undecided === undefined ? [] : [warning(call, `on ${count(aimed.undecided.count, "host")} it could not be decided: ${aimed.undecided.because}`)]),
    ...aimed.unverified.map((line) => warning(call, `left out: ${line}`)),
  ].join("\n");
}

const note = (call: Call, text: string): string => `  ${paint(call.terminal, "quiet", text)}`;
const warning = (call: Call, text: string): string => `  ${mark(call.terminal, "warn", escapeUntrusted(text))}`;

function countText({ hosts, meant, of, seed }: Sending["aimed"]): string {
  if (hosts.length < meant) return `${hosts.length} of ${meant} that are meant (seed ${seed})`;
  return hosts.length === of ? `all ${count(of, "host")}` : `${hosts.length} of ${of}`;
}

function paceText({ batch, pause_s, max_fail, canaries, seed }: Pacing): string {
  return [
    ...(canaries === undefined ? [] : [`${count(canaries.length, "canary", "canaries")} first`]),
    ...(batch === undefined ? [] : [`${batch} at a time${seed === undefined ? "" : ` (seed ${seed})`}`]),
    ...(pause_s === undefined ? [] : [`${pause_s} s between`]),
    ...(max_fail === undefined ? [] : [max_fail === 0 ? "stops at the first that fails" : `stops when more than ${max_fail} failed`]),
  ].join(", ");
}

async function ask(call: Call, { op, aimed }: Sending): Promise<void> {
  const [first] = aimed.hosts;
  const whom = aimed.hosts.length === 1 && first !== undefined ? escapeUntrusted(first.name) : count(aimed.hosts.length, "host");
  if (op.class !== "destroy") return confirm(call, `Sign ${op.payload.kind} and send it to ${whom}?`);
  const { target } = op.payload;
  const name = "guest_id" in target ? target.guest_id : aimed.hosts.length === 1 && first !== undefined ? first.name : count(aimed.hosts.length, "host");
  return confirmName(call, { question: `${op.payload.kind} can't be undone.`, name });
}

/** As many signatures as this workstation has keys for; the hub collects the rest from others. */
export async function sign(call: Call, session: Session, op: DraftedOp): Promise<Envelope> {
  const signers = chooseOpSigners(call, await openSigners(call), { root: session.root, role: ROLE_OF_CLASS[op.class], need: "some" });
  return signOp(op.bytes, signers);
}

function dryRun(call: Call, { op, aimed }: Sending): ExitCode {
  present(call, {
    kind: "Op",
    data: { ...opData(op), dryRun: true, hosts: aimed.hosts.map(({ hostId, name }) => ({ id: hostId, name })), unverified: aimed.unverified },
    human: () => "  Nothing was signed or sent: this was a dry run.",
  });
  return 0;
}

function waiting(call: Call, session: Session, op: DraftedOp, envelope: Envelope): ExitCode {
  const { role, threshold, signers } = standingOf(op.bytes, envelope.signatures, op.class, session.root);
  present(call, {
    kind: "Op",
    data: { ...opData(op), state: "pending", signed: signers.length, threshold, role },
    human: () =>
      `  ${mark(call.terminal, "busy", `${op.payload.id} waits`)}  ${signers.length} of ${threshold} signatures of the role ${role}; nothing has reached a box`,
    next: `felhom sign show ${op.payload.id}, on the workstation of another operator; then felhom job follow ${op.payload.id}`,
  });
  return 6;
}

function detached(call: Call, op: DraftedOp, item: OpItem): ExitCode {
  present(call, {
    kind: "Op",
    data: { ...opData(op), state: item.state, total: item.total },
    human: () => `  ${mark(call.terminal, "good", op.payload.id)}  on its way to ${count(item.total, "host")}`,
    next: `felhom job follow ${op.payload.id}`,
  });
  return 0;
}

async function follow(call: Call, session: Session, { op, aimed }: Sending): Promise<ExitCode> {
  const output = new JobOutput(call, op);
  if (!isHuman(call.globals) || !call.globals.quiet) hint(call, paint(call.terminal, "quiet", `  ${op.payload.id}`));
  output.targets({ target: op.payload.target, count: aimed.hosts.length, of: aimed.of, hosts: aimed.hosts.map(({ hostId, name }) => ({ id: hostId, name })) });
  return output.around(() =>
    followJob(call, session, {
      opId: op.payload.id,
      sha256: op.sha256,
      identities: new HostIdentities(session, aimed.identities),
      expected: aimed.hosts,
      wait: call.options["wait"] === true,
      timeoutMs: followLimit(call),
      onHost: output.onHost,
    }),
  );
}

/** `--timeout` of the commands that follow: how long, not how long one request may take. */
export function followLimit(call: Pick<Call, "options">): number | undefined {
  const asked = optionText(call, "timeout");
  if (asked === undefined) return undefined;
  const ms = /^\d{1,5}$/.test(asked) ? Number(asked) * 1_000 : parseDuration(asked);
  if (ms === undefined) throw new Fault("bad_request", `Cannot use --timeout ${asked}`, { remedy: "A time such as 90s, 5m or 1h." });
  return ms;
}
