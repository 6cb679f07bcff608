/**
 * One op over NATS: from a signed envelope handed to the bus to the host's signed answer, verified, at the other end of the bus. Between
 * them the compiled agent with its real disk: admission, ledger, execution, signature, outbox. The operator's upload and the hub's own
 * commits are `op.rtt_sync`'s matter and the same on either carrier; the note says what the whole way takes.
 *
 * The floor is a raw request and reply of the same bytes between two processes over a bare nats-server.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { connect, jwtAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import { userJwt } from "../../hub/core/nats/jwt.ts";
import { nkeyFromSeed } from "../../hub/core/nats/nkey.ts";
import { natsKeys } from "../../hub/edge/nats/keys.ts";
import { aim } from "../../operator/edge/aim.ts";
import { makeOp } from "../../operator/edge/make-op.ts";
import { chooseOpSigners, openSigners } from "../../operator/edge/op-signers.ts";
import { openSession, type Session } from "../../operator/edge/session.ts";
import { signOp } from "../../operator/core/sign/op-signer.ts";
import type { Call } from "../../shared/cli/command.ts";
import { utf8 } from "../../shared/core/bytes.ts";
import { realSelf } from "../../shared/edge/real-self.ts";
import { realWorld } from "../../shared/edge/real-world.ts";
import { decodeNatsReturn, encodeNatsOp } from "../../shared/protocol/nats-messages.ts";
import { natsSubjects } from "../../shared/protocol/nats-subjects.ts";
import { fakeCall, fakeTerminal } from "../../shared/sim/fake-terminal.ts";
import { startNats } from "../../shared/sim/real-nats.ts";
import { encodeEnvelope, parseEnvelope } from "../../shared/trust/envelope.ts";
import type { HostIdentity } from "../../shared/trust/host-identity.ts";
import { verifyReturn } from "../../shared/trust/op.ts";
import type { World } from "../../shared/ports/world.ts";
import { type Bench, median } from "./bench.ts";
import { hasNats, natsBeside } from "./nats-fleet.ts";

const ROUNDS = 200;
const WARM_UP = 50;
const SETTLE_MS = 15;
const TARGET = { at: "most", ratio: 6 } as const;

export async function opRttNats(): Promise<Bench[]> {
  if (!hasNats)
    return [
      {
        bench: "op.rtt_nats",
        value: Number.NaN,
        unit: "ms",
        floor: null,
        floorName: "raw NATS request/reply",
        ratio: null,
        note: "not measured: nats-server is not installed",
      },
    ];
  const { fleet, nats, attach } = natsBeside();
  try {
    await nats.start();
    await attach(await fleet.addBox("box-1"));
    const world = realWorld({ log: { format: "text", level: "error", sink: () => {} }, component: "bench", self: realSelf(import.meta.path) });
    const call = fakeCall({
      world,
      terminal: fakeTerminal(),
      options: { "passphrase-file": fleet.passphraseFile },
      globals: { home: fleet.home, output: "jsonl" },
    });
    const session = await openSession(call);
    const signing = await opsToSend(call, session);
    const url = (await fleet.boxStatus(fleet.box("box-1")))?.nats?.url ?? "";
    const identity = signing.identity;
    const bus = await asCourier(world, { dataDir: fleet.hubDir, url, fleetId: identity.fleetId });
    await using raw = await rawServer(fleet.dir);
    const answers = new Answers(bus, identity);
    const times: { op: number; floor: number }[] = [];
    for (let round = 0; round < ROUNDS + WARM_UP; round += 1) {
      const envelope = await signing.next();
      const op = await answers.once(envelope);
      const floor = await raw.once(envelope);
      if (round >= WARM_UP) times.push({ op, floor });
      // One op at a time: what the hub does with the answer is over before the next one.
      await Bun.sleep(SETTLE_MS);
    }
    await bus.close();
    const [value, floor] = [median(times.map(({ op }) => op)), median(times.map((one) => one.floor))];
    return [
      {
        bench: "op.rtt_nats",
        value,
        unit: "ms",
        floor,
        floorName: "raw NATS request/reply",
        ratio: value / floor,
        mustReach: TARGET,
        note: `p50 of ${ROUNDS}, ping with a signature`,
      },
    ];
  } finally {
    await nats.stop();
    await fleet.stop();
  }
}

async function opsToSend(call: Call, session: Session): Promise<{ readonly identity: HostIdentity; next(): Promise<Uint8Array> }> {
  const aimed = await aim(call, session, "box-1", "ping");
  const opened = await openSigners(call);
  const [identity] = [...aimed.identities.values()];
  if (identity === undefined) throw new Error("no certificate of box-1");
  return {
    identity,
    next: async () => {
      const op = makeOp(call, session, { kind: "ping", target: aimed.target, params: {} });
      const signers = chooseOpSigners(call, opened, { root: session.root, role: "operate", need: "some" });
      return encodeEnvelope(await signOp(op.bytes, signers));
    },
  };
}

/** A connection that may do what a hub may, and hear returns directly as well. */
async function asCourier(world: World, at: { readonly dataDir: string; readonly url: string; readonly fleetId: string }): Promise<NatsConnection> {
  const keys = natsKeys(world, at.dataDir);
  const user = nkeyFromSeed("user", world.crypto.randomBytes(32));
  const { ofHost, everyReturn } = natsSubjects(at.fleetId);
  const nowMs = world.clock.wallMs();
  const jwt = userJwt({
    name: "bench",
    user: user.publicText,
    account: keys.account,
    signing: keys.signing,
    publish: [ofHost("*").op],
    subscribe: [everyReturn],
    issuedAtMs: nowMs,
    expiresAtMs: nowMs + 3_600_000,
  });
  return connect({ servers: at.url, authenticator: jwtAuthenticator(jwt, utf8(user.seedText)), reconnect: false });
}

