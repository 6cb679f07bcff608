import type { Call, ExitCode, Run } from "../../shared/cli/command.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { glyph } from "../../shared/cli/glyph.ts";
import { age, isoTime } from "../../shared/cli/age.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { fromUtf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { boxPaths } from "../edge/box-paths.ts";
import { type EnrollNews, type EnrollOutcome, runEnrollment } from "../edge/enroll/run-enrollment.ts";

const JOIN_BYTES_MAX = 16 * 1024;

/** Exit 6: the operator has yet to approve. 7: refused, or something did not verify. 75: no hub answers, and nobody wants to wait. */
export const run: Run = async (call) => {
  const { dataDir } = await boxPaths(call);
  const options = { dataDir, urls: urls(call), join: await joinCode(call), name: textOption(call, "name"), wait: call.options["no-wait"] !== true };
  let lastWait = "";
  const outcome = await runEnrollment(
    call.world,
    options,
    (news) => {
      // One line per reason, not one per poll.
      if (news.news === "waiting") {
        const said = `${news.because} ${news.url}`;
        if (said === lastWait) return;
        lastWait = said;
      }
      const line = newsLine(call, news);
      if (line !== undefined) hint(call, `  ${line}`);
    },
    call.terminal.interrupted,
  );
  return finish(call, outcome);
};

function newsLine(call: Call, news: EnrollNews): string | undefined {
  const mark = (kind: Parameters<typeof glyph>[1]): string => glyph(call.terminal, kind);
  switch (news.news) {
    case "identity":
      return `${mark("good")} this box       ${news.hostId}${news.isNew ? ", keys made here" : ", with the keys it has"}`;
    case "reached":
      return `${mark("good")} hub            ${escapeUntrusted(news.url)}`;
    case "skew":
      return `${mark("warn")} clock          here it is ${isoTime(news.hereMs)}, at the hub ${isoTime(news.hubMs)}: set the clock if this box is wrong`;
    case "asked":
      return news.hasToken
        ? `${mark("busy")} admission      by the token in the join code`
        : `${mark("busy")} words          ${news.words.join("-")}   read them out to the operator`;
    case "waiting":
      return news.because === "waiting for approval"
        ? `${mark("busy")} waiting        for an operator: felhom host list --pending, then felhom host approve`
        : `${mark("warn")} trying again   in ${age(news.ms)}: ${escapeUntrusted(news.because)} at ${escapeUntrusted(news.url)}`;
    case "rotated":
      return `${mark("warn")} next hub       ${escapeUntrusted(news.url)}, because of ${escapeUntrusted(news.because)}`;
  }
}

function finish(call: Call, outcome: EnrollOutcome): ExitCode {
  const mark = (kind: Parameters<typeof glyph>[1]): string => glyph(call.terminal, kind);
  switch (outcome.is) {
    case "enrolled":
      present(call, {
        kind: "Enrollment",
        data: { state: "enrolled", hostId: outcome.hostId, name: outcome.name, fleetId: outcome.fleetId },
        human: () => `  ${mark("good")} enrolled       as ${escapeUntrusted(outcome.name)} (${outcome.hostId}) in ${outcome.fleetId}`,
        next: "felhom agent (or start the felhom-agent unit), then felhom status",
      });
      return 0;
    case "pending":
      present(call, {
        kind: "Enrollment",
        data: { state: "pending", hostId: outcome.hostId, words: outcome.words.join("-") },
        human: () => `  ${mark("busy")} pending        ${outcome.words.join("-")}`,
        next: "felhom enroll, once the operator has approved",
      });
      return 6;
    case "rejected":
      throw new Fault("denied", `Cannot enroll: the operator rejected this box: ${escapeUntrusted(outcome.because)}`, {
        remedy: "Ask the operator, then run felhom enroll again",
      });
    case "failed":
      throw new Fault(outcome.code === "net_tls" ? "net_tls" : "refused", whyFailed(outcome.because), {
        facts: { refusal: outcome.code },
        remedy:
          outcome.code === "net_tls"
            ? "Compare the join code with felhom join-code on the workstation: it carries the hub's key"
            : "felhom enroll tries again, with the same keys",
      });
    case "unreached":
      throw new Fault("unavailable", `Cannot enroll: no hub answers (${escapeUntrusted(outcome.because)})`, {
        remedy: "felhom enroll goes on with the same keys; without --no-wait it keeps trying",
      });
    case "stopped":
      return 130;
  }
}

/** A hub's sentence stands for itself: "Cannot enroll: Cannot enroll with this token: …" says it twice. */
export function whyFailed(because: string): string {
  const said = escapeUntrusted(because);
  return said.startsWith("Cannot ") ? said : `Cannot enroll: ${said}`;
}

function urls(call: Call): readonly string[] | undefined {
  const given = call.options["master-urls"];
  const list = (typeof given === "string" ? [given] : Array.isArray(given) ? given.map(String) : [])
    .flatMap((text) => text.split(","))
    .map((url) => url.trim());
  const wanted = list.filter((url) => url !== "");
  return wanted.length === 0 ? undefined : wanted;
}

async function joinCode(call: Call): Promise<string | undefined> {
  const [given, file] = [textOption(call, "join"), textOption(call, "join-file")];
  if (given !== undefined && file !== undefined) throw new Fault("bad_request", "Cannot enroll: a join code and a file with one were given");
  if (file !== undefined)
    return fromUtf8(
      call.world.files.read("enroll.join", file.startsWith("/") ? file : `${call.cwd}/${file}`, { bytesMax: JOIN_BYTES_MAX, follow: true }),
    ).trim();
  return given === "-" ? fromUtf8(await call.terminal.readStdin(JOIN_BYTES_MAX)).trim() : given;
}

function textOption(call: Call, name: string): string | undefined {
  const value = call.options[name];
  return typeof value === "string" ? value : undefined;
}
