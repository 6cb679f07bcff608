/**
 * Who runs when. Exclusive ops one after another in the order of their ledger generation; the others beside them, a few at a time.
 * Full means "busy", at once: a box that piles up what it cannot do soon helps nobody. Pure; ids only.
 */
export const EXCLUSIVE_WAITING_MAX = 64;
export const BESIDE_WAITING_MAX = 64;
export const BESIDE_RUNNING_MAX = 4;

export interface Queue {
  readonly exclusive: { readonly running: string | undefined; readonly waiting: readonly string[] };
  readonly beside: { readonly running: readonly string[]; readonly waiting: readonly string[] };
}

export const EMPTY_QUEUE: Queue = { exclusive: { running: undefined, waiting: [] }, beside: { running: [], waiting: [] } };

export function isFull(queue: Queue, exclusive: boolean): boolean {
  return exclusive ? queue.exclusive.waiting.length >= EXCLUSIVE_WAITING_MAX : queue.beside.waiting.length >= BESIDE_WAITING_MAX;
}

/** Whether its turn would come with its entry. */
export function startsAtOnce({ exclusive, beside }: Queue, isExclusive: boolean): boolean {
  if (isExclusive) return exclusive.running === undefined && exclusive.waiting.length === 0;
  return beside.running.length + beside.waiting.length < BESIDE_RUNNING_MAX;
}

/** Also for ops that a restart found: those entered once, and are never turned away. */
export function enter(queue: Queue, id: string, exclusive: boolean): Queue {
  if (exclusive) return { ...queue, exclusive: { ...queue.exclusive, waiting: [...queue.exclusive.waiting, id] } };
  return { ...queue, beside: { ...queue.beside, waiting: [...queue.beside.waiting, id] } };
}

/** Everything whose turn it is now. */
export function begin(queue: Queue): { readonly queue: Queue; readonly start: readonly string[] } {
  const [first, ...later] = queue.exclusive.waiting;
  const starts = queue.exclusive.running === undefined && first !== undefined;
  const free = Math.max(0, BESIDE_RUNNING_MAX - queue.beside.running.length);
  const beside = queue.beside.waiting.slice(0, free);
  return {
    queue: {
      exclusive: starts ? { running: first, waiting: later } : queue.exclusive,
      beside: { running: [...queue.beside.running, ...beside], waiting: queue.beside.waiting.slice(free) },
    },
    start: [...(starts ? [first] : []), ...beside],
  };
}

/** Over, or cancelled while it waited. */
export function leave(queue: Queue, id: string): Queue {
  const without = (ids: readonly string[]): readonly string[] => ids.filter((other) => other !== id);
  return {
    exclusive: { running: queue.exclusive.running === id ? undefined : queue.exclusive.running, waiting: without(queue.exclusive.waiting) },
    beside: { running: without(queue.beside.running), waiting: without(queue.beside.waiting) },
  };
}
