/**
 * A destructive part of the spec that waited, and an op that names it. What was signed has to be, letter by letter, what waits: the
 * hub could have put another generation in its place in between. Said again after a crash it finds it applied, and says so.
 */
import type { World } from "../../../shared/ports/world.ts";
import type { HeldField } from "../../../shared/protocol/spec-classes.ts";
import { hostSpec } from "../../../shared/protocol/spec.ts";
import type { WorkerRequest, WorkerResult } from "../../core/worker/messages.ts";
import { type Documents, writeBoth } from "./documents.ts";
import { heldOf } from "./held.ts";
import { type Desired, loadDesired } from "./load-desired.ts";

type Request = Extract<WorkerRequest, { readonly op: "apply-spec" }>;

export async function applySpec(world: World, { settings, generation, fields }: Request): Promise<Extract<WorkerResult, { readonly op: "apply-spec" }>> {
  const { dataDir } = settings;
  const desired = loadDesired(world, dataDir);
  const verdict = judge(desired, generation, fields);
  if (verdict.documents !== undefined) {
    const next = verdict.documents;
    writeBoth(world, dataDir, (stored) => ({ ...next, ...(stored?.lastGood === undefined ? {} : { lastGood: stored.lastGood }) }));
  }
  const held = await heldOf(world, dataDir, loadDesired(world, dataDir));
  return {
    op: "apply-spec",
    held,
    applied: verdict.refused === undefined ? Object.keys(fields) : [],
    ...(verdict.refused === undefined ? {} : { refused: verdict.refused }),
  };
}

function judge(
  { documents }: Desired,
  generation: number,
  fields: Readonly<Record<string, HeldField>>,
): { readonly documents?: Documents; readonly refused?: string } {
  const { awaiting, spec } = documents;
  const names = Object.keys(fields);
  if (spec === undefined) return { refused: "this box holds no spec" };
  const now: Readonly<Record<string, unknown>> = spec;
  if (spec.generation === generation && awaiting === undefined && names.every((name) => JSON.stringify(now[name] ?? null) === fields[name]?.to)) return {};
  if (awaiting === undefined || awaiting.generation !== generation) return { refused: `generation ${generation} does not wait for a signature here` };
  const isSame =
    names.length === Object.keys(awaiting.fields).length &&
    names.every((name) => fields[name]?.from === awaiting.fields[name]?.from && fields[name]?.to === awaiting.fields[name]?.to);
  if (!isSame) return { refused: "what was signed is not what waits here" };
  const wanted = Object.fromEntries(names.map((name) => [name, JSON.parse(fields[name]?.to ?? "null") as unknown]));
  const { awaiting: _applied, ...rest } = documents;
  const next = Object.fromEntries(Object.entries({ ...spec, ...wanted }).filter(([, value]) => value !== null));
  return { documents: { ...rest, spec: hostSpec.parse(next) } };
}
