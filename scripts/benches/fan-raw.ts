/** The floor of `job.fanout_1000`: clients of a bare nats-server that answer one message, and one that gathers the answers. */
import { mkdirSync } from "node:fs";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { startNats } from "../../shared/sim/real-nats.ts";
import { AT_ONCE, Opened } from "./fan-operator.ts";
import type { Fan } from "./job-fanout.ts";

export function rawGathering(dir: string, count: number): Promise<Fan> {
  const opened = new Opened();
  return opened.orEnd(gathering(dir, count, opened));
}

async function gathering(dir: string, count: number, opened: Opened): Promise<Fan> {
  mkdirSync(dir);
  const config = ({ port }: { readonly port: number }): string => `listen: "127.0.0.1:${port}"\nmax_connections: 4096\n`;
  const nats = await opened.add(startNats({ dir, config }), (server) => server.stop());
  const open = (): Promise<NatsConnection> => opened.add(connect({ servers: nats.url, reconnect: false }), (client) => client.close());
  const clients: NatsConnection[] = [];
  for (let from = 0; from < count; from += AT_ONCE) clients.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - from) }, open))));
  for (const client of clients) client.subscribe("all", { callback: (_error, message) => void message.respond("pong") });
  const asker = await open();
  await Promise.all([...clients, asker].map((client) => client.flush()));
  let rounds = 0;
  return {
    round: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      let replies = 0;
      rounds += 1;
      const inbox = `_INBOX.gather.${rounds}`;
      asker.subscribe(inbox, {
        callback: () => {
          replies += 1;
          if (replies === count) resolve();
        },
      });
      await asker.flush();
      const startedMs = performance.now();
      asker.publish("all", "ping", { reply: inbox });
      await promise;
      return performance.now() - startedMs;
    },
    end: () => opened.end(),
  };
}
