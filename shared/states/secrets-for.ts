import { openExpressions, trivial } from "./expression.ts";
import type { Fleet } from "./fleet-documents.ts";
import type { Checked, StateFault } from "./state-fault.ts";
import { faulty, good } from "./state-fault.ts";

/** Who a host is by its certificate: what the operator signed, and nothing that the box says of itself. */
export interface SignedSubject {
  readonly host: { readonly id: string; readonly name: string };
  readonly labels: Readonly<Record<string, string>>;
}

/** The names of the secrets that each host may have, sorted: what publishing seals. One order with `hosts`. */
export async function secretsFor(
  fleet: Pick<Fleet, "secrets" | "secretsFile">,
  hosts: readonly SignedSubject[],
): Promise<Checked<readonly (readonly string[])[]>> {
  const rules = Object.entries(fleet.secrets).sort(([a], [b]) => (a < b ? -1 : 1));
  if (rules.length === 0) return good(hosts.map(() => []));
  const expressions = await openExpressions();
  const faults: StateFault[] = [];
  const names: string[][] = hosts.map(() => []);
  for (const [name, { match }] of rules) {
    const checked = trivial(match) ?? expressions.check(match, "labels");
    const place = (message: string, remedy: string | undefined) =>
      fleet.secretsFile?.fault([name, "match"], message, remedy) ?? { file: "secrets.yaml", line: 0, path: name, message };
    if (!checked.ok) {
      faults.push(await place(checked.message, checked.remedy));
      continue;
    }
    for (const [at, { host, labels }] of hosts.entries()) {
      const judged = expressions.evaluate(match, "labels", { host, labels, facts: {} });
      if (!judged.ok) faults.push(await place(`for ${host.name}: ${judged.message}`, judged.remedy));
      else if (judged.value) names[at]?.push(name);
    }
  }
  return faults.length > 0 ? faulty(...faults) : good(names);
}

/**
 * Stands for secrets where only their names are known: `check` and `plan` have no vault. It has the form of a crypt(5) hash,
 * so that a `passwordHash` made from a secret is well-formed, and it says what it stands for when it is shown.
 */
export const placeholderSecrets = (names: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(names.map((name) => [name, `$secret$${name.padEnd(8, ".")}$`]));
