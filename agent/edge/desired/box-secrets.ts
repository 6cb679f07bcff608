import type { BundlePayload } from "../../../shared/trust/payloads.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import { loadSealedBox } from "../../../shared/trust/sealed-box.ts";
import { openSecrets } from "../../../shared/trust/sealed-secrets.ts";
import { accept, type Verdict } from "../../../shared/trust/verdict.ts";
import type { Identity } from "../enroll/identity.ts";
import { boxKeysOf } from "./stored-identity.ts";

/** This host's secrets in a bundle. After a rotation of the box key the bundle in force may still be sealed to the key before. */
export async function boxSecrets(keys: Identity, identity: HostIdentity, bundle: BundlePayload): Promise<Verdict<Readonly<Record<string, string>>>> {
  if (!Object.hasOwn(bundle.secrets, identity.hostId)) return accept({});
  const box = await loadSealedBox();
  const verdicts = boxKeysOf(keys, identity).map((boxKey) => openSecrets({ box, identity, boxKey, bundle }));
  const [first] = verdicts;
  return verdicts.find(({ ok }) => ok) ?? first ?? accept({});
}
