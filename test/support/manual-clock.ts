// Time that passes when a test says so. Short waits, such as those between two questions, pass by themselves.
import type { Clock, Timer } from '../../src/control/acme-clock.ts';

const SHORT_MS = 30_000;

interface Waiting {
  readonly atMs: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #now: number;
  readonly #waiting = new Set<Waiting>();

  constructor(startMs = Date.now()) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  random(): number {
    return 0;
  }

  after(ms: number, run: () => void): Timer {
    if (ms < SHORT_MS) {
      const timer = setTimeout(run, 2);
      return { cancel: () => clearTimeout(timer) };
    }
    const waiting = { atMs: this.#now + ms, run };
    this.#waiting.add(waiting);
    return { cancel: () => void this.#waiting.delete(waiting) };
  }

  /** How long until each long wait ends, soonest first. */
  get waits(): number[] {
    return [...this.#waiting].map(({ atMs }) => atMs - this.#now).sort((a, b) => a - b);
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const one of [...this.#waiting]) {
      if (one.atMs > this.#now) continue;
      this.#waiting.delete(one);
      one.run();
    }
  }
}
