/**
 * Network namespaces for tests that cut links: every space is a machine of its own, every wire a link between two of them, with addresses
 * that nothing outside the spaces can see. A cut drops what goes one way or both ways over one wire, inside the first of its two
 * spaces, without a word to anybody. Whoever makes spaces removes them: that also ends whatever still runs in them.
 */
import { existsSync } from "node:fs";
import { BINARY } from "../../scripts/fleet/real-fleet.ts";

/** Short names, which are also the names of the devices at the other end: `hub` sees `box` through `to-box`. */
export interface Wire {
  readonly between: readonly [string, string];
  readonly addresses: readonly [string, string];
}

/** Which way nothing goes, as seen from the wire's first space. */
export type Cut = "out" | "in";

/** Stands for one address however one comes to it: reached over each of its wires. */
export interface OwnAddress {
  readonly space: string;
  readonly address: string;
}

export class NetSpaces {
  readonly #tag: string;
  readonly #wires: readonly Wire[];
  readonly #own: readonly OwnAddress[];

  constructor(tag: string, wires: readonly Wire[], own: readonly OwnAddress[] = []) {
    this.#tag = tag;
    this.#wires = wires;
    this.#own = own;
  }

  get #names(): readonly string[] {
    return [...new Set(this.#wires.flatMap(({ between }) => between))];
  }

  /** The name of the namespace. */
  of(name: string): string {
    return `${this.#tag}-${name}`;
  }

  /** Argv to put before a program, so that it runs there. */
  inside(name: string): readonly string[] {
    return ["ip", "netns", "exec", this.of(name)];
  }

  /** False when this machine has no namespaces to give. */
  make(): boolean {
    return (
      this.#names.every((name) => sh("ip", "netns", "add", this.of(name)) && sh("ip", "-n", this.of(name), "link", "set", "lo", "up")) &&
      this.#wires.every((wire) => this.#lay(wire)) &&
      this.#own.every((one) => this.#answersTo(one)) &&
      sh(...this.inside(this.#names[0] ?? ""), "nft", "list", "ruleset")
    );
  }

  #lay({ between: [a, b], addresses }: Wire): boolean {
    return (
      sh("ip", "link", "add", `to-${b}`, "netns", this.of(a), "type", "veth", "peer", "name", `to-${a}`, "netns", this.of(b)) &&
      (
        [
          [a, b, addresses[0]],
          [b, a, addresses[1]],
        ] as const
      ).every(
        ([here, there, address]) =>
          sh("ip", "-n", this.of(here), "address", "add", `${address}/30`, "dev", `to-${there}`) &&
          sh("ip", "-n", this.of(here), "link", "set", `to-${there}`, "up"),
      )
    );
  }

  #answersTo({ space, address }: OwnAddress): boolean {
    const others = this.#wires.flatMap(({ between: [a, b], addresses: [atA, atB] }) => (a === space ? [[b, atA]] : b === space ? [[a, atB]] : []));
    return (
      sh("ip", "-n", this.of(space), "address", "add", `${address}/32`, "dev", "lo") &&
      others.every(([other = "", via = ""]) => sh("ip", "-n", this.of(other), "route", "add", `${address}/32`, "via", via))
    );
  }

  cut(between: readonly [string, string], ways: readonly Cut[]): void {
    const [here, there] = between;
    const chains = ways.map((way) =>
      way === "out"
        ? `chain out {\ntype filter hook output priority 0; policy accept;\noifname "to-${there}" drop\n}`
        : `chain in {\ntype filter hook input priority 0; policy accept;\niifname "to-${there}" drop\n}`,
    );
    this.#nft(here, `table inet cut {\n${chains.join("\n")}\n}\n`);
  }

  heal([here]: readonly [string, string]): void {
    this.#nft(here, "delete table inet cut\n");
  }

  #nft(name: string, rules: string): void {
    const done = Bun.spawnSync([...this.inside(name), "nft", "-f", "-"], { stdin: Buffer.from(rules), stderr: "pipe" });
    if (done.exitCode !== 0) throw new Error(`nft: ${done.stderr.toString()}`);
  }

  /** Ends what runs in them and takes them away, also those that were made by half. */
  remove(): void {
    for (const name of this.#names.map((short) => this.of(short))) {
      const pids = Bun.spawnSync(["ip", "netns", "pids", name], { stdout: "pipe", stderr: "ignore" }).stdout.toString().split("\n");
      for (const pid of pids) if (pid !== "") sh("kill", "-9", pid);
      sh("ip", "netns", "delete", name);
    }
  }
}

/** Why there can be none here, or undefined. */
export function noSpaces(): string | undefined {
  if (process.getuid?.() !== 0) return "it takes root to make network namespaces";
  if (!existsSync(BINARY)) return "dist/felhom is not built";
  if (!has("ip") || !has("nft")) sh("apt-get", "install", "-y", "--no-install-recommends", "iproute2", "nftables");
  return has("ip") && has("nft") ? undefined : "iproute2 or nftables is not installed and cannot be";
}

const sh = (...argv: readonly string[]): boolean => Bun.spawnSync([...argv], { stdout: "ignore", stderr: "ignore" }).exitCode === 0;
const has = (program: string): boolean => Bun.which(program) !== null;

export const HUB_ADDRESS = "10.77.31.1";
export const NATS_ADDRESS = "10.77.31.129";

export const boxAndHub = (tag: string): NetSpaces => new NetSpaces(tag, [{ between: ["box", "hub"], addresses: ["10.77.31.2", HUB_ADDRESS] }]);

export const BOXES = ["box-1", "box-2", "box-3"] as const;

/** Each box sees hub and NATS over wires of its own, hub and NATS each other; NATS has one address for all. */
export const boxesHubAndNats = (tag: string): NetSpaces =>
  new NetSpaces(
    tag,
    [
      { between: ["hub", "nats"], addresses: ["10.77.32.1", "10.77.32.2"] },
      ...BOXES.flatMap((box, at): readonly Wire[] => [
        { between: [box, "hub"], addresses: [`10.77.33.${at * 4 + 1}`, `10.77.33.${at * 4 + 2}`] },
        { between: [box, "nats"], addresses: [`10.77.34.${at * 4 + 1}`, `10.77.34.${at * 4 + 2}`] },
      ]),
    ],
    [
      { space: "hub", address: HUB_ADDRESS },
      { space: "nats", address: NATS_ADDRESS },
    ],
  );
