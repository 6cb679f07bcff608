/**
 * Looks over MessagePack before it is decoded: whole, not nested beyond 32, no map key twice, no more elements than bytes. The
 * decoder itself takes 200 000 levels and keeps the last of two equal keys. Source: msgpack/spec.md, "Formats".
 */
export const MSGPACK_DEPTH_MAX = 32;
export const MSGPACK_KEYS_MAX = 10_000;

export function isMsgpackSound(bytes: Uint8Array): boolean {
  const scan: Scan = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0 };
  try {
    return value(scan, 0) && scan.at === bytes.byteLength;
  } catch (error) {
    // A read behind the end.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

interface Scan {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
}

function value(scan: Scan, depth: number): boolean {
  if (depth > MSGPACK_DEPTH_MAX) return false;
  const tag = scan.view.getUint8(scan.at);
  scan.at += 1;
  if (tag <= 0x7f || tag >= 0xe0) return true;
  if (tag <= 0x8f) return map(scan, tag & 0x0f, depth);
  if (tag <= 0x9f) return array(scan, tag & 0x0f, depth);
  if (tag <= 0xbf) return skip(scan, tag & 0x1f);
  return tagged(scan, tag, depth);
}

function tagged(scan: Scan, tag: number, depth: number): boolean {
  switch (tag) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return true;
    case 0xcc:
    case 0xd0:
      return skip(scan, 1);
    case 0xcd:
    case 0xd1:
      return skip(scan, 2);
    case 0xca:
    case 0xce:
    case 0xd2:
      return skip(scan, 4);
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return skip(scan, 8);
    case 0xd9:
      return skip(scan, length(scan, 1));
    case 0xda:
      return skip(scan, length(scan, 2));
    case 0xdb:
      return skip(scan, length(scan, 4));
    case 0xdc:
      return array(scan, length(scan, 2), depth);
    case 0xdd:
      return array(scan, length(scan, 4), depth);
    case 0xde:
      return map(scan, length(scan, 2), depth);
    case 0xdf:
      return map(scan, length(scan, 4), depth);
    // Binary and extension types are in no message of ours.
    default:
      return false;
  }
}

function length(scan: Scan, size: 1 | 2 | 4): number {
  const { view, at } = scan;
  scan.at += size;
  return size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at) : view.getUint32(at);
}

function skip(scan: Scan, count: number): boolean {
  scan.at += count;
  return scan.at <= scan.bytes.byteLength;
}

function array(scan: Scan, count: number, depth: number): boolean {
  if (count > scan.bytes.byteLength - scan.at) return false;
  for (let left = count; left > 0; left -= 1) if (!value(scan, depth + 1)) return false;
  return true;
}

function map(scan: Scan, count: number, depth: number): boolean {
  if (count > MSGPACK_KEYS_MAX || count * 2 > scan.bytes.byteLength - scan.at) return false;
  const keys = new Set<string>();
  for (let left = count; left > 0; left -= 1) {
    const from = scan.at;
    const tag = scan.view.getUint8(from);
    const isText = (tag >= 0xa0 && tag <= 0xbf) || (tag >= 0xd9 && tag <= 0xdb);
    if (!isText || !value(scan, depth + 1)) return false;
    // The same text in a longer form is the same key.
    const skipped = tag <= 0xbf ? 1 : 2 ** (tag - 0xd9) + 1;
    const key = Buffer.from(scan.bytes.buffer, scan.bytes.byteOffset + from + skipped, scan.at - from - skipped).toString("latin1");
    if (keys.has(key)) return false;
    keys.add(key);
    if (!value(scan, depth + 1)) return false;
  }
  return true;
}
