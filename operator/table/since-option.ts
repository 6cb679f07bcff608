import type { Option } from "../../shared/cli/command.ts";

/** Of lists that come newest first. */
export const SINCE: Option = { name: "since", value: "TIME", summary: "Only since then: 2h or 3d ago, or a time such as 2026-11-20T08:00Z" };
