/**
 * When the faults stop, everybody ends up where the operator wants: the newest root, certificate, bundle and spec on every box, its files
 * as the bundle says and nothing else, outboxes empty, and the hub knowing it. Anything less is work that was lost or stuck.
 */
import { boxDocuments, payloadOf } from "./box-documents.ts";
import type { BoxView, Checker, View } from "./checker.ts";

export function everythingSettles(): Checker {
  return {
    name: "everything-settles",
    settled: (view) => [...view.boxes.flatMap((box) => boxLacks(view, box)), ...hubLacks(view)],
  };
}

function boxLacks({ truth, hub }: View, box: BoxView): readonly string[] {
  const name = box.machine.name;
  const hostId = box.hostId();
  if (hostId === undefined) return [`${name} is not enrolled`];
  const held = boxDocuments(box);
  if (held === undefined) return [`${name} holds no documents`];
  const wanted = truth.newestBundle;
  const generation = hub.database()?.get<{ spec_generation: number }>("check", "SELECT spec_generation FROM hosts WHERE host_id = ?", hostId)?.spec_generation;
  const rows = box.database()?.get<{ rows: number }>("check", "SELECT count(*) AS rows FROM outbox WHERE kind <> 'metrics'")?.rows ?? 0;
  const bundle = payloadOf<{ version: number }>(held.bundle)?.version ?? 0;
  const serial = payloadOf<{ serial: number }>(held.identity?.cert)?.serial ?? 0;
  const certSerial = truth.certs.get(hostId)?.at(-1)?.serial ?? 0;
  const lacks = [
    held.roots.length === truth.newestRoot ? "" : `root ${truth.newestRoot}: it has ${held.roots.length}`,
    bundle === (wanted?.payload.version ?? 0) ? "" : `bundle ${wanted?.payload.version}: it has ${bundle}`,
    serial === certSerial ? "" : `certificate ${certSerial}: it has ${serial}`,
    generation === held.spec?.generation || generation === 0 ? "" : `spec ${generation}: it has ${held.spec?.generation ?? 0}`,
    rows === 0 ? "" : `an empty outbox: ${rows} rows wait`,
    box.text("/etc/motd") === wanted?.motd ? "" : `the wanted /etc/motd: it says ${JSON.stringify(box.text("/etc/motd"))}`,
    (box.text("/etc/extra") !== undefined) === (wanted?.extra ?? false) ? "" : `the wanted /etc/extra`,
  ];
  return lacks.filter((lack) => lack !== "").map((lack) => `${name} lacks ${lack}`);
}

function hubLacks({ truth, hub, boxes }: View): readonly string[] {
  const database = hub.database();
  if (database === undefined) return ["the hub has no database"];
  const hosts = database.all<{ host_id: string; contact: string }>("check", "SELECT host_id, contact FROM hosts ORDER BY host_id");
  const known = new Set(hosts.map(({ host_id }) => host_id));
  return [
    ...boxes.flatMap((box) => (known.has(box.hostId() ?? "") ? [] : [`the hub does not know ${box.machine.name}`])),
    ...hosts.flatMap(({ host_id, contact }) => (contact === "up" ? [] : [`the hub calls ${host_id} ${contact}`])),
    ...(truth.newestRoot === (database.get<{ version: number }>("check", "SELECT max(version) AS version FROM roots")?.version ?? 0)
      ? []
      : ["the hub lacks the newest root"]),
  ];
}
