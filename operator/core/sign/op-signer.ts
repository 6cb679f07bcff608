import { base64 } from "../../../shared/core/bytes.ts";
import type { KeyId } from "../../../shared/core/ids.ts";
import type { Envelope } from "../../../shared/trust/envelope.ts";
import { pae } from "../../../shared/trust/envelope.ts";
import { sign, type SigningKey, verifySignature } from "../../../shared/trust/keys.ts";
import { payloadType } from "../../../shared/trust/payloads.ts";
import { Fault } from "../../../shared/core/fault.ts";

/** A key that can sign, wherever it is. */
export interface OpSigner {
  /** In the vault, or as the agent calls it: untrusted text. */
  readonly name: string;
  readonly from: "vault" | "ssh-agent";
  readonly keyId: KeyId;
  readonly publicKey: Uint8Array;
  readonly sign: (bytes: Uint8Array) => Promise<Uint8Array>;
}

export function vaultSigner(name: string, key: SigningKey): OpSigner {
  return { name, from: "vault", keyId: key.keyId, publicKey: key.publicKey, sign: (bytes) => Promise.resolve(sign(key, bytes)) };
}

/** One signature over exactly these payload bytes as an op, verified before it is given out. */
export async function opSignature(bytes: Uint8Array, signer: OpSigner): Promise<Envelope["signatures"][number]> {
  const signed = pae(payloadType("op"), bytes);
  const signature = await signer.sign(signed);
  if (!verifySignature(signer.publicKey, signed, signature)) {
    throw new Fault("refused", `Cannot use the signature of ${signer.keyId}: it does not verify`, { facts: { refusal: "signature_bad" } });
  }
  return { keyid: signer.keyId, sig: base64(signature) };
}

export async function signOp(bytes: Uint8Array, signers: readonly OpSigner[]): Promise<Envelope> {
  const signatures: Envelope["signatures"] = [];
  for (const signer of signers) signatures.push(await opSignature(bytes, signer));
  return { payload: base64(bytes), payloadType: payloadType("op"), signatures };
}
