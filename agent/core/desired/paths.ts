/** Where things lie under the data directory. */
export const paths = (dataDir: string) => ({
  lock: `${dataDir}/agent.lock`,
  convergeLock: `${dataDir}/converge.lock`,
  documentsLock: `${dataDir}/documents.lock`,
  database: `${dataDir}/agent.db`,
  snapshot: `${dataDir}/snapshot.msgpack`,
  identity: `${dataDir}/identity`,
  signingKey: `${dataDir}/identity/signing.key`,
  boxKey: `${dataDir}/identity/box.key`,
  /** Of a rotation: in use as soon as a certificate names it. */
  nextBoxKey: `${dataDir}/identity/box.key.next`,
  /** Written last by an enrollment: its presence means enrolled. */
  membership: `${dataDir}/identity/membership.json`,
  enrollment: `${dataDir}/identity/enrollment.json`,
  enrollLock: `${dataDir}/identity/enroll.lock`,
  /** Says that ops were recorded here, and how many: beside the database, so that one of the two remembers. */
  ledgerMarker: `${dataDir}/ledger.json`,
  /** Scripts of ops while they run; empty at every start. */
  opScratch: `${dataDir}/ops`,
  bundles: `${dataDir}/bundle`,
  staging: `${dataDir}/bundle/.staging`,
  current: `${dataDir}/bundle/current`,
  bundle: (version: number) => `${dataDir}/bundle/${version}`,
  blobs: `${dataDir}/blobs`,
  blobDir: (sha256: string) => `${dataDir}/blobs/${sha256.slice(0, 2)}`,
  blob: (sha256: string) => `${dataDir}/blobs/${sha256.slice(0, 2)}/${sha256}`,
  part: (sha256: string) => `${dataDir}/blobs/${sha256.slice(0, 2)}/${sha256}.part`,
});
export type Paths = ReturnType<typeof paths>;
