import { Fault } from "../core/fault.ts";

/** 65534 is `nobody` and `nogroup` on every Debian, Fedora and Alpine. */
const NOBODY = 65_534;

/**
 * What operators wrote is never evaluated by root: the render child gives root up before it reads its input, in all its threads and
 * for good. It does so itself, rather than being started as nobody, so that the binary may lie where only root may go.
 */
export function becomeNobody(): void {
  if (process.getuid?.() !== 0) return;
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
  if (process.getuid() !== NOBODY || process.getgid?.() !== NOBODY) throw new Fault("exec_failed", "Cannot render: becoming nobody was refused");
}
