export interface CpuFacts {
  readonly count: number;
  readonly sockets: number;
  readonly model: string;
  readonly vendor: string;
  /** The `hypervisor` flag: this machine knows that it is virtual. */
  readonly virtual: boolean;
}

/** /proc/cpuinfo as x86 and arm64 write it; a model that the kernel does not name is an empty string. */
export function parseCpuInfo(text: string): CpuFacts {
  const blocks = text.split("\n\n").filter((block) => /^processor\s*:/m.test(block));
  const field = (block: string, name: string): string => new RegExp(`^${name}\\s*:\\s*(.*)$`, "m").exec(block)?.[1]?.trim() ?? "";
  const first = blocks[0] ?? text;
  const sockets = new Set(blocks.map((block) => field(block, "physical id"))).size;
  return {
    count: blocks.length,
    sockets: Math.max(1, sockets),
    model: field(first, "model name") || field(text, "Model"),
    vendor: field(first, "vendor_id") || field(first, "CPU implementer"),
    virtual: /\bhypervisor\b/.test(field(first, "flags")),
  };
}
