import type { Run } from "../../shared/cli/command.ts";
import { isoTime, parseDuration, until } from "../../shared/cli/age.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { Envelope } from "../../shared/trust/envelope.ts";
import { grantIdOf } from "../../shared/trust/grant-id.ts";
import { GRANT_LIFETIME_MS_MAX, verifyGrant } from "../../shared/trust/host-identity.ts";
import { encodeJoinCode } from "../../shared/trust/join-code.ts";
import { SEED_BYTES, signingKeyFromSeed, spellKey } from "../../shared/trust/keys.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { type GrantPayload, grantPayload } from "../../shared/trust/payloads.ts";
import { signPayload } from "../../shared/trust/sign-payload.ts";
import { optionList, optionText } from "../core/cli/option-values.ts";
import { checkLabels } from "../core/fleet/certificate.ts";
import { readLabels } from "../core/fleet/choose-hosts.ts";
import { labelsText } from "../core/fleet/host-summary.ts";
import { trustOf } from "../core/trust/join-trust.ts";
import { setToken } from "../core/vault/edit-contents.ts";
import { uploadGrant } from "../edge/hub-api.ts";
import { askPassphrase } from "../edge/passphrase.ts";
import { openSession, pinsOf } from "../edge/session.ts";
import { signersFrom } from "../edge/signers.ts";
import { editVault } from "../edge/vault.ts";
import { Workstation } from "../edge/workstation.ts";

const EXPIRES_DEFAULT = "7d";
const USES_MAX = 100_000;

/**
 * Lets boxes in without a person at that moment. The token is a fresh key pair: its seed goes into the vault and into join codes,
 * its public half into what is signed here. It is in the vault before the hub hears of it, so that it can't be lost half way.
 */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const labels = readLabels(optionList(call, "label"));
  checkLabels(labels);
  const lifetimeMs = readLifetime(optionText(call, "expires") ?? EXPIRES_DEFAULT);
  const token = signingKeyFromSeed(call.world.crypto.randomBytes(SEED_BYTES));
  const payload: GrantPayload = {
    v: 1,
    fleet_id: session.root.payload.fleet_id,
    grant_id: grantIdOf(token.publicKey),
    token_key: spellKey(token.publicKey),
    labels,
    uses: readUses(optionText(call, "uses") ?? "1"),
    created_at: session.nowMs,
    expires_at: session.nowMs + lifetimeMs,
  };
  const summary = `up to ${payload.uses} ${payload.uses === 1 ? "box" : "boxes"}, labels ${labelsText(labels) || "none"}, ends ${until(payload.expires_at, session.nowMs)}`;
  const data = {
    id: payload.grant_id,
    labels,
    uses: payload.uses,
    createdAt: isoTime(payload.created_at),
    expiresAt: isoTime(payload.expires_at),
    dryRun: call.globals.dryRun,
  };
  if (call.globals.dryRun) {
    present(call, { kind: "Grant", data, human: () => `  Would make a grant for ${escapeUntrusted(summary)}. Nothing was signed: this was a dry run.` });
    return 0;
  }
  await confirm(call, `Make a grant for ${escapeUntrusted(summary)}?`);
  const signed: Envelope[] = [];
  await editVault(call.world, call.globals.home, {
    passphrase: askPassphrase(call),
    edit: (contents) => {
      const envelope = signPayload("grant", grantPayload, payload, signersFrom(call, contents, { root: session.root, role: "admit" }));
      mustVerify(verifyGrant(envelope, session.root, session.nowMs), "Cannot make this grant");
      signed.splice(0, signed.length, envelope);
      return setToken(contents, payload.fleet_id, payload.grant_id, token.seed);
    },
  });
  for (const envelope of signed) await uploadGrant(session.hub, envelope);
  const fleet = new Workstation(call.world, call.globals.home).roots(payload.fleet_id);
  const code = encodeJoinCode({ ...trustOf(fleet), pins: pinsOf(session.context, fleet), token: token.seed });
  present(call, {
    kind: "Grant",
    data: { ...data, code },
    human: () =>
      `  ${mark(call.terminal, "good", `grant ${payload.grant_id}`)}  ${escapeUntrusted(summary)}\n  Whoever has this code can enroll a box, treat it as a secret:\n\n${code}`,
    next: `on each box: felhom enroll --master-urls ${session.context.hubUrl} --join CODE`,
  });
  return 0;
};

function readLifetime(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 60_000 || ms > GRANT_LIFETIME_MS_MAX)
    throw new Fault("bad_request", `Cannot let a grant live for ${text}`, { remedy: "Write it as 6h, 7d or 4w: at least a minute, at most 366 days." });
  return ms;
}

function readUses(text: string): number {
  const uses = Number(text);
  if (!/^[1-9][0-9]{0,5}$/.test(text) || uses > USES_MAX)
    throw new Fault("bad_request", `Cannot let a grant be used ${text} times`, { remedy: `A whole number from 1 to ${USES_MAX}.` });
  return uses;
}
