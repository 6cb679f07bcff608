import type { Call, Run } from "../../shared/cli/command.ts";
import { isoTime } from "../../shared/cli/age.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { base64url, fromUtf8, utf8 } from "../../shared/core/bytes.ts";
import { Fault, isFault } from "../../shared/core/fault.ts";
import type { LoginReply } from "../../shared/protocol/api/login.ts";
import { decodeJoinCode, type JoinCode } from "../../shared/trust/join-code.ts";
import { sign, type SigningKey } from "../../shared/trust/keys.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import type { RootPayload } from "../../shared/trust/payloads.ts";
import { chainHolds } from "../../shared/trust/root.ts";
import { optionList, optionText } from "../core/cli/option-values.ts";
import { readHubUrl, readPins } from "../core/hub-url.ts";
import { keysOf } from "../core/vault/edit-contents.ts";
import { chooseFleet } from "../edge/choose-fleet.ts";
import { createChallenge, createSession, getRoots, setUp, uploadRoot } from "../edge/hub-api.ts";
import type { HubConnection } from "../edge/hub-connection.ts";
import { connect, pinsOf } from "../edge/session.ts";
import { unlocked } from "../edge/signers.ts";
import { Workstation, type FleetRoots, type HubContext } from "../edge/workstation.ts";

/**
 * Opens a session by signing the hub's challenge with a key of the vault. With `--setup-token-file` it first gives a new hub its
 * fleet; with `--join` it takes over a fleet that another operator made. A context is written only after the hub accepted.
 */
const SETUP_TOKEN_BYTES_MAX = 256;

export const run: Run = async (call) => {
  const workstation = new Workstation(call.world, call.globals.home);
  const target = targetOf(call, workstation);
  const hub = connect(call, { url: target.context.hubUrl, pins: pinsOf(target.context, target.roots) });
  const tokenFile = optionText(call, "setup-token-file");
  if (tokenFile !== undefined) await giveFleet(call, hub, target, tokenFile);
  const { reply, keyName } = await signIn(call, hub, target);
  const logged = connect(call, { url: target.context.hubUrl, pins: pinsOf(target.context, target.roots), token: reply.token });
  const roots = await meetRoots(logged, workstation, target);
  workstation.saveContext(target.context);
  if (target.chosen) workstation.useContext(target.context.name);
  workstation.saveSession(target.context.name, { hubUrl: target.context.hubUrl, token: reply.token, role: reply.role, expiresAt: reply.expires_at });
  const { fleet_name, version } = roots.newest.payload;
  present(call, {
    kind: "Login",
    data: {
      context: target.context.name,
      hub: target.context.hubUrl,
      fleetId: target.context.fleetId,
      fleetName: fleet_name,
      rootVersion: version,
      key: keyName,
      role: reply.role,
      expiresAt: isoTime(reply.expires_at),
    },
    human: () =>
      `  ${mark(call.terminal, "good", `logged in to ${fleet_name}`)}  ${target.context.hubUrl} as ${escapeUntrusted(keyName)}, ${reply.role}, until ${isoTime(reply.expires_at)}`,
    next: tokenFile === undefined ? "felhom status" : "felhom join-code, for the first box",
  });
  return 0;
};

interface Target {
  readonly context: HubContext;
  readonly roots: FleetRoots | undefined;
  /** Of a join code: what the chain from the hub must begin with. */
  readonly pin: string | undefined;
  /** Of a join code: the root that the chain must lead through. */
  readonly newest: JoinCode["newest"];
  /** `--hub` was given: this context becomes the current one. */
  readonly chosen: boolean;
}

function targetOf(call: Call, workstation: Workstation): Target {
  const url = optionText(call, "hub");
  const asked = call.globals.context;
  if (url === undefined) {
    const context = workstation.context(asked);
    return { context, roots: workstation.roots(context.fleetId), pin: undefined, newest: undefined, chosen: false };
  }
  const hubUrl = readHubUrl(url);
  const pins = readPins(optionList(call, "pin"));
  const joinCode = optionText(call, "join");
  if (joinCode !== undefined) {
    const join = mustVerify(decodeJoinCode(joinCode), "Cannot use this join code");
    const known = workstation.fleets().includes(join.fleetId) ? workstation.roots(join.fleetId) : undefined;
    return {
      context: { name: asked ?? known?.newest.payload.fleet_name ?? join.fleetId, hubUrl, pins: [...new Set([...pins, ...join.pins])], fleetId: join.fleetId },
      roots: known,
      pin: join.rootHash,
      newest: join.newest,
      chosen: true,
    };
  }
  const roots = chooseFleet(workstation, { fleet: optionText(call, "fleet"), contextName: asked, hubUrl });
  return {
    context: { name: asked ?? roots.newest.payload.fleet_name, hubUrl, pins, fleetId: roots.fleetId },
    roots,
    pin: undefined,
    newest: undefined,
    chosen: true,
  };
}

