/** Against the real ssh-agent with keys that the real ssh-keygen made, and against agents that are broken or lie. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concat, utf8 } from "../../shared/core/bytes.ts";
import { isFault } from "../../shared/core/fault.ts";
import { realStreamSocket } from "../../shared/edge/stream-socket.ts";
import { opPayloadOf, opRoot } from "../../shared/sim/test-op.ts";
import { fakeCall } from "../../shared/sim/fake-terminal.ts";
import { testWorld } from "../../shared/sim/test-world.ts";
import { keyIdOf, spellKey } from "../../shared/trust/keys.ts";
import { standingOf, verifyOp } from "../../shared/trust/op.ts";
import { readKey } from "../core/trust/root-edit.ts";
import { signOp } from "../core/sign/op-signer.ts";
import { chooseOpSigners, openSigners } from "./op-signers.ts";
import { agentSigners } from "./ssh-agent.ts";

const dir = mkdtempSync(join(tmpdir(), "felhom-agent-"));
const path = join(dir, "sock");
const run = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): string => {
  const done = Bun.spawnSync([...argv], { env: { ...process.env, ...env }, stdin: "ignore" });
  if (done.exitCode !== 0) throw new Error(`${argv.join(" ")}: ${done.stderr.toString()}`);
  return done.stdout.toString();
};
const publicKeyOf = (file: string): Uint8Array => new Uint8Array(Buffer.from(readFileSync(`${file}.pub`, "utf8").split(" ")[1] ?? "", "base64").subarray(-32));
let agent: Bun.Subprocess | undefined;
const stop = new AbortController().signal;

beforeAll(async () => {
  for (const [name, kind] of [
    ["anna", "ed25519"],
    ["old", "rsa"],
    ["curve", "ecdsa"],
  ] as const)
    run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", `${name} \u001b[31m`, "-f", join(dir, name)]);
  agent = Bun.spawn(["ssh-agent", "-D", "-a", path], { stdout: "pipe", stderr: "ignore" });
  // Its first line is written when it listens.
  await (agent.stdout as ReadableStream<Uint8Array>).getReader().read();
  for (const name of ["old", "curve", "anna"]) run(["ssh-add", "-q", join(dir, name)], { SSH_AUTH_SOCK: path });
});
afterAll(async () => {
  agent?.kill();
  await agent?.exited; // it takes its socket away as it goes
  rmSync(dir, { recursive: true, force: true });
});

describe("a real ssh-agent", () => {
  test("shows its Ed25519 keys and no other, and signs an op that verifies", async () => {
    const signers = await agentSigners({ socket: realStreamSocket, path, stop });
    const publicKey = publicKeyOf(join(dir, "anna"));
    expect(signers.map(({ keyId }) => keyId)).toEqual([keyIdOf(publicKey)]);
    const { payload } = opRoot();
    const keyId = keyIdOf(publicKey);
    const root = {
      payload: {
        ...payload,
        keys: { ...payload.keys, [keyId]: { public: spellKey(publicKey), label: "anna" } },
        roles: { ...payload.roles, operate: { keys: [keyId], threshold: 1 } },
      },
    };
    const envelope = await signOp(utf8(JSON.stringify(opPayloadOf("cmd.run"))), signers);
    const verified = verifyOp({ envelope, root });
    expect(verified.ok && verified.value.signers).toEqual([keyId]);
    expect(standingOf(Buffer.from(envelope.payload, "base64"), envelope.signatures, "change", root).signers).toEqual([keyId]);
  });
  test("is found by --ssh-agent and $SSH_AUTH_SOCK, and its keys are chosen by the root alone", async () => {
    using world = testWorld();
    const call = fakeCall({ world, options: { "ssh-agent": true }, env: { SSH_AUTH_SOCK: path } });
    const signers = await openSigners(call);
    expect(signers.map(({ from }) => from)).toEqual(["ssh-agent"]);
    const useless = await Promise.resolve()
      .then(() => chooseOpSigners(call, signers, { root: opRoot(), role: "operate", need: "all" }))
      .catch((error: unknown) => error);
    expect(isFault(useless, "denied") && [useless.message, useless.remedy]).toEqual([
      expect.stringContaining("Cannot sign as operate"),
      expect.stringContaining('felhom trust add NAME "$(ssh-add -L)" --role operate'),
    ]);
    const none = await openSigners(fakeCall({ world, options: { "ssh-agent": true } })).catch((error: unknown) => error);
    expect(isFault(none, "not_found")).toBe(true);
  });
  test("its public key is taken in as ssh-keygen writes it, and is the key that the agent signs with", async () => {
    const [signer] = await agentSigners({ socket: realStreamSocket, path, stop });
    expect(readKey(readFileSync(join(dir, "anna.pub"), "utf8"))).toEqual(signer?.publicKey ?? new Uint8Array());
    for (const [name, said] of [
      ["old", "ssh-rsa"],
      ["curve", "ecdsa-sha2-nistp256"],
    ] as const)
      expect(() => readKey(readFileSync(join(dir, `${name}.pub`), "utf8"))).toThrow(`it is of the type ${said}`);
    expect(() => readKey("sk-ssh-ed25519@openssh.com AAAA x")).toThrow("it is of the type sk-ssh-ed25519@openssh.com");
    for (const bad of ["ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 !!!! x"]) expect(() => readKey(bad)).toThrow("Cannot take this public key");
  });
  test("a large message goes through whole", async () => {
    const [signer] = await agentSigners({ socket: realStreamSocket, path, stop });
    expect((await signer?.sign(new Uint8Array(200_000)))?.byteLength).toBe(64);
  });
});

describe("an agent that is broken or lies", () => {
  const answering = async (answer: Uint8Array | undefined, work: (path: string) => Promise<unknown>): Promise<string> => {
    const socket = join(dir, `fake-${Math.random()}`);
    const server = Bun.listen({
      unix: socket,
      socket: {
        drain: (client) => void client.write(new Uint8Array(60_000)),
        data: (client) => {
          if (answer !== undefined) client.write(answer);
          if (answer === undefined || answer.byteLength < 1_000) client.end();
        },
      },
    });
    try {
      return await work(socket).then(
        () => "nothing thrown",
        (error: unknown) => (isFault(error) ? error.code : String(error)),
      );
    } finally {
      server.stop(true);
    }
  };
  const list = (socket: string) => agentSigners({ socket: realStreamSocket, path: socket, stop });
  const frame = (...body: readonly number[]) => concat(Uint8Array.of(0, 0, 0, body.length), Uint8Array.from(body));

  test("nonsense, a failure, a list that claims four billion keys, a hang-up: a fault, never a key", async () => {
    expect(await answering(frame(5), list)).toBe("refused");
    expect(await answering(frame(12, 255, 255, 255, 255), list)).toBe("refused");
    expect(await answering(frame(12, 0, 0, 0, 1, 0, 0, 9, 9), list)).toBe("refused");
    expect(await answering(frame(), list)).toBe("refused");
    expect(await answering(undefined, list)).toBe("net_unreachable");
    expect(await answering(Uint8Array.of(255, 255, 255, 255, 12), list)).toBe("net_unreachable");
    expect(await answering(new Uint8Array(300_000).fill(1), list)).toBe("net_too_large");
    expect(await list(join(dir, "nobody")).catch((error: unknown) => isFault(error) && error.code)).toBe("net_unreachable");
  });
  test("a signature over something else is refused before it is used", async () => {
    const [real] = await agentSigners({ socket: realStreamSocket, path, stop });
    const other = await real?.sign(utf8("something else"));
    const sig = concat(Uint8Array.of(0, 0, 0, 11), utf8("ssh-ed25519"), Uint8Array.of(0, 0, 0, 64), other ?? new Uint8Array());
    const body = concat(Uint8Array.of(14, 0, 0, 0, sig.byteLength), sig);
    const lying = {
      ask: (op: string, asked: Parameters<typeof realStreamSocket.ask>[1]) =>
        op === "ssh-agent.sign" ? Promise.resolve(concat(Uint8Array.of(0, 0, 0, body.byteLength), body)) : realStreamSocket.ask(op, asked),
    };
    const [signer] = await agentSigners({ socket: lying, path, stop });
    const error = await signer?.sign(utf8("an op")).catch((caught: unknown) => caught);
    expect(isFault(error, "refused") && error.facts["refusal"]).toBe("signature_bad");
  });
});
