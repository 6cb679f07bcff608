/**
 * Breaks things, from the seed: kills and power cuts, deaths at single effects, full and failing disks, storms, partitions, portals,
 * jumping clocks, damaged files, a hostile man in the middle. Everything it does can end: `heal` puts the world in order again,
 * and what is not in order some time after that is a defect of felhom.
 */
import { Fault } from "../../core/fault.ts";
import type { Rng } from "../../ports/rng.ts";
import { DONE, type EffectKind, type Fate, type SimProcess } from "../sim-process.ts";
import { CALM } from "../weather.ts";
import type { Cluster } from "./cluster.ts";
import type { SimBox } from "./sim-box.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** One copy of what a box holds is damaged, and it is given this long to mend it, before the next is. */
const DAMAGE_AGAIN_MS = 2 * HOUR_MS;

type Mischief = (box: SimBox) => void;

export class Nemesis {
  readonly #cluster: Cluster;
  readonly #rng: Rng;
  readonly #end: (() => void)[] = [];
  readonly #diskFaults = new Set<string>();
  #active = false;
  /** One effect in this many kills its process, before or after. */
  #deathsPerEffect = 0;
  readonly #damagedAtMs = new Map<SimBox, number>();
  readonly #clockOff = new Map<SimBox, number>();
  /** By kind. */
  readonly injected: Record<string, number> = {};

  constructor(cluster: Cluster, rng: Rng) {
    this.#cluster = cluster;
    this.#rng = rng;
    cluster.fates = (machine, process, op, kind) => this.#fate(machine, process, op, kind);
  }

  get count(): number {
    return Object.values(this.injected).reduce((sum, count) => sum + count, 0) + this.#cluster.weather.faults + this.#cluster.middleman.tampered;
  }

  start(): void {
    this.#active = true;
    this.#deathsPerEffect = this.#rng.int(3) === 0 ? 0 : 1 / (2_000 + this.#rng.int(20_000));
    this.#next();
  }

