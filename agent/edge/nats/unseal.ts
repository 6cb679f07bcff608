/** In a worker: opens what only this box can open. The resident has no libsodium and never reads the box key. */
import { fromBase64, fromUtf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import { loadSealedBox } from "../../../shared/trust/sealed-box.ts";
import { isPlain, isText, parseJson } from "../../../shared/protocol/plain-json.ts";
import type { WorkerResult } from "../../core/worker/messages.ts";
import { loadIdentity } from "../enroll/identity.ts";

const JWT_CHARS_MAX = 16 * 1024;
const CA_CHARS_MAX = 256 * 1024;

export async function unsealNats(world: World, dataDir: string, sealed: string): Promise<Extract<WorkerResult, { readonly op: "unseal" }>> {
  const bytes = fromBase64(sealed);
  const { boxKey, nextBoxKey } = loadIdentity(world, dataDir);
  const box = await loadSealedBox();
  // While a new box key is on its way the hub seals to whichever the certificate named last.
  const keys = nextBoxKey === undefined ? [boxKey] : [boxKey, nextBoxKey];
  const opened = bytes === undefined ? undefined : keys.map((key) => box.open(bytes, key)).find(({ ok }) => ok);
  if (opened?.ok !== true) throw new Fault("refused", "Cannot open the credentials for NATS: they are not sealed to this box");
  const said = parseJson(fromUtf8(opened.value));
  const { jwt, seed, ca } = isPlain(said) ? said : {};
  if (!isText(jwt, JWT_CHARS_MAX) || !isText(seed, 128) || (ca !== undefined && !isText(ca, CA_CHARS_MAX)))
    throw new Fault("refused", "Cannot use the credentials for NATS: they are not of the agreed form");
  return { op: "unseal", jwt, seed, ...(ca === undefined ? {} : { ca }) };
}
