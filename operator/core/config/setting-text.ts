import type { Origin, Setting } from "../../../shared/config/field.ts";

/** Settings for people: values short and secrets masked, origins in words. */
const MASK = "********";

export function valueOf(setting: Setting): unknown {
  return setting.secret && setting.value !== "" ? MASK : setting.value;
}

export function valueText(setting: Setting): string {
  const value = valueOf(setting);
  if (value === "") return "(empty)";
  if (Array.isArray(value)) return value.length === 0 ? "(none)" : value.map(String).join(", ");
  return String(value);
}

export function originText(origin: Origin): string {
  switch (origin.from) {
    case "default":
      return "default";
    case "file":
      return origin.path;
    case "env":
      return `$${origin.variable}`;
    case "flag":
      return origin.flag;
  }
}
