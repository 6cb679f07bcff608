import { fromBase64url } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";

/** A hub's address as people type it. TLS always, except to this very machine. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

export function readHubUrl(typed: string): string {
  let url: URL;
  try {
    url = new URL(/^[a-z]+:\/\//i.test(typed) ? typed : `https://${typed}`);
  } catch {
    throw new Fault("bad_request", `Cannot read ${typed} as a URL`, { remedy: "Write it like https://hub.example.net:8443." });
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "" || (url.pathname !== "/" && url.pathname !== "")) {
    throw new Fault("bad_request", `Cannot use ${typed}: a hub's URL is scheme, name and port only`);
  }
  if (url.protocol !== "https:" && !(url.protocol === "http:" && LOOPBACK.test(url.hostname))) {
    throw new Fault("bad_request", `Cannot use ${typed}: a hub is spoken to over https, plain http only on this machine`);
  }
  return url.origin;
}

/** SHA-256 of the hub's SubjectPublicKeyInfo, base64url, as the hub prints it; a `sha256/` in front and padding are forgiven. */
export function readPins(typed: readonly string[]): readonly string[] {
  return typed
    .flatMap((list) => list.split(","))
    .map((pin) => {
      const plain = pin
        .trim()
        .replace(/^sha256\//, "")
        .replaceAll("+", "-")
        .replaceAll("/", "_")
        .replace(/=+$/, "");
      if (fromBase64url(plain)?.byteLength !== 32)
        throw new Fault("bad_request", `Cannot read ${pin} as a pin`, {
          remedy: "It is 43 letters of base64url; the hub prints it when it starts, and felhom doctor --hub shows what it offers.",
        });
      return plain;
    });
}