class Answers {
  readonly #bus: NatsConnection;
  readonly #identity: HostIdentity;
  #heard: (body: Uint8Array) => void = () => undefined;

  constructor(bus: NatsConnection, identity: HostIdentity) {
    this.#bus = bus;
    this.#identity = identity;
    bus.subscribe(natsSubjects(identity.fleetId).ofHost(identity.hostId).return, { callback: (_error, message) => this.#heard(message.data) });
  }

  async once(envelope: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const { op } = natsSubjects(this.#identity.fleetId).ofHost(this.#identity.hostId);
    const startedMs = performance.now();
    this.#heard = (body) => {
      const message = decodeNatsReturn(body);
      const read = message === undefined ? undefined : parseEnvelope(message.envelope);
      const verdict = read?.ok === true ? verifyReturn(read.value, this.#identity) : undefined;
      if (verdict?.ok === true && verdict.value.state === "done") resolve(performance.now() - startedMs);
      else reject(new Error(`the answer does not verify: ${JSON.stringify(verdict)}`));
    };
    this.#bus.publish(op, encodeNatsOp({ envelope }));
    return promise;
  }
}

/** A bare nats-server with an echo in a process of its own. */
async function rawServer(dir: string): Promise<{ once(bytes: Uint8Array): Promise<number>; [Symbol.asyncDispose](): Promise<void> }> {
  const at = join(dir, "raw");
  mkdirSync(at);
  const server = await startNats({ dir: at, config: ({ port }) => `listen: "127.0.0.1:${port}"\n` });
  const echo = Bun.spawn([process.execPath, "-e", ECHO, server.url], { cwd: join(import.meta.dir, "../.."), stdout: "pipe", stderr: "inherit" });
  await echo.stdout.getReader().read();
  const connection = await connect({ servers: server.url, reconnect: false });
  return {
    once: async (bytes) => {
      const startedMs = performance.now();
      await connection.request("echo", bytes, { timeout: 5_000 });
      return performance.now() - startedMs;
    },
    [Symbol.asyncDispose]: async () => {
      await connection.close();
      echo.kill();
      await echo.exited;
      await server.kill();
    },
  };
}

const ECHO = `
const { connect } = require("@nats-io/transport-node");
connect({ servers: process.argv.at(-1) }).then(async (connection) => {
  connection.subscribe("echo", { callback: (_error, message) => message.respond(message.data) });
  await connection.flush();
  console.log("ready");
});
`;
