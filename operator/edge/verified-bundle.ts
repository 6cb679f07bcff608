import { Fault } from "../../shared/core/fault.ts";
import type { BundleDetail } from "../../shared/protocol/api/fleet.ts";
import { verifyHeldBundle } from "../../shared/trust/bundle.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import type { BundlePayload } from "../../shared/trust/payloads.ts";
import { getBundle, listBundles, take } from "./hub-api.ts";
import type { Session } from "./session.ts";

/** A bundle as the operators signed it. The hub's own numbers beside it are its word only. */
export interface VerifiedBundle {
  readonly payload: BundlePayload;
  readonly detail: BundleDetail;
}

export async function verifiedBundle({ hub, root }: Pick<Session, "hub" | "root">, version: number): Promise<VerifiedBundle> {
  const detail = await getBundle(hub, version);
  const payload = mustVerify(
    verifyHeldBundle({ envelope: detail.envelope, root }),
    `Cannot believe the hub about bundle ${version}`,
    "felhom trust show lists the keys that may sign bundles.",
  );
  if (payload.version !== version)
    throw new Fault("refused", `Cannot believe the hub about bundle ${version}: it gave bundle ${payload.version}`, { facts: { refusal: "version_step" } });
  return { payload, detail };
}

/** `latest` or a number. */
export async function bundleVersion({ hub }: Pick<Session, "hub">, asked: string): Promise<number> {
  if (/^[1-9]\d{0,8}$/.test(asked)) return Number(asked);
  if (asked !== "latest") throw new Fault("bad_request", `Cannot find bundle ${asked}: it is not a version`, { remedy: "felhom bundle list" });
  const [newest] = await take(listBundles(hub), 1);
  if (newest === undefined) throw new Fault("not_found", "Cannot find a bundle: none was published yet", { remedy: "felhom publish DIR" });
  return newest.version;
}
