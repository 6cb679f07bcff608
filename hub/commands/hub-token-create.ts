import { isoTimeOrNull, parseDuration } from "../../shared/cli/age.ts";
import type { Call, Run } from "../../shared/cli/command.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import { utf8 } from "../../shared/core/bytes.ts";
import { durableWrite } from "../../shared/edge/durable-write.ts";
import { type AccessRole, tokenCreate } from "../../shared/protocol/api/login.ts";
import { createToken } from "../edge/offline/tokens.ts";
import { absolute, existingDataDir, textOption } from "./place.ts";

export const run: Run = async (call) => {
  const dataDir = await existingDataDir(call);
  const asked = askedToken(call);
  const out = textOption(call, "out");
  const path = out === undefined ? undefined : absolute(call, out);
  if (path !== undefined && call.world.files.stat("token.out", path) !== undefined)
    throw new Fault("file_exists", `Cannot write the token to ${path}: something is there already`);
  if (call.globals.dryRun) {
    present(call, {
      kind: "ApiToken",
      data: { name: asked.name, role: asked.role, dryRun: true },
      human: () => `  Would make an API token ${asked.name} with role ${asked.role}.`,
    });
    return 0;
  }
  const { id, token } = createToken(call.world, dataDir, asked);
  if (path !== undefined) durableWrite(call.world.files, call.world.crypto, "token.out", path, utf8(`${token}\n`), { mode: 0o600 });
  present(call, {
    kind: "ApiToken",
    data: { id, name: asked.name, role: asked.role, expiresAt: isoTimeOrNull(asked.expiresAt), ...(path === undefined ? { token } : { file: path }) },
    human: () => (path === undefined ? token : `  ${id} is in ${path}.`),
  });
  if (path === undefined) hint(call, `  This is the only time it is shown. Revoke it with: felhom hub token revoke ${id}`);
  return 0;
};

function askedToken(call: Call): { readonly name: string; readonly role: AccessRole; readonly expiresAt: number | null } {
  const expires = textOption(call, "expires");
  const ms = expires === undefined ? undefined : parseDuration(expires);
  if (expires !== undefined && (ms === undefined || ms <= 0)) throw new Fault("bad_request", "Cannot read --expires: it is not a time such as 12h or 90d");
  const parsed = tokenCreate.safeParse({ name: textOption(call, "name"), role: textOption(call, "role") });
  if (!parsed.success) throw new Fault("bad_request", "Cannot make the token: --name is a short lower-case name, --role is viewer, operator or admin");
  return { name: parsed.data.name, role: parsed.data.role, expiresAt: ms === undefined ? null : call.world.clock.wallMs() + ms };
}
