import { fleetSchemas, SCHEMA_FILES } from "../../../shared/states/fleet-schemas.ts";
import { stateTypes } from "../../../shared/states/state-types.ts";

/**
 * What `felhom init` writes: a fleet that checks, renders and may be applied to any Debian box, with each idea shown once and
 * explained where it stands. A test checks and renders it.
 */
export function sampleFleet(name: string): Readonly<Record<string, string>> {
  return {
    "fleet.yaml": fleetYaml(name),
    "targets.yaml": TARGETS,
    "secrets.yaml": SECRETS,
    "settings/common.yaml": SETTINGS_COMMON,
    "settings/role/web.yaml": SETTINGS_WEB,
    "states/base.yaml": STATE_BASE,
    "states/example.ts": STATE_EXAMPLE,
    "states/web.yaml": STATE_WEB,
    "files/motd.liquid": MOTD,
    "files/web/index.html": INDEX_HTML,
    "files/web/site.conf.liquid": SITE_CONF,
    "README.md": readme(name),
    ...editorFiles(),
  };
}

/** For editors only; no bundle carries them. Made from this felhom's schemas, so they are worth renewing after an update. */
export function editorFiles(): Readonly<Record<string, string>> {
  const schemas = fleetSchemas();
  const json = Object.fromEntries(SCHEMA_FILES.map((name) => [`.felhom/${name}.schema.json`, `${JSON.stringify(schemas[name], null, 2)}\n`]));
  return { ...json, ".felhom/felhom.d.ts": stateTypes() };
}

const fleetYaml = (name: string): string => `# yaml-language-server: $schema=.felhom/fleet.schema.json
name: ${name}

# Settings files from far to near, below settings/: a nearer one wins. Maps are merged key by key, a list replaces a list, and
# a key written \`name+\` adds to the inherited list. A level that a host has no label for, or no file, is passed over.
levels:
  - common
  - site/{label.site}
  - role/{label.role}
  - hosts/{host.name}

# What holds for hosts whose spec (felhom host spec) says nothing else.
# defaults:
#   mode: monitor          # look and report, change nothing anywhere
#   interval: 300          # seconds between two runs
#   applyWindows:
#     - { days: [1, 2, 3, 4, 5], from: "01:00", to: "05:00" }
`;

const TARGETS = `# yaml-language-server: $schema=.felhom/targets.schema.json
# Which hosts get which states. Every rule that matches adds its states. \`label.*\` is signed by you (felhom host label),
# \`fact.*\` is what the box says of itself (felhom facts). An unknown name is a fault; has(label.role) asks first.
- match: "true"
  states: [base, example]

- match: has(label.role) && label.role == "web"
  states: [web]
`;

const SECRETS = `# yaml-language-server: $schema=.felhom/secrets.schema.json
# Names only: values stay in your vault (felhom secret set NAME) and are sealed for each host when you publish. Only labels and
# the host's name decide who gets one, because a box could claim any fact. Use it as {{ secrets.smtp_password }}.
#
# smtp_password:
#   description: For the mail relay of the web hosts
#   match: has(label.role) && label.role == "web"
`;

const SETTINGS_COMMON = `# For every host. Templates see it as {{ settings.contact }}, TypeScript states as host.settings.contact.
contact: nobody yet
notes:
  welcome: This box is kept by felhom.
`;

const SETTINGS_WEB = `# For hosts with the label role=web, on top of common.yaml.
web:
  port: 80
  root: /var/www/felhom
notes:
  web: It serves a page.
`;

const STATE_BASE = `# yaml-language-server: $schema=../.felhom/state.schema.json
# For every host. The key is the path or name; the resource's id is type/key, as in file//etc/motd.

# A template sees settings, facts, labels, secrets and host. What is not there is a fault, never an empty text.
/etc/motd:
  file:
    template: files/motd.liquid
    mode: "0644"

/usr/local/share/felhom-example:
  directory:
    mode: "0755"
    # Files in there that no resource manages are removed.
    purge: true

# Packages are installed in one transaction. Remove the comment signs to try it.
# base-tools:
#   package:
#     names: [curl, htop]
`;

const STATE_EXAMPLE = `// A state in TypeScript: run by the box's own felhom, nothing to install. It gets the host and returns resources; it has no
// clock, network or files, because the same host has to give the same resources every time.
import type { Entries, Host } from "../.felhom/felhom.d.ts";

export default (host: Host): Entries => {
  const notes: Record<string, string> = host.settings.notes;
  return Object.entries(notes).map(([name, text]) => ({
    file: { path: \`/usr/local/share/felhom-example/\${name}.txt\`, content: \`\${text}\\n\`, mode: "0644" },
    require: ["directory//usr/local/share/felhom-example"],
  }));
};
`;

const STATE_WEB = `# yaml-language-server: $schema=../.felhom/state.schema.json
# For hosts with the label role=web: felhom host label HOST role=web
nginx-packages:
  package:
    names: [nginx-light]

"{{ settings.web.root }} directory":
  directory:
    path: "{{ settings.web.root }}"
    parents: true

index:
  file:
    path: "{{ settings.web.root }}/index.html"
    source: files/web/index.html
    mode: "0644"

/etc/nginx/sites-enabled/default:
  file:
    template: files/web/site.conf.liquid
    mode: "0644"
    followSymlinks: false
  require: [package/nginx-packages]

# watch is require and more: when the file was changed, the service reloads.
nginx:
  service:
    ensure: running
    enabled: true
    onWatch: reload
  watch: [file//etc/nginx/sites-enabled/default]
`;

const MOTD = `{{ host.name }}, {{ facts.os.name }}, {{ facts.memory.total_mb }} MB
{{ settings.notes.welcome }} Contact: {{ settings.contact }}.
{%- if labels.site %}
Site: {{ labels.site }}
{%- endif %}
`;

const INDEX_HTML = `<!doctype html>
<title>felhom</title>
<p>This page is kept by felhom.</p>
`;

const SITE_CONF = `# Kept by felhom: changes made here are undone.
server {
  listen {{ settings.web.port }} default_server;
  root {{ settings.web.root }};
}
`;

const readme = (name: string): string => `# ${name}

A fleet directory of felhom: how our boxes are to be. Plain text, for git.

| what | where |
| --- | --- |
| which hosts get which states | \`targets.yaml\` |
| what is wanted of them | \`states/*.yaml\`, \`states/*.ts\` |
| values that differ by site, role or host | \`settings/\` |
| files and templates (\`*.liquid\`) | \`files/\` |
| names of secrets and who gets them | \`secrets.yaml\` |
| facts of real hosts, to check against | \`facts/*.json\` (\`felhom local facts . --json > facts/NAME.json\` on a box) |

    felhom check                 # is all of it right?
    felhom local plan .          # what would change on this machine? (no hub needed)
    felhom plan                  # what would change, where?
    felhom publish               # sign it and hand it to the hub
`;
