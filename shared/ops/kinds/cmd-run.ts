import * as z from "zod/mini";
import { fromBase64, utf8 } from "../../core/bytes.ts";
import { argvText, contentLines, durationText } from "../describe.ts";
import { absolutePath, argv, base64Bytes, count, described, environment, principal, seconds } from "../fields.ts";
import { opKind, SECOND_MS } from "../op-kind.ts";

const KIB = 1_024;
export const SCRIPT_CHARS_MAX = 256 * KIB;
export const COMMAND_OUTPUT_BYTES_DEFAULT = 1_024 * KIB;

const around = {
  stdin: z.optional(described(base64Bytes(128 * KIB), "What the program reads, in base64. Default: nothing.")),
  env: z.optional(described(environment, "The whole environment beside PATH, HOME, USER, LOGNAME and LANG.")),
  user: z.optional(described(principal, "Who runs it. Default: the user of the agent, commonly root.")),
  cwd: z.optional(described(absolutePath, "Where it starts. Default: `/`.")),
  timeout_s: described(z._default(seconds(1, 86_400), 300), "After so long the whole process group is killed."),
  output_bytes_max: described(
    z._default(count(0, 16 * KIB * KIB), COMMAND_OUTPUT_BYTES_DEFAULT),
    "Of stdout and stderr each; what is beyond is dropped, and the answer says so.",
  ),
};

/** Exactly one of the two: a schema per form, so that nothing can be both. */
const schema = z.union([
  z.strictObject({ argv: described(argv, "The program and its words. No shell reads them."), ...around }),
  z.strictObject({
    script: described(
      z.string().check(z.minLength(1), z.maxLength(SCRIPT_CHARS_MAX)),
      "The script's own text: it is part of what is signed, and nothing is fetched.",
    ),
    interpreter: described(z._default(argv, ["/bin/sh"]), "Who reads the script; its path becomes the last word."),
    args: z.optional(
      described(
        z
          .array(
            z.string().check(
              z.maxLength(8_192),
              z.refine((word) => !word.includes("\0"), { message: "holds a NUL character" }),
            ),
          )
          .check(z.maxLength(256)),
        "Words after the script's path.",
      ),
    ),
    ...around,
  }),
]);

/**
 * `change`, though a command can do anything: it is the daily tool, and who may operate may publish states that run commands
 * too. A fleet that wants two people for it raises it in the hosts' policy.
 */
export const cmdRun = opKind({
  kind: "cmd.run",
  class: "change",
  summary: "Runs a program, or a script that is inside the signed op.",
  aims: "host",
  schema,
  describe: (params) => [
    ...("argv" in params
      ? [`run ${argvText(params.argv)}`]
      : [`run a script with ${argvText([...params.interpreter, "SCRIPT", ...(params.args ?? [])])}`, ...contentLines("script", utf8(params.script))]),
    `as ${params.user === undefined ? "the agent's own user" : `user ${params.user}`}, in ${params.cwd ?? "/"}, for at most ${durationText(params.timeout_s * SECOND_MS)}`,
    ...Object.entries(params.env ?? {}).map(([name, value]) => `with ${name}=${argvText([value])}`),
    ...(params.stdin === undefined ? [] : contentLines("stdin", fromBase64(params.stdin) ?? new Uint8Array())),
    "the hub can read what comes back",
  ],
  offline: "hold",
  exclusive: true,
  idempotent: false,
  timeoutMs: ({ timeout_s }) => timeout_s * SECOND_MS,
  unsignedByDefault: false,
  example: { argv: ["/usr/bin/uptime", "-p"], timeout_s: 20 },
});
