import { done, type Executor } from "../executor.ts";
import { forgetFleet } from "../forget-fleet.ts";

export const agentForget: Executor<"agent.forget"> = (_params, { world, desk }) => Promise.resolve({ ...done(), afterwards: () => forgetFleet(world, desk) });
