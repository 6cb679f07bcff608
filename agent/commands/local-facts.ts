import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { fields } from "../../shared/cli/table.ts";
import { flatFacts } from "../core/facts/flat-facts.ts";
import { collectFacts } from "../edge/facts/collect-facts.ts";
import { localInput } from "./local-input.ts";
import { quietWorld } from "./quiet-world.ts";

/** What expressions and templates of the directory see, by the names they use. */
export const run: Run = async (call) => {
  const { host, labels, factsDirs } = await localInput(call);
  const fact = await collectFacts(quietWorld(call), { factsDirs });
  const seen = { host, label: labels, fact };
  present(call, { kind: "LocalFacts", data: { host, labels, facts: fact }, human: () => fields(flatFacts(seen), call.terminal) });
  return Object.keys(fact["errors"] ?? {}).length === 0 ? 0 : 1;
};
