export interface Unit {
  /** All names it answers to, its id among them. */
  readonly names: readonly string[];
  readonly loadState: string;
  readonly isRunning: boolean;
  readonly boot: "enabled" | "disabled" | "static" | "masked";
  readonly needsReload: boolean;
}

/** A bare name is a `.service`, as for systemctl. */
export function unitName(name: string): string {
  return /\.(?:service|socket|timer|mount|automount|path|target|swap|slice|scope|device)$/.test(name) ? name : `${name}.service`;
}

/** `systemctl show` of several units: blocks of `Key=value`, blank lines between. */
export function parseShow(text: string): readonly Unit[] {
  return text
    .split(/\n\s*\n/)
    .filter((block) => block.trim() !== "")
    .map((block) => unitOf(new Map(block.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]))));
}

function unitOf(fields: ReadonlyMap<string, string>): Unit {
  const field = (name: string): string => fields.get(name) ?? "";
  return {
    names: [...new Set([field("Id"), ...field("Names").split(" ")])].filter((name) => name !== ""),
    loadState: field("LoadState"),
    isRunning: isRunning(field("ActiveState"), field("SubState")),
    boot: field("LoadState") === "masked" ? "masked" : bootOf(field("UnitFileState")),
    needsReload: field("NeedDaemonReload") === "yes",
  };
}

/** Between two crashes a unit is `activating (auto-restart)`: that is not running. */
function isRunning(active: string, sub: string): boolean {
  return (
    active === "active" ||
    active === "reloading" ||
    active === "refreshing" ||
    (active === "activating" && sub !== "auto-restart" && sub !== "auto-restart-queued")
  );
}

function bootOf(state: string): Unit["boot"] {
  if (state === "enabled" || state === "enabled-runtime") return "enabled";
  if (state === "disabled" || state === "linked" || state === "linked-runtime") return "disabled";
  return state.startsWith("masked") ? "masked" : "static";
}
