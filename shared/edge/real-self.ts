import type { Self } from "../ports/self.ts";
import { VERSION } from "../version.ts";

/** What this process knows of itself. Compiled, the binary is all it takes to start another role; from source it is Bun and the entry. */
export function realSelf(entry: string): Self {
  return {
    exe: entry.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, entry],
    pid: process.pid,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    version: VERSION,
    rssBytes: () => process.memoryUsage.rss(),
    releaseMemory: async () => (await import("./release-memory.ts")).releaseMemory(),
  };
}
