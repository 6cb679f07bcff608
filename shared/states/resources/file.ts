import * as z from "zod/mini";
import { assert } from "../../core/assert.ts";
import { utf8 } from "../../core/bytes.ts";
import { sha256Hex } from "../../core/sha256.ts";
import {
  absolutePath,
  bundleFile,
  CONTENT_CHARS_MAX,
  described,
  isAbsolutePath,
  mode,
  modeBits,
  modeText,
  ownerDiffers,
  presence,
  principal,
  RESOURCE_NAME_CHARS_MAX,
} from "./fields.ts";
import type { ObservedOwner, Principal } from "./fields.ts";
import { refuseStep } from "./kind.ts";
import type { Kind, Refuse } from "./kind.ts";

const schema = z
  .strictObject({
    path: described(absolutePath, "Absolute path. Default: the entry's key."),
    ensure: described(z._default(presence, "present"), "Whether the file is there."),
    content: z.optional(described(z.string().check(z.maxLength(CONTENT_CHARS_MAX)), "The file's whole content, as text.")),
    source: z.optional(described(bundleFile, "A file of the fleet directory, below files/, copied byte for byte.")),
    template: z.optional(described(bundleFile, "A Liquid template of the fleet directory, below files/.")),
    mode: z.optional(
      described(mode, 'Permissions, octal, in quotes. Unset: a new file gets "0644" ("0600" when it holds a secret), an old one keeps its own.'),
    ),
    owner: z.optional(described(principal, "Owning user, by name or number. Unset: not managed.")),
    group: z.optional(described(principal, "Owning group, by name or number. Unset: not managed.")),
    backup: described(z._default(z.boolean(), false), "Keep the content that is replaced or removed, beside the file as `<name>.felhom-backup`."),
    followSymlinks: described(
      z._default(z.boolean(), false),
      "Allow symbolic links in the path and as the file itself. Off: a link in a parent directory is refused, a link in the file's place is replaced.",
    ),
  })
  .check(
    z.refine((file) => [file.content, file.source, file.template].filter((one) => one !== undefined).length <= 1, {
      message: "has more than one of content, source and template",
    }),
    z.refine((file) => file.ensure === "present" || [file.content, file.source, file.template].every((one) => one === undefined), {
      message: "has content but is to be absent",
    }),
  );

export type FileParams = z.infer<typeof schema>;
/** After rendering: a template has become content. */
export type FileWanted = Omit<FileParams, "template">;

export interface ContentRef {
  /** Lower-case hex. */
  readonly sha256: string;
  readonly size: number;
}

export interface FileObserved {
  /** With `followSymlinks` what the link leads to. */
  readonly target:
    | { readonly is: "absent" }
    | ({ readonly is: "file"; readonly mode: number } & ContentRef & ObservedOwner)
    | { readonly is: "directory" | "symlink" | "other" };
  /** Of the fleet directory's file that `source` names; absent when the tree has none. */
  readonly source?: ContentRef;
}

/** Where the bytes of a file come from; `source` is a path of the verified tree. */
export type FileContent =
  | { readonly from: "inline"; readonly text: string }
  | ({ readonly from: "source"; readonly source: string } & ContentRef)
  | { readonly from: "nothing" };

export type FileStep =
  | {
      readonly do: "file.write";
      readonly reason: string;
      readonly path: string;
      readonly content: FileContent;
      /** To be set before the rename, all of them. Owner and group unset: those of the file that is replaced, or of the agent. */
      readonly mode: number;
      readonly owner: Principal | undefined;
      readonly group: Principal | undefined;
      readonly backup: boolean;
      readonly followSymlinks: boolean;
    }
  | {
      readonly do: "file.attributes";
      readonly reason: string;
      readonly path: string;
      readonly mode: number | undefined;
      readonly owner: Principal | undefined;
      readonly group: Principal | undefined;
      readonly followSymlinks: boolean;
    }
  | { readonly do: "file.remove"; readonly reason: string; readonly path: string; readonly backup: boolean; readonly followSymlinks: boolean }
  | Refuse;

const FILE_MODE_DEFAULT = 0o644;

/** One regular file with inline content and plain attributes. */
function quick(params: Readonly<Record<string, unknown>>): FileParams | undefined {
  const { path, ensure = "present", content, mode: bits, owner, group, backup = false, followSymlinks = false, ...others } = params;
  for (const _ in others) return undefined;
  if (typeof path !== "string" || path.length > RESOURCE_NAME_CHARS_MAX || !isAbsolutePath(path) || ensure !== "present") return undefined;
  if (typeof content !== "string" || content.length > CONTENT_CHARS_MAX || typeof backup !== "boolean" || typeof followSymlinks !== "boolean") return undefined;
  if (bits !== undefined && (typeof bits !== "string" || !/^[0-7]{3,4}$/.test(bits))) return undefined;
  if ((owner !== undefined && owner !== "root") || (group !== undefined && group !== "root")) return undefined;
  return {
    path,
    ensure,
    content,
    ...(bits === undefined ? {} : { mode: bits }),
    ...(owner === undefined ? {} : { owner }),
    ...(group === undefined ? {} : { group }),
    backup,
    followSymlinks,
  };
}
const SET_ID_BITS = 0o6000;

