import * as z from "zod/mini";
import { accountName, argv, described, environment, presence } from "./fields.ts";
import { refuseStep } from "./kind.ts";
import type { Kind, Refuse } from "./kind.ts";

const CRON_NAMES = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat)";
const CRON_FIELD = new RegExp(`^(?:\\*|(?:[0-9]{1,2}|${CRON_NAMES})(?:-(?:[0-9]{1,2}|${CRON_NAMES}))?)(?:/[0-9]{1,3})?$`, "i");

/** Five fields as in crontab(5), or `@hourly` and its like. Ranges are left to cron. */
export function isSchedule(text: string): boolean {
  if (/^@(?:reboot|yearly|annually|monthly|weekly|daily|midnight|hourly)$/.test(text)) return true;
  const fields = text.split(" ");
  return fields.length === 5 && fields.every((field) => field.split(",").every((part) => CRON_FIELD.test(part)));
}

const isOneLine = (word: string) => !/[\r\n]/.test(word);

const schema = z
  .strictObject({
    name: described(
      z.string().check(z.regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, { message: "is not a job name (lower-case letters, digits, - and _)" })),
      "The job; its file is `/etc/cron.d/felhom-<name>`. Default: the entry's key.",
    ),
    ensure: described(z._default(presence, "present"), "Whether the job is there."),
    schedule: z.optional(
      described(
        z.string().check(z.maxLength(256), z.refine(isSchedule, { message: "is not five cron fields or @hourly, @daily …" })),
        "Five fields as in crontab(5), or `@daily` and its like; in the box's time zone.",
      ),
    ),
    argv: z.optional(described(argv, 'The program and its arguments, one by one. A shell is `[sh, -c, "…"]`.')),
    user: described(z._default(accountName, "root"), "Run as this user."),
    env: described(z._default(environment, {}), "Environment variables of the job."),
  })
  .check(
    z.refine((job) => job.ensure === "absent" || (job.schedule !== undefined && job.argv !== undefined), { message: "needs schedule and argv" }),
    z.refine((job) => (job.argv ?? []).every(isOneLine) && Object.values(job.env).every(isOneLine), {
      message: "holds a line break, which crontab(5) cannot express",
    }),
  );

export type CronParams = z.infer<typeof schema>;
export type CronObserved =
  | { readonly is: "absent" }
  | { readonly is: "file"; readonly text: string; readonly mode: number; readonly uid: number }
  | { readonly is: "directory" | "symlink" | "other" };
export type CronStep =
  /** Mode 0644, owner root, else cron ignores it. */
  | { readonly do: "cron.write"; readonly reason: string; readonly path: string; readonly text: string }
  | { readonly do: "cron.remove"; readonly reason: string; readonly path: string }
  | Refuse;

export const CRON_MODE = 0o644;
export const cronPath = (wanted: { readonly name: string }): string => `/etc/cron.d/felhom-${wanted.name}`;

/** The whole file. Words are quoted for sh, and `%` (a newline to cron) is escaped. */
export function cronText(wanted: CronParams): string {
  const words = (wanted.argv ?? []).map(quoted).join(" ").replaceAll("%", "\\%");
  const env = Object.entries(wanted.env).map(([name, value]) => `${name}="${value}"\n`);
  return `# Kept by felhom: cron/${wanted.name}. Changes made here are undone.\n${env.join("")}${wanted.schedule} ${wanted.user} ${words}\n`;
}

const quoted = (word: string): string => (/^[A-Za-z0-9_@+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function decide(wanted: CronParams, observed: CronObserved): readonly CronStep[] {
  const path = cronPath(wanted);
  if (observed.is !== "absent" && observed.is !== "file") return [refuseStep(`${path} is not a regular file`)];
  if (wanted.ensure === "absent") return observed.is === "absent" ? [] : [{ do: "cron.remove", reason: "it is there and is to be absent", path }];
  const text = cronText(wanted);
  if (observed.is === "absent") return [{ do: "cron.write", reason: "it is absent", path, text }];
  if (observed.text !== text) return [{ do: "cron.write", reason: "the job differs", path, text }];
  if ((observed.mode & 0o7777) !== CRON_MODE || observed.uid !== 0)
    return [{ do: "cron.write", reason: "cron ignores its file: mode or owner is wrong", path, text }];
  return [];
}

export const cron: Kind<typeof schema, CronParams, CronObserved, CronStep> = {
  type: "cron",
  summary: "A job of cron, in a file of its own.",
  namedBy: "name",
  schema,
  example: 'nightly-backup:\n  cron:\n    schedule: "30 2 * * *"\n    argv: [/usr/local/bin/backup, --quiet]\n    user: root\n',
  decide,
};
