import type { Run } from "../../shared/cli/command.ts";
import { paint } from "../../shared/cli/colour.ts";
import { present } from "../../shared/cli/present.ts";
import { fields } from "../../shared/cli/table.ts";
import { flagOf, variableOf, yamlKeyOf } from "../../shared/config/field.ts";
import { ROLE_FIELDS, SETTINGS_FILE } from "../../shared/config/role-settings.ts";
import { Fault } from "../../shared/core/fault.ts";
import { didYouMean } from "../core/cli/did-you-mean.ts";
import { argText, optionText } from "../core/cli/option-values.ts";
import { originText, valueOf, valueText } from "../core/config/setting-text.ts";
import { allSettings } from "../edge/all-settings.ts";

/** One setting: what it does, what it is now and which layer won, and how to set it. Takes the key in any of its spellings. */
export const run: Run = async (call) => {
  const asked = argText(call, "key");
  const all = await allSettings(call, optionText(call, "role") ?? "");
  const found = all.filter(({ key }) => [key, yamlKeyOf(key), flagOf(key), flagOf(key).slice(2), variableOf(key)].includes(asked));
  if (found.length === 0) {
    const guesses = didYouMean(asked.replaceAll("-", "_"), [...new Set(all.map(({ key }) => yamlKeyOf(key)))]);
    throw new Fault("not_found", `Cannot explain ${asked}: there is no such setting`, {
      remedy: guesses.length > 0 ? `Did you mean ${guesses.join(" or ")}?` : "felhom config print shows all.",
    });
  }
  const shown = found.map((setting) => ({ setting, help: helpOf(setting.role, setting.key), initial: defaultOf(setting.role, setting.key) }));
  present(call, {
    kind: "SettingList",
    data: {
      items: shown.map(({ setting, help, initial }) => ({
        name: yamlKeyOf(setting.key),
        role: setting.role,
        help,
        value: valueOf(setting),
        origin: setting.origin,
        default: initial,
        flag: flagOf(setting.key),
        variable: variableOf(setting.key),
        file: SETTINGS_FILE[setting.role],
      })),
    },
    human: () =>
      shown
        .map(({ setting, help, initial }) =>
          [
            `${paint(call.terminal, "strong", yamlKeyOf(setting.key))}  of ${setting.role}`,
            fields(
              [
                ["what", help],
                ["value", `${valueText(setting)}, from ${originText(setting.origin)}`],
                ["default", initial === "" ? "(empty)" : Array.isArray(initial) && initial.length === 0 ? "(none)" : String(initial)],
                ["flag", `felhom ${setting.role} ${flagOf(setting.key)}`],
                ["variable", variableOf(setting.key)],
                ["file", `${yamlKeyOf(setting.key)} in ${SETTINGS_FILE[setting.role]}`],
              ],
              call.terminal,
            ),
          ].join("\n"),
        )
        .join("\n\n"),
  });
  return 0;
};

type Role = keyof typeof ROLE_FIELDS;

function helpOf(role: Role, key: string): string {
  return fieldOf(role, key)?.help ?? "";
}

function defaultOf(role: Role, key: string): unknown {
  return fieldOf(role, key)?.default;
}

function fieldOf(role: Role, key: string): { readonly help: string; readonly default: unknown } | undefined {
  const fieldsOfRole: Readonly<Record<string, { readonly help: string; readonly default: unknown }>> = ROLE_FIELDS[role];
  return fieldsOfRole[key];
}
