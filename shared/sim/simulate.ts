/**
 * One run from one seed: a hub is set up, boxes join, then hours of operators' work under faults while every invariant is checked after
 * every turn; then the faults stop, and everything has to settle. The result is a hash of all that happened and what was violated.
 */
import { flatten } from "../core/fault.ts";
import { ackedWritesSurvive } from "./checkers/acked-writes-survive.ts";
import { alarmsAreTrue } from "./checkers/alarms-are-true.ts";
import { auditChainHolds } from "./checkers/audit-chain-holds.ts";
import { bindingsNeverChange } from "./checkers/bindings-never-change.ts";
import type { Checker } from "./checkers/checker.ts";
import { everythingSettles } from "./checkers/everything-settles.ts";
import { livenessIsTrue } from "./checkers/liveness-is-true.ts";
import { noUnexpectedFailure } from "./checkers/no-unexpected-failure.ts";
import { nobodySpins } from "./checkers/nobody-spins.ts";
import { nothingHostile } from "./checkers/nothing-hostile.ts";
import { onlyWhatWasSigned } from "./checkers/only-what-was-signed.ts";
import { opsAtMostOnce } from "./checkers/ops-at-most-once.ts";
import { opsEndOnce } from "./checkers/ops-end-once.ts";
import { reportsArriveOnce } from "./checkers/reports-arrive-once.ts";
import { treesAreExact } from "./checkers/trees-are-exact.ts";
import { versionsNeverFall } from "./checkers/versions-never-fall.ts";
import { HUB_DEFAULTS } from "../../hub/settings.ts";
import { Cluster, type ClusterOptions } from "./cluster/cluster.ts";
import { Nemesis } from "./cluster/nemesis.ts";
import type { Incident } from "./cluster/ops-desk.ts";

export interface SimulateOptions extends Omit<ClusterOptions, "boxes"> {
  readonly boxes?: number;
  /** Virtual hours under faults. */
  readonly hours?: number;
  readonly faults?: boolean;
  /** Ends the run as soon as this checker was violated: what a planted bug is waited for. */
  readonly stopAt?: string;
  /** Ops that the operator signs in a virtual hour; each is aimed at one host or at all. */
  readonly opsPerHour?: number;
  /** How long everything may take to settle. */
  readonly settleHours?: number;
  /** Scripted trouble, for a planted bug that needs a certain one. */
  /** The same, before anything has started. */
  readonly begin?: (cluster: Cluster) => void;
  readonly drive?: (cluster: Cluster, nemesis: Nemesis) => void;
}

export interface Violation {
  readonly checker: string;
  readonly atMs: number;
  readonly text: string;
}

export interface Simulated {
  readonly seed: string;
  readonly hash: string;
  readonly violations: readonly Violation[];
  /** Virtual days times boxes. */
  readonly agentDays: number;
  /** Timers that ran, and effects of processes. */
  readonly turns: number;
  readonly effects: number;
  readonly requests: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly ops: { readonly signed: number /** On some host, each counted once. */; readonly executed: number; readonly answered: number };
  /** How long the fleet took to settle once the faults stopped. */
  readonly settledAfterMs: number | undefined;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SETUP_MS_MAX = 2 * HOUR_MS;
/** Longer than every back-off, interval and window of felhom, several times over. */
const SETTLE_HOURS_MAX = 6;
/** How often the operator turns to his ops. */
const OPERATIONS_PER_HOUR = 12;
const SOMETIMES_MS = 5 * MINUTE_MS;
const VIOLATIONS_MAX = 20;
/** A converge run makes some two hundred, a reboot of everything some thousands. */
const EFFECTS_PER_MINUTE_MAX = 50_000;
/** On top, for each op that is signed in an hour and each box: an op takes some hundred, and many come at once after a storm. */
const EFFECTS_PER_OP_MAX = 20;
/** Boxes sync about ten times in ten minutes; enrolling, fetching and reporting come on top. */
const REQUESTS_PER_TEN_MINUTES_MAX = 300;

export async function simulate(options: SimulateOptions): Promise<Simulated> {
  const boxes = options.boxes ?? 3;
  const cluster = new Cluster({ ...options, boxes });
  const nemesis = new Nemesis(cluster, cluster.rng.fork("nemesis"));
  const run = new Run(cluster, allCheckers(cluster, options.opsPerHour ?? 0), options);
  options.begin?.(cluster);
  await run.setUp();
  if (options.faults !== false) nemesis.start();
  options.drive?.(cluster, nemesis);
  await run.work((options.hours ?? 8) * HOUR_MS);
  nemesis.heal();
  const settledAfterMs = run.isOver ? undefined : await run.settle((options.settleHours ?? SETTLE_HOURS_MAX) * HOUR_MS);
  return {
    seed: options.seed,
    hash: run.finalHash(),
    violations: run.violations,
    agentDays: (cluster.nowMs / 86_400_000) * boxes,
    turns: cluster.scheduler.ran,
    effects: cluster.effects,
    requests: [...cluster.network.requestsBy.values()].reduce((sum, count) => sum + count, 0),
    faults: { ...nemesis.injected, "net.disturbed": cluster.weather.faults, "net.tampered": cluster.middleman.tampered },
    ops: { signed: cluster.truth.ops.signed.size, executed: cluster.truth.ops.effects.size, answered: run.answers() },
    settledAfterMs,
  };
}

function allCheckers(cluster: Cluster, opsPerHour: number): readonly Checker[] {
  return [
    ackedWritesSurvive(),
    alarmsAreTrue(),
    reportsArriveOnce(),
    onlyWhatWasSigned(),
    versionsNeverFall(),
    nothingHostile(),
    auditChainHolds(),
    bindingsNeverChange(),
    livenessIsTrue(HUB_DEFAULTS.liveness),
    noUnexpectedFailure(),
    nobodySpins((machine) => cluster.network.requestsBy.get(machine) ?? 0, REQUESTS_PER_TEN_MINUTES_MAX + 2 * opsPerHour),
    opsAtMostOnce(),
    opsEndOnce(),
    everythingSettles(),
    treesAreExact(),
  ];
}

class Run {
  readonly violations: Violation[] = [];
  readonly #cluster: Cluster;
  readonly #checkers: readonly Checker[];
  #sometimesAtMs = 0;
  #minute = { startMs: 0, effects: 0 };
  #isSpinning = false;

