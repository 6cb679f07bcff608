import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { testFleet, testHost } from "../sim/test-fleet.ts";
import { envelope as envelopeSchema } from "./fields.ts";
import { isEnvelope } from "./plain-json.ts";
import { outboxItem, syncRequest } from "./sync.ts";
import { isOutboxItem, isUsualSync } from "./usual-sync.ts";

const envelope = testFleet().cert(testHost("a"));
const outbox = [
  { seq: 1, kind: "return", body: envelope },
  { seq: 2, kind: "report", body: envelope },
  { seq: 3, kind: "facts", body: envelope },
  { seq: 4, kind: "op-log", body: { entries: ["{}", "x".repeat(4_096)] } },
  { seq: 5, kind: "event", body: { what: "spec.taken", generation: 3, isNew: true, none: null } },
  { seq: 6, kind: "metrics", body: { "felhom.load": 0.25 } },
];
const whole = {
  v: 1,
  protocol: 1,
  host_id: testHost("a").hostId,
  boot_id: "boot-1",
  run: 3,
  agent_version: "0.1.0",
  have: { root: 1, cert: 2, bundle: 3, spec: 4 },
  hub_epoch: 0,
  wait_ms: 55_000,
  outbox,
  echo: "",
  ledger: { generation: 7 },
  nats: { want: true },
};

const NEW_NAMES = ["more", "x".repeat(65), "x".repeat(129)];

/** Anywhere inside: another value, one member less, one more. */
function changed(value: unknown, at: readonly number[], to: unknown): unknown {
  const [first = 0, ...rest] = at;
  if (typeof value !== "object" || value === null || at.length === 0) return to;
  const keys = Object.keys(value);
  const key = keys[first % (keys.length + 1)];
  if (key === undefined) return Array.isArray(value) ? [...value, to] : { ...value, [NEW_NAMES[first % NEW_NAMES.length] ?? ""]: to };
  const inner = (value as Record<string, unknown>)[key];
  const next = rest.length === 0 && to === undefined ? undefined : changed(inner, rest, to);
  if (Array.isArray(value)) return value.map((item, place) => (String(place) === key ? next : item));
  return { ...value, [key]: next };
}

const path = fc.array(fc.nat(16), { minLength: 1, maxLength: 5 });
const edges = [
  undefined,
  null,
  55_001,
  -1,
  -0,
  0,
  1.5,
  2 ** 53,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  "",
  "h-",
  "x".repeat(65),
  "x".repeat(129),
  "x".repeat(4_097),
  [],
  {},
  true,
  "event",
];
// One member is left to the schema alone, below.
const json = fc.jsonValue({ maxDepth: 2 }).filter((value) => !JSON.stringify(value).includes("__proto__"));
const odd = fc.oneof(fc.constantFrom<unknown>(...edges), json);
const many = { numRuns: 20_000 };

describe("a usual sync", () => {
  test("is what boxes send, with everything that they usually say", () => {
    expect(isUsualSync(whole)).toBe(true);
    const { echo: _e, ledger: _l, nats: _n, ...least } = whole;
    expect(isUsualSync({ ...least, outbox: [] })).toBe(true);
    for (const item of outbox) expect(isOutboxItem(item)).toBe(true);
  });

  test("is never what the schema refuses, and means what the schema reads", () => {
    let usual = 0;
    const holds = (message: unknown): void => {
      if (!isUsualSync(message)) return;
      usual += 1;
      const read = syncRequest.safeParse(message);
      if (!read.success) throw new Error(`the schema refuses what counts as usual: ${JSON.stringify(message)}`);
      expect(message as object).toMatchObject(read.data);
    };
    fc.assert(
      fc.property(path, odd, (at, to) => holds(changed(whole, at, to))),
      many,
    );
    expect(usual).toBeGreaterThan(1_000);
  });

  test("leaves to the schema what is rare, and nothing else that the schema takes", () => {
    expect(isUsualSync({ ...whole, offer: { roots: [] } })).toBe(false);
    fc.assert(
      fc.property(path, odd, (at, to) => {
        const message = changed(whole, at, to);
        if (syncRequest.safeParse(message).success && !(message as { offer?: unknown }).offer) expect(isUsualSync(message)).toBe(true);
      }),
      many,
    );
  });

  test("is each golden sync of every version, but for those with an offer", () => {
    const goldens = JSON.parse(readFileSync(`${import.meta.dir}/testdata/v1.json`, "utf8")) as readonly { readonly message: string; readonly json: string }[];
    const syncs = goldens.filter(({ message }) => message === "syncRequest").map(({ json }) => JSON.parse(json) as { offer?: unknown });
    expect(syncs.length).toBeGreaterThan(0);
    for (const sync of syncs) expect(isUsualSync(sync)).toBe(sync.offer === undefined);
  });
});

test("a record with the one name that the schema drops is the schema's to judge", () => {
  const row: unknown = JSON.parse('{"seq":1,"kind":"event","body":{"__proto__":1}}');
  expect([isOutboxItem(row), outboxItem.safeParse(row).success]).toEqual([false, true]);
});

test("rows and envelopes are judged as their schemas judge them", () => {
  const item = fc.constantFrom(...outbox);
  fc.assert(
    fc.property(item, path, odd, (good, at, to) => {
      const row = changed(good, at, to);
      expect({ row, is: isOutboxItem(row) }).toEqual({ row, is: outboxItem.safeParse(row).success });
    }),
    many,
  );
  fc.assert(
    fc.property(path, odd, (at, to) => {
      const one = changed(envelope, at, to);
      expect({ one, is: isEnvelope(one) }).toEqual({ one, is: envelopeSchema.safeParse(one).success });
    }),
    many,
  );
  const signature = envelope.signatures[0];
  for (const count of [0, 1, 16, 17]) {
    const one = { ...envelope, signatures: Array.from({ length: count }, () => signature) };
    expect(isEnvelope(one)).toBe(envelopeSchema.safeParse(one).success);
  }
});
