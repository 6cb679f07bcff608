/**
 * Host-name globs: `*` is any run, `?` one character, the rest stands for itself. Matched by the two-pointer method, in time linear in
 * name × pattern whatever the pattern (no regular expression is built from input: attack 35).
 */
export const NAME_GLOB = /^[a-z0-9._*?-]{1,128}$/;

export function matchesGlob(glob: string, name: string): boolean {
  let at = 0;
  let seen = 0;
  let star = -1;
  let resume = 0;
  while (seen < name.length) {
    const wanted = glob[at];
    if (wanted === "*") {
      star = at;
      resume = seen;
      at += 1;
    } else if (wanted === "?" || (wanted !== undefined && wanted === name[seen])) {
      at += 1;
      seen += 1;
    } else if (star >= 0) {
      at = star + 1;
      resume += 1;
      seen = resume;
    } else {
      return false;
    }
  }
  while (glob[at] === "*") at += 1;
  return at === glob.length;
}
