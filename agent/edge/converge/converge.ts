/**
 * One converge run: facts → render → observe → plan → execute → look again at what changed. Used by the agent's worker and by
 * `felhom local`, with a hub or without. What cannot be rendered is not enforced: the last good resources stay in force.
 */
import { assert } from "../../../shared/core/assert.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { flatten } from "../../../shared/core/fault.ts";
import { utf8 } from "../../../shared/core/bytes.ts";
import { isSha256, type Sha256 } from "../../../shared/core/ids.ts";
import type { Report, ResourceOutcome } from "../../../shared/protocol/report.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Resource } from "../../../shared/states/resource.ts";
import { readFleetSources } from "../../../shared/states/fleet-directory.ts";
import type { RenderVerdict } from "../../../shared/states/render.ts";
import { parseRenderVerdict } from "../../../shared/states/render-verdict.ts";
import type { StateFault } from "../../../shared/states/state-fault.ts";
import type { Facts } from "../../core/facts/facts.ts";
import { monitored } from "../../core/converge/monitored.ts";
import { plan, type Planned } from "../../core/converge/plan.ts";
import { masking, planText } from "../../core/converge/plan-text.ts";
import { pruned, readRetryState, retryInMs } from "../../core/converge/retry.ts";
import { collectFacts } from "../facts/collect-facts.ts";
import { Accounts } from "../providers/accounts.ts";
import { ParentDirs } from "../providers/parent-dirs.ts";
import type { ProviderContext } from "../providers/provider.ts";
import { Stages } from "../providers/stages.ts";
import { execute } from "./execute.ts";
import { fileTexts } from "./file-texts.ts";
import { observe } from "./observe.ts";
import { chooseProviders, type Providers } from "./providers.ts";
import { failed, renderInChild, type RenderChild } from "./render-child.ts";

/** Plain JSON that the caller keeps between runs and need not understand; `{}` at first. */
export type RetryState = Readonly<Record<string, unknown>>;

export interface ConvergeInput {
  readonly treeDir: string;
  readonly host: { readonly id: string; readonly name: string };
  readonly labels: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly mode: "enforce" | "monitor";
  /** What the last bundle that rendered gave, as it was kept: it is checked again before it is believed. */
  readonly lastGood: readonly unknown[] | undefined;
  /** The tree that the last good resources' `source` names files of: never that of the bundle that does not render. */
  readonly lastGoodTreeDir?: string;
  readonly retry: RetryState;
  readonly factsDirs: readonly string[];
  readonly render: RenderChild;
  /** It was never rendered here before: it is rendered twice and compared. */
  readonly isNewBundle?: boolean;
  /** Somebody asked for this run: what is held back after failures is tried now. */
  readonly isAsked?: boolean;
  /** Makes the retry state durable before an effect. Absent: a kill in the middle of a run may lose a pending reload. */
  readonly journal?: (retry: RetryState) => void;
  readonly stop?: AbortSignal;
}

export interface ConvergeResult {
  readonly rendered: RenderVerdict;
  readonly enforced: "new" | "last-good" | "nothing";
  readonly counts: Report["counts"];
  /** Of every resource, in graph order, unchanged ones too. */
  readonly outcomes: readonly ResourceOutcome[];
  readonly planned: readonly Planned[];
  readonly planText: string;
  readonly planSha256: Sha256;
  readonly facts: Facts;
  readonly retry: RetryState;
  /** When the first resource that is held back is due again. */
  readonly retryInMs: number | undefined;
  readonly startedWallMs: number;
  readonly durationMs: number;
}

export async function converge(world: World, input: ConvergeInput): Promise<ConvergeResult> {
  const startedWallMs = world.clock.wallMs();
  const startedMono = world.clock.monoMs();
  const facts = await collectFacts(world, { factsDirs: input.factsDirs });
  const rendered = await renderTree(world, input, facts);
  const { enforced, resources, treeDir } = rendered.ok
    ? ({ enforced: "new", resources: rendered.resources, treeDir: input.treeDir } as const)
    : fallback(world, input, rendered.faults);
  const done = await bring(world, input, resources, treeDir);
  const counts = countsOf(done.outcomes);
  world.log.event("info", "converge.finished", { enforced, mode: input.mode, resources: resources.length, ...counts });
  return {
    rendered,
    enforced,
    counts,
    ...done,
    planSha256: hashOf(done.planText),
    facts,
    startedWallMs,
    durationMs: Math.max(0, Math.round(world.clock.monoMs() - startedMono)),
  };
}

