export interface Mount {
  readonly device: string;
  readonly mount: string;
  readonly type: string;
  readonly readOnly: boolean;
}

const MOUNTS_MAX = 256;
/** File systems that hold data; the kernel's own (proc, cgroup, …) and per-container overlays are left out. */
const DATA_TYPES = new Set([
  "ext2",
  "ext3",
  "ext4",
  "xfs",
  "btrfs",
  "zfs",
  "f2fs",
  "vfat",
  "exfat",
  "ntfs",
  "ntfs3",
  "nfs",
  "nfs4",
  "cifs",
  "jfs",
  "reiserfs",
  "bcachefs",
  "fuseblk",
  "ceph",
  "9p",
  "virtiofs",
  "overlay",
]);

/** /proc/self/mounts (fstab(5) escapes: \040 and the like); data file systems, first mount of a device and place, at most 256. */
export function parseMounts(text: string): readonly Mount[] {
  const found: Mount[] = [];
  const seen = new Set<string>();
  for (const line of text.split("\n")) {
    const [device, mount, type, options] = line.split(" ").map(unescapeMount);
    if (device === undefined || mount === undefined || type === undefined || !DATA_TYPES.has(type)) continue;
    if ((type === "overlay" && mount !== "/") || seen.has(mount) || found.length >= MOUNTS_MAX) continue;
    seen.add(mount);
    found.push({ device, mount, type, readOnly: (options ?? "").split(",").includes("ro") });
  }
  return found.sort((a, b) => (a.mount < b.mount ? -1 : 1));
}

function unescapeMount(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
