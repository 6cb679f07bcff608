import type { Run } from "../../shared/cli/command.ts";
import { Fault } from "../../shared/core/fault.ts";
import { argText, optionText } from "../core/cli/option-values.ts";
import { chooseKey, readKey } from "../core/trust/root-edit.ts";
import { changeRoot } from "../edge/root-change.ts";

/** Alone: the same root again, with a new expiry. With a key: another key takes over all its roles. */
export const run: Run = async (call) => {
  const [asked, by] = [argText(call, "key"), optionText(call, "by")];
  if (asked === "" && by === undefined) return changeRoot(call, () => ({ do: "renew" }));
  if (asked === "" || by === undefined)
    throw new Fault("bad_request", "Cannot replace a key: the old one or the new one is missing", {
      remedy: "felhom trust rotate OLD --by ed25519:…, or felhom trust rotate alone to renew the root's expiry.",
    });
  const publicKey = readKey(by);
  return changeRoot(call, ({ newest }) => {
    const keyId = chooseKey(newest.payload, asked);
    return { do: "replace-key", keyId, publicKey, label: optionText(call, "name") ?? newest.payload.keys[keyId]?.label ?? asked };
  });
};
