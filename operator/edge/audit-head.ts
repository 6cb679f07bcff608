import * as z from "zod/mini";
import { fromUtf8, utf8 } from "../../shared/core/bytes.ts";
import { isFault } from "../../shared/core/fault.ts";
import type { AuditAnchor } from "../../shared/core/audit-chain.ts";
import { counter, sha256Hex } from "../../shared/protocol/fields.ts";
import { durableWrite } from "../../shared/edge/durable-write.ts";
import type { Files } from "../../shared/ports/files.ts";
import type { World } from "../../shared/ports/world.ts";

/** The newest audit head that this workstation verified, per fleet: `HOME/audit/<fleet id>.json`. */
const remembered = z.strictObject({ v: z.literal(1), seq: counter, hash: sha256Hex });
const BYTES_MAX = 4_096;

export function readAuditHead(files: Files, home: string, fleetId: string): AuditAnchor | undefined {
  try {
    const { seq, hash } = z.parse(remembered, JSON.parse(fromUtf8(files.read("audit-head.read", pathOf(home, fleetId), { bytesMax: BYTES_MAX }))));
    return { seq, hash };
  } catch (error) {
    if (isFault(error, "file_missing")) return undefined;
    throw error;
  }
}

export function writeAuditHead({ files, crypto }: Pick<World, "files" | "crypto">, home: string, fleetId: string, head: AuditAnchor): void {
  for (const dir of [home, `${home}/audit`]) if (files.stat("audit-head.dir", dir) === undefined) files.makeDir("audit-head.dir", dir, 0o700);
  durableWrite(files, crypto, "audit-head.write", pathOf(home, fleetId), utf8(`${JSON.stringify({ v: 1, seq: head.seq, hash: head.hash })}\n`), {
    mode: 0o600,
  });
}

function pathOf(home: string, fleetId: string): string {
  return `${home}/audit/${fleetId}.json`;
}
