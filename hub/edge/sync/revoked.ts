import { Fault } from "../../../shared/core/fault.ts";

export const revokedFault = (): Fault =>
  new Fault("revoked", "Cannot answer: this host was revoked by its operator", { remedy: "To bring the box back, remove its identity and enroll it again" });
