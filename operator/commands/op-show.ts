import type { Run } from "../../shared/cli/command.ts";
import { argText } from "../core/cli/option-values.ts";
import { showOp } from "../edge/show-op.ts";

export const run: Run = (call) => showOp(call, argText(call, "op"));
