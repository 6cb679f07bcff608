import { describe, expect, test } from "bun:test";
import { isFault } from "../../../shared/core/fault.ts";
import { refusalOf, testKey, testRootPayload } from "../../../shared/sim/test-fleet.ts";
import { ROLES, type RootPayload } from "../../../shared/trust/payloads.ts";
import { checkRoot } from "../../../shared/trust/root.ts";
import { checkSatisfiable, chooseKey, consequences, describeChange, nextRoot, readKey, readRoles, type RootEdit, spellPublicKey } from "./root-edit.ts";

const [a, b, c] = [testKey("a"), testKey("b"), testKey("c")];
const root = testRootPayload([a, b]);
const NOW = root.created_at + 1_000;
const edited = (edit: RootEdit, from: RootPayload = root) => nextRoot(from, edit, NOW);
const add: RootEdit = { do: "add-key", publicKey: c.publicKey, label: "carla", roles: ["admit", "publish"] };

describe("the next root", () => {
  test("is one version on, renewed, and sound in itself, whatever the edit", () => {
    const edits: readonly RootEdit[] = [
      add,
      { do: "renew" },
      { do: "remove-key", keyId: b.keyId, roles: ROLES },
      { do: "replace-key", keyId: a.keyId, publicKey: c.publicKey, label: "c" },
      { do: "threshold", role: "destroy", threshold: 2 },
      { do: "hub-pins", add: ["A".repeat(43)], remove: [] },
    ];
    for (const edit of edits) {
      const next = edited(edit);
      expect([edit.do, next.version, next.created_at, next.fleet_id === root.fleet_id, refusalOf(checkRoot(next))]).toEqual([
        edit.do,
        2,
        NOW,
        true,
        "accepted",
      ]);
    }
  });
  test("gives a key exactly the roles that were named", () => {
    const next = edited(add);
    expect(ROLES.filter((role) => next.roles[role].keys.includes(c.keyId))).toEqual(["admit", "publish"]);
  });
  test("a key that has the role already is not listed twice", () => {
    const next = edited({ do: "add-key", publicKey: a.publicKey, label: "a", roles: ROLES });
    expect(next.roles.root.keys).toEqual(root.roles.root.keys);
  });
  test("drops a key from the list once it has no role, and not before", () => {
    expect(Object.keys(edited({ do: "remove-key", keyId: b.keyId, roles: ["publish"] }).keys)).toContain(b.keyId);
    expect(Object.keys(edited({ do: "remove-key", keyId: b.keyId, roles: ROLES }).keys)).not.toContain(b.keyId);
  });
  test("a replacement takes over every role in the old one's place, also one that it had itself", () => {
    const next = edited({ do: "replace-key", keyId: a.keyId, publicKey: b.publicKey, label: "b" });
    expect(ROLES.map((role) => next.roles[role].keys)).toEqual(ROLES.map(() => [b.keyId]));
    expect(Object.keys(next.keys)).toEqual([b.keyId]);
  });
});

describe("is refused before it is signed", () => {
  const refused = (payload: RootPayload): boolean => {
    try {
      checkSatisfiable(payload);
      return false;
    } catch (error) {
      return isFault(error, "bad_request");
    }
  };
  test("when a role would have no key, or fewer than it needs", () => {
    expect(refused(edited({ do: "remove-key", keyId: a.keyId, roles: ["admit"] }, testRootPayload([a])))).toBe(true);
    expect(refused(edited({ do: "threshold", role: "root", threshold: 3 }))).toBe(true);
    expect(refused(edited(add))).toBe(false);
  });
});

test("what changes is told in full", () => {
  expect(describeChange(root, edited(add))).toEqual([
    `+ key carla (${c.keyId})`,
    `+ role admit for carla (${c.keyId})`,
    `+ role publish for carla (${c.keyId})`,
    "~ version 1 to 2, valid until 2028-11-19",
  ]);
  expect(describeChange(root, edited({ do: "threshold", role: "destroy", threshold: 2 }))[0]).toBe("~ role destroy needs 2 of 2 (was 1 of 2)");
  const pinned = edited({ do: "hub-pins", add: ["A".repeat(43)], remove: [] });
  expect(describeChange(root, pinned)[0]).toBe(`+ hub key ${"A".repeat(43)}`);
  expect(describeChange(pinned, nextRoot(pinned, { do: "hub-pins", add: [], remove: ["A".repeat(43)] }, NOW))[0]).toBe(`- hub key ${"A".repeat(43)}`);
});

test("what stops counting when a key goes is said", () => {
  expect(consequences(root, edited(add))).toEqual([]);
  expect(consequences(root, edited({ do: "remove-key", keyId: a.keyId, roles: ROLES }))).toHaveLength(2);
});

test("keys are chosen by label, id or the beginning of one, never by a guess", () => {
  const named = edited(add);
  expect(chooseKey(named, "carla")).toBe(c.keyId);
  expect(chooseKey(named, c.keyId.slice(0, 6))).toBe(c.keyId);
  for (const asked of ["test", "nobody", "a", "constructor", ""]) expect(() => chooseKey(named, asked)).toThrow();
});

test("a key is read as it is printed, with or without its prefix; an unsafe one is not", () => {
  expect(readKey(spellPublicKey(a.publicKey))).toEqual(a.publicKey);
  expect(readKey(` ${spellPublicKey(a.publicKey).slice(8)}\n`)).toEqual(a.publicKey);
  for (const bad of ["", "ed25519:", "A".repeat(43), `x25519:${"B".repeat(43)}`]) expect(() => readKey(bad)).toThrow();
  expect(() => readRoles(["god"])).toThrow();
});
