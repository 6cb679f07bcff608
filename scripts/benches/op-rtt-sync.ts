/**
 * From the moment of signing to the host's signed answer on the screen, over sync alone: the compiled hub, agent and all real disks between
 * them; the operator's own code for signing, sending, following and verifying, in this process, with a session, a key and a certificate at
 * hand, as one command has them when it comes to sign. Once a `ping`, which every box answers; in the note a command.
 *
 * The floor is one HTTPS round trip of the same bytes to a server that does nothing with them, by the same client, times four: the op goes
 * up and down, the answer up and down.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { aim } from "../../operator/edge/aim.ts";
import { followJob } from "../../operator/edge/follow-job.ts";
import { HostIdentities } from "../../operator/edge/host-identities.ts";
import { uploadOp } from "../../operator/edge/hub-ops.ts";
import { JobOutput } from "../../operator/edge/job-output.ts";
import { makeOp } from "../../operator/edge/make-op.ts";
import { openSigners, chooseOpSigners } from "../../operator/edge/op-signers.ts";
import { openSession, type Session } from "../../operator/edge/session.ts";
import { signOp } from "../../operator/core/sign/op-signer.ts";
import type { Call } from "../../shared/cli/command.ts";
import { encodeEnvelope } from "../../shared/trust/envelope.ts";
import type { OpKindName } from "../../shared/ops/catalogue.ts";
import { fakeCall, fakeTerminal } from "../../shared/sim/fake-terminal.ts";
import { realWorld } from "../../shared/edge/real-world.ts";
import { realSelf } from "../../shared/edge/real-self.ts";
import { RealFleet } from "../fleet/real-fleet.ts";
import { type Bench, median } from "./bench.ts";

const ROUNDS = 60;
const WARM_UP = 10;
const LEGS = 4;

export async function opRttSync(): Promise<Bench[]> {
  const fleet = new RealFleet();
  try {
    await fleet.start();
    await fleet.addBox("box-1");
    await using echo = bareServer(fleet);
    const bench = await Operator.open(fleet);
    const times: { ping: number; command: number; floor: number }[] = [];
    for (let round = 0; round < ROUNDS + WARM_UP; round += 1) {
      const ping = await bench.once("ping", {});
      const command = await bench.once("cmd.run", { argv: ["/bin/true"] });
      const floor = await bench.roundTrip(echo.url);
      if (round >= WARM_UP) times.push({ ping, command, floor });
    }
    const value = median(times.map(({ ping }) => ping));
    const floor = median(times.map((one) => one.floor)) * LEGS;
    return [
      {
        bench: "op.rtt_sync",
        value,
        unit: "ms",
        floor,
        floorName: `HTTPS round trip × ${LEGS}`,
        ratio: value / floor,
        mustReach: { at: "most", ratio: 2.5 },
        note: `p50 of ${ROUNDS}; cmd.run of /bin/true ${median(times.map(({ command }) => command)).toFixed(1)} ms`,
      },
    ];
  } finally {
    await fleet.stop();
  }
}

class Operator {
  readonly #call: Call;
  readonly #session: Session;
  readonly #aimed: Awaited<ReturnType<typeof aim>>;
  readonly #signers: Awaited<ReturnType<typeof openSigners>>;
  #bytes: Uint8Array = new Uint8Array();

  private constructor(call: Call, session: Session, aimed: Awaited<ReturnType<typeof aim>>, signers: Awaited<ReturnType<typeof openSigners>>) {
    this.#call = call;
    this.#session = session;
    this.#aimed = aimed;
    this.#signers = signers;
  }

  static async open(fleet: RealFleet): Promise<Operator> {
    const world = realWorld({ log: { format: "text", level: "error", sink: () => {} }, component: "bench", self: realSelf(import.meta.path) });
    const call = fakeCall({
      world,
      terminal: fakeTerminal(),
      options: { "passphrase-file": fleet.passphraseFile },
      globals: { home: fleet.home, output: "jsonl" },
    });
    const session = await openSession(call);
    return new Operator(call, session, await aim(call, session, "box-1", "ping"), await openSigners(call));
  }

  /** Milliseconds from before the signature to after the line on the screen. */
  async once(kind: OpKindName, params: Readonly<Record<string, unknown>>): Promise<number> {
    const op = makeOp(this.#call, this.#session, { kind, target: this.#aimed.target, params });
    const output = new JobOutput(this.#call, op);
    let shownMs = 0;
    const startedMs = performance.now();
    const signers = chooseOpSigners(this.#call, this.#signers, { root: this.#session.root, role: "operate", need: "some" });
    const envelope = await signOp(op.bytes, signers);
    await uploadOp(this.#session.hub, envelope);
    const { book } = await followJob(this.#call, this.#session, {
      opId: op.payload.id,
      sha256: op.sha256,
      identities: new HostIdentities(this.#session, this.#aimed.identities),
      expected: this.#aimed.hosts,
      wait: true,
      timeoutMs: 30_000,
      onHost: (host, how) => {
        output.onHost(host, how);
        if (how === "final") shownMs = performance.now();
      },
    });
    if (book.counts().ok !== 1) throw new Error(`the box answered ${JSON.stringify(book.counts())}`);
    this.#bytes = encodeEnvelope(envelope);
    return shownMs - startedMs;
  }

  async roundTrip(url: string): Promise<number> {
    const { pins } = this.#session.hub.target;
    const startedMs = performance.now();
    const reply = await this.#call.world.net.request("bench.echo", {
      method: "POST",
      url,
      body: this.#bytes,
      timeoutMs: 10_000,
      replyBytesMax: 1_000_000,
      ...(pins.length === 0 ? {} : { pins }),
    });
    if (reply.body.byteLength !== this.#bytes.byteLength) throw new Error("the echo lost bytes");
    return performance.now() - startedMs;
  }
}

/** With the hub's own certificate; it gives back what it gets. In this very process: the least that a round trip can cost. */
function bareServer(fleet: RealFleet): AsyncDisposable & { readonly url: string } {
  const tls = { cert: readFileSync(join(fleet.hubDir, "tls", "cert.pem"), "utf8"), key: readFileSync(join(fleet.hubDir, "tls", "key.pem"), "utf8") };
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", tls, fetch: async (request) => new Response(await request.arrayBuffer()) });
  return { url: `https://127.0.0.1:${server.port}/`, [Symbol.asyncDispose]: () => server.stop(true) };
}
