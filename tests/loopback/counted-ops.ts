/**
 * Ops that count themselves, on real processes: a signed script whose only effect is one line, on disk, with the op's id and the box's
 * directory in it. What was told, what ran and what the hub holds are then put side by side.
 */
import { Database } from "bun:sqlite";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, type Box, type RealFleet } from "../../scripts/fleet/real-fleet.ts";

const RAN_IN = /\/boxes\/([^/]+)\/.*\/(o-[a-z2-7]{16})\//;

export interface Tally {
  /** Op and host, of ops that the hub holds. */
  readonly outcomes: number;
  readonly done: number;
  readonly interrupted: number;
  /** More runs than one of one op in one box. */
  readonly duplicates: number;
  /** Open, without exactly one final answer, or not even known though its sender was told that it is. */
  readonly lost: readonly string[];
  /** What the end says did not happen, or happened without being said. */
  readonly untrue: readonly string[];
}

export class CountedOps {
  readonly #fleet: RealFleet;
  readonly #boxes: readonly Box[];
  readonly #script: string;
  readonly #ran: string;
  readonly accepted: string[] = [];

  constructor(fleet: RealFleet, boxes: readonly Box[]) {
    this.#fleet = fleet;
    this.#boxes = boxes;
    this.#script = join(fleet.dir, "count.sh");
    this.#ran = join(fleet.dir, "ran");
    writeFileSync(this.#script, `echo "$0" >> ${this.#ran}\nsync ${this.#ran}\n`);
  }

  /** Signs one and sends it. Undefined when the hub did not say that it took it; it may have it all the same. */
  async send(target: string): Promise<string | undefined> {
    const { passphraseFile, home, dir } = this.#fleet;
    const argv = [BINARY, "run", target, "cmd.run", "--script", this.#script, "--yes", "--detach", "-o", "name", "--passphrase-file", passphraseFile];
    const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: dir, FELHOM_HOME: home, LANG: "C.UTF-8", NO_COLOR: "1" };
    const child = Bun.spawn(argv, { stdin: "ignore", stdout: "pipe", stderr: "ignore", env, cwd: dir });
    const [said, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    const id = said.trim();
    if (code !== 0 || id === "") return undefined;
    this.accepted.push(id);
    return id;
  }

  /** Nothing is open at the hub, and the boxes have nothing left to say. */
  async settled(): Promise<void> {
    await this.#fleet.until("every op is over", () => Promise.resolve(this.open() === 0));
    await this.#fleet.untilBoxes("nothing left to say", this.#boxes, ({ outbox }) => outbox.rows === 0);
  }

  open(): number {
    return this.#hub<{ open: number }>("SELECT count(*) AS open FROM op_targets WHERE is_open = 1")[0]?.open ?? 0;
  }

  #hub<T>(sql: string): readonly T[] {
    const database = new Database(join(this.#fleet.hubDir, "hub.db"), { readonly: true });
    try {
      return database.query<T, []>(sql).all();
    } finally {
      database.close();
    }
  }

  /** How often each op ran in each box. */
  #runs(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const line of existsSync(this.#ran) ? readFileSync(this.#ran, "utf8").trim().split("\n") : []) {
      const [, box = "", id = ""] = RAN_IN.exec(line) ?? [];
      counts.set(`${id} ${box}`, (counts.get(`${id} ${box}`) ?? 0) + 1);
    }
    return counts;
  }

  tally(): Tally {
    const runs = this.#runs();
    const outcomes = this.#hub<{ key: string; op_id: string; state: string; code: string | null; is_open: number; finals: number }>(
      `SELECT o.op_id || ' ' || h.name AS key, o.op_id, t.state, t.code, t.is_open,
         (SELECT count(*) FROM op_returns r WHERE r.op_id = o.op_id AND r.host_id = t.host_id AND r.state <> 'running' AND r.verified = 1) AS finals
       FROM op_targets t JOIN ops o USING (op_seq) JOIN hosts h USING (host_id)`,
    );
    const held = new Set(outcomes.map(({ op_id }) => op_id));
    const isDone = (state: string): boolean => state === "returned";
    const isInterrupted = (state: string, code: string | null): boolean => state === "failed" && (code === "agent_ended" || code === "interrupted");
    return {
      outcomes: outcomes.length,
      done: outcomes.filter(({ state }) => isDone(state)).length,
      interrupted: outcomes.filter(({ state, code }) => isInterrupted(state, code)).length,
      duplicates: [...runs.values()].filter((times) => times > 1).length,
      lost: [
        ...outcomes.filter(({ is_open, finals }) => is_open === 1 || finals !== 1).map(({ key, state, finals }) => `${key}: ${state}, ${finals} answers`),
        ...this.accepted.filter((id) => !held.has(id)),
      ],
      untrue: [
        ...outcomes
          .filter(({ key, state, code }) => (isDone(state) ? runs.get(key) !== 1 : !isInterrupted(state, code)))
          .map(({ key, state, code }) => `${key}: ${state} ${code}, ran ${runs.get(key) ?? 0} times`),
        ...[...runs.keys()].filter((key) => !outcomes.some((outcome) => outcome.key === key)).map((key) => `${key}: ran, and the hub knows nothing of it`),
      ],
    };
  }
}
