import { sha256HexOfText } from "../../../shared/core/sha256.ts";
import type { HostBook } from "./job-book.ts";

/** Hosts that answered the same, together: the largest group first. Two answers are the same when every byte a person would see is. */
export interface AnswerGroup {
  readonly hosts: readonly HostBook[];
  readonly lines: readonly string[];
}

export function foldAnswers(hosts: readonly HostBook[], linesOf: (host: HostBook) => readonly string[]): readonly AnswerGroup[] {
  const groups = new Map<string, { hosts: HostBook[]; lines: readonly string[] }>();
  for (const host of hosts) {
    const lines = linesOf(host);
    const key = sha256HexOfText(JSON.stringify(lines));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { hosts: [host], lines });
    else group.hosts.push(host);
  }
  return [...groups.values()].toSorted((a, b) => b.hosts.length - a.hosts.length);
}
