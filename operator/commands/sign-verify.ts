import { isoTime } from "../../shared/cli/age.ts";
import type { Run } from "../../shared/cli/command.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { fields } from "../../shared/cli/table.ts";
import { describeOp } from "../../shared/ops/catalogue.ts";
import { ENVELOPE_BYTES_MAX, openEnvelope, parseEnvelope } from "../../shared/trust/envelope.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { readDraft, shortDigest, standingOf } from "../../shared/trust/op.ts";
import { argText } from "../core/cli/option-values.ts";
import { wordsOf } from "../core/sign/pending-op.ts";
import { Workstation } from "../edge/workstation.ts";

/** Who signed the op in a file, judged by the root that is pinned here; no hub is asked. 0: enough signed. 6: more are needed. 7: refused. */
export const run: Run = async (call) => {
  const root = new Workstation(call.world, call.globals.home).fleet(call.globals.context).newest;
  const file = argText(call, "file");
  const bytes =
    file === "-"
      ? await call.terminal.readStdin(ENVELOPE_BYTES_MAX)
      : call.world.files.read("op.import", file.startsWith("/") ? file : `${call.cwd}/${file}`, { bytesMax: ENVELOPE_BYTES_MAX, follow: true });
  const envelope = mustVerify(parseEnvelope(bytes), `Cannot read ${escapeUntrusted(file)}`, "It must be a file that felhom op export wrote.");
  const opened = mustVerify(openEnvelope(envelope, "op"), "Cannot take this for an op");
  const draft = mustVerify(readDraft(opened.payload, root), "Cannot take this op");
  const standing = standingOf(opened.payload, envelope.signatures, draft.class, root);
  const enough = standing.signers.length >= standing.threshold;
  const nowMs = call.world.clock.wallMs();
  const labelOf = (id: string): string => root.payload.keys[id]?.label ?? id;
  present(call, {
    kind: "SignedOp",
    data: {
      id: draft.payload.id,
      kind: draft.payload.kind,
      digest: `sha256:${draft.sha256}`,
      signers: standing.signers,
      ignored: standing.ignored,
      threshold: standing.threshold,
      role: standing.role,
      complete: enough,
      expired: nowMs >= draft.payload.expires_at,
    },
    human: () =>
      [
        fields(
          [
            ["op", `${draft.payload.kind}  ${draft.payload.id}`],
            ...describeOp(draft.op).map((line, at): [string, string] => [at === 0 ? "does" : "", line]),
            ["window", `${isoTime(draft.payload.issued_at)} – ${isoTime(draft.payload.expires_at)}${nowMs >= draft.payload.expires_at ? ", over" : ""}`],
            ["digest", `${shortDigest(draft.sha256)}   ${wordsOf(draft)}`],
            ["signed", standing.signers.length === 0 ? "by nobody who counts" : standing.signers.map(labelOf).join(", ")],
            ...(standing.ignored.length === 0 ? [] : [["ignored", standing.ignored.join(", ")] as const]),
          ],
          call.terminal,
        ),
        `  ${mark(call.terminal, enough ? "good" : "warn", `${standing.signers.length} of ${standing.threshold} with role ${standing.role}`)}`,
      ].join("\n"),
  });
  return enough ? 0 : 6;
};
