import type { Buses } from "./bus.ts";
import type { Clock } from "./clock.ts";
import type { Crypto } from "./crypto.ts";
import type { Databases } from "./databases.ts";
import type { Exec } from "./exec.ts";
import type { Files } from "./files.ts";
import type { Log } from "./log.ts";
import type { Net } from "./net.ts";
import type { Rng } from "./rng.ts";
import type { Self } from "./self.ts";

/** Everything that is not a pure function. It is passed in, always: no module reaches for the clock, the disk or the network itself. */
export interface World {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly crypto: Crypto;
  readonly files: Files;
  readonly exec: Exec;
  readonly net: Net;
  readonly databases: Databases;
  readonly buses: Buses;
  readonly log: Log;
  readonly self: Self;
}
