import { concat } from "../core/bytes.ts";
import { Fault } from "../core/fault.ts";
import type { SocketQuestion, StreamSocket } from "../ports/stream-socket.ts";

/** The real one, on Bun.connect. Whatever happens, the connection is closed when the promise settles. */
export const realStreamSocket: StreamSocket = { ask };

async function ask(op: string, { path, question, isWhole, answerBytesMax, timeoutMs, stop }: SocketQuestion): Promise<Uint8Array> {
  const facts = { op, path };
  const answered = Promise.withResolvers<Uint8Array>();
  const fail = (error: Fault): void => answered.reject(error);
  let answer: Uint8Array = new Uint8Array();
  let unsent: Uint8Array = question;
  const flush = (socket: Bun.Socket): void => {
    unsent = unsent.subarray(socket.write(unsent));
  };
  const timer = setTimeout(() => fail(new Fault("net_timeout", `Cannot get an answer from ${path}: ${timeoutMs} ms passed`, { facts })), timeoutMs);
  const stopped = (): void => fail(new Fault("interrupted", `Cannot get an answer from ${path}: interrupted`, { facts }));
  stop.addEventListener("abort", stopped, { once: true });
  const connecting = Bun.connect({
    unix: path,
    socket: {
      open: flush,
      drain: flush,
      data: (_socket, chunk) => {
        if (answer.byteLength + chunk.byteLength > answerBytesMax)
          return fail(new Fault("net_too_large", `Cannot take the answer of ${path}: it is above ${answerBytesMax} bytes`, { facts }));
        answer = concat(answer, chunk);
        if (isWhole(answer)) answered.resolve(answer);
      },
      end: () => fail(new Fault("net_unreachable", `Cannot get an answer from ${path}: it hung up`, { facts })),
      close: () => fail(new Fault("net_unreachable", `Cannot get an answer from ${path}: it hung up`, { facts })),
      error: (_socket, cause) => fail(new Fault("net_unreachable", `Cannot talk to ${path}`, { facts, cause })),
    },
  });
  connecting.catch((cause: unknown) => fail(new Fault("net_unreachable", `Cannot connect to ${path}`, { facts, cause })));
  try {
    return await answered.promise;
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", stopped);
    connecting.then(
      (socket) => socket.end(),
      () => undefined,
    );
  }
}
