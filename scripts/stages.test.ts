import { expect, test } from "bun:test";
import { failuresIn } from "./stages.ts";

/** As `bun test --reporter=junit` writes it: a test inside of two groups that failed, one that passed, one that took too long. */
const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="3" assertions="1" failures="2" skipped="0" time="0.08">
  <testsuite name="hub/a.test.ts" file="hub/a.test.ts" tests="3" assertions="1" failures="2" skipped="0" time="0.05">
    <testsuite name="a &lt;b&gt;" file="hub/a.test.ts" line="2" tests="3" assertions="1" failures="2" skipped="0" time="0">
      <testcase name="x &quot;q&quot; &amp; &gt; fails" classname="a &lt;b&gt;" time="0.0005" file="hub/a.test.ts" line="2" assertions="1">
        <failure type="AssertionError" message="expect(received).toBe(expected)&#10;&#10;Expected: 2&#10;Received: 1&#10;">AssertionError</failure>
      </testcase>
      <testcase name="fine" classname="a &lt;b&gt;" time="0.00001" file="hub/a.test.ts" line="7" assertions="0" />
      <testcase name="slow" classname="a &lt;b&gt;" time="0.05" file="hub/a.test.ts" line="9" assertions="0">
        <failure type="TimeoutError" message="test timed out" />
      </testcase>
    </testsuite>
  </testsuite>
</testsuites>`;

test("what failed is named at the end of a run, with its place and its message", () => {
  expect(failuresIn(REPORT)).toEqual([
    'hub/a.test.ts:2 x "q" & > fails: expect(received).toBe(expected) Expected: 2 Received: 1 ',
    "hub/a.test.ts:9 slow: test timed out",
  ]);
  expect(failuresIn("")).toEqual([]);
});
