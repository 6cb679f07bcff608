import type { Call, Run } from "../../shared/cli/command.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { paint } from "../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { fields } from "../../shared/cli/table.ts";
import { isFault, Fault } from "../../shared/core/fault.ts";
import { count, isoTimeOrNull } from "../../shared/cli/age.ts";
import type { HostSpec } from "../../shared/protocol/spec.ts";
import { argText } from "../core/cli/option-values.ts";
import { chooseHost } from "../core/fleet/choose-hosts.ts";
import { editOf, heldFields, isSpecEdit, specDiff, specFields } from "../core/fleet/spec-edit.ts";
import { editSpec, getHost, listHosts, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

/** Without flags it shows the spec; with flags it shows the difference, asks, and writes only if nobody else wrote meanwhile (If-Match). */
export const run: Run = async (call) => {
  const session = await openSession(call, { roots: "held" });
  const { hub, nowMs } = session;
  const { spec, name, host_id } = await getHost(hub, chooseHost(await take(listHosts(hub)), argText(call, "host")).host_id);
  let held: readonly string[] = [];
  const show = (shown: HostSpec, head: string | undefined): void =>
    present(call, {
      kind: "HostSpec",
      data: { id: host_id, name, dryRun: call.globals.dryRun, ...specData(shown), awaitsSignature: held },
      human: () =>
        [
          head ?? `${paint(call.terminal, "strong", escapeUntrusted(name))}  generation ${shown.generation}`,
          ...(head === undefined ? [fields(specFields(shown, nowMs), call.terminal)] : []),
        ].join("\n"),
      next:
        head === undefined ? undefined : held.length > 0 && !call.globals.dryRun ? "felhom sign pending, once the box has told" : `felhom host show ${name}`,
    });
  if (!isSpecEdit(call.options)) {
    show(spec, undefined);
    return 0;
  }
  const edit = editOf(spec, call.options, nowMs);
  const diff = specDiff(spec, edit, nowMs);
  if (diff.length === 0) {
    hint(call, "  Nothing to change.");
    show(spec, undefined);
    return 0;
  }
  hint(
    call,
    fields(
      diff.map(({ field, from, to }) => [field, `${from} ${call.terminal.unicode ? "→" : "->"} ${to}`]),
      call.terminal,
    ),
  );
  held = heldFields(spec, edit);
  if (held.length > 0) hint(call, heldText(call, name, held, session.root.payload.roles.destroy));
  if (call.globals.dryRun) {
    show({ ...edit, v: 1, host_id: spec.host_id, generation: spec.generation }, "  Nothing was written: this was a dry run.");
    return 0;
  }
  await confirm(call, `Write generation ${spec.generation + 1} of ${escapeUntrusted(name)}?`);
  const written = await write();
  show(written, `  ${mark(call.terminal, "good", `${escapeUntrusted(name)} has generation ${written.generation}`)}`);
  return held.length > 0 ? 6 : 0;

  async function write(): Promise<HostSpec> {
    try {
      return await editSpec(hub, host_id, spec.generation, edit);
    } catch (error) {
      if (isFault(error, "conflict"))
        throw new Fault("conflict", `Cannot write the spec of ${name}: somebody else changed it since generation ${spec.generation}`, {
          cause: error,
          remedy: `felhom host spec ${name} shows what it is now.`,
        });
      throw error;
    }
  }
};

/** By the table that is compiled into every box: what destroys waits there, the rest of the edit is in force meanwhile. */
function heldText(call: Call, name: string, held: readonly string[], destroy: { readonly threshold: number; readonly keys: readonly unknown[] }): string {
  const needs = `${destroy.threshold} of the ${count(destroy.keys.length, "key")} with role destroy`;
  return [
    `  ${mark(call.terminal, "warn", `${held.join(", ")} can't be undone`)}: ${escapeUntrusted(name)} holds that back, as awaiting signature, until ${needs} signed it.`,
    "  The rest of this edit applies meanwhile. The box's own words come to the hub as a draft.",
  ].join("\n");
}

function specData(spec: HostSpec): Readonly<Record<string, unknown>> {
  return {
    generation: spec.generation,
    mode: spec.mode,
    pausedUntil: isoTimeOrNull(spec.paused_until),
    intervalS: spec.interval_s ?? null,
    fetchWindows: spec.fetch_windows ?? [],
    applyWindows: spec.apply_windows ?? [],
    nats: spec.nats === undefined ? null : { urls: spec.nats.urls ?? null },
    retire: spec.retire ?? false,
  };
}
