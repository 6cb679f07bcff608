import type { Call, ExitCode, Run } from "../../shared/cli/command.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import { parseEnvelope, type Envelope, ENVELOPE_BYTES_MAX, openEnvelope } from "../../shared/trust/envelope.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { type RootPayload, rootPayload } from "../../shared/trust/payloads.ts";
import { checkRoot } from "../../shared/trust/root.ts";
import { parseStrict } from "../../shared/trust/strict-json.ts";
import { argText } from "../core/cli/option-values.ts";
import { exchangeRoots } from "../edge/push-roots.ts";
import { rootKeys, settle, showAndAsk, withSignatures } from "../edge/root-change.ts";
import { type FleetRoots, Workstation } from "../edge/workstation.ts";

/**
 * One more signature on a root that waits: from a file that another operator wrote, or from this workstation. What is shown comes
 * from the bytes that will be signed, compared with the root that is verified here; nothing in the file is believed before that.
 * With nothing waiting it brings workstation and hub to the same root.
 */
export const run: Run = async (call) => {
  const workstation = new Workstation(call.world, call.globals.home);
  const { fleet, ...exchange } = await exchangeRoots(call, workstation, workstation.fleet(call.globals.context));
  if (call.options["discard"] === true) return discard(call, workstation, fleet);
  const file = argText(call, "file");
  const envelope = file === "" ? fleet.pending : readFile(call, file);
  if (envelope === undefined) {
    const same = exchange.is === "done";
    present(call, {
      kind: "RootChange",
      data: {
        fleetId: fleet.fleetId,
        version: fleet.newest.payload.version,
        changes: [],
        pushed: same,
        ...(exchange.is === "done" ? {} : { notPushedBecause: exchange.because }),
      },
      human: () =>
        `  Nothing waits for a signature. ${exchange.is === "done" ? mark(call.terminal, "good", `the hub has root version ${fleet.newest.payload.version}`) : mark(call.terminal, "warn", `the hub was not asked: ${exchange.because}`)}`,
    });
    return same ? 0 : 75;
  }
  const next = readRoot(envelope);
  const before = fleet.newest.payload;
  if (next.fleet_id !== before.fleet_id)
    throw new Fault("refused", `Cannot sign this root: it is of fleet ${next.fleet_id}, and this is ${before.fleet_id}`, {
      facts: { refusal: "fleet_mismatch" },
      remedy: "--context NAME chooses another fleet.",
    });
  if (next.version !== before.version + 1)
    throw new Fault("refused", `Cannot sign this root: it is version ${next.version}, and version ${before.version} is in force here`, {
      facts: { refusal: "version_step" },
      remedy: "The change has to be made again from the root in force.",
    });
  if (await showAndAsk(call, before, next)) return 0;
  const merged = fleet.pending !== undefined && fleet.pending.payload === envelope.payload ? mergeSignatures(fleet.pending, envelope) : envelope;
  const keys = await rootKeys(call, before, next);
  return settle(call, { workstation, fleet, envelope: withSignatures(merged, keys), next });
};

function discard(call: Call, workstation: Workstation, fleet: FleetRoots): ExitCode {
  if (fleet.pending !== undefined && !call.globals.dryRun) workstation.savePendingRoot(fleet.fleetId, undefined);
  present(call, {
    kind: "RootChange",
    data: { fleetId: fleet.fleetId, discarded: fleet.pending !== undefined, dryRun: call.globals.dryRun },
    human: () =>
      fleet.pending === undefined ? "  Nothing waits for a signature." : `  The changed root ${call.globals.dryRun ? "would be" : "was"} thrown away.`,
  });
  return 0;
}

function readFile(call: Call, file: string): Envelope {
  const bytes = call.world.files.read("trust.import", file.startsWith("/") ? file : `${call.cwd}/${file}`, { bytesMax: ENVELOPE_BYTES_MAX, follow: true });
  return mustVerify(parseEnvelope(bytes), `Cannot read ${file}`, "It must be a file that felhom trust … --out FILE wrote.");
}

function readRoot(envelope: Envelope): RootPayload {
  const opened = mustVerify(openEnvelope(envelope, "root"), "Cannot sign this file");
  const payload = mustVerify(parseStrict(rootPayload, opened.payload, "root"), "Cannot sign this root");
  return mustVerify(checkRoot(payload), "Cannot sign this root");
}

/** Both carry the same bytes: every key's signature once, ours first. */
function mergeSignatures(ours: Envelope, theirs: Envelope): Envelope {
  const held = new Set(ours.signatures.map(({ keyid }) => keyid));
  return { ...ours, signatures: [...ours.signatures, ...theirs.signatures.filter(({ keyid }) => !held.has(keyid))] };
}
