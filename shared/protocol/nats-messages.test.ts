import { describe, expect, test } from "bun:test";
import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { hex, utf8 } from "../core/bytes.ts";
import { expectGolden } from "../sim/golden.ts";
import {
  decodeNatsAck,
  decodeNatsAlive,
  decodeNatsOp,
  decodeNatsReturn,
  encodeNatsAck,
  encodeNatsAlive,
  encodeNatsOp,
  encodeNatsReturn,
} from "./nats-messages.ts";

const ENVELOPE = utf8('{"payload":"e30=","payloadType":"t","signatures":[]}');
const OP_ID = "o-abcdefghijklmnop";

test("the bytes of version 1 are what they were", () => {
  const bytes = {
    op: hex(encodeNatsOp({ envelope: ENVELOPE })),
    wake: hex(encodeNatsOp({ envelope: undefined })),
    ack: hex(encodeNatsAck({ opId: OP_ID })),
    return: hex(encodeNatsReturn({ envelope: ENVELOPE })),
    alive: hex(encodeNatsAlive({ leaving: false })),
    leaving: hex(encodeNatsAlive({ leaving: true })),
  };
  expectGolden(`${JSON.stringify(bytes, null, 2)}\n`, `${import.meta.dir}/testdata/nats-v1.json`);
});

test("each is read back as it was written", () => {
  expect(decodeNatsOp(encodeNatsOp({ envelope: ENVELOPE }))).toEqual({ envelope: ENVELOPE });
  expect(decodeNatsOp(encodeNatsOp({ envelope: undefined }))).toEqual({ envelope: undefined });
  expect(decodeNatsAck(encodeNatsAck({ opId: OP_ID }))).toEqual({ opId: OP_ID });
  expect(decodeNatsReturn(encodeNatsReturn({ envelope: ENVELOPE }))).toEqual({ envelope: ENVELOPE });
  expect([false, true].map((leaving) => decodeNatsAlive(encodeNatsAlive({ leaving })))).toEqual([{ leaving: false }, { leaving: true }]);
});

test("a later version's members are ignored", () => {
  expect(decodeNatsAck(encode({ v: 2, op_id: OP_ID, and: { more: [1, 2] } }))).toEqual({ opId: OP_ID });
});

describe("what is not of the form is nothing", () => {
  const bad: readonly (readonly [string, Uint8Array])[] = [
    ["no bytes", new Uint8Array()],
    ["a text", encode("x")],
    ["a list", encode([1])],
    ["no version", encode({ envelope: ENVELOPE, op_id: OP_ID })],
    ["a version that is a text", encode({ v: "1", envelope: ENVELOPE, op_id: OP_ID })],
    ["members of other types", encode({ v: 1, envelope: "text", op_id: 7 })],
    ["an id that is none", encode({ v: 1, envelope: 1, op_id: "../../etc" })],
    ["a length that is a lie", Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff)],
    ["too many members", encode(Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`m${at}`, at])))],
    ["too much", encode({ v: 1, envelope: new Uint8Array(3 * 1024 * 1024) })],
    ["depth", Uint8Array.from({ length: 100_000 }, () => 0x91)],
  ];
  for (const [name, bytes] of bad)
    test(name, () => expect([decodeNatsOp(bytes), decodeNatsAck(bytes), decodeNatsReturn(bytes)]).toEqual([undefined, undefined, undefined]));

  test("any bytes at all: never a throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const read of [decodeNatsOp, decodeNatsAck, decodeNatsReturn, decodeNatsAlive]) read(bytes);
      }),
    );
  });
});
