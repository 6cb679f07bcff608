import * as z from "zod/mini";
import type { Call, ExitCode, Run } from "../../shared/cli/command.ts";
import { count } from "../../shared/cli/age.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark, markCell } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { table, type Cell } from "../../shared/cli/table.ts";
import { fromUtf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { verifyOpLog } from "../../shared/ops/op-log.ts";
import { OP_FILE_BYTES_MAX, opFile, receiptFile, type OpFile, type ReceiptFile } from "../../shared/protocol/op-carrier.ts";
import { verifyOp, verifyReturn } from "../../shared/trust/op.ts";
import { JobBook, type HostBook } from "../core/jobs/job-book.ts";
import { hostData } from "../core/jobs/job-data.ts";
import { jobExit } from "../core/jobs/job-exit.ts";
import { whyText } from "../core/jobs/job-screen.ts";
import { argText } from "../core/cli/option-values.ts";
import { readAny } from "../edge/aim.ts";
import { HostIdentities } from "../edge/host-identities.ts";
import { uploadOp } from "../edge/hub-ops.ts";
import { rememberOpHeads } from "../edge/op-heads.ts";
import { openSession, type Session } from "../edge/session.ts";

/**
 * What came back on a USB stick. Receipts of a box: every answer and the box's own log are verified here against its certificate; the box tells
 * the hub itself when it reaches it again. A file of ops: they are handed to the hub as they were signed, for hosts that it does reach.
 */
export const run: Run = async (call) => {
  const path = argText(call, "file");
  const value = parsed(await readAny(call, path, OP_FILE_BYTES_MAX), path);
  const session = await openSession(call);
  const receipts = z.safeParse(receiptFile, value);
  if (receipts.success) return importReceipts(call, session, receipts.data);
  const ops = z.safeParse(opFile, value);
  if (ops.success) return importOps(call, session, ops.data);
  throw new Fault("bad_request", `Cannot import ${path}: it is neither a file of ops nor one of receipts`, {
    remedy: "felhom op export makes the one, felhom op export on a box the other.",
  });
};

function parsed(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch (cause) {
    throw new Fault("bad_request", `Cannot import ${path}: it is not JSON`, { cause });
  }
}

async function importReceipts(call: Call, session: Session, file: ReceiptFile): Promise<ExitCode> {
  if (file.fleet_id !== session.context.fleetId) throw new Fault("refused", `Cannot import: these receipts are of the fleet ${file.fleet_id}`);
  const identity = await new HostIdentities(session).of(file.host_id);
  if (!identity.ok) throw new Fault("unverified", `Cannot import the receipts of ${file.host_id}: ${identity.refusal} ${identity.detail}`);
  const byOp = new Map<string, JobBook>();
  let foreign = 0;
  for (const envelope of file.returns) {
    const verdict = verifyReturn(envelope, identity.value);
    if (!verdict.ok) foreign += 1;
    else {
      const book = byOp.get(verdict.value.op_id) ?? new JobBook();
      byOp.set(verdict.value.op_id, book);
      book.heard(file.host_id, identity.value.name, verdict);
    }
  }
  const rows = [...byOp].flatMap(([id, book]) => book.hosts().map((host) => ({ id, host })));
  const heads = rows.flatMap(({ host }) =>
    host.answer?.log === undefined ? [] : [{ hostId: host.hostId, seq: host.answer.log.seq, hash: host.answer.log.hash }],
  );
  rememberOpHeads(call.world, call.globals.home, session.context.fleetId, heads);
  const log = file.log === undefined ? undefined : verifyOpLog(file.log);
  const failed = rows.map(({ host }) => jobExit({ ...NOBODY, [host.outcome]: 1 }, false)).filter((exit) => exit !== 0);
  const exit: ExitCode = foreign > 0 || log?.ok === false ? 7 : (failed[0] ?? 0);
  present(call, {
    kind: "ReceiptList",
    data: { host: identity.value.name, hostId: file.host_id, items: rows.map(({ id, host }) => hostData(host, id)), unverified: foreign, log: log ?? null },
    human: () => receiptText(call, session, { name: identity.value.name, rows, foreign, log }),
  });
  return exit;
}

const NOBODY = { ok: 0, failed: 0, refused: 0, busy: 0, interrupted: 0, cancelled: 0, expired: 0, silent: 0, unverified: 0, running: 0, waiting: 0 } as const;

interface Receipts {
  readonly name: string;
  readonly rows: readonly { readonly id: string; readonly host: HostBook }[];
  readonly foreign: number;
  readonly log: ReturnType<typeof verifyOpLog> | undefined;
}

function receiptText(call: Call, session: Session, { name, rows, foreign, log }: Receipts): string {
  const { terminal } = call;
  const cells = rows.map(({ id, host }): readonly Cell[] => [
    id,
    markCell(terminal, host.outcome === "ok" ? "good" : "bad", host.outcome),
    whyText(host, { nowMs: session.nowMs, expiresMs: 0 }),
  ]);
  return [
    `${escapeUntrusted(name)}: ${count(rows.length, "op")} answered, each answer signed by this host`,
    ...(rows.length === 0 ? [] : [table([{ title: "OP" }, { title: "OUTCOME" }, { title: "", flex: true }], cells, terminal)]),
    ...(foreign > 0 ? [`  ${mark(terminal, "bad", `${count(foreign, "record")} not signed by this host`)}`] : []),
    ...(log === undefined
      ? []
      : [
          `  ${log.ok ? mark(terminal, "good", `its log of ${count(log.entries, "op")} is unbroken`) : mark(terminal, "bad", `its log is broken at ${log.brokenSeq}`)}`,
        ]),
  ].join("\n");
}

async function importOps(call: Call, session: Session, file: OpFile): Promise<ExitCode> {
  const ids: string[] = [];
  for (const envelope of file.ops) {
    const op = verifyOp({ envelope, root: session.root });
    if (!op.ok) throw new Fault("refused", `Cannot import: ${op.refusal} ${op.detail}`, { facts: { refusal: op.refusal } });
    if (!call.globals.dryRun) await uploadOp(session.hub, envelope);
    ids.push(op.value.payload.id);
  }
  present(call, {
    kind: "OpList",
    data: { items: ids.map((id) => ({ id })), dryRun: call.globals.dryRun },
    human: () => `  ${mark(call.terminal, "good", `${count(ids.length, "op")} handed to the hub`)}  ${ids.join(", ")}`,
    next: ids[0] === undefined ? undefined : `felhom job follow ${ids[0]}`,
  });
  return 0;
}
