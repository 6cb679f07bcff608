/** From bytes to what a handler is given. Strict: one form, UTF-8, no key twice, 32 levels, then the route's schema. */
import { decode } from "@msgpack/msgpack";
import { Fault } from "../../../shared/core/fault.ts";
import { scanJson } from "../../../shared/trust/strict-json.ts";
import { isMsgpackSound } from "../../core/http/msgpack-scan.ts";
import { checkAnnounced, hasBody, readBytes } from "./body.ts";
import type { Route } from "./route.ts";

const NOTHING = new Uint8Array();

export interface Parsed {
  readonly body: unknown;
  readonly bytes: Uint8Array;
}

export async function parseRequestBody(route: Route, request: Request): Promise<Parsed> {
  if (route.bodyForm === "stream") {
    checkAnnounced(request, route.bodyBytesMax);
    return { body: undefined, bytes: NOTHING };
  }
  if (route.bodyBytesMax === 0) {
    if (hasBody(request)) throw new Fault("bad_request", "Cannot take this request: this route takes no body");
    return { body: undefined, bytes: NOTHING };
  }
  checkAnnounced(request, route.bodyBytesMax);
  const form = formOf(route, request);
  const bytes = await readBytes(request, route.bodyBytesMax);
  if (form === "octets") return { body: undefined, bytes };
  return { body: checkBody(route, form === "msgpack" ? fromMsgpack(bytes) : fromJson(bytes, route.bodyBytesMax)), bytes };
}

function formOf(route: Route, request: Request): "json" | "msgpack" | "octets" {
  const type = (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  if (route.bodyForm === "octets" && type === "application/octet-stream") return "octets";
  if (route.bodyForm !== "octets" && type === "application/json") return "json";
  if (route.bodyForm !== "octets" && route.msgpack === true && type === "application/msgpack") return "msgpack";
  throw new Fault("unsupported_media", `Cannot read this request: its content type is ${type === undefined || type === "" ? "not given" : type.slice(0, 64)}`);
}

function fromJson(bytes: Uint8Array, bytesMax: number): unknown {
  const scanned = scanJson(bytes, bytesMax);
  if (!scanned.ok) throw new Fault("bad_request", `Cannot read this request: ${scanned.refusal}${scanned.detail === "" ? "" : `, ${scanned.detail}`}`);
  return scanned.value;
}

function fromMsgpack(bytes: Uint8Array): unknown {
  if (!isMsgpackSound(bytes)) throw new Fault("bad_request", "Cannot read this request: it is not sound MessagePack");
  try {
    return decode(bytes);
  } catch (error) {
    throw new Fault("bad_request", "Cannot read this request: it is not sound MessagePack", { cause: error });
  }
}

function checkBody(route: Route, value: unknown): unknown {
  if (route.bodySchema === undefined) throw new Fault("bad_request", "Cannot take this request: this route takes no body");
  const parsed = route.bodySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Fault("bad_request", `Cannot take this request: ${issueText(parsed.error.issues)}`);
}

/** Each parameter at most once; those that no schema names are refused. */
export function parseQuery(route: Route, url: string): unknown {
  const params = new URL(url, "http://hub").searchParams;
  const given: Record<string, string> = Object.create(null);
  for (const [name, value] of params) {
    if (name in given) throw new Fault("bad_request", `Cannot take this request: the parameter ${name.slice(0, 64)} is given twice`);
    given[name] = value;
  }
  if (route.querySchema === undefined) {
    const [first] = Object.keys(given);
    if (first !== undefined) throw new Fault("bad_request", `Cannot take this request: there is no parameter ${first.slice(0, 64)}`);
    return undefined;
  }
  const parsed = route.querySchema.safeParse({ ...given });
  if (parsed.success) return parsed.data;
  throw new Fault("bad_request", `Cannot take this request: parameter ${issueText(parsed.error.issues)}`);
}

function issueText(issues: readonly { readonly path: readonly PropertyKey[]; readonly code?: string | undefined }[]): string {
  const issue = issues[0];
  if (issue === undefined) return "it does not match its schema";
  const at = issue.path.map(String).join(".").slice(0, 128);
  return `${at === "" ? "the top" : at}: ${issue.code ?? "not allowed"}`;
}
