import { resolve } from "node:path";
import { count } from "../../shared/cli/age.ts";
import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { utf8 } from "../../shared/core/bytes.ts";
import { durableWrite } from "../../shared/edge/durable-write.ts";
import { boxPaths } from "../edge/box-paths.ts";
import { readReturns } from "../edge/socket/socket-client.ts";
import { textArgument } from "./option.ts";

/** They stay in the outbox too: whichever way reaches a hub first, it counts each once. */
export const run: Run = async (call) => {
  const { socketPath } = await boxPaths(call);
  const path = resolve(call.cwd, textArgument(call, "file"));
  const lines: string[] = [];
  for (let after = 0, more = true; more; ) {
    const slice = await readReturns(call.world, socketPath, after);
    lines.push(...slice.returns.map((envelope) => JSON.stringify(envelope)));
    ({ after, more } = slice);
  }
  durableWrite(call.world.files, call.world.crypto, "op.receipts", path, utf8(lines.map((line) => `${line}\n`).join("")), { mode: 0o600 });
  present(call, { kind: "OpReceipts", data: { path, answers: lines.length }, human: () => `${path}: ${count(lines.length, "answer")}` });
  return 0;
};
