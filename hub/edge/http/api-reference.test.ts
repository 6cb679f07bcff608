import { expect, test } from "bun:test";
import { testHub } from "../../../shared/sim/test-hub.ts";
import { apiReference } from "./api-reference.ts";
import { openApiDocument } from "./openapi.ts";

test("the page names every route, parameter and schema, and is the same twice", async () => {
  using hub = await testHub();
  const document = openApiDocument(hub.routes, "1");
  const page = apiReference(document);
  for (const { method, path, summary } of hub.routes) expect(page).toContain(`### ${method} ${path}\n\n${summary}.`);
  expect(page).toContain("### POST /agent/v1/sync");
  expect(page).toContain("| `if-match` | header, required |");
  expect(page).toContain("### HostSpec");
  expect(page).not.toContain("undefined");
  expect(page).not.toMatch(/\n\n\n/);
  expect(apiReference(openApiDocument(hub.routes, "1"))).toBe(page);
});