  readonly #stopAt: string | undefined;
  readonly #opsPerHour: number;

  constructor(cluster: Cluster, checkers: readonly Checker[], { stopAt, opsPerHour = 0 }: Pick<SimulateOptions, "stopAt" | "opsPerHour">) {
    this.#stopAt = stopAt;
    this.#opsPerHour = opsPerHour;
    this.#cluster = cluster;
    this.#checkers = checkers;
  }

  get isOver(): boolean {
    return this.#isSpinning || this.violations.length >= VIOLATIONS_MAX || this.violations.some(({ checker }) => checker === this.#stopAt);
  }

  async setUp(): Promise<void> {
    const { hub, boxes, operator } = this.#cluster;
    hub.boot();
    for (const box of boxes) box.boot();
    this.#operate(() => operator.round());
    const isDone = (): boolean => {
      this.#operate(() => operator.round());
      return operator.isReady && boxes.every((box) => box.isEnrolled());
    };
    await this.#advance(SETUP_MS_MAX, isDone, MINUTE_MS);
    if (!operator.isReady) this.#violated("everything-settles", "the operator could not set the hub up");
  }

  /** The operator's day: something every few minutes. */
  async work(ms: number): Promise<void> {
    const { operator, rng } = this.#cluster;
    const chance = rng.fork("work");
    const deeds = [
      () => operator.publish(),
      () => operator.publish(),
      () => operator.editSpec(),
      () => operator.relabel(),
      () => operator.rotateRoot(),
      () => operator.round(),
      () => operator.round(),
    ];
    this.#operate(() => operator.publish());
    let isOver = false;
    const next = (): void => {
      if (isOver) return;
      const deed = deeds[chance.int(deeds.length)];
      if (deed !== undefined) this.#operate(deed);
      this.#cluster.scheduler.after(chance.int(30 * MINUTE_MS), next);
    };
    this.#cluster.scheduler.after(chance.int(10 * MINUTE_MS), next);
    const operate = (): void => {
      if (isOver) return;
      this.#operate(() => operator.operate(Math.round(this.#opsPerHour / OPERATIONS_PER_HOUR), this.#incidents()));
      this.#cluster.scheduler.after(chance.int((2 * HOUR_MS) / OPERATIONS_PER_HOUR), operate);
    };
    if (this.#opsPerHour > 0) operate();
    await this.#advance(ms);
    isOver = true;
  }

  /** How long it took; undefined when it never settled. */
  async settle(maxMs: number): Promise<number | undefined> {
    const { operator, scheduler } = this.#cluster;
    const startMs = scheduler.nowMs;
    const unsettled = (): readonly string[] =>
      this.#checkers.flatMap((checker) => (checker.settled?.(this.#cluster) ?? []).map((text) => `${checker.name}: ${text}`));
    const finish = async (): Promise<void> => {
      await operator.enforceAll();
      await operator.round();
      if (this.#opsPerHour > 0) await operator.operate(0, this.#incidents());
    };
    this.#operate(finish);
    await this.#advance(
      maxMs,
      () => {
        this.#operate(finish);
        return unsettled().length === 0;
      },
      2 * MINUTE_MS,
    );
    const lacks = unsettled();
    for (const lack of lacks.slice(0, 5)) this.#violated(lack.slice(0, lack.indexOf(":")), lack.slice(lack.indexOf(":") + 2));
    return lacks.length === 0 ? scheduler.nowMs - startMs : undefined;
  }

  /** Final answers that the hub has. */
  answers(): number {
    const database = this.#cluster.hub.database();
    return database?.get<{ answers: number }>("check", "SELECT count(*) AS answers FROM op_returns WHERE state <> 'running'")?.answers ?? 0;
  }

  /** What the boxes' own screens say; an operator who is asked to recover a ledger looks there. */
  #incidents(): readonly Incident[] {
    return this.#cluster.boxes.flatMap((box) => {
      const row = box.database()?.get<{ incident: string | null }>("check", "SELECT incident FROM ledger WHERE id = 1");
      const hostId = box.hostId();
      return row?.incident === undefined || row.incident === null || hostId === undefined ? [] : [{ hostId, incident: row.incident }];
    });
  }

  /** Also what lies on the disks, so that nothing hides behind equal calls. */
  finalHash(): string {
    const { hash, hub, boxes } = this.#cluster;
    for (const { machine } of [hub, ...boxes]) {
      for (const [path, node] of machine.disk.paths()) {
        const content =
          node.kind === "file" ? Buffer.from(node.sqlite?.serialize() ?? node.bytes).toString("latin1") : node.kind === "symlink" ? node.target : "";
        hash.add(`${machine.name} ${path} ${node.kind} ${Bun.hash(content)}`);
      }
    }
    return hash.text();
  }

  /** Until the time is over, or until `isDone` says so; it is asked every `everyMs`. */
  async #advance(ms: number, isDone: () => boolean = () => false, everyMs = Number.POSITIVE_INFINITY): Promise<void> {
    const { scheduler } = this.#cluster;
    const untilMs = scheduler.nowMs + ms;
    let askMs = scheduler.nowMs + everyMs;
    for (let nextMs = scheduler.nextMs; nextMs !== undefined && nextMs <= untilMs; nextMs = scheduler.nextMs) {
      await scheduler.step();
      this.#check();
      if (this.isOver) return;
      if (scheduler.nowMs < askMs) continue;
      askMs = scheduler.nowMs + everyMs;
      if (isDone()) return;
    }
  }

  #check(): void {
    const { changed, nowMs, boxes } = this.#cluster;
    this.#checkPace();
    const report = (checker: Checker) => (text: string) => this.#violated(checker.name, text);
    if (changed.size > 0) {
      for (const box of boxes) {
        if (!changed.has(box.machine.name)) continue;
        for (const checker of this.#checkers) checker.afterBox?.(this.#cluster, box, report(checker));
      }
      if (changed.has("hub")) for (const checker of this.#checkers) checker.afterHub?.(this.#cluster, report(checker));
      changed.clear();
    }
    if (nowMs < this.#sometimesAtMs) return;
    this.#sometimesAtMs = nowMs + SOMETIMES_MS;
    for (const checker of this.#checkers) checker.sometimes?.(this.#cluster, report(checker));
  }

  /** A loop without a wait burns a processor for ever, on a box as here: it ends the run. */
  #checkPace(): void {
    const { nowMs, effects } = this.#cluster;
    if (nowMs - this.#minute.startMs >= MINUTE_MS) this.#minute = { startMs: nowMs, effects };
    if (effects - this.#minute.effects < EFFECTS_PER_MINUTE_MAX + EFFECTS_PER_OP_MAX * this.#opsPerHour * this.#cluster.boxes.length || this.#isSpinning)
      return;
    this.#isSpinning = true;
    this.#violated("nobody-spins", `${effects - this.#minute.effects} effects within a minute, by ${this.#cluster.busiest()}`);
  }

  #operate(deed: () => Promise<void>): void {
    deed().catch((error: unknown) => this.#violated("no-unexpected-failure", `the operator's tool failed: ${flatten(error)}`));
  }

  #violated(checker: string, text: string): void {
    if (this.violations.length >= VIOLATIONS_MAX || this.violations.some((known) => known.checker === checker && known.text === text)) return;
    this.violations.push({ checker, atMs: this.#cluster.nowMs, text });
  }
}
