/** The simulated adapters keep the same promises as the real ones. */
import { cryptoContract } from "./contracts/crypto-contract.ts";
import { databasesContract } from "./contracts/databases-contract.ts";
import { filesContract } from "./contracts/files-contract.ts";
import { netContract } from "./contracts/net-contract.ts";
import { Scheduler } from "./scheduler.ts";
import { SimMachine } from "./sim-machine.ts";
import { SimNetwork } from "./sim-net.ts";

function machine(scheduler = new Scheduler()): SimMachine {
  return new SimMachine({ name: "box", address: "10.0.0.1", scheduler, network: new SimNetwork(scheduler), seed: "test" });
}

filesContract("simulated", () => {
  const { world } = machine().start("test");
  world.files.makeDir("test", "/data", 0o700);
  return { ...world, dir: "/data" };
});

cryptoContract("simulated", () => machine().start("test").world.crypto);

databasesContract("simulated", () => {
  const { world } = machine().start("test");
  world.files.makeDir("test", "/data", 0o700);
  return { ...world, dir: "/data" };
});

netContract("simulated", () => {
  const scheduler = new Scheduler();
  const box = machine(scheduler);
  return { client: box.start("client").world.net, server: box.start("server").world.net, pass: (ms) => scheduler.advance(ms) };
});
