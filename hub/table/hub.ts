import type { Command, Option } from "../../shared/cli/command.ts";

const DATA_DIR: Option = { name: "data-dir", value: "DIR", summary: "The hub's data directory (default: that of the hub's settings)" };

export const commands: readonly Command[] = [
  {
    path: ["hub", "backup"],
    summary: "Copy a hub, running or not, to a new directory or .tar file, and check the copy whole",
    examples: [
      { run: "felhom hub backup /var/backups/felhom-$(date +%F).tar", shows: "what is in it, and its audit head" },
      { run: "felhom hub backup /mnt/usb/hub --json", shows: "the same, for a timer's log" },
    ],
    args: [{ name: "to", summary: "A directory that is not there yet, or a file ending in .tar", required: true }],
    options: [DATA_DIR],
    mutates: true,
    load: () => import("../commands/hub-backup.ts"),
  },
  {
    path: ["hub", "restore"],
    summary: "Make a data directory from a backup, under a new epoch, so that boxes offer what is newer",
    examples: [
      { run: "felhom hub restore /var/backups/felhom-2026-11-20.tar --dry-run", shows: "whether the backup is whole; nothing stays" },
      { run: "felhom hub restore /mnt/usb/hub --data-dir /var/lib/felhom-hub", shows: "the new epoch, and what to look at next" },
    ],
    args: [{ name: "from", summary: "What `felhom hub backup` made", required: true }],
    options: [{ ...DATA_DIR, summary: "Where to restore to: absent or empty (default: that of the hub's settings)" }],
    mutates: true,
    load: () => import("../commands/hub-restore.ts"),
  },
  {
    path: ["hub", "status"],
    summary: "What lies in a hub's data directory, with or without the hub running",
    examples: [{ run: "sudo felhom hub status", shows: "database, audit log, fleet, NATS, last backup; exit 1 when something is damaged" }],
    args: [],
    options: [DATA_DIR, { name: "nats-urls", value: "URLS", summary: "NATS servers to ask, comma-separated (default: those of the hub's settings)" }],
    mutates: false,
    load: () => import("../commands/hub-status.ts"),
  },
  {
    path: ["hub", "nats-config"],
    summary: "Write a configuration for nats-server, for fleets whose operations should not wait for polls",
    examples: [
      { run: "felhom hub nats-config --hostname nats.example.org --out /etc/nats-server.conf", shows: "the file, and what to do next" },
      { run: "felhom hub nats-config --plain", shows: "a configuration for a server on this very machine, on stdout" },
      {
        run: "felhom hub nats-config --hostname n1.example.org --hostname n2.example.org --hostname n3.example.org --name n1 --route n2.example.org --route n3.example.org --out n1.conf",
        shows: "the first server of a cluster of three",
      },
    ],
    args: [],
    options: [
      DATA_DIR,
      { name: "hostname", value: "NAME", many: true, summary: "A name or address by which hub and boxes reach a server; all of a cluster's" },
      { name: "out", value: "FILE", summary: "Write it to this file instead of stdout" },
      { name: "listen", value: "ADDRESS:PORT", summary: "Where the server listens (default: 0.0.0.0:4222, with --plain 127.0.0.1:4222)" },
      { name: "name", value: "NAME", summary: "This server's name, unique in its cluster (default: the first --hostname)" },
      { name: "route", value: "HOST", many: true, summary: "Another server of the cluster; host or host:port" },
      { name: "store-dir", value: "DIR", summary: "Where the server keeps its streams (default: /var/lib/nats)" },
      { name: "disk-gib", value: "N", summary: "Disk that streams may use, in GiB", default: "4" },
      { name: "tls-cert", value: "FILE", summary: "PEM certificate for the server (default: one that the hub makes; boxes are given it)" },
      { name: "tls-key", value: "FILE", summary: "Its PEM private key" },
      { name: "plain", summary: "Without TLS: for a server on this very machine only" },
    ],
    mutates: true,
    load: () => import("../commands/hub-nats-config.ts"),
  },
  {
    path: ["hub", "token", "create"],
    summary: "Make an API token on the data directory itself; it is shown once",
    examples: [
      { run: "felhom hub token create --name ci --role operator --expires 90d --out ci.token", shows: "the file that holds it, mode 0600" },
      { run: "felhom hub token create --name wall --role viewer", shows: "the token, on stdout" },
    ],
    args: [],
    options: [
      DATA_DIR,
      { name: "name", value: "NAME", required: true, summary: "What the audit log calls it" },
      { name: "role", value: "ROLE", required: true, summary: "viewer, operator or admin" },
      { name: "expires", value: "TIME", summary: "How long it lives, such as 12h or 90d (default: until revoked)" },
      { name: "out", value: "FILE", summary: "Write it to this new file, mode 0600, instead of stdout" },
    ],
    mutates: true,
    load: () => import("../commands/hub-token-create.ts"),
  },
  {
    path: ["hub", "token", "list"],
    summary: "Show the live API tokens, without their secrets",
    examples: [{ run: "felhom hub token list", shows: "name, role, end, last use" }],
    args: [],
    options: [DATA_DIR],
    mutates: false,
    load: () => import("../commands/hub-token-list.ts"),
  },
  {
    path: ["hub", "token", "revoke"],
    summary: "End an API token at once, also on a running hub",
    examples: [{ run: "felhom hub token revoke t-4kq2m7xa4kq2m7xa --yes", shows: "that it is revoked" }],
    args: [{ name: "token", summary: "Id of the token", required: true }],
    options: [DATA_DIR],
    mutates: true,
    load: () => import("../commands/hub-token-revoke.ts"),
  },
];
