import { readSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { wantsColour, wantsUnicode } from "../cli/colour.ts";
import { Fault } from "../core/fault.ts";
import type { Terminal } from "../ports/terminal.ts";

/**
 * The real terminal. Writes are synchronous on purpose: Bun's `process.exit()` cuts what a pipe has not taken yet (measured: 131 072
 * of 5 000 000 bytes), and a closed pipe must be noticed at the write that meets it (`pipe_closed`, which ends a command with 0).
 * Questions go to stderr and answers come from stdin only when it is a terminal; secrets are read in raw mode, without echo.
 */
const LINE_BYTES_MAX = 64 * 1024;

export function realTerminal(options: { readonly env: Readonly<Record<string, string | undefined>>; readonly interrupted: AbortSignal }): Terminal {
  const outIsTty = isatty(1);
  const inIsTty = isatty(0);
  const ahead = { text: "" };
  return {
    out: (text) => writeAll(1, text),
    err: (text) => writeAll(2, text),
    outIsTty,
    inIsTty,
    errIsTty: isatty(2),
    get columns() {
      return outIsTty && process.stdout.columns > 0 ? process.stdout.columns : 80;
    },
    colour: wantsColour({ flag: undefined, env: options.env, isTty: outIsTty }),
    unicode: wantsUnicode({ ascii: false, env: options.env }),
    ask: (question) => (inIsTty ? askLine(question, ahead, options.interrupted) : Promise.reject(nobodyFault(question))),
    askSecret: (question) => (inIsTty ? askHidden(question, options.interrupted) : Promise.reject(nobodyFault(question))),
    readStdin: (bytesMax) => Promise.resolve().then(() => readAll(bytesMax)),
    interrupted: options.interrupted,
  };
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.byteLength; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      // A pipe that somebody else made non-blocking is full: wait for its reader.
      if (code === "EAGAIN") Bun.sleepSync(2);
      else if (code === "EPIPE") throw new Fault("pipe_closed", "Cannot write: whoever read this output has gone", { cause: error });
      else throw new Fault("disk_failed", `Cannot write to ${fd === 1 ? "stdout" : "stderr"}`, { cause: error });
    }
  }
}

/** Cooked mode, asynchronously: a blocking read would keep Ctrl-C from being noticed. What was typed ahead waits in `ahead`. */
function askLine(question: string, ahead: { text: string }, interrupted: AbortSignal): Promise<string> {
  writeAll(2, question);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const input = process.stdin;
  const end = (finish: () => void): void => {
    input.off("data", onData);
    input.off("end", onEnd);
    interrupted.removeEventListener("abort", onAbort);
    input.pause();
    finish();
  };
  const take = (): boolean => {
    const at = ahead.text.indexOf("\n");
    if (at < 0 && ahead.text.length < LINE_BYTES_MAX) return false;
    const line = at < 0 ? ahead.text : ahead.text.slice(0, at);
    ahead.text = ahead.text.slice(line.length + 1);
    end(() => resolve(line.replace(/\r$/, "")));
    return true;
  };
  const onData = (chunk: Buffer): void => {
    ahead.text += chunk.toString("utf8");
    take();
  };
  const onEnd = (): void => end(() => resolve(ahead.text));
  const onAbort = (): void => {
    writeAll(2, "\n");
    end(() => reject(interruptedFault()));
  };
  if (interrupted.aborted) return Promise.reject(interruptedFault());
  interrupted.addEventListener("abort", onAbort, { once: true });
  if (take()) return promise;
  input.on("data", onData);
  input.on("end", onEnd);
  input.resume();
  return promise;
}

function askHidden(question: string, interrupted: AbortSignal): Promise<string> {
  writeAll(2, question);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const input = process.stdin;
  let typed = "";
  const end = (finish: () => void): void => {
    input.off("data", onData);
    interrupted.removeEventListener("abort", cancelled);
    input.setRawMode(false);
    input.pause();
    writeAll(2, "\n");
    finish();
  };
  const cancelled = (): void => end(() => reject(interruptedFault()));
  const onData = (chunk: Buffer): void => {
    for (const character of chunk.toString("utf8")) {
      if (character === "\r" || character === "\n") return end(() => resolve(typed));
      if (character === "\u0003" || character === "\u0004") return cancelled();
      if (character === "\u0015") typed = "";
      else if (character === "\u007f" || character === "\b") typed = Array.from(typed).slice(0, -1).join("");
      else if (character >= " " && typed.length < LINE_BYTES_MAX) typed += character;
    }
  };
  input.setRawMode(true);
  input.on("data", onData);
  input.resume();
  interrupted.addEventListener("abort", cancelled, { once: true });
  return promise;
}

function readAll(bytesMax: number): Uint8Array {
  const parts: Buffer[] = [];
  let size = 0;
  const chunk = Buffer.alloc(64 * 1024);
  for (;;) {
    let got = 0;
    try {
      got = readSync(0, chunk);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EOF") break;
      if (code !== "EAGAIN") throw new Fault("disk_failed", "Cannot read stdin", { cause: error });
      Bun.sleepSync(5);
      continue;
    }
    if (got === 0) break;
    size += got;
    if (size > bytesMax) throw new Fault("too_large", `Cannot read stdin: above ${bytesMax} bytes`);
    parts.push(Buffer.from(chunk.subarray(0, got)));
  }
  return new Uint8Array(Buffer.concat(parts));
}

function nobodyFault(question: string): Fault {
  return new Fault("bad_request", `Cannot ask “${question.trim()}”: stdin is not a terminal`, {
    remedy: "Give the answer by a flag or a file; --help lists them.",
  });
}

function interruptedFault(): Fault {
  return new Fault("interrupted", "Cannot go on: the question was interrupted, nothing was changed");
}
