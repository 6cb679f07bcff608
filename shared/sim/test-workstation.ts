import { runCommand } from "../../operator/mode.ts";
import { addKey } from "../../operator/core/vault/edit-contents.ts";
import { KDF_RANGE } from "../../operator/core/vault/vault-file.ts";
import { editVault } from "../../operator/edge/vault.ts";
import { Workstation } from "../../operator/edge/workstation.ts";
import type { ExitCode } from "../cli/command.ts";
import { Fault } from "../core/fault.ts";
import type { Net, NetReply, NetRequest } from "../ports/net.ts";
import type { World } from "../ports/world.ts";
import { fakeTerminal, type FakeTerminal } from "./fake-terminal.ts";
import type { TestHub } from "./test-hub.ts";
import { FLEET_MADE_MS } from "./test-fleet.ts";

/**
 * An operator's workstation for tests: the real command line, vault and contexts in a directory of their own, talking to a `testHub`
 * without a socket.
 *
 *     using hub = await testHub();
 *     const desk = await testWorkstation(hub);
 *     const { code, stdout } = await desk.run("host list -o json");
 */
export interface TestWorkstation {
  readonly world: World;
  readonly home: string;
  readonly passphraseFile: string;
  /** `line` is split at spaces; quotes are not understood, so give a list where an argument has a space. */
  run(line: string | readonly string[], options?: RunOptions): Promise<Ran>;
  /** Ends every event stream that is open, as a restart of the hub does. */
  cutStreams(): void;
  /** What every request to the hub goes through: replace it to be a hostile or a broken hub. */
  intercept(change: ((request: NetRequest, send: () => Promise<NetReply>) => Promise<NetReply>) | undefined): void;
}

export interface RunOptions {
  readonly columns?: number;
  readonly tty?: boolean;
  readonly colour?: boolean;
  readonly unicode?: boolean;
  readonly answers?: readonly string[];
  readonly interrupted?: AbortSignal;
  /** To read along while the command runs; the other options are then this terminal's own. */
  readonly terminal?: FakeTerminal;
}

export interface Ran {
  readonly code: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: FakeTerminal;
}

export const TEST_HUB_URL = "https://hub.test";
const PASSPHRASE = "correct horse battery staple";

export async function testWorkstation(hub: TestHub, options: { readonly loggedIn?: boolean } = {}): Promise<TestWorkstation> {
  const state: State = { change: undefined, streams: new Set() };
  const world: World = { ...hub.world, net: netOf(hub, state) };
  const home = `${hub.world.dir}/workstation`;
  const passphraseFile = `${hub.world.dir}/passphrase`;
  await Bun.write(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 });
  // The cheapest vault that is allowed: tests open it often.
  await editVault(world, home, {
    passphrase: () => Promise.resolve(PASSPHRASE),
    cost: { memoryKib: KDF_RANGE.memoryKib.least, passes: KDF_RANGE.passes.least },
    edit: (contents) => addKey(contents, { name: "operator", seed: hub.fleet.key.seed, nowMs: FLEET_MADE_MS }),
  });
  new Workstation(world, home).pinFleet([hub.fleet.rootEnvelope], hub.fleet.root.hash);
  const desk: TestWorkstation = {
    world,
    home,
    passphraseFile,
    run: async (line, how = {}) => {
      const terminal = how.terminal ?? fakeTerminal(how);
      const words = typeof line === "string" ? line.split(" ").filter((word) => word !== "") : line;
      const code = await runCommand({
        argv: ["--home", home, ...words],
        env: { HOME: hub.world.dir, LANG: "C.UTF-8" },
        cwd: hub.world.dir,
        terminal,
        world,
        tables: {},
      });
      return { code, stdout: terminal.stdout(), stderr: terminal.stderr(), terminal };
    },
    cutStreams: () => {
      for (const cut of state.streams) cut();
    },
    intercept: (change) => {
      state.change = change;
    },
  };
  if (options.loggedIn !== false) {
    await hub.setUp();
    const login = await desk.run(`login --hub ${TEST_HUB_URL} --passphrase-file ${passphraseFile}`);
    if (login.code !== 0) throw new Error(`the workstation could not log in: ${login.stderr}`);
  }
  return desk;
}

interface State {
  change: Parameters<TestWorkstation["intercept"]>[0];
  readonly streams: Set<() => void>;
}

function netOf(hub: TestHub, state: State): Net {
  const send = async (request: NetRequest): Promise<NetReply> => {
    const response = await hub.fetch(request.method, pathOf(request.url), askOf(request));
    return { status: response.status, headers: Object.fromEntries(response.headers), body: new Uint8Array(await response.arrayBuffer()) };
  };
  return {
    request: (_op, request) => (state.change === undefined ? send(request) : state.change(request, () => send(request))),
    stream: async (_op, request) => {
      const response = await hub.fetch(request.method, pathOf(request.url), askOf(request));
      return { status: response.status, headers: Object.fromEntries(response.headers), chunks: chunksOf(response, request.stop, state.streams) };
    },
    serve: () => Promise.reject(new Fault("net_unreachable", "Cannot serve: a test workstation listens to nobody")),
  };
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

function askOf(request: Pick<NetRequest, "headers" | "body">) {
  const { authorization, "content-type": type, ...headers } = request.headers ?? {};
  const isBytes = type === "application/octet-stream";
  return {
    headers,
    ...(authorization === undefined ? {} : { token: authorization.replace(/^Bearer /, "") }),
    ...(request.body === undefined ? {} : isBytes ? { bytes: request.body } : { body: new TextDecoder().decode(request.body) }),
  };
}

async function* chunksOf(response: Response, stop: AbortSignal | undefined, open: Set<() => void>): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const cancel = (): void => void reader.cancel();
  stop?.addEventListener("abort", cancel, { once: true });
  open.add(cancel);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    stop?.removeEventListener("abort", cancel);
    open.delete(cancel);
  }
}
