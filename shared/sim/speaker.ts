import type { Envelope } from "../protocol/fields.ts";
import { sha256Hex as sha256Field } from "../protocol/fields.ts";
import { sha256Hex } from "../core/sha256.ts";
import { opPayload, type ReturnPayload } from "../trust/payloads.ts";
import { TestBox } from "./test-box.ts";
import type { TestHub } from "./test-hub.ts";
import { answer, returnItem } from "./test-hub-op.ts";

/** Boxes that answer each op they get with what a test tells them to say, signed with their real keys. */
export type Says = (
  op: { readonly id: string; readonly kind: string; readonly params: Readonly<Record<string, unknown>> },
  box: TestBox,
) => readonly Partial<ReturnPayload>[];

export class Speaker {
  readonly box: TestBox;
  #seq = 0;
  constructor(box: TestBox) {
    this.box = box;
  }

  /** Waits for ops and answers each. Ends with the number of ops it saw. */
  async serve(says: Says, key = this.box.keys.signingKey): Promise<number> {
    const got = (await this.box.sync({ wait_ms: 55_000 })).json;
    const ops: readonly Envelope[] = got.ops ?? [];
    for (const envelope of ops) {
      const bytes = Buffer.from(envelope.payload, "base64");
      const payload = opPayload.parse(JSON.parse(bytes.toString()));
      const asked = { id: payload.id, sha256: sha256Field.parse(sha256Hex(bytes)) };
      const parts = says({ id: payload.id, kind: payload.kind, params: payload.params }, this.box);
      await this.box.sync({ outbox: parts.map((part, at) => returnItem(++this.#seq, answer(this.box, asked, { part: at, ...part }, key))) });
    }
    return ops.length;
  }
}

export async function speakers(hub: TestHub, ...names: readonly string[]): Promise<readonly [Speaker, ...Speaker[]]> {
  const all: Speaker[] = [];
  for (const name of names) {
    const box = await new TestBox(hub, name).enroll();
    await box.sync();
    all.push(new Speaker(box));
  }
  const [first, ...rest] = all;
  if (first === undefined) throw new Error("at least one box");
  return [first, ...rest];
}
