/** The fleet directory of the simulation: a file whose content names the bundle, and one that comes and goes. */
export function fleetFiles({ motd, extra }: { readonly motd: string; readonly extra: boolean }): Readonly<Record<string, string>> {
  const state = [
    "motd:",
    "  file:",
    "    path: /etc/motd",
    `    content: ${JSON.stringify(motd)}`,
    '    mode: "0644"',
    "extra:",
    "  file:",
    "    path: /etc/extra",
    ...(extra ? ["    source: files/extra.txt"] : ["    ensure: absent"]),
    "",
  ].join("\n");
  return {
    "fleet.yaml": "name: simulated\n",
    "targets.yaml": '- match: "true"\n  states: [base]\n',
    "states/base.yaml": state,
    ...(extra ? { "files/extra.txt": `extra of ${motd}` } : {}),
  };
}
