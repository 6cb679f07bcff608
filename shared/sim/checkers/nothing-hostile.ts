/** Nothing that a hostile hub made up ever takes effect: its mark is on no file outside the places where unverified bytes wait. */
import type { Checker } from "./checker.ts";

/** In everything that the simulated man in the middle invents. */
export const HOSTILE_MARK = "HOSTILE";

export function nothingHostile(): Checker {
  return {
    name: "nothing-hostile",
    afterBox: (_view, box, report) => {
      for (const path of ["/etc/motd", "/etc/extra", "/etc/shadow", "/etc/hostile"]) {
        if (box.text(path)?.includes(HOSTILE_MARK) === true) report(`${box.machine.name}: ${path} was written by a hostile hub`);
      }
      const row = box.database()?.get<{ kind: string }>("check", "SELECT kind FROM document WHERE body LIKE ?", `%${HOSTILE_MARK}%`);
      if (row !== undefined) report(`${box.machine.name}: its stored ${row.kind} came from a hostile hub`);
    },
  };
}
