import { describe, expect, test } from "bun:test";
import { sampleFleet } from "../../operator/core/init/sample-fleet.ts";
import { testWorld } from "../sim/test-world.ts";
import { fleetSchemas } from "./fleet-schemas.ts";
import { RESOURCE_TYPES } from "./resources/registry.ts";
import { resourceReference } from "./resource-reference.ts";

describe("what is made from the schemas", () => {
  test("every parameter of every type is described, in the reference and for editors", () => {
    const page = resourceReference();
    for (const type of RESOURCE_TYPES) expect(page).toContain(`## ${type}\n`);
    expect(page.split("\n").filter((line) => line.startsWith("| `") && (/\|\s*\|$/.test(line) || line.includes("| any |")))).toEqual([]);
    expect(fleetSchemas().state).toMatchObject({
      additionalProperties: {
        properties: { file: { properties: { mode: { description: expect.any(String), anyOf: [{ type: "string" }, { pattern: "\\{[{%]" }] } } } },
      },
    });
  });

  test("the types of TypeScript states are TypeScript, and the example uses them rightly", async () => {
    using world = testWorld();
    for (const [path, text] of Object.entries(sampleFleet("x"))) await Bun.write(`${world.dir}/${path}`, text);
    await Bun.write(
      `${world.dir}/states/wrong.ts`,
      'import type { Entries, Host } from "../.felhom/felhom.d.ts";\nexport default (host: Host): Entries => [{ file: { path: host.name, mode: 420 } }];\n',
    );
    const checked = await world.exec.run("test.tsc", {
      argv: [
        `${import.meta.dir}/../../node_modules/.bin/tsc`,
        "--noEmit",
        "--strict",
        "--allowImportingTsExtensions",
        "--module",
        "preserve",
        "--target",
        "esnext",
        "--ignoreConfig",
        "states/example.ts",
        "states/wrong.ts",
      ],
      env: { PATH: process.env["PATH"] ?? "" },
      cwd: world.dir,
      timeoutMs: 60_000,
      outputBytesMax: 65_536,
    });
    const said = new TextDecoder()
      .decode(checked.stdout)
      .split("\n")
      .filter((line) => line.includes("error"));
    expect(said).toEqual([expect.stringContaining("states/wrong.ts(2,")]);
    expect(said.join()).toContain("Type 'number' is not assignable to type 'string'");
  }, 240_000);
});
