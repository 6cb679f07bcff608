import { describe, expect, test } from "bun:test";
import { utf8 } from "../core/bytes.ts";
import { sha256Hex } from "../core/sha256.ts";
import { sha256Hex as sha256Schema } from "../protocol/fields.ts";
import { FLEET_MADE_MS, refusalOf, testFleet, testKey, valueOf } from "../sim/test-fleet.ts";
import { BUNDLE_AHEAD_MS_MAX, BUNDLE_LIFETIME_MS_MAX, bundleExpired, checkBlob, checkTree, type NewBundle, verifyBundle, verifyHeldBundle } from "./bundle.ts";
import { type Envelope, signEnvelope } from "./envelope.ts";
import { BUNDLE_STEP_MAX, type BundlePayload } from "./payloads.ts";

const fleet = testFleet();
const files = { "fleet.yaml": "name: test\n", "states/web.yaml": "motd:\n", "files/motd": "hello\n" };
const now = FLEET_MADE_MS + 1_000;
const arrive = (envelope: Envelope, parts: Partial<NewBundle> = {}) => refusalOf(verifyBundle({ envelope, root: fleet.root, floor: 0, nowMs: now, ...parts }));
/** Signs without looking, as an operator with a broken tool might. */
const unchecked = (changes: object): Envelope => {
  const payload: unknown = JSON.parse(Buffer.from(fleet.bundle(1, files).payload, "base64").toString());
  return signEnvelope("bundle", utf8(JSON.stringify({ ...(payload as object), ...changes })), [fleet.key]);
};
const file = (path: string, changes: object = {}) => ({ path, mode: 0o644, sha256: sha256Hex(utf8("x")), size: 1, ...changes });

describe("a bundle that arrives", () => {
  test("accepted: newer than the floor", () => expect(arrive(fleet.bundle(5, files), { floor: 4 })).toBe("accepted"));
  test("version_not_newer: the version in force again, with whatever content", () =>
    expect(arrive(fleet.bundle(5, {}), { floor: 5 })).toBe("version_not_newer"));
  test("below_floor: an older one, replayed", () => expect(arrive(fleet.bundle(4, files), { floor: 5 })).toBe("below_floor"));
  test("version_step: a leap to the end of numbers (attack 77)", () => {
    expect(arrive(fleet.bundle(5 + BUNDLE_STEP_MAX, files), { floor: 5 })).toBe("accepted");
    expect(arrive(fleet.bundle(6 + BUNDLE_STEP_MAX, files), { floor: 5 })).toBe("version_step");
    expect(arrive(fleet.bundle(Number.MAX_SAFE_INTEGER, files))).toBe("version_step");
  });
  test("expired: by this clock, or by the time floor when the clock is set back", () => {
    const end = FLEET_MADE_MS + 90 * 86_400_000;
    expect(arrive(fleet.bundle(1, files), { nowMs: end - 1 })).toBe("accepted");
    expect(arrive(fleet.bundle(1, files), { nowMs: end })).toBe("expired");
    expect(arrive(fleet.bundle(1, files), { nowMs: 0, timeFloorMs: end })).toBe("expired");
  });
  test("from_future: dated more than 30 days ahead of a plausible clock", () => {
    const ahead = { created_at: now + BUNDLE_AHEAD_MS_MAX, expires_at: now + BUNDLE_AHEAD_MS_MAX + 86_400_000 };
    expect(arrive(fleet.bundle(1, files, ahead))).toBe("accepted");
    expect(arrive(fleet.bundle(1, files, { ...ahead, created_at: ahead.created_at + 1 }))).toBe("from_future");
  });
  test("a box whose clock stands in 1970, or before what it has already accepted, still takes it", () => {
    expect(arrive(fleet.bundle(1, files), { nowMs: 0 })).toBe("accepted");
    expect(arrive(fleet.bundle(1, files, { created_at: now + 60 * 86_400_000, expires_at: now + 61 * 86_400_000 }), { nowMs: now, timeFloorMs: now + 1 })).toBe(
      "accepted",
    );
  });
  test("lifetime_too_long: more than 366 days", () => {
    expect(arrive(fleet.bundle(1, files, { expires_at: FLEET_MADE_MS + BUNDLE_LIFETIME_MS_MAX }))).toBe("accepted");
    expect(arrive(fleet.bundle(1, files, { expires_at: FLEET_MADE_MS + BUNDLE_LIFETIME_MS_MAX + 1 }))).toBe("lifetime_too_long");
  });
  test("payload_schema: it expires before it was made (attack 4)", () => expect(arrive(unchecked({ expires_at: FLEET_MADE_MS }))).toBe("payload_schema"));
  test("key_unknown: signed by a key without role publish", () => expect(arrive(testFleet("two").bundle(1, files))).toBe("key_unknown"));
  test("signature_bad: one file's hash exchanged for another's of an older bundle (attack 15)", () => {
    const signed = fleet.bundle(2, files);
    const mixed = Buffer.from(signed.payload, "base64")
      .toString()
      .replace(sha256Hex(utf8(files["files/motd"])), sha256Hex(utf8("old\n")));
    expect(arrive({ ...signed, payload: Buffer.from(mixed).toString("base64") })).toBe("signature_bad");
  });
});

