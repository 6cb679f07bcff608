import { Fault } from "../../../shared/core/fault.ts";
import { didYouMean } from "../cli/did-you-mean.ts";
import { sameWords, type Enrollment } from "./read-enrollment.ts";
import type { Pending } from "./pending-list.ts";
import { unverifiedText } from "./verified-host.ts";

/**
 * Which request is meant: by request id, host id, or the name the box gave itself. Names are claims, so two boxes may use one; then
 * the words decide, or the operator has to. Requests that do not verify can only be named by id, and are refused.
 */
export function choosePending(all: readonly Pending[], asked: string, words: string | undefined): Pending & { readonly enrollment: Enrollment } {
  const named = all.filter(({ item, read }) => item.request_id === asked || item.host_id === asked || (read.ok && read.value.statement.name === asked));
  const found = named.length > 1 && words !== undefined ? named.filter(({ read }) => read.ok && sameWords(words, read.value.words)) : named;
  if (found.length > 1) {
    throw new Fault("conflict", `Cannot tell which box is meant: ${found.length} ask to be ${asked}`, {
      remedy: "felhom host list --pending shows their words; approve one by its request id, or give --words.",
    });
  }
  const [only] = found;
  if (only === undefined) throw notFound(all, asked, named.length > 0);
  if (!only.read.ok)
    throw new Fault("refused", `Cannot approve request ${only.item.request_id}: ${unverifiedText(only.read)}`, {
      facts: { refusal: only.read.refusal },
      remedy: `felhom host reject ${only.item.request_id}`,
    });
  return { ...only, enrollment: only.read.value };
}

function notFound(all: readonly Pending[], asked: string, wrongWords: boolean): Fault {
  if (wrongWords)
    return new Fault("refused", `Cannot approve: no box that asks to be ${asked} shows these words`, { remedy: "Read the words on the box again." });
  const names = all.flatMap(({ read }) => (read.ok ? [read.value.statement.name] : []));
  const guesses = didYouMean(asked, names);
  return new Fault("not_found", `Cannot find a box that asks to be ${asked}`, {
    remedy: guesses.length > 0 ? `Did you mean ${guesses.join(" or ")}?` : "felhom host list --pending shows who waits.",
  });
}
