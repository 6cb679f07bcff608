import type { Call, ExitCode, Run } from "../../shared/cli/command.ts";
import { count } from "../../shared/cli/age.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark, markCell } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { table, type Cell } from "../../shared/cli/table.ts";
import { fromBase64, fromUtf8, utf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { type Envelope, parseEnvelope } from "../../shared/trust/envelope.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { verifyOp, verifyReturn } from "../../shared/trust/op.ts";
import { payloadType, returnPayload } from "../../shared/trust/payloads.ts";
import { parseStrict } from "../../shared/trust/strict-json.ts";
import { argList } from "../core/cli/option-values.ts";
import { JobBook, type HostBook } from "../core/jobs/job-book.ts";
import { hostData } from "../core/jobs/job-data.ts";
import { jobExit } from "../core/jobs/job-exit.ts";
import { whyText } from "../core/jobs/job-screen.ts";
import { readAny } from "../edge/aim.ts";
import { HostIdentities } from "../edge/host-identities.ts";
import { handReturns, type Handed } from "../edge/hand-returns.ts";
import { uploadOp } from "../edge/hub-ops.ts";
import { rememberOpHeads } from "../edge/op-heads.ts";
import { openSession, type Session } from "../edge/session.ts";

/**
 * What came home on a USB stick. Receipts of boxes (`felhom op receipts` there): each answer is verified here against its host's certificate,
 * and those that verify are handed to the hub, which counts each once, also when the box tells it later. An op (`felhom op export`): it is
 * handed to the hub as it was signed.
 */
const FILE_BYTES_MAX = 64 * 1_024 * 1_024;
const RECORDS_MAX = 20_000;

export const run: Run = async (call) => {
  const envelopes: Envelope[] = [];
  for (const path of argList(call, "file")) envelopes.push(...readEnvelopes(await readAny(call, path, FILE_BYTES_MAX), path));
  const session = await openSession(call);
  const ops = envelopes.filter((envelope) => envelope.payloadType === payloadType("op"));
  const returns = envelopes.filter((envelope) => envelope.payloadType === payloadType("return"));
  if (ops.length + returns.length < envelopes.length || (ops.length > 0 && returns.length > 0))
    throw new Fault("bad_request", "Cannot import: the file holds something else than ops, or than receipts", {
      remedy: "felhom op export makes the one; felhom op receipts, on a box, the other.",
    });
  return ops.length > 0 ? importOps(call, session, ops) : importReceipts(call, session, returns);
};

/** One envelope, or one a line. */
function readEnvelopes(bytes: Uint8Array, path: string): readonly Envelope[] {
  const lines = fromUtf8(bytes)
    .split("\n")
    .filter((line) => line.trim() !== "");
  if (lines.length > RECORDS_MAX) throw new Fault("too_large", `Cannot import ${path}: it has ${lines.length} records, at most ${RECORDS_MAX} are taken`);
  return lines.map((line, at) => mustVerify(parseEnvelope(utf8(line)), `Cannot import line ${at + 1} of ${path}`));
}

interface Row {
  readonly id: string;
  readonly host: HostBook;
}

async function importReceipts(call: Call, session: Session, returns: readonly Envelope[]): Promise<ExitCode> {
  const identities = new HostIdentities(session);
  const byOp = new Map<string, JobBook>();
  const proven: Envelope[] = [];
  let foreign = 0;
  for (const envelope of returns) {
    const claimed = claimedHost(envelope);
    const identity = claimed === undefined ? undefined : await identities.of(claimed);
    const verdict = identity?.ok === true ? verifyReturn(envelope, identity.value) : undefined;
    if (claimed === undefined || identity?.ok !== true || verdict?.ok !== true) {
      foreign += 1;
      continue;
    }
    const book = byOp.get(verdict.value.op_id) ?? new JobBook();
    byOp.set(verdict.value.op_id, book);
    book.heard(claimed, identity.value.name, verdict);
    proven.push(envelope);
  }
  const rows = [...byOp].flatMap(([id, book]): readonly Row[] => book.hosts().map((host) => ({ id, host })));
  const heads = rows.flatMap(({ host }) =>
    host.answer?.log === undefined ? [] : [{ hostId: host.hostId, seq: host.answer.log.seq, hash: host.answer.log.hash }],
  );
  if (!call.globals.dryRun) rememberOpHeads(call.world, call.globals.home, session.context.fleetId, heads);
  const handed = call.globals.dryRun ? undefined : await handReturns(session.hub, proven);
  const bad = [...byOp.values()].map((book) => jobExit(book.counts(), false)).find((exit) => exit !== 0);
  const exit: ExitCode = foreign > 0 || (handed?.refused.length ?? 0) > 0 ? 7 : (bad ?? 0);
  const [id, ...others] = byOp.keys();
  present(call, {
    kind: "ReceiptList",
    data: { items: rows.map(({ id: op, host }) => hostData(host, op)), unverified: foreign, dryRun: call.globals.dryRun, ...handed },
    human: () => receiptText(call, session, rows, foreign, handed),
    next: id === undefined || handed === undefined ? undefined : nextOf(id, others.length, handed),
  });
  return exit;
}

/** What waits for its op can be counted only when somebody brings that op. */
function nextOf(id: string, others: number, { opsMissing }: Handed): string {
  if (opsMissing.length > 0) return "felhom op import FILE, with the op that felhom op export wrote";
  return others === 0 ? `felhom job results ${id}` : "felhom job list";
}

/** Whose key has to verify it. Nothing else is read before it does. */
function claimedHost({ payload }: Envelope): string | undefined {
  const bytes = fromBase64(payload);
  const parsed = bytes === undefined ? undefined : parseStrict(returnPayload, bytes, "return");
  return parsed?.ok === true ? parsed.value.host_id : undefined;
}

function receiptText(call: Call, session: Session, rows: readonly Row[], foreign: number, handed: Handed | undefined): string {
  const { terminal } = call;
  const cells = rows.map(({ id, host }): readonly Cell[] => [
    id,
    host.name,
    markCell(terminal, host.outcome === "ok" ? "good" : "bad", host.outcome),
    whyText(host, { nowMs: session.nowMs, expiresMs: 0 }),
  ]);
  return [
    ...(rows.length === 0
      ? ["  No answer in it."]
      : [table([{ title: "OP" }, { title: "HOST", flex: true }, { title: "OUTCOME" }, { title: "", flex: true }], cells, terminal)]),
    ...(foreign > 0 ? [`  ${mark(terminal, "bad", `${count(foreign, "record")} that no host of this fleet signed`)}`] : []),
    ...(handed === undefined ? [] : handedLines(call, handed)),
  ].join("\n");
}

function handedLines({ terminal }: Call, { taken, known, refused, opsMissing }: Handed): readonly string[] {
  const again = known === 0 ? "" : `  ${taken === 0 ? "the hub had all of them" : `it had ${known} already`}`;
  return [
    ...(taken + known === 0 ? [] : [`  ${mark(terminal, "good", `${count(taken, "record")} handed to the hub`)}${again}`]),
    ...(opsMissing.length === 0
      ? []
      : [`  ${mark(terminal, "warn", "kept until their op comes, which the hub does not have")}  ${opsMissing.map(escapeUntrusted).join(", ")}`]),
    ...refused.map(({ code, why }) => `  ${mark(terminal, "bad", `refused by the hub: ${code}`)}  ${escapeUntrusted(why)}`),
  ];
}

async function importOps(call: Call, session: Session, envelopes: readonly Envelope[]): Promise<ExitCode> {
  const ids: string[] = [];
  for (const envelope of envelopes) {
    const op = mustVerify(verifyOp({ envelope, root: session.root }), "Cannot import");
    if (!call.globals.dryRun) await uploadOp(session.hub, envelope);
    ids.push(op.payload.id);
  }
  present(call, {
    kind: "OpList",
    data: { items: ids.map((id) => ({ id })), dryRun: call.globals.dryRun },
    human: () => `  ${mark(call.terminal, "good", `${count(ids.length, "op")} handed to the hub`)}  ${ids.join(", ")}`,
    next: ids[0] === undefined ? undefined : `felhom job follow ${ids[0]}`,
  });
  return 0;
}
