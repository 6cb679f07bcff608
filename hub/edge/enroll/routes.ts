import { challengeReply, enrollAccepted, enrollRequest, enrollState } from "../../../shared/protocol/enroll.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { Guard } from "../http/guard.ts";
import { defineRoute, type Route } from "../http/route.ts";
import type { Enrolling } from "./enrolling.ts";

const REQUEST_BYTES_MAX = 64 * 1024;
const REQUEST_ID = /^e-[a-z2-7]{24}$/;

/** What boxes may ask before they are hosts. No credential; limited by address and in all. */
export function enrollRoutes(enrolling: Enrolling, guard: Guard): readonly Route[] {
  const count = (address: string): void => {
    const wait = guard.countEnroll(address);
    if (wait > 0) throw new Fault("rate_limited", "Cannot enroll now: too many boxes ask", { facts: { retry_after_ms: wait } });
  };
  return [
    defineRoute(
      {
        method: "POST",
        path: "/enroll/v1/challenges",
        capability: "open",
        summary: "Ask for an enrollment challenge, to be signed by the box's own key",
        bodyBytesMax: 0,
        msgpack: true,
        replies: { 201: { what: "A challenge, good for five minutes and one request", schema: challengeReply } },
        errors: ["rate_limited"],
      },
      async ({ address }) => {
        count(address);
        return { status: 201, body: enrolling.challenge() };
      },
    ),
    defineRoute(
      {
        method: "POST",
        path: "/enroll/v1/requests",
        capability: "open",
        summary: "Ask to be enrolled: a statement signed by the box's key, with an admission when it holds a grant token",
        bodyBytesMax: REQUEST_BYTES_MAX,
        msgpack: true,
        body: enrollRequest,
        replies: { 202: { what: "The request is here; poll it", schema: enrollAccepted } },
        errors: ["challenge_unknown", "clock_skew", "grant_refused", "rate_limited", "refused", "revoked", "unavailable"],
      },
      async ({ address, body }) => {
        count(address);
        return { status: 202, body: await enrolling.request(body, address) };
      },
    ),
    defineRoute(
      {
        method: "GET",
        path: "/enroll/v1/requests/{request_id}",
        capability: "open",
        summary: "How a request stands; signed by the box in felhom-signed-at and felhom-signature",
        bodyBytesMax: 0,
        msgpack: true,
        replies: { 200: { what: "pending, approved, rejected or revoked", schema: enrollState } },
        errors: ["clock_skew", "conflict", "not_found", "unauthenticated"],
      },
      async ({ address, params, request }) => {
        const id = params["request_id"] ?? "";
        if (!REQUEST_ID.test(id)) {
          guard.countRefusal(address);
          throw new Fault("not_found", "Cannot find the enrollment request: there is none with this id");
        }
        return { status: 200, body: await enrolling.poll(id, request.headers.get("felhom-signed-at"), request.headers.get("felhom-signature")) };
      },
    ),
  ];
}
