/** A sync as it comes in, before anything of it is believed: its credential, its two forms, its schema. */
import { decode } from "@msgpack/msgpack";
import { Fault } from "../../../shared/core/fault.ts";
import { type SyncRequest, syncRequest } from "../../../shared/protocol/sync.ts";
import { isUsualSync } from "../../../shared/protocol/usual-sync.ts";
import { isMsgpackSound } from "../../core/http/msgpack-scan.ts";
import { HOST_CREDENTIAL_CHARS, hostCredentialHash } from "../store/host-credentials.ts";

const BEARER = "Bearer ";

/** SHA-256 in hex of what may be a host's credential; `undefined` when it can't be one. */
export function bearerHash(request: Request): string | undefined {
  const header = request.headers.get("authorization");
  if (header === null || header.length !== BEARER.length + HOST_CREDENTIAL_CHARS || !header.startsWith(BEARER)) return undefined;
  return hostCredentialHash(header.slice(BEARER.length));
}

export function isJson(request: Request): boolean {
  const type = request.headers.get("content-type");
  return type !== null && (type === "application/json" || /^application\/json *(?:;|$)/i.test(type));
}

export function wantsMsgpack(request: Request, sentMsgpack: boolean): boolean {
  const accept = request.headers.get("accept");
  return accept === null || accept === "*/*" ? sentMsgpack : accept === "application/msgpack";
}

/** Text is JSON, bytes are MessagePack. */
export function parseSync(body: string | Uint8Array): SyncRequest | Fault {
  const value = typeof body === "string" ? decodeJson(body) : decodeMsgpack(body);
  if (isUsualSync(value)) return value;
  const parsed = value === undefined ? undefined : syncRequest.safeParse(value);
  if (parsed?.success === true) return parsed.data;
  const issue = parsed?.error?.issues[0];
  return new Fault(
    "bad_request",
    `Cannot read this sync: ${issue === undefined ? "it does not parse" : `${issue.path.map(String).join(".").slice(0, 128)} ${issue.code}`}`,
  );
}

function decodeJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function decodeMsgpack(body: Uint8Array): unknown {
  if (!isMsgpackSound(body)) return undefined;
  try {
    return decode(body);
  } catch {
    return undefined;
  }
}
