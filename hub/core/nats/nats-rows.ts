/** NATS in `felhom hub status`: what was asked, what is there, and loudly what is missing. */
import { byteSize, count } from "../../../shared/cli/age.ts";
import { markCell } from "../../../shared/cli/glyph.ts";
import type { Cell } from "../../../shared/cli/table.ts";
import type { ConsumerStatus, StreamStatus } from "../../../shared/ports/bus.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";

interface Server {
  readonly url: string;
  readonly because: string;
}

export type ShownNats =
  | { readonly is: "off" }
  | { readonly is: "unreachable"; readonly servers: readonly Server[] }
  | {
      readonly is: "reached";
      readonly url: string;
      readonly server: string;
      readonly version: string;
      readonly cluster: string | null;
      readonly silent: readonly Server[];
      readonly stream: StreamStatus | null;
      readonly consumers: readonly ConsumerStatus[];
      readonly replicasWanted: number;
      readonly warning: string | null;
    };

/** Above this the hub does not keep up, or does not run. */
const LAG_MANY = 10_000;

export function natsRows(nats: ShownNats, terminal: Terminal): readonly (readonly [string, Cell])[] {
  switch (nats.is) {
    case "off":
      return [["NATS", "none: operations go by sync"]];
    case "unreachable":
      return nats.servers.map(({ url, because }) => ["NATS", markCell(terminal, "bad", `${url}: ${because}; operations go by sync`)]);
    case "reached":
      return [
        ["NATS", markCell(terminal, "good", `${nats.server} ${nats.version} at ${nats.url}${nats.cluster === null ? "" : `, cluster ${nats.cluster}`}`)],
        ...nats.silent.map(({ url, because }): readonly [string, Cell] => ["", markCell(terminal, "bad", `${url}: ${because}`)]),
        ...(nats.stream === null ? [] : [["stream", streamText(nats.stream, nats.replicasWanted)] as const]),
        ...nats.consumers.map((consumer): readonly [string, Cell] => ["consumer", consumerCell(consumer, terminal)]),
        ...(nats.warning === null ? [] : [["WARNING", markCell(terminal, "bad", nats.warning)] as const]),
      ];
  }
}

function streamText(stream: StreamStatus, wanted: number): string {
  const copies = `${stream.replicasCurrent} of ${wanted} ${wanted === 1 ? "copy" : "copies"} current`;
  return `${stream.name}: ${count(stream.messages, "message")}, ${byteSize(stream.bytes)}, ${copies}${stream.leader === undefined ? "" : `, led by ${stream.leader}`}`;
}

function consumerCell({ name, pending, unacked, redelivered }: ConsumerStatus, terminal: Terminal): Cell {
  const text = `${name}: ${pending} behind, ${unacked} in work${redelivered === 0 ? "" : `, ${redelivered} offered again`}`;
  return pending > LAG_MANY ? markCell(terminal, "warn", text) : text;
}
