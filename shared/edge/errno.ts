import { Fault, type FaultFacts } from "../core/fault.ts";
import type { FaultCode } from "../core/fault-code.ts";

/**
 * What the operating system says, in our words. Anything unknown counts as `disk_failed`: the caller then stops instead of
 * guessing. Paths are facts, contents never are.
 */
const CODES: Readonly<Record<string, FaultCode>> = {
  ENOENT: "file_missing",
  ENOTDIR: "file_missing",
  EEXIST: "file_exists",
  ENOTEMPTY: "file_exists",
  EACCES: "file_denied",
  EPERM: "file_denied",
  EROFS: "file_denied",
  ETXTBSY: "file_denied",
  ELOOP: "file_not_regular",
  EISDIR: "file_not_regular",
  ENXIO: "file_not_regular",
  EINVAL: "file_not_regular",
  EFBIG: "file_too_large",
  ENOSPC: "disk_full",
  EDQUOT: "disk_full",
  EIO: "disk_failed",
};

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** `action` reads after "Cannot", e.g. "rename /a to /b". */
export function fileFault(op: string, action: string, error: unknown, facts: FaultFacts = {}): Fault {
  if (error instanceof Fault) return error;
  const errno = errnoOf(error);
  const code = (errno === undefined ? undefined : CODES[errno]) ?? "disk_failed";
  return new Fault(code, `Cannot ${action}: ${errno ?? "unknown error"}`, { facts: { op, errno, ...facts }, cause: error });
}
