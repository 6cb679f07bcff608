import { expect, test } from "bun:test";
import { examine, GENERATION_MAX, type LedgerSeen, resumeGeneration, type Witnesses } from "./ledger-standing.ts";

const ledger = (generation: number, isDamaged = false): LedgerSeen => ({ generation, isDamaged, incident: undefined });
const witnesses = (marker: number | "damaged" | undefined, hubGeneration = 0): Witnesses => ({
  marker: typeof marker === "number" ? { generation: marker, incident: undefined } : marker,
  hubGeneration,
});

const table: readonly [string, LedgerSeen, Witnesses, "sound" | "damaged" | "behind"][] = [
  ["nothing ever happened here", ledger(0), witnesses(undefined), "sound"],
  ["only reads were recorded: no marker yet", ledger(3), witnesses(undefined), "sound"],
  ["ledger and marker agree", ledger(3), witnesses(3), "sound"],
  ["the ledger went on: reads write no marker", ledger(5), witnesses(3), "sound"],
  ["the database is gone, the marker is not", ledger(0), witnesses(3), "damaged"],
  ["an older copy of the database alone was put back", ledger(2), witnesses(3), "behind"],
  ["an older copy of everything was put back, and the hub knows more", ledger(3), witnesses(3, 7), "behind"],
  ["the hub knows of less", ledger(9), witnesses(9, 7), "sound"],
  ["a row does not fit its checksum", ledger(9, true), witnesses(9), "damaged"],
  ["the marker is not what was written", ledger(9), witnesses("damaged"), "damaged"],
  ["database and marker are gone, and the hub remembers", ledger(0), witnesses(undefined, 4), "behind"],
  ["the hub's claim is nonsense", ledger(9), witnesses(9, GENERATION_MAX + 1), "sound"],
];
for (const [name, seen, others, is] of table) test(`${name}: ${is}`, () => expect(examine(seen, others).is).toBe(is));

test("after an incident the ledger goes on above every witness, so that none speaks up again", () => {
  for (const [, seen, others] of table) {
    const next = resumeGeneration(seen, others);
    expect(examine({ ...seen, isDamaged: false, generation: next }, others.marker === "damaged" ? { ...others, marker: undefined } : others).is).toBe("sound");
  }
});
