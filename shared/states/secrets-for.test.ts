import { describe, expect, test } from "bun:test";
import type { Sources } from "./fleet-documents.ts";
import { readFleetDocuments } from "./fleet-documents.ts";
import { KINDS } from "./resources/registry.ts";
import { placeholderSecrets, secretsFor } from "./secrets-for.ts";

const HOSTS = [
  { host: { id: "h-a", name: "web-1" }, labels: { role: "web" } },
  { host: { id: "h-b", name: "db-1" }, labels: {} },
];

async function names(secrets: string): Promise<unknown> {
  const sources: Sources = { "fleet.yaml": "name: x\n", "targets.yaml": "[]\n", "secrets.yaml": secrets };
  const documents = await readFleetDocuments(sources);
  if (!documents.ok) return documents.faults.map(({ message }) => message);
  const given = await secretsFor(documents.value, HOSTS);
  return given.ok ? given.value : given.faults.map(({ line, message }) => `${line}: ${message}`);
}

describe("secrets go", () => {
  test("to hosts by what the operator signed about them", async () => {
    expect(await names("b:\n  match: has(label.role) && label.role == 'web'\na:\n  match: host.name.startsWith('web')\nc:\n  match: \"true\"\n")).toEqual([
      ["a", "b", "c"],
      ["c"],
    ]);
  });

  test("to nobody when there are none", async () => {
    expect(await names("# nothing yet\n")).toEqual([[], []]);
  });

  test("to nobody by what a box claims, and not by halves", async () => {
    expect(await names("a:\n  match: fact.os.id == 'debian'\n")).toEqual(["2: the expression uses fact"]);
    expect(await names("a:\n  match: label.role == 'web'\n")).toEqual(["2: for db-1: this host has no label.role"]);
  });

  test("by names and fields that are known", async () => {
    expect(await names('A B:\n  match: "true"\n')).toEqual(['the key "A B" has letters that are not taken here']);
    expect(await names('a:\n  match: "true"\n  value: hunter2\n')).toEqual(['there is no parameter "value" here']);
  });

  test("a placeholder may stand where a password's hash has to", () => {
    const { pw = "" } = placeholderSecrets(["pw"]);
    expect(KINDS.user.schema.safeParse({ name: "me", passwordHash: pw }).success).toBe(true);
  });
});
