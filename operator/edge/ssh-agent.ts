/**
 * Signing through an ssh-agent: the key never comes here. What the agent gives back is verified against the key that the root lists
 * before anything is done with it, so a broken or hostile agent can only fail.
 */
import { Fault } from "../../shared/core/fault.ts";
import type { StreamSocket } from "../../shared/ports/stream-socket.ts";
import { checkPublicKey, keyIdOf, verifySignature } from "../../shared/trust/keys.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { AGENT_ANSWER_BYTES_MAX, isWholeFrame, listRequest, readKeys, readSignature, signRequest } from "../core/sign/ssh-agent-wire.ts";
import type { OpSigner } from "../core/sign/op-signer.ts";

export interface AgentSocket {
  readonly socket: StreamSocket;
  /** `$SSH_AUTH_SOCK`. */
  readonly path: string;
  readonly stop: AbortSignal;
}

const LIST_MS = 10_000;
/** Long enough to find the hardware key and touch it. */
const SIGN_MS = 120_000;
const REMEDY = "ssh-add -l shows the keys of the agent; eval $(ssh-agent) starts one.";

/** Every Ed25519 key of the agent that may be taken in at all. Which of them counts is the root's question. */
export async function agentSigners(agent: AgentSocket): Promise<readonly OpSigner[]> {
  const answer = await ask(agent, "ssh-agent.list", listRequest(), LIST_MS);
  const keys = mustVerify(readKeys(answer), "Cannot use the ssh-agent", REMEDY);
  return keys
    .filter(({ publicKey }) => checkPublicKey(publicKey).ok)
    .map(({ publicKey, comment }) => ({
      name: comment,
      from: "ssh-agent",
      keyId: keyIdOf(publicKey),
      publicKey,
      sign: async (bytes) => {
        const signature = mustVerify(
          readSignature(await ask(agent, "ssh-agent.sign", signRequest(publicKey, bytes), SIGN_MS)),
          "Cannot sign with the ssh-agent",
          REMEDY,
        );
        if (!verifySignature(publicKey, bytes, signature))
          throw new Fault("refused", "Cannot use the ssh-agent's signature: it does not verify", { facts: { refusal: "signature_bad" } });
        return signature;
      },
    }));
}

function ask({ socket, path, stop }: AgentSocket, op: string, question: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
  return socket.ask(op, { path, question, isWhole: isWholeFrame, answerBytesMax: AGENT_ANSWER_BYTES_MAX, timeoutMs, stop });
}
