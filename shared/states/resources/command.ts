import * as z from "zod/mini";
import { absolutePath, accountName, argv, described, environment, resourceName } from "./fields.ts";
import type { Argv } from "./fields.ts";
import type { Kind } from "./kind.ts";

const COMMAND_SECONDS_DEFAULT = 300;
const COMMAND_SECONDS_MAX = 86_400;

const schema = z
  .strictObject({
    name: described(resourceName, "What this command is called. Default: the entry's key."),
    argv: described(argv, 'The program and its arguments, one by one: there is no shell. A shell is `[sh, -c, "…"]`.'),
    creates: z.optional(described(absolutePath, "Run only while nothing is at this path.")),
    unless: z.optional(described(argv, "Run only when this command ends with another code than 0. It must change nothing.")),
    onlyIf: z.optional(described(argv, "Run only when this command ends with code 0. It must change nothing.")),
    onChange: described(z._default(z.boolean(), false), "Run only when something in `watch` was changed."),
    user: z.optional(described(accountName, "Run as this user. Default: the agent's own.")),
    cwd: z.optional(described(absolutePath, "Working directory. Default: `/`.")),
    env: described(z._default(environment, {}), "Environment variables. Nothing but PATH, HOME, LANG and these is set."),
    timeout: described(
      z._default(z.int().check(z.minimum(1), z.maximum(COMMAND_SECONDS_MAX)), COMMAND_SECONDS_DEFAULT),
      "Seconds until it is killed with all that it started.",
    ),
  })
  .check(
    z.refine((command) => command.onChange || command.creates !== undefined || command.unless !== undefined || command.onlyIf !== undefined, {
      message: "has no guard (creates, unless, onlyIf or onChange), so it would run every time",
    }),
  );

export type CommandParams = z.infer<typeof schema>;

/** Each is absent when the command has no such guard. Guards run as `user`, in `cwd`, with `env`, at most `timeout` seconds. */
export interface CommandObserved {
  /** Something is at `creates`. */
  readonly created?: boolean;
  /** `unless` ended with code 0. */
  readonly unlessHolds?: boolean;
  /** `onlyIf` ended with code 0. */
  readonly onlyIfHolds?: boolean;
}

export interface CommandStep {
  readonly do: "command.run";
  readonly reason: string;
  readonly name: string;
  readonly argv: Argv;
  readonly user: string | undefined;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

function decide(wanted: CommandParams, observed: CommandObserved, triggered: boolean): readonly CommandStep[] {
  if (wanted.onChange && !triggered) return [];
  if (wanted.creates !== undefined && observed.created !== false) return [];
  if (wanted.unless !== undefined && observed.unlessHolds !== false) return [];
  if (wanted.onlyIf !== undefined && observed.onlyIfHolds !== true) return [];
  const reasons: string[] = [];
  if (wanted.onChange) reasons.push("what it watches was changed");
  if (wanted.creates !== undefined) reasons.push(`nothing is at ${wanted.creates}`);
  if (wanted.unless !== undefined) reasons.push(`unless (${wanted.unless[0]}) does not hold`);
  if (wanted.onlyIf !== undefined) reasons.push(`onlyIf (${wanted.onlyIf[0]}) holds`);
  return [
    {
      do: "command.run",
      reason: reasons.join("; "),
      name: wanted.name,
      argv: wanted.argv,
      user: wanted.user,
      cwd: wanted.cwd ?? "/",
      env: wanted.env,
      timeoutMs: wanted.timeout * 1_000,
    },
  ];
}

export const command: Kind<typeof schema, CommandParams, CommandObserved, CommandStep> = {
  type: "command",
  summary: "A program that runs when its guard says so. Prefer a resource that says what is wanted.",
  namedBy: "name",
  schema,
  example: 'make-dhparam:\n  command:\n    argv: [openssl, dhparam, -out, /etc/ssl/dhparam.pem, "2048"]\n    creates: /etc/ssl/dhparam.pem\n    timeout: 900\n',
  decide,
};
