/**
 * What a row of the audit log tells, as data. The row carries it as text, since its hash is over those bytes; a list in it is text once
 * more, since its values are plain: `["a","b"]`, or `a b`. Text that does not parse is the hub's word all the same, and is shown as it is.
 */
export function auditData(text: string): unknown {
  const data = parsed(text);
  if (typeof data !== "object" || data === null || Array.isArray(data)) return text;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, key === "signers" && typeof value === "string" ? listOf(value) : value]));
}

function listOf(text: string): unknown {
  const list = parsed(text);
  return Array.isArray(list) ? list : text.split(" ").filter((word) => word !== "");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not JSON: the caller shows the text
  }
}
