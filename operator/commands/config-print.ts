import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { table, type Cell } from "../../shared/cli/table.ts";
import { yamlKeyOf } from "../../shared/config/field.ts";
import { argText } from "../core/cli/option-values.ts";
import { originText, valueOf, valueText } from "../core/config/setting-text.ts";
import { allSettings } from "../edge/all-settings.ts";

export const run: Run = async (call) => {
  const settings = await allSettings(call, argText(call, "role"));
  const shown = call.options["changed"] === true ? settings.filter(({ origin }) => origin.from !== "default") : settings;
  const oneRole = new Set(settings.map(({ role }) => role)).size === 1;
  present(call, {
    kind: "SettingList",
    data: { items: shown.map((setting) => ({ name: yamlKeyOf(setting.key), role: setting.role, value: valueOf(setting), origin: setting.origin })) },
    human: () =>
      shown.length === 0
        ? "  Every setting has its default."
        : table(
            [...(oneRole ? [] : [{ title: "ROLE" }]), { title: "SETTING" }, { title: "VALUE", flex: true, least: 12 }, { title: "FROM", flex: true }],
            shown.map((setting): readonly Cell[] => [
              ...(oneRole ? [] : [setting.role]),
              yamlKeyOf(setting.key),
              { text: valueText(setting), style: setting.origin.from === "default" ? "quiet" : "plain" },
              originText(setting.origin),
            ]),
            call.terminal,
          ),
    next: `felhom config explain ${yamlKeyOf(shown[0]?.key ?? "logLevel")}`,
  });
  return 0;
};
