/**
 * `admit.ops`: whole admissions of a signed op against the bare Ed25519 verification of the same bytes with the same key, one after
 * the other in turns, so that a drifting machine hits both alike. The key object of the floor is made once: what making one costs
 * is part of what admission has to answer for.
 */
import { createPublicKey, verify } from "node:crypto";
import { admit, type AdmissionSite } from "../../agent/core/ops/admit.ts";
import { OPEN_POLICY } from "../../agent/core/ops/policy.ts";
import { OP_NOW_MS, opBytes, operatorKeys, opPayloadOf, opRoot, opSubject, signAnything } from "../../shared/sim/test-op.ts";
import { pae } from "../../shared/trust/envelope.ts";
import { payloadType } from "../../shared/trust/payloads.ts";
import { type Bench, median } from "./bench.ts";

const ROUNDS = 15;
const PER_ROUND = 2_000;

export async function admitOps(): Promise<Bench[]> {
  const site: AdmissionSite = {
    root: opRoot(),
    subject: opSubject,
    expressions: undefined,
    nowMs: OP_NOW_MS,
    localTime: { day: 5, minute: 600 },
    floorMs: 0,
    ledgerFromMs: 0,
    ledger: { is: "sound" },
    policy: { is: "sound", policy: OPEN_POLICY },
    seen: () => false,
    obstacle: () => undefined,
  };
  const { anna } = operatorKeys;
  const bytes = opBytes("cmd.run");
  const envelope = signAnything(opPayloadOf("cmd.run"), [anna]);
  const signed = pae(payloadType("op"), Buffer.from(envelope.payload, "base64"));
  const signature = Buffer.from(envelope.signatures[0]?.sig ?? "", "base64");
  const key = createPublicKey({ key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), anna.publicKey]), format: "der", type: "spki" });
  const perSecond = (once: () => boolean): number => {
    const startedMs = performance.now();
    for (let done = 0; done < PER_ROUND; done += 1) if (!once()) throw new Error("a sound op was refused");
    return PER_ROUND / ((performance.now() - startedMs) / 1_000);
  };
  const admitOnce = (): boolean => admit(bytes, site).is === "admitted";
  const verifyOnce = (): boolean => verify(null, signed, key, signature);
  perSecond(admitOnce);
  perSecond(verifyOnce);
  const rounds = Array.from({ length: ROUNDS }, () => ({ floor: perSecond(verifyOnce), value: perSecond(admitOnce) }));
  const value = median(rounds.map((round) => round.value));
  const floor = median(rounds.map((round) => round.floor));
  const ratio = median(rounds.map((round) => round.value / round.floor));
  return [{ bench: "admit.ops", value, unit: "ops/s", floor, floorName: "bare Ed25519 verify", ratio, mustReach: { at: "least", ratio: 0.6 } }];
}
