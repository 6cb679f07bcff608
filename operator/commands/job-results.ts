import type { Call, Run } from "../../shared/cli/command.ts";
import { count } from "../../shared/cli/age.ts";
import { hint } from "../../shared/cli/present.ts";
import { safeJson } from "../../shared/cli/escape.ts";
import { chooseHost } from "../core/fleet/choose-hosts.ts";
import { argText, optionText } from "../core/cli/option-values.ts";
import type { JobBook } from "../core/jobs/job-book.ts";
import { hostData, hostLineType, summaryData } from "../core/jobs/job-data.ts";
import { jobExit } from "../core/jobs/job-exit.ts";
import { mustFindJob } from "../edge/find-op.ts";
import { gatherJob } from "../edge/gather-job.ts";
import { HostIdentities } from "../edge/host-identities.ts";
import { take } from "../edge/hub-api.ts";
import { listTargets } from "../edge/hub-ops.ts";
import { JobOutput } from "../edge/job-output.ts";
import { openSession } from "../edge/session.ts";

/** The answers that are there now, each verified; nothing is waited for. */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const { op } = await mustFindJob(session, argText(call, "job"));
  const only = optionText(call, "host");
  const hostId = only === undefined ? undefined : chooseHost(await take(listTargets(session.hub, op.payload.id)), only).host_id;
  const book = await gatherJob(call, session, op, new HostIdentities(session), hostId);
  const exit = jobExit(book.counts(), false);
  const end = { exit, elapsedMs: 0 };
  const save = optionText(call, "save");
  if (save !== undefined) saveAll(call, book, save);
  if (call.globals.output === "jsonl") {
    for (const host of book.hosts()) call.terminal.out(`${safeJson({ type: hostLineType(host), ...hostData(host, op.payload.id) })}\n`);
    call.terminal.out(`${safeJson({ type: "summary", ...summaryData(book, op.payload.id, end) })}\n`);
    return exit;
  }
  new JobOutput(call, op).show(book, end);
  return exit;
};

/** What each host wrote to stdout, as bytes: `DIR/<name>`. Names of hosts hold no slash; what is there already is left alone. */
function saveAll(call: Call, book: JobBook, dir: string): void {
  const { files } = call.world;
  const path = dir.startsWith("/") ? dir : `${call.cwd}/${dir}`;
  if (files.stat("job.save", path) === undefined) files.makeDir("job.save", path, 0o700);
  const saved = book.hosts().filter(({ answer }) => answer !== undefined && answer.stdout.byteLength > 0);
  for (const { name, answer } of saved) {
    const handle = files.open("job.save", `${path}/${name.replaceAll("/", "_")}`, "exclusive", 0o600);
    try {
      handle.write(answer?.stdout ?? new Uint8Array());
    } finally {
      handle.close();
    }
  }
  hint(call, `  ${count(saved.length, "file")} written to ${dir}`);
}