  /** Ends every fault that has an end; what was lost stays lost. */
  heal(): void {
    this.#active = false;
    for (const end of this.#end.splice(0)) end();
    this.#cluster.weather.healAll();
    this.#cluster.middleman.hostility = 0;
    this.#diskFaults.clear();
    for (const [box, offMs] of this.#clockOff) box.machine.jumpWall(-offMs);
    this.#clockOff.clear();
    for (const machine of [this.#cluster.hub.machine, ...this.#cluster.boxes.map((box) => box.machine)]) machine.disk.capacityBytes = 1024 ** 3;
    this.#cluster.hub.boot();
    for (const box of this.#cluster.boxes) box.boot();
  }

  #next(): void {
    if (!this.#active) return;
    this.#cluster.scheduler.after(this.#rng.int(8 * MINUTE_MS), () => {
      if (!this.#active) return;
      this.#strike();
      this.#next();
    });
  }

  #strike(): void {
    const box = this.#cluster.boxes[this.#rng.int(this.#cluster.boxes.length)];
    const [name, mischief] = MISCHIEF[this.#rng.int(MISCHIEF.length)] ?? [];
    if (box === undefined || name === undefined || mischief === undefined) return;
    this.injected[name] = (this.injected[name] ?? 0) + 1;
    this.#cluster.hash.add(`nemesis ${name} ${box.machine.name}`);
    mischief(this)(box);
  }

  /** Runs `end` after a while, or at the healing. */
  #until(ms: number, end: () => void): void {
    let over = false;
    const once = (): void => {
      if (over) return;
      over = true;
      end();
    };
    this.#end.push(once);
    this.#cluster.scheduler.after(ms, once);
  }

  #some(maxMs: number): number {
    return 1_000 + this.#rng.int(maxMs);
  }

  readonly killAgent: Mischief = (box) => {
    const lives = this.#rng.int(2) === 0;
    box.machine.orphansLive = () => lives;
    box.keeper.crash();
  };

  readonly killAll: Mischief = (box) => {
    for (const process of box.machine.processes) process.die();
  };

  readonly restartAgent: Mischief = (box) => box.keeper.restart();

  readonly powerCutBox: Mischief = (box) => box.powerCut(this.#some(HOUR_MS));

  readonly killHub: Mischief = () => this.#cluster.hub.keeper.crash();

  readonly restartHub: Mischief = () => this.#cluster.hub.keeper.restart();

  readonly powerCutHub: Mischief = () => this.#cluster.hub.powerCut(this.#some(20 * MINUTE_MS));

  readonly storm: Mischief = () => {
    const share = (max: number): number => (this.#rng.int(2) === 0 ? 0 : this.#rng.next() * max);
    this.#cluster.weather.storm = {
      lost: share(0.4),
      refused: share(0.3),
      portal: share(0.3),
      cut: share(0.4),
      replyLost: share(0.2),
      twice: share(0.3),
      delayMsMax: 20 + this.#rng.int(5_000),
    };
    this.#until(this.#some(HOUR_MS), () => {
      this.#cluster.weather.storm = CALM;
    });
  };

  readonly partition: Mischief = (box) => {
    this.#cluster.weather.partition(box.machine.name, "hub");
    this.#until(this.#some(3 * HOUR_MS), () => this.#cluster.weather.heal(box.machine.name, "hub"));
  };

  readonly fullDiskBox: Mischief = (box) => this.#fillDisk(box);

  #fillDisk({ machine }: Pick<SimBox, "machine">): void {
    machine.disk.capacityBytes = Math.max(0, 1024 ** 3 - machine.disk.freeBytes) + this.#rng.int(4_096);
    this.#until(this.#some(HOUR_MS), () => {
      machine.disk.capacityBytes = 1024 ** 3;
    });
  }

  readonly fullDiskHub: Mischief = () => this.#fillDisk(this.#cluster.hub);

  readonly failingDisk: Mischief = (box) => {
    const { name } = this.#rng.int(3) === 0 ? this.#cluster.hub.machine : box.machine;
    this.#diskFaults.add(name);
    this.#until(this.#some(10 * MINUTE_MS), () => void this.#diskFaults.delete(name));
  };

  readonly clockJump: Mischief = (box) => {
    const byMs = (this.#rng.int(2) === 0 ? -1 : 1) * this.#rng.int(3 * DAY_MS);
    box.machine.jumpWall(byMs);
    this.#clockOff.set(box, (this.#clockOff.get(box) ?? 0) + byMs);
  };

  readonly damageDatabase: Mischief = (box) => {
    const node = box.machine.disk.find(box.machine.disk.root, `${box.dataDir}`, true);
    const file = node?.kind === "directory" ? node.entries.get("agent.db") : undefined;
    // Two copies are kept so that one may be damaged; nothing survives the loss of both.
    if (file?.kind !== "file" || !this.#mayDamage(box)) return;
    file.damaged = true;
  };

  #mayDamage(box: SimBox): boolean {
    const nowMs = this.#cluster.nowMs;
    if (nowMs - (this.#damagedAtMs.get(box) ?? Number.NEGATIVE_INFINITY) < DAMAGE_AGAIN_MS) return false;
    this.#damagedAtMs.set(box, nowMs);
    return true;
  }

  readonly damageSnapshot: Mischief = (box) => {
    const dir = box.machine.disk.find(box.machine.disk.root, `${box.dataDir}`, true);
    const file = dir?.kind === "directory" ? dir.entries.get("snapshot.msgpack") : undefined;
    if (file?.kind !== "file" || file.bytes.byteLength === 0 || !this.#mayDamage(box)) return;
    const bytes = file.bytes.slice();
    const at = this.#rng.int(bytes.byteLength);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#rng.int(8));
    file.bytes = file.durable = bytes;
  };

  readonly hostileHub: Mischief = () => {
    this.#cluster.middleman.hostility = 0.2 + this.#rng.next() * 0.8;
    this.#until(this.#some(HOUR_MS), () => {
      this.#cluster.middleman.hostility = 0;
    });
  };

  #fate(machine: string, _process: SimProcess, op: string, kind: EffectKind): Fate {
    if (!this.#active || machine === "operator" || op === "boot") return DONE;
    if (this.#diskFaults.has(machine) && this.#rng.int(20) === 0) {
      const fault = diskFault(op, kind);
      if (fault !== undefined) {
        this.injected["effect.failed"] = (this.injected["effect.failed"] ?? 0) + 1;
        return { is: "fails", fault };
      }
    }
    if (this.#deathsPerEffect > 0 && this.#rng.next() < this.#deathsPerEffect) {
      this.injected["effect.died"] = (this.injected["effect.died"] ?? 0) + 1;
      return { is: this.#rng.int(2) === 0 ? "dies before" : "dies after" };
    }
    return DONE;
  }
}

function diskFault(op: string, kind: EffectKind): Fault | undefined {
  switch (kind) {
    case "sync":
      return new Fault("disk_failed", "Cannot sync: EIO", { facts: { op } });
    case "write":
    case "rename":
      return new Fault("disk_full", "Cannot write: ENOSPC", { facts: { op } });
    case "commit":
      return new Fault("db_full", "Cannot commit: SQLITE_FULL", { facts: { op } });
    default:
      return undefined;
  }
}

/** The common ones are there twice. */
const MISCHIEF: readonly (readonly [string, (nemesis: Nemesis) => Mischief])[] = [
  ["agent.kill", (nemesis) => nemesis.killAgent],
  ["agent.kill", (nemesis) => nemesis.killAgent],
  ["agent.kill-all", (nemesis) => nemesis.killAll],
  ["agent.restart", (nemesis) => nemesis.restartAgent],
  ["box.power-cut", (nemesis) => nemesis.powerCutBox],
  ["box.power-cut", (nemesis) => nemesis.powerCutBox],
  ["hub.kill", (nemesis) => nemesis.killHub],
  ["hub.restart", (nemesis) => nemesis.restartHub],
  ["hub.power-cut", (nemesis) => nemesis.powerCutHub],
  ["net.storm", (nemesis) => nemesis.storm],
  ["net.storm", (nemesis) => nemesis.storm],
  ["net.partition", (nemesis) => nemesis.partition],
  ["net.hostile", (nemesis) => nemesis.hostileHub],
  ["net.hostile", (nemesis) => nemesis.hostileHub],
  ["box.disk-full", (nemesis) => nemesis.fullDiskBox],
  ["hub.disk-full", (nemesis) => nemesis.fullDiskHub],
  ["disk.failing", (nemesis) => nemesis.failingDisk],
  ["box.clock-jump", (nemesis) => nemesis.clockJump],
  ["box.database-damaged", (nemesis) => nemesis.damageDatabase],
  ["box.snapshot-damaged", (nemesis) => nemesis.damageSnapshot],
];
