/**
 * Every change of trust goes this way: take the hub's newest root, make the next one, show what changes, ask, sign with this vault's
 * root keys. When that is a threshold it is in force and pushed; when not, it waits here and can be written to a file for the
 * operator who signs next (`felhom trust sign FILE`).
 */
import { confirm } from "../../shared/cli/confirm.ts";
import type { Call, ExitCode } from "../../shared/cli/command.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { hint, isHuman, present } from "../../shared/cli/present.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { Fault } from "../../shared/core/fault.ts";
import { durableWrite } from "../../shared/edge/durable-write.ts";
import { addSignature, encodeEnvelope, type Envelope, signEnvelope } from "../../shared/trust/envelope.ts";
import type { SigningKey } from "../../shared/trust/keys.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { type RootPayload, rootPayload } from "../../shared/trust/payloads.ts";
import { checkRoot, verifyNextRoot } from "../../shared/trust/root.ts";
import { encodePayload } from "../../shared/trust/sign-payload.ts";
import { optionText } from "../core/cli/option-values.ts";
import { checkSatisfiable, consequences, describeChange, nextRoot, type RootEdit } from "../core/trust/root-edit.ts";
import { keysOf } from "../core/vault/edit-contents.ts";
import { askPassphrase } from "./passphrase.ts";
import { exchangeRoots } from "./push-roots.ts";
import { readVault } from "./vault.ts";
import { type FleetRoots, Workstation } from "./workstation.ts";

export async function changeRoot(call: Call, edit: (fleet: FleetRoots, workstation: Workstation) => RootEdit): Promise<ExitCode> {
  const workstation = new Workstation(call.world, call.globals.home);
  const { fleet } = await exchangeRoots(call, workstation, workstation.fleet(call.globals.context));
  if (fleet.pending !== undefined) {
    throw new Fault("conflict", "Cannot change the root: a changed root already waits here for signatures", {
      remedy: "felhom trust sign finishes it, felhom trust sign --discard throws it away.",
    });
  }
  const before = fleet.newest.payload;
  const next = nextRoot(before, edit(fleet, workstation), call.world.clock.wallMs());
  checkSatisfiable(next);
  mustVerify(checkRoot(next), "Cannot make this root");
  if (await showAndAsk(call, before, next)) return 0;
  const keys = await rootKeys(call, before, next);
  if (keys.length === 0) throw new Fault("denied", "Cannot sign the root: no key in this vault has role root", { remedy: "felhom trust show lists who has." });
  return settle(call, { workstation, fleet, envelope: signEnvelope("root", encodePayload("root", rootPayload, next), keys), next });
}

/** True when it was a dry run, and all is said. */
export async function showAndAsk(call: Call, before: RootPayload, next: RootPayload): Promise<boolean> {
  const changes = describeChange(before, next);
  const warnings = consequences(before, next);
  const data = { fleetId: before.fleet_id, version: next.version, changes, warnings };
  const human = (): string => [...changes, ...warnings.map((warning) => `! ${warning}`)].map((line) => `  ${escapeUntrusted(line)}`).join("\n");
  if (call.globals.dryRun) {
    present(call, { kind: "RootChange", data: { ...data, dryRun: true }, human: () => `${human()}\n  Nothing was signed: this was a dry run.` });
    return true;
  }
  if (isHuman(call.globals)) hint(call, human());
  await confirm(call, `Sign version ${next.version} of the root?`);
  return false;
}

/** This vault's keys with role root, in the root in force or in the next. */
export async function rootKeys(call: Call, before: RootPayload, next: RootPayload): Promise<readonly SigningKey[]> {
  const contents = await readVault(call.world, call.globals.home, askPassphrase(call));
  const wanted = new Set([...before.roles.root.keys, ...next.roles.root.keys]);
  return keysOf(contents).flatMap(({ key }) => (wanted.has(key.keyId) ? [key] : []));
}

export function withSignatures(envelope: Envelope, keys: readonly SigningKey[]): Envelope {
  return keys.reduce((signed, key) => mustVerify(addSignature(signed, "root", key), "Cannot sign the root"), envelope);
}

interface Settling {
  readonly workstation: Workstation;
  readonly fleet: FleetRoots;
  readonly envelope: Envelope;
  readonly next: RootPayload;
}

/** In force and pushed when the signatures suffice (0), else kept and written for the next signer (6). */
export async function settle(call: Call, { workstation, fleet, envelope, next }: Settling): Promise<ExitCode> {
  const before = fleet.newest.payload;
  const verdict = verifyNextRoot(fleet.newest, envelope);
  const outFile = optionText(call, "out");
  if (!verdict.ok && verdict.refusal !== "threshold_not_met" && verdict.refusal !== "key_unknown") mustVerify(verdict, "Cannot take this root");
  const changes = describeChange(before, next);
  const data = { fleetId: fleet.fleetId, version: next.version, changes, warnings: consequences(before, next), inForce: verdict.ok };
  if (outFile !== undefined)
    durableWrite(call.world.files, call.world.crypto, "trust.export", outFile.startsWith("/") ? outFile : `${call.cwd}/${outFile}`, encodeEnvelope(envelope), {
      mode: 0o644,
    });
  if (!verdict.ok) {
    workstation.savePendingRoot(fleet.fleetId, envelope);
    present(call, {
      kind: "RootChange",
      data: { ...data, signatures: signatureCount(before, next, envelope), ...(outFile === undefined ? {} : { file: outFile }) },
      human: () => `  ${mark(call.terminal, "warn", `version ${next.version} waits for signatures`)}  ${signatureText(before, next, envelope)}`,
      next:
        outFile === undefined
          ? "felhom trust sign --out FILE writes it for the next operator, who runs felhom trust sign FILE"
          : `the next operator runs: felhom trust sign ${outFile}`,
    });
    return 6;
  }
  const extended = workstation.extendRoots(fleet.fleetId, [envelope]);
  const exchange = await exchangeRoots(call, workstation, extended);
  const pushed = exchange.is === "done";
  present(call, {
    kind: "RootChange",
    data: { ...data, pushed, ...(pushed ? {} : { notPushedBecause: exchange.because }) },
    human: () =>
      `  ${mark(call.terminal, "good", `version ${next.version} is the root now`)}${pushed ? ", and the hub has it" : `\n  ${mark(call.terminal, "warn", `the hub does not have it yet: ${escapeUntrusted(exchange.because)}`)}`}`,
    next: pushed ? (data.warnings.length === 0 ? "felhom trust show" : "felhom publish") : "felhom login, then felhom trust sign sends it",
  });
  return 0;
}

export function signatureCount(
  before: RootPayload,
  next: RootPayload,
  envelope: Envelope,
): Readonly<Record<"old" | "new", { readonly have: number; readonly need: number }>> {
  const signed = new Set(envelope.signatures.map(({ keyid }) => keyid));
  const of = ({ keys, threshold }: RootPayload["roles"]["root"]) => ({ have: keys.filter((id) => signed.has(id)).length, need: threshold });
  return { old: of(before.roles.root), new: of(next.roles.root) };
}

function signatureText(before: RootPayload, next: RootPayload, envelope: Envelope): string {
  const { old, new: fresh } = signatureCount(before, next, envelope);
  return `${old.have} of ${old.need} by the old root's keys, ${fresh.have} of ${fresh.need} by the new one's`;
}
