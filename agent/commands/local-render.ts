import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { table } from "../../shared/cli/table.ts";
import { renderTree } from "../edge/converge/converge.ts";
import { collectFacts } from "../edge/facts/collect-facts.ts";
import { localInput } from "./local-input.ts";
import { presentFaults } from "./local-screen.ts";
import { textArgument } from "./option.ts";
import { quietWorld } from "./quiet-world.ts";

/** The resources as converging takes them. Parameters of what was made from a secret are left out, in every output. */
export const run: Run = async (call) => {
  const input = await localInput(call);
  const rendered = await renderTree(quietWorld(call), input, await collectFacts(quietWorld(call), { factsDirs: input.factsDirs }));
  if (!rendered.ok) return presentFaults(call, textArgument(call, "dir"), rendered.faults);
  const items = rendered.resources.map(({ id, type, params, require, watch, onFail, sensitive, from }) => ({
    name: id,
    type,
    ...(sensitive ? { sensitive } : { params }),
    require,
    watch,
    onFail,
    from,
  }));
  present(call, {
    kind: "ResourceList",
    data: { states: rendered.states, items },
    human: () =>
      items.length === 0
        ? "  No resources for this machine. Targets decide which states a host gets: see targets.yaml."
        : table(
            [
              { title: "RESOURCE", flex: true, least: 24 },
              { title: "FROM", drop: 1 },
              { title: "AFTER", flex: true, least: 12 },
            ],
            items.map(({ name, from, require, watch }) => [name, from, [...require, ...watch].join(", ")]),
            call.terminal,
          ),
  });
  return 0;
};
