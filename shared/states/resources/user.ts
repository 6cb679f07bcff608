import * as z from "zod/mini";
import { absolutePath, accountId, accountName, described, oneLine, presence } from "./fields.ts";
import type { Kind } from "./kind.ts";

const schema = z.strictObject({
  name: described(accountName, "The user. Default: the entry's key."),
  ensure: described(z._default(presence, "present"), "Whether the user is there."),
  uid: z.optional(described(accountId, "Their number. Unset: the system chooses.")),
  group: z.optional(described(accountName, "Primary group, by name; it has to exist. Unset: the system's way for a new user, not managed for an old one.")),
  groups: z.optional(described(z.array(accountName).check(z.maxLength(64)), "Supplementary groups that they are in.")),
  exactGroups: described(z._default(z.boolean(), false), "Leave every supplementary group that is not in `groups`."),
  home: z.optional(described(absolutePath, "Home directory. A change moves nothing.")),
  createHome: described(z._default(z.boolean(), true), "Make the home directory with a new user."),
  shell: z.optional(described(absolutePath, "Login shell.")),
  comment: z.optional(described(oneLine(256).check(z.regex(/^[^:]*$/, { message: "holds a colon" })), "Full name or purpose.")),
  passwordHash: z.optional(
    described(
      z.string().check(z.regex(/^(?:[!*]{1,2}|!?\$[A-Za-z0-9./$=,_-]{8,250})$/, { message: "is not a crypt(5) hash, `!` or `*`" })),
      "Hash as in shadow(5), `!` to lock. Best from a secret. Unset: not managed.",
    ),
  ),
  system: described(z._default(z.boolean(), false), "A number from the system's range when they are made."),
  removeHome: described(z._default(z.boolean(), false), "With `ensure: absent`: remove the home directory too."),
});

export type UserParams = z.infer<typeof schema>;
export type UserObserved =
  | { readonly is: "absent" }
  | {
      readonly is: "present";
      readonly uid: number;
      /** Primary group's name, or its number as text when it has none. */
      readonly group: string;
      /** Supplementary groups by name, sorted. */
      readonly groups: readonly string[];
      readonly home: string;
      readonly shell: string;
      readonly comment: string;
      /** Null when it could not be read (not root). Never shown. */
      readonly passwordHash: string | null;
    };

/** Only what is to change. `groups` is the whole new list of supplementary groups. */
export interface UserChanges {
  readonly uid?: number;
  readonly group?: string;
  readonly groups?: readonly string[];
  readonly home?: string;
  readonly shell?: string;
  readonly comment?: string;
  /** Goes to the program on stdin or not at all: never in argv, a log or a plan. */
  readonly passwordHash?: string;
}

export type UserStep =
  | {
      readonly do: "user.add";
      readonly reason: string;
      readonly name: string;
      readonly system: boolean;
      readonly createHome: boolean;
      readonly with: UserChanges;
    }
  | { readonly do: "user.modify"; readonly reason: string; readonly name: string; readonly changes: UserChanges }
  | { readonly do: "user.remove"; readonly reason: string; readonly name: string; readonly removeHome: boolean };

function decide(wanted: UserParams, observed: UserObserved): readonly UserStep[] {
  const { name } = wanted;
  if (wanted.ensure === "absent")
    return observed.is === "absent" ? [] : [{ do: "user.remove", reason: "they are there and are to be absent", name, removeHome: wanted.removeHome }];
  if (observed.is === "absent") {
    const { uid, group, groups, home, shell, comment, passwordHash } = wanted;
    const all: UserChanges = {
      ...(uid === undefined ? {} : { uid }),
      ...(group === undefined ? {} : { group }),
      ...(groups === undefined ? {} : { groups }),
      ...(home === undefined ? {} : { home }),
      ...(shell === undefined ? {} : { shell }),
      ...(comment === undefined ? {} : { comment }),
      ...(passwordHash === undefined ? {} : { passwordHash }),
    };
    return [{ do: "user.add", reason: "they are absent", name, system: wanted.system, createHome: wanted.createHome, with: all }];
  }
  const { reasons, changes } = changesOf(wanted, observed);
  return reasons.length === 0 ? [] : [{ do: "user.modify", reason: reasons.join("; "), name, changes }];
}

function changesOf(wanted: UserParams, observed: UserObserved & { is: "present" }): { reasons: readonly string[]; changes: UserChanges } {
  const reasons: string[] = [];
  const changes: { -readonly [K in keyof UserChanges]: UserChanges[K] } = {};
  if (wanted.uid !== undefined && wanted.uid !== observed.uid) {
    reasons.push(`uid is ${observed.uid}, ${wanted.uid} is wanted`);
    changes.uid = wanted.uid;
  }
  for (const field of ["group", "home", "shell", "comment"] as const) {
    const value = wanted[field];
    if (value === undefined || value === observed[field]) continue;
    reasons.push(`${field} is ${JSON.stringify(observed[field])}, ${JSON.stringify(value)} is wanted`);
    changes[field] = value;
  }
  const groups = wantedGroups(wanted, observed.groups);
  if (groups.join() !== observed.groups.join()) {
    const joins = groups.filter((name) => !observed.groups.includes(name));
    const leaves = observed.groups.filter((name) => !groups.includes(name));
    reasons.push(
      [joins.length > 0 ? `not in ${joins.join(", ")}` : "", leaves.length > 0 ? `in ${leaves.join(", ")}` : ""].filter((part) => part !== "").join(" and "),
    );
    changes.groups = groups;
  }
  if (wanted.passwordHash !== undefined && observed.passwordHash !== null && wanted.passwordHash !== observed.passwordHash) {
    reasons.push("password differs");
    changes.passwordHash = wanted.passwordHash;
  }
  return { reasons, changes };
}

function wantedGroups(wanted: UserParams, now: readonly string[]): readonly string[] {
  if (wanted.groups === undefined && !wanted.exactGroups) return now;
  const listed = wanted.groups ?? [];
  return [...new Set(wanted.exactGroups ? listed : [...now, ...listed])].sort();
}

export const user: Kind<typeof schema, UserParams, UserObserved, UserStep> = {
  type: "user",
  summary: "A user of the system.",
  namedBy: "name",
  schema,
  example: "deploy:\n  user:\n    groups: [sudo]\n    shell: /bin/bash\n",
  decide,
};
