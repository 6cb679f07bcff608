import type { Call } from "../../shared/cli/command.ts";
import type { Log } from "../../shared/ports/log.ts";
import type { World } from "../../shared/ports/world.ts";

/** A command's answer says what failed; log lines beside it would say it twice. With --verbose or --debug they are shown too. */
export function quietWorld(call: Pick<Call, "world" | "globals">): World {
  return call.globals.verbose || call.globals.debug ? call.world : { ...call.world, log: quiet(call.world.log) };
}

function quiet(log: Log): Log {
  return {
    event: (level, event, facts, cause) => {
      if (level === "error") log.event(level, event, facts, cause);
    },
    for: (component) => quiet(log.for(component)),
  };
}
