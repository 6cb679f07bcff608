import type { Call, ExitCode } from "../../shared/cli/command.ts";
import { isoTime } from "../../shared/cli/age.ts";
import { safeJson } from "../../shared/cli/escape.ts";
import { isHuman, present, suggest } from "../../shared/cli/present.ts";
import { Fault, flatten, isFault } from "../../shared/core/fault.ts";
import type { DraftedOp } from "../../shared/trust/op.ts";
import type { Heard, HostBook, JobBook } from "../core/jobs/job-book.ts";
import { hostData, hostLineType, summaryData } from "../core/jobs/job-data.ts";
import { jobExit, openHosts } from "../core/jobs/job-exit.ts";
import { jobText } from "../core/jobs/job-screen.ts";
import { opData } from "../core/jobs/op-screen.ts";
import type { Followed } from "./follow-job.ts";

/** A job's answers in the form that was asked for: lines as they come for `-o jsonl`, one object, or the screen at the end. */
export class JobOutput {
  readonly #call: Call;
  readonly #op: DraftedOp;

  constructor(call: Call, op: DraftedOp) {
    this.#call = call;
    this.#op = op;
  }

  /** `targets`, before anything else. */
  targets(data: Readonly<Record<string, unknown>>): void {
    this.#line("targets", { job: this.#op.payload.id, opKind: this.#op.payload.kind, ...data });
  }

  readonly onHost = (host: HostBook, how: Heard): void => {
    if (how === "started") this.#line("started", { job: this.#op.payload.id, host: host.name, hostId: host.hostId });
    else this.#line(hostLineType(host), hostData(host, this.#op.payload.id));
  };

  /** Follows to the end whatever happens on the way: the last line of a stream is always its summary. */
  async around(follow: () => Promise<Followed>): Promise<ExitCode> {
    try {
      const followed = await follow();
      return this.finish(followed);
    } catch (error) {
      if (this.#call.globals.output !== "jsonl" || isFault(error, "pipe_closed")) throw error;
      const exit = exitOf(error);
      this.#line("error", { job: this.#op.payload.id, code: error instanceof Fault ? error.code : "defect", message: flatten(error) });
      this.#line("summary", { job: this.#op.payload.id, exit });
      return exit;
    }
  }

  finish({ book, end, elapsedMs }: Followed): ExitCode {
    const id = this.#op.payload.id;
    if (end === "interrupted") {
      this.#line("summary", summaryData(book, id, { exit: 130, elapsedMs }));
      this.#call.terminal.err(`\nStill running: felhom job follow ${id}\n`);
      return 130;
    }
    const exit = jobExit(book.counts(), end === "timeout");
    if (this.#call.globals.output === "jsonl") {
      for (const host of book.hosts()) if (host.answer === undefined && host.outcome !== "unverified") this.#line(hostLineType(host), this.#silent(host));
      this.#line("summary", summaryData(book, id, { exit, elapsedMs }));
      return exit;
    }
    this.show(book, { exit, elapsedMs });
    return exit;
  }

  show(book: JobBook, end: { readonly exit: ExitCode; readonly elapsedMs: number }): void {
    const { terminal, globals, world } = this.#call;
    const id = this.#op.payload.id;
    const paper = { nowMs: world.clock.wallMs(), terminal, verbose: globals.verbose || globals.output === "wide", expiresMs: this.#op.payload.expires_at };
    const items = book.hosts().map((host) => ({ name: host.name, ...hostData(host, id) }));
    present(this.#call, {
      kind: "Job",
      data: { ...opData(this.#op), items, summary: summaryData(book, id, end) },
      human: () => jobText(book, paper),
    });
    if (isHuman(globals) && end.exit !== 0) suggest(this.#call, nextOf(book, id));
  }

  #silent(host: HostBook): Readonly<Record<string, unknown>> {
    const open = host.outcome === "waiting" || host.outcome === "running";
    return { ...hostData(host, this.#op.payload.id), ...(open ? { queuedUntil: isoTime(this.#op.payload.expires_at) } : {}) };
  }

  #line(type: string, data: Readonly<Record<string, unknown>>): void {
    if (this.#call.globals.output === "jsonl") this.#call.terminal.out(`${safeJson({ type, ...data })}\n`);
  }
}

function nextOf(book: JobBook, id: string): string {
  const counts = book.counts();
  if (openHosts(counts) > 0) return `felhom job follow ${id} --wait`;
  if (counts.unverified > 0) return `felhom host list --verify`;
  return counts.refused + counts.busy + counts.expired + counts.cancelled > 0 ? `felhom job retry ${id}` : `felhom job retry ${id} --failed`;
}

const EXITS: readonly ExitCode[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 75, 124, 130];
const exitOf = (error: unknown): ExitCode => EXITS.find((code) => error instanceof Fault && code === error.exit) ?? 1;
