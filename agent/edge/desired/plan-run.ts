/** `plan.show`: what a converge run would do now, as text, with secrets masked. Looks and changes nothing; runs in a worker. */
import type { World } from "../../../shared/ports/world.ts";
import { paths } from "../../core/desired/paths.ts";
import type { WorkerRequest, WorkerResult } from "../../core/worker/messages.ts";
import { converge } from "../converge/converge.ts";
import { boxSecrets } from "./box-secrets.ts";
import { heldOf } from "./held.ts";
import { loadDesired } from "./load-desired.ts";
import { readRetry } from "./retry-store.ts";

const TEXT_CHARS_MAX = 1024 * 1024;
type Result = Extract<WorkerResult, { readonly op: "plan" }>;

export async function runPlan(world: World, { settings }: Extract<WorkerRequest, { readonly op: "plan" }>, stop: AbortSignal): Promise<Result> {
  const { dataDir } = settings;
  const desired = loadDesired(world, dataDir);
  const held = await heldOf(world, dataDir, desired);
  const { bundle, identity } = desired;
  const nothing = (because: string): Result => ({ op: "plan", held, bundle: bundle?.version ?? 0, text: "", because: because.slice(0, 1_024) });
  if (bundle === undefined || identity === undefined) return nothing("this box holds no bundle that it may enforce");
  const secrets = await boxSecrets(desired.keys, identity, bundle);
  if (!secrets.ok) return nothing(`${secrets.refusal}: ${secrets.detail}`);
  const result = await converge(world, {
    treeDir: paths(dataDir).bundle(bundle.version),
    host: { id: identity.hostId, name: identity.name },
    labels: identity.labels,
    secrets: secrets.value,
    mode: "monitor",
    lastGood: desired.documents.lastGood?.resources,
    ...(desired.documents.lastGood === undefined ? {} : { lastGoodTreeDir: paths(dataDir).bundle(desired.documents.lastGood.bundle) }),
    retry: readRetry(world, dataDir),
    isAsked: true,
    factsDirs: settings.factsDirs,
    render: { argv: [...world.self.exe, "render"] },
    stop,
  });
  if (!result.rendered.ok) {
    const [first] = result.rendered.faults;
    return nothing(`bundle ${bundle.version} fails to render: ${first?.file ?? ""}:${first?.line ?? ""}: ${first?.message ?? ""}`);
  }
  return { op: "plan", held, bundle: bundle.version, text: result.planText.slice(0, TEXT_CHARS_MAX).toWellFormed() };
}
