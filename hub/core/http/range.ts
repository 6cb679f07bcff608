/** `from` inclusive, `to` exclusive. */
export type Range = { readonly is: "whole" } | { readonly is: "part"; readonly from: number; readonly to: number } | { readonly is: "beyond" };

/**
 * RFC 9110 section 14: one range of bytes, forward (`bytes=5-`, `bytes=5-9`) or from the end (`bytes=-5`). Several ranges, other units
 * and nonsense are ignored, as that section allows: the whole is always a right answer.
 */
export function parseRange(header: string | null, size: number): Range {
  const match = header === null ? null : /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header);
  const [, first = "", last = ""] = match ?? [];
  if (first === "" && last === "") return { is: "whole" };
  if (first === "") return Number(last) === 0 || size === 0 ? { is: "beyond" } : { is: "part", from: Math.max(0, size - Number(last)), to: size };
  const from = Number(first);
  if (last !== "" && Number(last) < from) return { is: "whole" };
  if (from >= size) return { is: "beyond" };
  return { is: "part", from, to: last === "" ? size : Math.min(size, Number(last) + 1) };
}
