import { fromUtf8, utf8 } from "../shared/core/bytes.ts";
import type { RenderInput, RenderVerdict } from "../shared/states/render.ts";
import { render } from "../shared/states/render.ts";

/**
 * The render child's whole life: JSON on stdin, JSON on stdout (`RenderInput` → `RenderVerdict`). The hidden role `render`
 * of the binary; the agent's worker starts it, as another user when it may. It never looks at the disk, the network or the
 * clock. Whoever started it checks the answer.
 */
export const RENDER_INPUT_BYTES_MAX = 64 * 1024 * 1024;
const OUTPUT_CHARS_MAX = 48 * 1024 * 1024;

export async function runRender(stdin: Uint8Array): Promise<Uint8Array> {
  return utf8(JSON.stringify(bounded(await answer(stdin))));
}

async function answer(stdin: Uint8Array): Promise<RenderVerdict> {
  if (stdin.byteLength > RENDER_INPUT_BYTES_MAX) return failed(`the fleet has more than ${RENDER_INPUT_BYTES_MAX} bytes to render`);
  let input: unknown;
  try {
    input = JSON.parse(fromUtf8(stdin));
  } catch {
    return failed("the render child was given something that is not JSON");
  }
  return isRenderInput(input) ? render(input) : failed("the render child was given something that is no fleet and host");
}

/** The parent is our own code; this only keeps a mistake there from becoming a strange message here. */
function isRenderInput(value: unknown): value is RenderInput {
  return (
    typeof value === "object" &&
    value !== null &&
    ["files", "host", "labels", "facts", "secrets"].every(
      (name) => name in value && typeof Reflect.get(value, name) === "object" && Reflect.get(value, name) !== null,
    )
  );
}

function bounded(verdict: RenderVerdict): RenderVerdict {
  if (!verdict.ok) return verdict;
  const chars = verdict.resources.reduce((sum, resource) => sum + (resource.type === "file" ? (resource.params.content?.length ?? 0) : 512), 0);
  return chars > OUTPUT_CHARS_MAX ? failed(`the host's resources have more than ${OUTPUT_CHARS_MAX} characters`) : verdict;
}

const failed = (message: string): RenderVerdict => ({ ok: false, faults: [{ file: "", line: 0, path: "", message }] });
