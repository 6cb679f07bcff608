import { count, isoTime, until } from "../../shared/cli/age.ts";
import { confirmName } from "../../shared/cli/confirm.ts";
import type { Call, ExitCode, Run } from "../../shared/cli/command.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { hint, isHuman, present } from "../../shared/cli/present.ts";
import { table } from "../../shared/cli/table.ts";
import { base64 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { KeyId } from "../../shared/core/ids.ts";
import { describeOp } from "../../shared/ops/catalogue.ts";
import { payloadType, type RootPayload } from "../../shared/trust/payloads.ts";
import { REFUSALS } from "../../shared/trust/verdict.ts";
import { optionList } from "../core/cli/option-values.ts";
import { opSignature, type OpSigner } from "../core/sign/op-signer.ts";
import { opScreen, RISK_WORD } from "../core/sign/op-screen.ts";
import { type OpenOp, type PendingOp, readPending } from "../core/sign/pending-op.ts";
import { namedHosts, nameToType, type TargetView } from "../core/sign/target-view.ts";
import { remembered, unusualLines } from "../core/sign/unusual.ts";
import { actorText } from "../core/trust/actor-text.ts";
import { take } from "../edge/hub-api.ts";
import { addOpSignature, listOps } from "../edge/hub-ops.ts";
import { readKnownHosts } from "../edge/known-hosts.ts";
import { chooseOpSigners, openSigners } from "../edge/op-signers.ts";
import { openSession, type Session } from "../edge/session.ts";
import { readSigningMemory, updateSigningMemory, writeReceipt } from "../edge/signing-memory.ts";
import { TargetBook } from "../edge/target-book.ts";

/**
 * `felhom-sign --pending`: what waits for signatures, one by one, each drawn from the very bytes that would be signed. Those bytes are
 * fetched once: what the hub says or changes afterwards can't reach what is on the screen or under the key. The default is no,
 * and `--yes` is not an answer here.
 */
const LINES_MAX = 60;

export const run: Run = async (call) => {
  const session = await openSession(call);
  const digests = optionList(call, "digest").map(spelledDigest);
  const batch = call.options["batch"] === true;
  const pending = readPending(await take(listOps(session.hub, { state: "draft,pending" })), session.root, session.nowMs);
  const open = pending.flatMap((op) => (op.is === "open" ? [op] : []));
  if (!isHuman(call.globals) && digests.length === 0) return list(call, session, pending, open);
  const book = new TargetBook(session, readKnownHosts(call.world, call.globals.home, session.context.fleetId));
  const desk: Desk = { call, session, book, signers: undefined };
  if (digests.length > 0) return finish(call, await byDigest(desk, open, digests), open);
  if (open.length === 0) return list(call, session, pending, open);
  if (!call.globals.input || !call.terminal.inIsTty) {
    throw new Fault("bad_request", "Cannot sign what waits: there is nobody to look at it", {
      remedy: "felhom sign pending -o json lists it; --digest HEX signs exactly the bytes that were looked at elsewhere.",
    });
  }
  call.terminal.out(`${listText(call, pending, session.root.payload)}\n`);
  return finish(call, batch ? await batched(desk, open) : await oneByOne(desk, open), open);
};

interface Desk {
  readonly call: Call;
  readonly session: Session;
  readonly book: TargetBook;
  /** Opened at the first yes. */
  signers: readonly OpSigner[] | undefined;
}

interface Signed {
  readonly op: OpenOp;
  readonly by: readonly KeyId[];
  /** What the hub made of it: whether it holds these bytes with this signature. */
  readonly kept: boolean;
  readonly state: string;
}

async function oneByOne(desk: Desk, open: readonly OpenOp[]): Promise<readonly Signed[]> {
  const signed: Signed[] = [];
  for (const [at, op] of open.entries()) {
    const view = await show(desk, op, `OP ${at + 1} of ${open.length}  `);
    if (view === undefined || !(await wants(desk.call, op, view))) continue;
    const done = await signOne(desk, op, view);
    if (done !== undefined) signed.push(done);
  }
  return signed;
}

/** One question for several, but only for what reads, and for changes that are the same when done twice. */
async function batched(desk: Desk, open: readonly OpenOp[]): Promise<readonly Signed[]> {
  const shown: { op: OpenOp; view: TargetView }[] = [];
  for (const op of open.filter(({ risk }) => risk === "low")) {
    const view = await show(desk, op, "");
    if (view !== undefined) shown.push({ op, view });
  }
  const left = open.length - shown.length;
  if (left > 0) hint(desk.call, `${count(left, "op")} of more than low risk ${left === 1 ? "is" : "are"} left out: look at each by itself.`);
  if (shown.length === 0 || !(await asked(desk.call, `Sign these ${shown.length}?`))) return [];
  const signed: Signed[] = [];
  for (const { op, view } of shown) {
    const done = await signOne(desk, op, view);
    if (done !== undefined) signed.push(done);
  }
  return signed;
}

/** Without a person: exactly the bytes whose SHA-256 was given, and nothing else of what the hub shows. */
async function byDigest(desk: Desk, open: readonly OpenOp[], digests: readonly string[]): Promise<readonly Signed[]> {
  const chosen = digests.map((digest) => {
    const op = open.find(({ draft }) => draft.sha256 === digest);
    if (op !== undefined) return op;
    throw new Fault("refused", `Cannot sign sha256:${digest}: nothing that waits has this digest`, {
      facts: { refusal: "op_mismatch" },
      remedy: "felhom sign pending -o json lists what waits. If it was there a moment ago, the hub holds other bytes now.",
    });
  });
  const signed: Signed[] = [];
  for (const op of chosen) {
    const view = await viewOf(desk, op);
    if (op.risk === "high") await confirmName(desk.call, { question: "This can't be undone.", name: typed(op, view) });
    const done = await signOne(desk, op, view);
    if (done !== undefined) signed.push(done);
  }
  return signed;
}

async function show(desk: Desk, op: OpenOp, title: string): Promise<TargetView | undefined> {
  const { call, session } = desk;
  const view = await desk.book.view(op.draft.payload.target);
  if (!view.ok) {
    call.terminal.out(
      `\n${title}${escapeUntrusted(op.draft.payload.kind)}  ${mark(call.terminal, "bad", `no host could take it: ${escapeUntrusted(view.detail)}`)}\n`,
    );
    return undefined;
  }
  const memory = readSigningMemory(call.world, call.globals.home, session.context.fleetId);
  const { draftedBy, standing } = op;
  const looking = { payload: op.draft.payload, draftedBy, root: session.root.payload, view: view.value, standing, memory, nowMs: session.nowMs };
  const screen = opScreen(
    { ...op, root: session.root, view: view.value, unusual: unusualLines(looking), nowMs: session.nowMs, linesMax: LINES_MAX, title },
    call.terminal,
  );
  call.terminal.out(`\n${screen}\n`);
  return view.value;
}

async function viewOf(desk: Desk, op: OpenOp): Promise<TargetView> {
  const view = await desk.book.view(op.draft.payload.target);
  if (view.ok) return view.value;
  throw new Fault("refused", `Cannot sign ${op.draft.payload.id}: ${REFUSALS[view.refusal]}`, { facts: { refusal: view.refusal } });
}

async function wants(call: Call, op: OpenOp, view: TargetView): Promise<boolean> {
  if (op.risk !== "high") return asked(call, "Sign it?");
  const name = nameToType(op.draft.payload.target, view);
  if (name === undefined) {
    hint(call, "  It can't be signed here: whom it would reach can't be verified, and it can't be undone.");
    return false;
  }
  const answer = await call.terminal.ask(`Type ${escapeUntrusted(name)} to sign, empty line to go on: `);
  if (answer.trim() === name) return true;
  if (answer.trim() !== "") hint(call, "  That is not it: not signed.");
  return false;
}

function typed(op: OpenOp, view: TargetView): string {
  const name = nameToType(op.draft.payload.target, view);
  if (name !== undefined) return name;
  throw new Fault("refused", `Cannot sign ${op.draft.payload.id}: whom it would reach can't be verified, and it can't be undone`, {
    facts: { refusal: "op_target_mismatch" },
  });
}

async function asked(call: Call, question: string): Promise<boolean> {
  const answer = (await call.terminal.ask(`${question} [y/N] `)).trim().toLowerCase();
  return answer === "y" || answer === "yes";
}

async function signOne(desk: Desk, op: OpenOp, view: TargetView): Promise<Signed | undefined> {
  const { call, session } = desk;
  const { draft, standing } = op;
  desk.signers ??= await openSigners(call);
  const mine = chooseOrSay(desk, op, desk.signers);
  if (mine.length === 0) return undefined;
  const signatures = await Promise.all(mine.map((signer) => opSignature(draft.bytes, signer)));
  const payload = base64(draft.bytes);
  const receipt = writeReceipt(call.world, call.globals.home, {
    opId: draft.payload.id,
    sha256: draft.sha256,
    kind: draft.payload.kind,
    signedAt: call.world.clock.wallMs(),
    envelope: { payload, payloadType: payloadType("op"), signatures },
  });
  let state = "unknown";
  let kept = true;
  for (const signature of signatures) {
    const held = await addOpSignature(session.hub, draft.payload.id, signature);
    state = held.state;
    kept = kept && held.payload === payload && held.signatures.some(({ keyid, sig }) => keyid === signature.keyid && sig === signature.sig);
  }
  updateSigningMemory(call.world, call.globals.home, session.context.fleetId, (memory) => remembered(memory, { draftedBy: op.draftedBy, view }));
  const now = standing.signers.length + mine.length;
  hint(call, `  ${mark(call.terminal, "good", `signed ${Math.min(now, standing.threshold)}/${standing.threshold}`)}  receipt ${receipt}`);
  if (!kept)
    hint(
      call,
      `  ${mark(call.terminal, "bad", "the hub answers with other bytes, or without your signature: your signature is for the digest above and nothing else")}`,
    );
  return { op, by: mine.map(({ keyId }) => keyId), kept, state };
}

/** Nothing to do is no fault where several ops are gone through: a key may have signed this one already. */
function chooseOrSay(desk: Desk, { standing }: OpenOp, signers: readonly OpSigner[]): readonly OpSigner[] {
  const { root } = desk.session;
  const able = signers.filter(({ keyId }) => root.payload.roles[standing.role].keys.includes(keyId));
  if (able.length > 0 && able.every(({ keyId }) => standing.signers.includes(keyId))) {
    hint(desk.call, "  Your key signed it already: it waits for somebody else's.");
    return [];
  }
  return chooseOpSigners(desk.call, signers, { root, role: standing.role, signed: standing.signers, need: "some" });
}

// --- answers -------------------------------------------------------------------------------------------------------------------

/** Machine forms list and never sign: 0 nothing waits, 6 something does. */
function list(call: Call, { root: { payload: root } }: Session, pending: readonly PendingOp[], open: readonly OpenOp[]): ExitCode {
  present(call, { kind: "PendingOpList", data: { items: pending.filter(({ is }) => is !== "over").map(itemOf) }, human: () => listText(call, pending, root) });
  return open.length === 0 ? 0 : 6;
}

function listText(call: Call, pending: readonly PendingOp[], root: RootPayload): string {
  const rows = pending.flatMap((op, at) => {
    if (op.is === "refused") return [[at + 1, { text: "refused", style: "bad" } as const, op.claimedId, "", "", "", `${op.code}: ${op.detail}`]];
    if (op.is === "over") return [];
    const { payload } = op.draft;
    return [
      [
        at + 1,
        RISK_WORD[op.risk],
        payload.kind,
        targetsOf(op) ?? "expr",
        `${op.standing.signers.length}/${op.standing.threshold}`,
        until(payload.expires_at, call.world.clock.wallMs()),
        actorText(op.draftedBy, root),
      ],
    ];
  });
  if (rows.length === 0) return "  Nothing waits for a signature.";
  return table(
    [
      { title: "#", align: "right" },
      { title: "RISK" },
      { title: "KIND" },
      { title: "TARGETS", align: "right" },
      { title: "SIGNED" },
      { title: "EXPIRES" },
      { title: "ASKED BY", flex: true },
    ],
    rows,
    call.terminal,
  );
}

/** How many hosts its bytes name; an expression means whoever it fits when it arrives. */
const targetsOf = ({ draft }: Pick<OpenOp, "draft">): number | undefined => namedHosts(draft.payload.target)?.length;

function itemOf(op: PendingOp): Readonly<Record<string, unknown>> {
  if (op.is === "refused") return { id: op.claimedId, refused: op.code, detail: op.detail };
  const { payload, sha256, class: opClass } = op.draft;
  const common = {
    id: payload.id,
    kind: payload.kind,
    class: opClass,
    digest: `sha256:${sha256}`,
    issuedAt: isoTime(payload.issued_at),
    expiresAt: isoTime(payload.expires_at),
  };
  if (op.is === "over") return { ...common, over: op.because };
  return {
    ...common,
    target: payload.target,
    targets: targetsOf(op) ?? null,
    does: describeOp(op.draft.op),
    ...(payload.reason === undefined ? {} : { reason: payload.reason }),
    risk: op.risk,
    words: op.words,
    signed: op.standing.signers,
    threshold: op.standing.threshold,
    role: op.standing.role,
    draftedBy: op.draftedBy,
    note: op.note ?? null,
  };
}

function finish(call: Call, signed: readonly Signed[], open: readonly OpenOp[]): ExitCode {
  const left = open.length - signed.length;
  const sent = signed.filter(({ state }) => !isWaiting(state));
  present(call, {
    kind: "SignedOpList",
    data: { items: signed.map(({ op, by, kept, state }) => ({ id: op.draft.payload.id, digest: `sha256:${op.draft.sha256}`, by, kept, state })), left },
    human: () => `\n  ${signed.length === 0 ? "Nothing was signed." : `${count(signed.length, "op")} signed.`}${left === 0 ? "" : ` ${left} left.`}`,
    next: sent.length === 1 ? `felhom job follow ${sent[0]?.op.draft.payload.id ?? "last"}` : sent.length > 1 ? "felhom job list" : undefined,
  });
  if (signed.some(({ kept }) => !kept)) return 7;
  return left > 0 && optionList(call, "digest").length === 0 ? 6 : 0;
}

/** For other signers still. */
const isWaiting = (state: string): boolean => state === "draft" || state === "pending" || state === "unknown";

function spelledDigest(given: string): string {
  const digest = given.toLowerCase().replace(/^sha256:/, "");
  if (/^[0-9a-f]{64}$/.test(digest)) return digest;
  throw new Fault("bad_request", `Cannot use the digest ${escapeUntrusted(given)}: it is not the whole SHA-256 in hex`, {
    remedy: "felhom sign pending -o json shows digests.",
  });
}