interface Fallback {
  readonly enforced: "last-good" | "nothing";
  readonly resources: readonly Resource[];
  readonly treeDir: string;
}

function fallback(world: World, input: ConvergeInput, faults: readonly StateFault[]): Fallback {
  const [first] = faults;
  world.log.event("warn", "render.failed", { faults: faults.length, file: first?.file, line: first?.line, because: first?.message });
  const treeDir = input.lastGoodTreeDir ?? input.treeDir;
  if (input.lastGood === undefined) return { enforced: "nothing", resources: [], treeDir };
  const kept = parseRenderVerdict(JSON.stringify({ ok: true, resources: input.lastGood, sources: [], states: [], defaults: {} }));
  if (kept.ok) return { enforced: "last-good", resources: kept.resources, treeDir };
  world.log.event("error", "render.failed", { because: `what was kept as last good is damaged: ${kept.faults[0]?.message ?? ""}` });
  return { enforced: "nothing", resources: [], treeDir };
}

/** Twice, when it is new here and holds code: YAML and Liquid have nothing in them that could differ from run to run. */
export async function renderTree(
  world: World,
  input: Pick<ConvergeInput, "treeDir" | "host" | "labels" | "secrets" | "render" | "isNewBundle">,
  facts: Facts,
): Promise<RenderVerdict> {
  try {
    const { host, labels, secrets } = input;
    const fleet = readFleetSources(world.files, input.treeDir);
    if (!fleet.ok) return fleet;
    const { sources, paths } = fleet.value;
    const hasCode = Object.keys(sources).some((path) => path.endsWith(".ts"));
    return await renderInChild(world, input.render, { files: sources, paths, host, labels, facts, secrets }, input.isNewBundle === true && hasCode);
  } catch (error) {
    // The tree cannot be read whole: half of it is not rendered.
    return failed(flatten(error));
  }
}

type Brought = Pick<ConvergeResult, "outcomes" | "planned" | "planText" | "retry" | "retryInMs">;

async function bring(world: World, input: ConvergeInput, resources: readonly Resource[], treeDir: string): Promise<Brought> {
  const providers = chooseProviders(world);
  logChoices(world, providers, resources);
  const context: ProviderContext = {
    world,
    parents: new ParentDirs(world.files, world.self),
    accounts: new Accounts(world),
    treeDir,
    stages: new Stages(world),
  };
  const mask = masking(Object.values(input.secrets));
  try {
    const seen = await observe(context, providers, resources);
    const before = pruned(readRetryState(input.retry), resources);
    const planned = plan({ resources, seen, retry: before, nowMs: world.clock.wallMs(), isAsked: input.isAsked === true });
    const text = planText({ planned, texts: fileTexts(world, treeDir, planned), secrets: Object.values(input.secrets) });
    const masked = (outcomes: readonly ResourceOutcome[]): readonly ResourceOutcome[] =>
      outcomes.map((outcome) => ({ ...outcome, reason: mask(outcome.reason) }));
    if (input.mode === "monitor") return { outcomes: masked(monitored(planned)), planned, planText: text, retry: { ...before }, retryInMs: undefined };
    const journal = input.journal ?? (() => {});
    const { outcomes, retry } = await execute({
      context,
      providers,
      resources,
      seen,
      retry: before,
      isAsked: input.isAsked === true,
      stop: input.stop,
      journal: (state) => journal({ ...state }),
    });
    return { outcomes: masked(outcomes), planned, planText: text, retry: { ...retry }, retryInMs: retryInMs(retry, world.clock.wallMs()) };
  } finally {
    context.parents.close();
  }
}

function logChoices(world: World, providers: Providers, resources: readonly Resource[]): void {
  for (const type of new Set(resources.map((resource) => resource.type))) {
    const chosen = providers[type];
    world.log.event("debug", "provider.chosen", { type, because: chosen.provider === undefined ? chosen.because : chosen.provider.because });
  }
}

function countsOf(outcomes: readonly ResourceOutcome[]): Report["counts"] {
  const counts = { unchanged: 0, changed: 0, drifted: 0, failed: 0, skipped: 0, waiting: 0 };
  for (const { outcome } of outcomes) counts[outcome]++;
  return counts;
}

function hashOf(text: string): Sha256 {
  const hash = sha256Hex(utf8(text));
  assert(isSha256(hash), "a SHA-256 in hex is one");
  return hash;
}
