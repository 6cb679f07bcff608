import type { Run } from "../../shared/cli/command.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { paint } from "../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { fields } from "../../shared/cli/table.ts";
import { isFault, Fault } from "../../shared/core/fault.ts";
import { isoTimeOrNull } from "../../shared/cli/age.ts";
import type { HostSpec } from "../../shared/protocol/spec.ts";
import { argText } from "../core/cli/option-values.ts";
import { chooseHost } from "../core/fleet/choose-hosts.ts";
import { editOf, isSpecEdit, specDiff, specFields } from "../core/fleet/spec-edit.ts";
import { editSpec, getHost, listHosts, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

/** Without flags it shows the spec; with flags it shows the difference, asks, and writes only if nobody else wrote meanwhile (If-Match). */
export const run: Run = async (call) => {
  const { hub, nowMs } = await openSession(call, { roots: "held" });
  const { spec, name, host_id } = await getHost(hub, chooseHost(await take(listHosts(hub)), argText(call, "host")).host_id);
  const show = (shown: HostSpec, head: string | undefined): void =>
    present(call, {
      kind: "HostSpec",
      data: { id: host_id, name, dryRun: call.globals.dryRun, ...specData(shown) },
      human: () =>
        [
          head ?? `${paint(call.terminal, "strong", escapeUntrusted(name))}  generation ${shown.generation}`,
          ...(head === undefined ? [fields(specFields(shown, nowMs), call.terminal)] : []),
        ].join("\n"),
      next: head === undefined ? undefined : `felhom host show ${name}`,
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
  if (call.globals.dryRun) {
    show({ ...edit, v: 1, host_id: spec.host_id, generation: spec.generation }, "  Nothing was written: this was a dry run.");
    return 0;
  }
  await confirm(call, `Write generation ${spec.generation + 1} of ${escapeUntrusted(name)}?`);
  const written = await write();
  show(written, `  ${mark(call.terminal, "good", `${escapeUntrusted(name)} has generation ${written.generation}`)}`);
  return 0;

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

function specData(spec: HostSpec): Readonly<Record<string, unknown>> {
  return {
    generation: spec.generation,
    mode: spec.mode,
    pausedUntil: isoTimeOrNull(spec.paused_until),
    intervalS: spec.interval_s ?? null,
    fetchWindows: spec.fetch_windows ?? [],
    applyWindows: spec.apply_windows ?? [],
    nats: spec.nats === undefined ? null : { urls: spec.nats.urls ?? null },
  };
}