describe("paths", () => {
  for (const path of [
    "../etc/passwd",
    "/etc/passwd",
    "a/../b",
    "a/./b",
    "./a",
    "a//b",
    "a/",
    "",
    ".",
    "..",
    "a\\b",
    "a\u0000b",
    "a\nb",
    "%2e%2e/x".replace("%", "\u0025"),
    "é",
    `${"a".repeat(256)}`,
    Array.from({ length: 33 }, () => "a").join("/"),
    "a/..",
    "a:b",
  ]) {
    test(`payload_schema: ${JSON.stringify(path.slice(0, 40))} (attack 37)`, () => expect(arrive(unchecked({ files: [file(path)] }))).toBe("payload_schema"));
  }
  test("path_unsafe: one path twice", () => expect(arrive(unchecked({ files: [file("a"), file("a")] }))).toBe("path_unsafe"));
  test("path_unsafe: a path that is a file and a directory, in either order", () => {
    expect(arrive(unchecked({ files: [file("a"), file("a/b")] }))).toBe("path_unsafe");
    expect(arrive(unchecked({ files: [file("a/b/c/d"), file("x"), file("a/b")] }))).toBe("path_unsafe");
    expect(arrive(unchecked({ files: [file("a-b"), file("a/b"), file("ab/c"), file("a.d")] }))).toBe("accepted");
  });
  test("payload_schema: set-id bits, a negative size, a hash in capitals, more than 20 000 files", () => {
    for (const changes of [{ mode: 0o4755 }, { mode: -1 }, { size: -1 }, { size: 1.5 }, { sha256: "A".repeat(64) }, { link: "/etc" }])
      expect(arrive(unchecked({ files: [file("a", changes)] }))).toBe("payload_schema");
    expect(arrive(unchecked({ files: Array.from({ length: 20_001 }, (_, at) => file(`f${at}`)) }))).toBe("payload_schema");
  });
  test("blob_mismatch: one content with two sizes", () => expect(arrive(unchecked({ files: [file("a"), file("b", { size: 2 })] }))).toBe("blob_mismatch"));
  test("20 000 files are verified in well under a second", () => {
    const many = unchecked({ files: Array.from({ length: 20_000 }, (_, at) => file(`dir${at % 50}/file-${at}.conf`)) });
    const started = performance.now();
    expect(arrive(many)).toBe("accepted");
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe("a bundle that is held", () => {
  test("stays good when it expires, and says so", () => {
    const held = valueOf(verifyHeldBundle({ envelope: fleet.bundle(1, files), root: fleet.root }));
    expect([bundleExpired(held, held.expires_at - 1), bundleExpired(held, held.expires_at)]).toEqual([false, true]);
  });
  test("key_unknown: under a root that has dropped its signer (attack 81)", () => {
    const { root } = testFleet();
    const other = testKey("new publisher");
    const after = { ...root, payload: { ...root.payload, roles: { ...root.payload.roles, publish: { keys: [other.keyId], threshold: 1 } } } };
    expect(refusalOf(verifyHeldBundle({ envelope: fleet.bundle(1, files), root: after }))).toBe("key_unknown");
  });
});

describe("content", () => {
  const bundle: BundlePayload = valueOf(verifyHeldBundle({ envelope: fleet.bundle(1, files), root: fleet.root }));
  const measured = (of: Readonly<Record<string, string>>) =>
    new Map(Object.entries(of).map(([path, text]) => [path, { sha256: sha256Hex(utf8(text)), size: utf8(text).byteLength }]));
  test("accepted: exactly the files of the manifest", () => expect(refusalOf(checkTree(bundle, measured(files)))).toBe("accepted"));
  test("blob_missing: a file that was not fetched, or is gone", () =>
    expect(refusalOf(checkTree(bundle, measured({ "fleet.yaml": files["fleet.yaml"] })))).toBe("blob_missing"));
  test("blob_mismatch: other bytes under a listed name, files swapped, truncated (attack 16)", () => {
    expect(refusalOf(checkTree(bundle, measured({ ...files, "files/motd": "hellO\n" })))).toBe("blob_mismatch");
    expect(refusalOf(checkTree(bundle, measured({ ...files, "files/motd": files["states/web.yaml"], "states/web.yaml": files["files/motd"] })))).toBe(
      "blob_mismatch",
    );
    expect(refusalOf(checkTree(bundle, measured({ ...files, "files/motd": "hell" })))).toBe("blob_mismatch");
  });
  test("path_unsafe: a file that the manifest does not list", () =>
    expect(refusalOf(checkTree(bundle, measured({ ...files, "states/evil.ts": "x" })))).toBe("path_unsafe"));
  test("blob_mismatch: a blob of the right size, or the right hash of other size", () => {
    const entry = { path: "a", sha256: sha256Schema.parse(sha256Hex(utf8("abc"))), size: 3 };
    expect(refusalOf(checkBlob(entry, utf8("abc")))).toBe("accepted");
    expect(refusalOf(checkBlob(entry, utf8("abd")))).toBe("blob_mismatch");
    expect(refusalOf(checkBlob({ ...entry, size: 4 }, utf8("abc")))).toBe("blob_mismatch");
  });
});
