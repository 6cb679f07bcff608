import { expect, test } from "bun:test";
import { whyFailed } from "./enroll.ts";

test("why an enrollment failed is said once, and harmlessly", () => {
  expect(whyFailed("Cannot enroll with this token: all its uses are spent")).toBe("Cannot enroll with this token: all its uses are spent");
  expect(whyFailed("the enrollment ended without an identity")).toBe("Cannot enroll: the enrollment ended without an identity");
  expect(whyFailed("\u001b[2J")).not.toContain("\u001b");
});
