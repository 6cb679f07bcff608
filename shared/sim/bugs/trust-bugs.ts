/** Bugs of a box in believing: the worker is replaced by one that does something before the real one does it right. */
import { AGENT_MIGRATIONS } from "../../../agent/edge/store/migrations.ts";
import { utf8 } from "../../core/bytes.ts";
import { sha256Hex } from "../../core/sha256.ts";
import type { World } from "../../ports/world.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { BOX_DATA_DIR } from "../cluster/sim-box.ts";
import { HOSTILE_MARK } from "../checkers/nothing-hostile.ts";
import type { Programs } from "../sim-exec.ts";
import type { SimulateOptions } from "../simulate.ts";
import type { Bug } from "./bugs.ts";

interface Signed {
  readonly payload: string;
}

interface Adopt {
  readonly op: string;
  roots?: readonly Signed[];
  bundle?: Signed;
  spec?: unknown;
}

export const TRUST_BUGS: readonly Bug[] = [
  {
    name: "signature-not-checked",
    what: "whatever bundle a hub sends is taken",
    caughtBy: "only-what-was-signed",
    plant: () => hostile((world, request) => void (request.bundle !== undefined && store(world, "bundle", request.bundle))),
  },
  {
    name: "older-bundle-taken",
    what: "a bundle with a lower version replaces a newer one",
    caughtBy: "versions-never-fall",
    plant: () =>
      hostile((world, request) => {
        if (request.bundle !== undefined && versionOf(request.bundle) < heldVersion(world)) store(world, "bundle", request.bundle);
      }),
  },
  {
    name: "hub-is-believed",
    what: "what the hub says is carried out without a look at who signed it",
    caughtBy: "nothing-hostile",
    plant: () =>
      hostile((world, request) => {
        if (request.bundle !== undefined && textOf(request.bundle).includes(HOSTILE_MARK)) overwrite(world, "/etc/hostile", HOSTILE_MARK);
      }),
  },
  {
    name: "stale-root-kept",
    what: "a newer root is never taken",
    caughtBy: "everything-settles",
    plant: () => ({ programs: (real) => replacing(real, (_world, request) => ({ ...request, roots: (request.roots ?? []).slice(0, 0) })) }),
  },
  {
    name: "spec-from-nowhere",
    what: "a spec generation falls back to what an old answer said",
    caughtBy: "versions-never-fall",
    plant: () => hostile((world) => store(world, "spec", { generation: 0 }, "spec")),
  },
];

/** A man in the middle is there all the time, and the worker has a weakness for him. */
function hostile(weakness: (world: World, request: Adopt) => void): Partial<SimulateOptions> {
  return {
    programs: (real) =>
      replacing(real, (world, request) => {
        weakness(world, request);
        return request;
      }),
    drive: (cluster: Cluster) => {
      cluster.middleman.hostility = 0.5;
    },
  };
}

/** The real programs, with `change` seeing every request to adopt before the worker does. */
function replacing(real: Programs, change: (world: World, request: Adopt) => Adopt): Programs {
  return (argv) => {
    const program = real(argv);
    if (program === undefined || argv[1] !== "agent-worker") return program;
    return (started) => {
      const request = JSON.parse(new TextDecoder().decode(started.stdin)) as Adopt;
      if (request.op !== "adopt") return program(started);
      return program({ ...started, stdin: utf8(JSON.stringify(change(started.world, request))) });
    };
  };
}

function store(world: World, kind: string, document: unknown, only?: string): void {
  const database = world.databases.open("bug", `${BOX_DATA_DIR}/agent.db`, { migrations: AGENT_MIGRATIONS });
  const body = JSON.stringify(document);
  const there = database.get("bug", "SELECT 1 FROM document WHERE kind = ?", only ?? "bundle");
  if (there !== undefined) database.run("bug", "UPDATE document SET body = ?, sha256 = ? WHERE kind = ?", body, sha256Hex(utf8(body)), kind);
  database.close();
}

function heldVersion(world: World): number {
  const database = world.databases.open("bug", `${BOX_DATA_DIR}/agent.db`, { migrations: AGENT_MIGRATIONS });
  const row = database.get<{ body: string }>("bug", "SELECT body FROM document WHERE kind = 'bundle'");
  database.close();
  return row === undefined ? 0 : versionOf(JSON.parse(row.body) as Signed);
}

function textOf({ payload }: Signed): string {
  return Buffer.from(payload, "base64").toString("utf8");
}

function versionOf(signed: Signed): number {
  try {
    return (JSON.parse(textOf(signed)) as { version?: number }).version ?? 0;
  } catch {
    return 0;
  }
}

function overwrite(world: World, path: string, text: string): void {
  world.files.remove("bug", path);
  const handle = world.files.open("bug", path, "exclusive", 0o644);
  handle.write(utf8(text));
  handle.close();
}
