/**
 * The server's side of the hub benches, in a process of its own: `hub DATA_DIR PORT [NATS_URL]` is the real composition, `unpaced DATA_DIR PORT` the
 * same without a bound on how often it is asked, `bare PORT answer|hold` is Bun.serve with nothing in it. Prints its port; on each line on stdin collects garbage and prints its resident bytes.
 */
import { compose } from "../../hub/mode.ts";
import { HUB_DEFAULTS, type HubSettings } from "../../hub/settings.ts";
import { supervise } from "../../shared/supervise.ts";
import { BENCH_REPLY, benchWorld } from "./hub-fixture.ts";

const [what = "", first = "", second = "", third = ""] = process.argv.slice(2);
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());

if (what === "hub") void runHub(HUB_DEFAULTS.limits, first, Number(second));
else if (what === "unpaced") void runHub({ ...HUB_DEFAULTS.limits, syncsPerSecond: 1_000_000, syncsPerHostPerSecond: 1_000_000 }, first, Number(second));
else runBare(Number(first), second);
void answerLines();

async function runHub(limits: HubSettings["limits"], dataDir: string, port: number): Promise<void> {
  const settings: HubSettings = {
    ...HUB_DEFAULTS,
    dataDir,
    listen: { address: "127.0.0.1", port },
    tls: { use: "none" },
    limits,
    nats: { ...HUB_DEFAULTS.nats, urls: third === "" ? [] : [third] },
  };
  const world = benchWorld();
  const serve: typeof world.net.serve = async (op, listen, handler) => {
    const listener = await world.net.serve(op, listen, handler);
    process.stdout.write(`${listener.port}\n`);
    return listener;
  };
  const ended = await supervise(compose(settings, { ...world, net: { ...world.net, serve } }), world, stop.signal);
  process.exit(ended.because === "stopped" ? 0 : 1);
}

function runBare(port: number, how: string): void {
  const headers = { "content-type": "application/json", "x-content-type-options": "nosniff" };
  const held: ((response: Response) => void)[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    fetch: (request, self) => {
      if (how !== "hold" || request.headers.has("x-answer")) return new Response(BENCH_REPLY, { headers });
      self.timeout(request, 0);
      // Kept, so that each can be answered: a promise that nobody can resolve is no held request, and is collected.
      return new Promise<Response>((answer) => held.push(answer));
    },
  });
  process.stdout.write(`${server.port}\n`);
  stop.signal.addEventListener("abort", () => process.exit(0));
}

async function answerLines(): Promise<void> {
  for await (const _line of console) {
    for (let turn = 0; turn < 6; turn += 1) {
      Bun.gc(true);
      await Bun.sleep(300); // freed pages go back with a delay
    }
    process.stdout.write(`${process.memoryUsage.rss()}\n`);
  }
}
