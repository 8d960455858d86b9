// Waiting for events with a deadline. A deadline is never part of what a test asserts: it only turns a hang
// into a failure that says what was waited for.

/** Generous: a machine that builds beside, or an engine under a sanitizer, is slow and not wrong. */
export const DEADLINE_MS = 30_000;

/** Settles like `promise`, or rejects after `ms` naming `what` was waited for. */
export async function within<T>(promise: Promise<T>, what: string, ms = DEADLINE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** For facts that announce themselves by no event, such as counters: looks again until `check` holds. */
export async function eventually(
  what: string,
  check: () => boolean | Promise<boolean>,
  ms = DEADLINE_MS,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await pause(5);
  }
}

/** Lets the event loops run for a moment: used to make a pause part of the input, never to wait for a result. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A promise with its resolve at hand. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Resolves with what `read` gives once that has not changed for a while: how far something gets that is held back. */
export async function settled(read: () => number): Promise<number> {
  for (let last = read(), same = 0; ; ) {
    await pause(25);
    const now = read();
    same = now === last ? same + 1 : 0;
    last = now;
    if (same === 10) return now;
  }
}
