/**
 * What `felhom watchdog` runs: one service that keeps the agent alive. Binary slots, soak and roll-back will join it here. It
 * speaks to systemd only by living: sd_notify needs an ffi that a hardened unit forbids, and Type=exec does without.
 */
import type { World } from "../../shared/ports/world.ts";
import type { Service } from "../../shared/service.ts";
import { keeperService, type Places } from "./edge/keeper.ts";

export function compose(places: Places, world: World): readonly Service[] {
  return [keeperService(world, places)];
}
