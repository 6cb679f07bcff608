import { parseCpuInfo } from "../../core/facts/cpu-info.ts";
import type { World } from "../../../shared/ports/world.ts";
import { isThere, readDetail, readText, type Collector } from "./collector.ts";

const VENDORS: readonly (readonly [RegExp, string])[] = [
  [/^QEMU|^KVM|^Red Hat/i, "kvm"],
  [/VMware/i, "vmware"],
  [/innotek|VirtualBox/i, "virtualbox"],
  [/Microsoft Corporation.*Virtual/i, "hyperv"],
  [/^Xen/i, "xen"],
  [/Amazon EC2|Google|DigitalOcean|Hetzner|OpenStack|BHYVE|Parallels/i, "kvm"],
];

/** `kind` is `physical`, `vm` or `container`; `by` names the hypervisor or runtime where it shows itself. A container inside a VM is a container. */
export const virtualisation: Collector = {
  name: "virtualisation",
  collect(world) {
    const container = containerOf(world);
    if (container !== undefined) return { kind: "container", by: container };
    const dmi = `${readDetail(world, "/sys/class/dmi/id/sys_vendor")} ${readDetail(world, "/sys/class/dmi/id/product_name")}`.trim();
    const vendor = VENDORS.find(([pattern]) => pattern.test(dmi))?.[1];
    if (vendor !== undefined) return { kind: "vm", by: vendor };
    const hypervisor = readDetail(world, "/sys/hypervisor/type");
    if (hypervisor !== "") return { kind: "vm", by: hypervisor };
    return parseCpuInfo(readText(world, "/proc/cpuinfo") ?? "").virtual ? { kind: "vm", by: "unknown" } : { kind: "physical", by: "" };
  },
};

function containerOf(world: World): string | undefined {
  const told = readDetail(world, "/run/systemd/container");
  if (told !== "") return told;
  const environ = readDetail(world, "/proc/1/environ");
  const named = /(?:^|\0)container=([^\0]+)/.exec(environ)?.[1];
  if (named !== undefined) return named;
  if (isThere(world, "/.dockerenv")) return "docker";
  return isThere(world, "/run/.containerenv") ? "podman" : undefined;
}
