import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { decode, encode } from "@msgpack/msgpack";
import * as z from "zod/mini";
import { challengeReply, enrollAccepted, enrollRequest, enrollState, enrollStatement } from "./enroll.ts";
import { problem } from "./problem.ts";
import { factsReport, report } from "./report.ts";
import { hostSpec } from "./spec.ts";
import { syncReply, syncRequest } from "./sync.ts";

/**
 * The bytes of every message as earlier versions wrote them. They are never edited: a version that adds a field adds a file. Each must
 * still be read, field by field, and a message with a field from the future must be read as if it were not there.
 */
const SCHEMAS: Readonly<Record<string, z.ZodMiniType>> = {
  challengeReply,
  enrollStatement,
  enrollRequest,
  enrollAccepted,
  enrollState,
  syncRequest,
  syncReply,
  hostSpec,
  problem,
  report,
  factsReport,
};
/** Inside signatures, where what is unknown is refused. */
const STRICT = new Set(["enrollStatement", "report", "factsReport"]);
const VERSIONS = ["v1"];

interface Golden {
  readonly message: string;
  readonly json: string;
  /** Hex. */
  readonly msgpack: string;
}

for (const version of VERSIONS) {
  const goldens = JSON.parse(readFileSync(`${import.meta.dir}/testdata/${version}.json`, "utf8")) as readonly Golden[];
  const schemaOf = (message: string): z.ZodMiniType => SCHEMAS[message] ?? z.never();

  test(`${version}: every message has golden bytes`, () => {
    expect([...new Set(goldens.map(({ message }) => message))].toSorted()).toEqual(Object.keys(SCHEMAS).toSorted());
  });

  test.each(goldens.map((golden, at) => [`${golden.message} ${at}`, golden] as const))(
    `${version}: %s is still read, in both encodings`,
    (_name, { message, json, msgpack }) => {
      const fromJson = schemaOf(message).parse(JSON.parse(json));
      expect(fromJson).toEqual(JSON.parse(json));
      expect(schemaOf(message).parse(decode(Buffer.from(msgpack, "hex")))).toEqual(fromJson);
      expect(Buffer.from(encode(JSON.parse(json))).toString("hex")).toBe(msgpack);
    },
  );

  test.each(goldens.map((golden, at) => [`${golden.message} ${at}`, golden] as const))(
    `${version}: %s with a field from the future`,
    (_name, { message, json }) => {
      const newer = { ...(JSON.parse(json) as object), from_the_future: 1 };
      const parsed = schemaOf(message).safeParse(newer);
      expect(parsed.success).toBe(!STRICT.has(message));
      if (parsed.success) expect(parsed.data).toEqual(schemaOf(message).parse(JSON.parse(json)));
    },
  );
}