function decide(wanted: FileWanted, observed: FileObserved): readonly FileStep[] {
  const { target } = observed;
  const { path, backup, followSymlinks } = wanted;
  if (wanted.ensure === "absent") {
    if (target.is === "absent") return [];
    if (target.is === "directory") return [refuseStep("a directory is in the place of the file that is to be absent")];
    return [{ do: "file.remove", reason: "it is there and is to be absent", path, backup, followSymlinks }];
  }
  if (target.is === "directory" || target.is === "other")
    return [refuseStep(`a ${target.is === "directory" ? "directory" : "device, pipe or socket"} is in the place of the file`)];
  if (wanted.source !== undefined && observed.source === undefined) return [refuseStep(`the bundle has no ${wanted.source}`)];
  const write = (reason: string, modeNow: number | undefined, content: FileContent): FileStep => ({
    do: "file.write",
    reason,
    path,
    content,
    // Set-id bits were given to the old bytes: new ones get them only when somebody asks for exactly this mode.
    mode: wanted.mode === undefined ? (modeNow ?? FILE_MODE_DEFAULT) & ~SET_ID_BITS : modeBits(wanted.mode),
    owner: wanted.owner,
    group: wanted.group,
    backup,
    followSymlinks,
  });
  if (target.is === "absent") return [write("it is absent", undefined, contentOf(wanted, observed))];
  if (target.is !== "file") return [write("a symbolic link is in its place", undefined, contentOf(wanted, observed))];
  if (contentDiffers(wanted, observed, target)) return [write("its content differs", target.mode, contentOf(wanted, observed))];
  return decideAttributes(wanted, target);
}

function contentOf(wanted: FileWanted, observed: FileObserved): FileContent {
  if (wanted.content !== undefined) return { from: "inline", text: wanted.content };
  if (wanted.source === undefined) return { from: "nothing" };
  assert(observed.source !== undefined, "a missing source was refused before");
  return { from: "source", source: wanted.source, ...observed.source };
}

function contentDiffers(wanted: FileWanted, observed: FileObserved, target: ContentRef): boolean {
  if (wanted.source !== undefined) return observed.source?.sha256 !== target.sha256;
  if (wanted.content === undefined) return false;
  const bytes = utf8(wanted.content);
  return bytes.byteLength !== target.size || sha256Hex(bytes) !== target.sha256;
}

function decideAttributes(wanted: FileWanted, target: { readonly mode: number } & ObservedOwner): readonly FileStep[] {
  const found = attributeChanges(wanted, target);
  if (found === undefined) return [];
  return [{ do: "file.attributes", path: wanted.path, followSymlinks: wanted.followSymlinks, ...found }];
}

/** What of mode, owner and group has to be set, with the reason in words; `undefined` when all is as wanted. */
export function attributeChanges(
  wanted: { readonly mode?: string | undefined; readonly owner?: Principal | undefined; readonly group?: Principal | undefined },
  target: { readonly mode: number } & ObservedOwner,
): { readonly reason: string; readonly mode: number | undefined; readonly owner: Principal | undefined; readonly group: Principal | undefined } | undefined {
  const reasons: string[] = [];
  const bits = wanted.mode === undefined ? undefined : modeBits(wanted.mode);
  const modeIsOff = bits !== undefined && bits !== (target.mode & 0o7777);
  if (modeIsOff) reasons.push(`mode is ${modeText(target.mode)}, ${modeText(bits)} is wanted`);
  const ownerIsOff = ownerDiffers(wanted.owner, target.owner, target.uid);
  if (ownerIsOff) reasons.push(`owner is ${target.owner ?? target.uid}, ${wanted.owner} is wanted`);
  const groupIsOff = ownerDiffers(wanted.group, target.group, target.gid);
  if (groupIsOff) reasons.push(`group is ${target.group ?? target.gid}, ${wanted.group} is wanted`);
  if (reasons.length === 0) return undefined;
  // chown(2) clears set-id bits, so the mode is set again whenever an owner changes.
  const setsMode = modeIsOff || ((ownerIsOff || groupIsOff) && bits !== undefined);
  return {
    reason: reasons.join("; "),
    mode: setsMode ? bits : undefined,
    owner: ownerIsOff ? wanted.owner : undefined,
    group: groupIsOff ? wanted.group : undefined,
  };
}

export const file: Kind<typeof schema, FileWanted, FileObserved, FileStep> = {
  type: "file",
  summary: "A regular file: its content, mode and owner.",
  namedBy: "path",
  schema,
  quick,
  example: '/etc/motd:\n  file:\n    content: |\n      This box is kept by felhom.\n    mode: "0644"\n    owner: root\n    group: root\n',
  decide,
};
