/**
 * The World that tests use: virtual time that moves by hand, randomness from a seed (crypto's too, so never use its keys), a log
 * that can be read; real files and real SQLite in a fresh directory; real programs and network unless replaced.
 *
 *     using world = testWorld();              // the directory goes away at the end of the block
 *     const path = `${world.dir}/agent.db`;
 *     await world.clock.advance(5_000);       // runs every timer that falls due, in order
 *     expect(world.logged.map((line) => line.event)).toContain("sync.lost");
 *
 * Anything can be replaced: `testWorld({ net: fakeNet, seed: "another" })`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { realBuses } from "../edge/buses.ts";
import { realDatabases } from "../edge/databases.ts";
import { realExec } from "../edge/exec.ts";
import { realFiles } from "../edge/files.ts";
import { realNet } from "../edge/net.ts";
import { seededRng } from "../edge/rng.ts";
import type { World } from "../ports/world.ts";
import { capturedLog, type LogLine } from "./captured-log.ts";
import { rngCrypto } from "./rng-crypto.ts";
import { SimClock } from "./sim-clock.ts";

export interface TestWorld extends World, Disposable {
  readonly clock: SimClock;
  /** A fresh directory with mode 0700, its symlinks resolved. */
  readonly dir: string;
  readonly logged: readonly LogLine[];
  /** Removes `dir`. */
  remove(): void;
}

export type TestWorldOptions = Partial<Omit<World, "clock">> & { readonly seed?: string; readonly clock?: SimClock };

export function testWorld(options: TestWorldOptions = {}): TestWorld {
  const { seed = "test", ...replaced } = options;
  const rng = seededRng(seed);
  const dir = mkdtempSync(`${tmpdir()}/felhom-test-`);
  const logged: LogLine[] = [];
  const remove = (): void => rmSync(dir, { recursive: true, force: true });
  return {
    rng,
    crypto: rngCrypto(rng.fork("crypto")),
    files: realFiles,
    exec: realExec,
    net: realNet(),
    databases: realDatabases,
    buses: realBuses,
    log: capturedLog(logged),
    self: {
      exe: [process.execPath, new URL("../../main.ts", import.meta.url).pathname],
      pid: process.pid,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      version: "0.0.0-test",
      rssBytes: () => process.memoryUsage.rss(),
      releaseMemory: () => Promise.resolve(),
    },
    ...replaced,
    clock: options.clock ?? new SimClock(),
    dir,
    logged,
    remove,
    [Symbol.dispose]: remove,
  };
}
