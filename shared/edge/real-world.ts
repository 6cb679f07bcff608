import { hex } from "../core/bytes.ts";
import type { Self } from "../ports/self.ts";
import type { World } from "../ports/world.ts";
import { realBuses } from "./buses.ts";
import { realClock } from "./clock.ts";
import { realCrypto } from "./crypto.ts";
import { realDatabases } from "./databases.ts";
import { realExec } from "./exec.ts";
import { realFiles } from "./files.ts";
import { type LogSettings, logSink } from "./log-sink.ts";
import { realNet } from "./net.ts";
import { seededRng } from "./rng.ts";

/** The World that is really out there. Called once, by `main.ts`. */
export function realWorld(options: { readonly log: LogSettings; readonly component: string; readonly self: Self }): World {
  const crypto = realCrypto();
  return {
    clock: realClock,
    rng: seededRng(hex(crypto.randomBytes(16))),
    crypto,
    files: realFiles,
    exec: realExec,
    net: realNet(),
    databases: realDatabases,
    buses: realBuses,
    log: logSink(options.log, options.component, options.self.version, realClock),
    self: options.self,
  };
}
