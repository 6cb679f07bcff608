import { runStages, STAGES } from "./stages.ts";

/** The definition of done: format, lint, types, tidy, docs drift, tests, goldens, a minute of simulation. */
const sum = await runStages(STAGES.filter(({ quick }) => quick));
process.stdout.write(`\n${sum.passed} passed, ${sum.failed} failed${sum.skipped === 0 ? "" : `, ${sum.skipped} skipped`}\n`);
process.exit(sum.failed === 0 && sum.passed > 0 ? 0 : 1);
