/** A short-lived child of ours: one request on stdin, one answer on stdout. */
export async function answerStdin(run: (request: Uint8Array) => Promise<Uint8Array>): Promise<number> {
  await Bun.write(Bun.stdout, await run(new Uint8Array(await Bun.stdin.arrayBuffer())));
  return 0;
}
