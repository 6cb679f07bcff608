/**
 * Errors as RFC 9457 problem details. `code` is what scripts switch on: the fault's code, or, when something signed was refused, the
 * refusal that fired. The detail is the fault's own sentence; causes stay in the log.
 */
import { FAULTS } from "../../../shared/core/fault-code.ts";
import { Fault, isFault } from "../../../shared/core/fault.ts";
import type { Problem } from "../../../shared/protocol/problem.ts";

export const PROBLEM_TYPE = "application/problem+json";

export function problemOf(fault: Fault): Problem {
  const { refusal, retry_after_ms: retryMs } = fault.facts;
  const code = typeof refusal === "string" ? refusal : fault.code;
  return {
    type: `urn:felhom:problem:${code}`,
    title: FAULTS[fault.code].means,
    status: fault.status,
    code,
    detail: fault.message.slice(0, 2_048),
    ...(fault.remedy === undefined ? {} : { remedy: fault.remedy.slice(0, 512) }),
    ...(typeof retryMs === "number" ? { retry_after_s: Math.ceil(retryMs / 1_000) } : {}),
  };
}

export function faultReply(fault: Fault, headers: Readonly<Record<string, string>> = {}): Response {
  const problem = problemOf(fault);
  const retry = problem.retry_after_s ?? (fault.status === 503 ? 5 : undefined);
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      "content-type": PROBLEM_TYPE,
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
      ...(retry === undefined ? {} : { "retry-after": String(retry) }),
      ...(problem.status === 401 ? { "www-authenticate": "Bearer" } : {}),
      ...headers,
    },
  });
}

/** What a caller may know of any error: a fault says itself; anything else is the hub's own failure and says nothing. */
export const faultOf = (error: unknown): Fault => (isFault(error) ? error : new Fault("internal", "Cannot answer: an internal error"));
