/** Opens hub.db with every migration of this build. The order of the list is the schema's history: append, never edit what was released. */
import type { Migration } from "../../../shared/ports/databases.ts";
import type { World } from "../../../shared/ports/world.ts";
import { AUDIT_TABLES } from "./audit.ts";
import { BUNDLE_TABLES } from "./bundles.ts";
import { CREDENTIAL_TABLES } from "./credentials.ts";
import { EVENT_TABLES } from "./events.ts";
import { GRANT_TABLES } from "./grants.ts";
import { HOST_ACK_TABLES } from "./host-acks.ts";
import { IDEMPOTENCY_TABLES } from "./idempotency.ts";
import { AGENT_TABLES } from "./migrations/001-agents.ts";
import { OP_TABLES } from "./migrations/003-ops.ts";
import { NATS_TABLES } from "./nats-outbox.ts";
import { RETURNS_BY_OP } from "./op-returns.ts";
import { SPEC_APPLIES } from "./ops.ts";
import { ROOT_TABLES } from "./roots.ts";
import { openedStore, type Store } from "./store.ts";

export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: "agents", statements: AGENT_TABLES },
  {
    version: 2,
    name: "operators",
    statements: [...ROOT_TABLES, ...EVENT_TABLES, ...AUDIT_TABLES, ...BUNDLE_TABLES, ...GRANT_TABLES, ...CREDENTIAL_TABLES, ...IDEMPOTENCY_TABLES],
  },
  { version: 3, name: "ops", statements: OP_TABLES },
  { version: 4, name: "nats", statements: NATS_TABLES },
  { version: 5, name: "host-acks", statements: HOST_ACK_TABLES },
  { version: 6, name: "returns-by-op", statements: RETURNS_BY_OP },
  { version: 7, name: "spec-applies", statements: SPEC_APPLIES },
];

export const databasePath = (dataDir: string): string => `${dataDir}/hub.db`;

export function openStore(world: World, dataDir: string): Store {
  return openedStore(world, world.databases.open("hub.open", databasePath(dataDir), { migrations: MIGRATIONS }));
}
