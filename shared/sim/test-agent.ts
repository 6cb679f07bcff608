/**
 * A real agent composition beside a `testHub`: the same mode.ts, real files and SQLite, workers and render children as functions of this
 * process, the hub's handler instead of a socket, and the hub's clock.
 *
 *     using hub = await testHub();
 *     const box = await testAgent(hub, "box-1");
 *     await box.enroll(joinCode);  box.start();  await box.until((status) => status.desired.bundle === 1);
 */
import { compose } from "../../agent/mode.ts";
import { runRender } from "../../agent/render.ts";
import { runWorker } from "../../agent/worker.ts";
import type { AgentStatus } from "../../agent/core/status/agent-status.ts";
import { type EnrollNews, type EnrollOutcome, runEnrollment } from "../../agent/edge/enroll/run-enrollment.ts";
import { AGENT_DEFAULTS, type AgentSettings } from "../../agent/settings.ts";
import { Fault } from "../core/fault.ts";
import type { Command, Finished } from "../ports/exec.ts";
import type { Handler, Net, NetReply, NetRequest } from "../ports/net.ts";
import type { World } from "../ports/world.ts";
import { realExec } from "../edge/exec.ts";
import { seededRng } from "../edge/rng.ts";
import { type Ended, supervise } from "../supervise.ts";
import { rngCrypto } from "./rng-crypto.ts";
import { capturedLog, type LogLine } from "./captured-log.ts";
import type { TestHub } from "./test-hub.ts";

export interface TestAgent {
  readonly dataDir: string;
  readonly settings: AgentSettings;
  readonly world: World;
  readonly logged: readonly LogLine[];
  /** Requests that reached the hub, as `POST /agent/v1/sync`. */
  readonly requests: string[];
  /** The hub answers; false: nobody is there. */
  online: boolean;
  /** Looks at or replaces what the hub answers. */
  intercept: ((request: NetRequest, send: () => Promise<Response>) => Promise<Response>) | undefined;
  enroll(
    join: string | undefined,
    options?: { readonly urls?: readonly string[]; readonly wait?: boolean; readonly onNews?: (news: EnrollNews) => void; readonly stop?: AbortSignal },
  ): Promise<EnrollOutcome>;
  start(): void;
  /** Ends it as SIGTERM does. */
  stop(): Promise<Ended>;
  /** Asks the local socket. */
  ask(method: string, path: string): Promise<Response>;
  status(): Promise<AgentStatus>;
  /** Lets time pass until the status is as wanted; fails after `simulatedMs`. */
  until(wanted: (status: AgentStatus) => boolean, simulatedMs?: number): Promise<AgentStatus>;
}

export const TEST_AGENT_URL = "http://127.0.0.1:1";
const STEP_MS = 250;
/** A real program lives in real time: while one runs, a simulated step takes this long, or a busy machine would let its minutes run out in a moment. */
const PROGRAM_STEP_MS = 10;