async function giveFleet(call: Call, hub: HubConnection, { roots }: Target, tokenFile: string): Promise<void> {
  const first = roots?.chain[0];
  if (first === undefined)
    throw new Fault("bad_request", "Cannot set up a hub with a join code: its fleet has a hub already", { remedy: "Leave out --setup-token-file." });
  const path = tokenFile.startsWith("/") ? tokenFile : `${call.cwd}/${tokenFile}`;
  const token = fromUtf8(
    tokenFile === "-"
      ? await call.terminal.readStdin(SETUP_TOKEN_BYTES_MAX)
      : call.world.files.read("login.setup-token", path, { bytesMax: SETUP_TOKEN_BYTES_MAX, follow: true }),
  ).trim();
  try {
    await setUp(hub, { setup_token: token, root: first });
    hint(call, "  The hub has its fleet.");
  } catch (error) {
    // A first try whose answer was lost: the challenge will tell whether it is this fleet.
    if (!isFault(error, "conflict")) throw error;
    hint(call, "  The hub already has a fleet.");
  }
}

async function signIn(call: Call, hub: HubConnection, { context, roots }: Target): Promise<{ readonly reply: LoginReply; readonly keyName: string }> {
  const challenge = await createChallenge(hub);
  if (challenge.fleet_id === null)
    throw new Fault("conflict", `Cannot log in: the hub at ${context.hubUrl} has no fleet yet`, {
      remedy: "felhom login --hub URL --pin PIN --setup-token-file FILE; the hub's first start wrote the file.",
    });
  if (challenge.fleet_id !== context.fleetId)
    throw new Fault("refused", `Cannot log in: the hub at ${context.hubUrl} serves fleet ${challenge.fleet_id}, not ${context.fleetId}`, {
      facts: { refusal: "fleet_mismatch" },
    });
  const { name, key } = await loginKey(call, roots?.newest.payload);
  // The fleet in the signed text is the one that is pinned here, never the one that the hub names.
  const signed = utf8(`felhom login\n${context.fleetId}\n${challenge.challenge_id}\n${challenge.nonce}\n${key.keyId}`);
  const reply = await createSession(hub, { challenge_id: challenge.challenge_id, key_id: key.keyId, signature: base64url(sign(key, signed)) });
  return { reply, keyName: name };
}

async function loginKey(call: Call, root: RootPayload | undefined): Promise<{ readonly name: string; readonly key: SigningKey }> {
  const names = optionList(call, "key");
  const all = keysOf(await unlocked(call)).filter(({ name }) => names.length === 0 || names.includes(name));
  const fitting = root === undefined ? all : all.filter(({ key }) => Object.hasOwn(root.keys, key.keyId));
  const [first] = fitting;
  if (first === undefined)
    throw new Fault(
      "denied",
      all.length === 0 && names.length > 0
        ? `Cannot log in with ${names.join(", ")}: the vault has no such key`
        : "Cannot log in: no key of the vault is in the fleet's root",
      { remedy: "felhom key list and felhom trust show tell which keys there are." },
    );
  if (root === undefined && fitting.length > 1)
    throw new Fault("bad_request", "Cannot tell which key to log in with", { remedy: `--key ${fitting.map(({ name }) => name).join(" or --key ")}` });
  return first;
}

/** Both sides have the longest chain afterwards: roots made here go up, roots made elsewhere come down and are verified. */
async function meetRoots(hub: HubConnection, workstation: Workstation, { context, roots, pin, newest: named }: Target): Promise<FleetRoots> {
  const offered = await getRoots(hub);
  if (named !== undefined && roots === undefined)
    mustVerify(chainHolds(offered, named), "Cannot log in: the hub's roots do not lead through the one in the join code");
  const known = roots ?? workstation.pinFleet(offered, pin ?? "");
  if (pin !== undefined && known.pin !== pin)
    throw new Fault("refused", "Cannot log in: this workstation pins another root version 1 than the join code", { facts: { refusal: "root_hash_mismatch" } });
  const newest = workstation.extendRoots(context.fleetId, offered);
  for (const root of newest.chain.slice(offered.length)) await uploadRoot(hub, root);
  return newest;
}
