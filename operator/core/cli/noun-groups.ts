/** The order of the overview, of the reference page and of the manual: by where a command is typed (cli.md 2.2). */
export const NOUN_GROUPS: readonly { readonly title: string; readonly nouns: readonly string[] }[] = [
  { title: "On a box", nouns: ["enroll", "agent", "watchdog", "status", "doctor", "facts", "converge", "local"] },
  { title: "On a server", nouns: ["hub"] },
  {
    title: "On your workstation",
    nouns: ["init", "check", "plan", "publish", "bundle", "host", "key", "trust", "join-code", "grant", "secret", "login", "context", "audit", "event"],
  },
  { title: "Anywhere", nouns: ["config", "completion", "man", "version", "help"] },
];
