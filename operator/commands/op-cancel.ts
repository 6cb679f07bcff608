import type { Run } from "../../shared/cli/command.ts";
import { argText } from "../core/cli/option-values.ts";
import { cancel } from "../edge/cancel.ts";

export const run: Run = (call) => cancel(call, argText(call, "op"));
