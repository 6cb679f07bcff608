import { PROTOCOL } from "../../../../shared/protocol/version.ts";
import { done, type Executor } from "../executor.ts";

export const ping: Executor<"ping"> = (_params, { world, desk }) => {
  const { held } = desk;
  return Promise.resolve(
    done({
      version: world.self.version,
      protocol: PROTOCOL,
      uptime_ms: Math.max(0, world.clock.wallMs() - desk.startedMs),
      run: desk.run,
      root: held?.root ?? 0,
      cert: held?.cert ?? 0,
      bundle: held?.bundle ?? 0,
      spec: held?.spec?.generation ?? 0,
    }),
  );
};
