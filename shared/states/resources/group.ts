import * as z from "zod/mini";
import { accountId, accountName, described, presence } from "./fields.ts";
import type { Kind } from "./kind.ts";

const schema = z.strictObject({
  name: described(accountName, "The group. Default: the entry's key."),
  ensure: described(z._default(presence, "present"), "Whether the group is there."),
  gid: z.optional(described(accountId, "Its number. Unset: the system chooses.")),
  system: described(z._default(z.boolean(), false), "A number from the system's range when it is made."),
});

export type GroupParams = z.infer<typeof schema>;
export type GroupObserved = { readonly is: "absent" } | { readonly is: "present"; readonly gid: number };
export type GroupStep =
  | { readonly do: "group.add"; readonly reason: string; readonly name: string; readonly gid: number | undefined; readonly system: boolean }
  | { readonly do: "group.modify"; readonly reason: string; readonly name: string; readonly gid: number }
  | { readonly do: "group.remove"; readonly reason: string; readonly name: string };

function decide(wanted: GroupParams, observed: GroupObserved): readonly GroupStep[] {
  const { name, gid } = wanted;
  if (wanted.ensure === "absent") return observed.is === "absent" ? [] : [{ do: "group.remove", reason: "it is there and is to be absent", name }];
  if (observed.is === "absent") return [{ do: "group.add", reason: "it is absent", name, gid, system: wanted.system }];
  if (gid !== undefined && gid !== observed.gid) return [{ do: "group.modify", reason: `gid is ${observed.gid}, ${gid} is wanted`, name, gid }];
  return [];
}

export const group: Kind<typeof schema, GroupParams, GroupObserved, GroupStep> = {
  type: "group",
  summary: "A group of the system.",
  namedBy: "name",
  schema,
  example: "deploy:\n  group:\n    gid: 2000\n",
  decide,
};