export async function testAgent(hub: TestHub, name: string, changes: Partial<AgentSettings> = {}): Promise<TestAgent> {
  const dataDir = `${hub.world.dir}/${name}`;
  const logged: LogLine[] = [];
  const rng = seededRng(name);
  const state: { handler: Handler | undefined; stopping: AbortController; ended: Promise<Ended> | undefined; programs: number } = {
    handler: undefined,
    stopping: new AbortController(),
    ended: undefined,
    programs: 0,
  };
  const settings: AgentSettings = { ...AGENT_DEFAULTS, dataDir, socketPath: `${dataDir}/agent.sock`, factsDirs: [], diskReserveBytes: 0, ...changes };
  const requests: string[] = [];
  const reach = async (request: Omit<NetRequest, "replyBytesMax">): Promise<Response> => {
    if (!agent.online) throw new Fault("net_unreachable", `Cannot reach ${request.url}: offline`);
    const { pathname } = new URL(request.url);
    requests.push(`${request.method} ${pathname}`);
    const send = (): Promise<Response> => cutWhenStopped(hub.fetch(request.method, pathname, askOf(request)), request);
    return agent.intercept === undefined ? send() : agent.intercept({ ...request, replyBytesMax: 0 }, send);
  };
  const net: Net = {
    request: async (_op, request): Promise<NetReply> => {
      const response = request.unix === undefined ? await reach(request) : await local(state.handler, request);
      return { status: response.status, headers: Object.fromEntries(response.headers), body: new Uint8Array(await response.arrayBuffer()) };
    },
    stream: async (_op, request) => {
      const response = await reach(request);
      return { status: response.status, headers: Object.fromEntries(response.headers), chunks: response.body ?? (async function* () {})() };
    },
    serve: (_op, _listen, handler) => {
      state.handler = handler;
      return Promise.resolve({ url: "unix:", port: 0, stop: () => ((state.handler = undefined), Promise.resolve()) });
    },
  };
  const world: World = {
    ...hub.world,
    rng,
    crypto: rngCrypto(rng.fork("crypto")),
    log: capturedLog(logged),
    net,
    exec: {
      run: (_op, command) => inProcess(command, () => world),
      spawn: () => {
        throw new Fault("exec_missing", "Cannot start anything here");
      },
      start: (op, command) => {
        const program = realExec.start(op, command);
        state.programs += 1;
        void program.exited.finally(() => (state.programs -= 1));
        return program;
      },
    },
  };
  const agent: TestAgent = {
    dataDir,
    settings,
    world,
    logged,
    requests,
    online: true,
    intercept: undefined,
    enroll: (join, { urls = [TEST_AGENT_URL], wait = true, onNews = () => {}, stop = new AbortController().signal } = {}) =>
      pumped(hub, runEnrollment(world, { dataDir, urls: join === undefined ? undefined : urls, join, name, wait }, onNews, stop)),
    start: () => {
      state.stopping = new AbortController();
      state.ended = supervise(compose(settings, world), world, state.stopping.signal);
    },
    stop: async () => {
      state.stopping.abort();
      return pumped(hub, state.ended ?? Promise.reject(new Error("the agent was not started")));
    },
    ask: (method, path) => local(state.handler, { method: method === "POST" ? "POST" : "GET", url: `http://agent${path}` }),
    status: async () => JSON.parse(await (await agent.ask("GET", "/status")).text()),
    until: async (wanted, simulatedMs = 10 * 60_000) => {
      for (let passed = 0; passed <= simulatedMs; passed += STEP_MS) {
        if (state.handler !== undefined) {
          const status = await agent.status();
          if (wanted(status)) return status;
        }
        if (state.programs > 0) await new Promise((resolve) => setTimeout(resolve, PROGRAM_STEP_MS));
        await tick(hub);
      }
      throw new Error(
        `never came: ${state.handler === undefined ? "no socket" : JSON.stringify(await agent.status(), null, 1)}\n${logged
          .slice(-20)
          .map((line) => JSON.stringify(line))
          .join("\n")}`,
      );
    },
  };
  return agent;
}

/** Time passes, and what is waiting for the platform (SQLite, WebAssembly) gets its turn. */
async function tick(hub: TestHub): Promise<void> {
  for (let turns = 0; turns < 3; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  await hub.world.clock.advance(STEP_MS);
  hub.hub.courier.turn(hub.world.clock.monoMs());
  for (let turns = 0; turns < 3; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets time pass until `work` is done. */
export async function pumped<T>(hub: TestHub, work: Promise<T>): Promise<T> {
  const state = { done: false };
  const settled = work.finally(() => (state.done = true));
  settled.catch(() => undefined);
  for (let ticks = 0; !state.done && ticks < 10_000; ticks += 1) await tick(hub);
  return settled;
}

async function local(handler: Handler | undefined, request: Pick<NetRequest, "method" | "url">): Promise<Response> {
  if (handler === undefined) throw new Fault("net_unreachable", "Cannot reach the local socket");
  return handler(new Request(request.url, { method: request.method }), { address: "unix", hold: () => {} });
}

/** The stop signal ends a request here and now, as a closed connection does. */
async function cutWhenStopped(reply: Promise<Response>, { stop, url }: Pick<NetRequest, "stop" | "url">): Promise<Response> {
  if (stop === undefined) return reply;
  const cut = Promise.withResolvers<never>();
  const end = (): void => cut.reject(new Fault("net_unreachable", `Cannot go on with ${url}: stopped`));
  if (stop.aborted) end();
  stop.addEventListener("abort", end, { once: true });
  return Promise.race([reply, cut.promise]);
}

function askOf({
  headers: { authorization, "content-type": _type, ...headers } = {},
  body,
}: Omit<NetRequest, "replyBytesMax">): Parameters<TestHub["fetch"]>[2] {
  return {
    headers,
    ...(authorization === undefined ? {} : { token: authorization.replace(/^Bearer /, "") }),
    ...(body === undefined ? {} : { body: new TextDecoder().decode(body) }),
  };
}

async function inProcess(command: Command, world: () => World): Promise<Finished> {
  const role = command.argv.at(-1);
  const stdin = command.stdin ?? new Uint8Array();
  const finished = (code: number, stdout: Uint8Array): Finished => ({
    code,
    signal: null,
    stdout,
    stderr: new Uint8Array(),
    truncated: false,
    timedOut: false,
  });
  if (role === "agent-worker") return finished(0, await runWorker(stdin, world(), new AbortController().signal));
  if (role === "render") return finished(0, await runRender(stdin));
  return finished(127, new Uint8Array());
}
