// Seeded random numbers, so that a run that failed can be had again: the seed is printed with the failure.

export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** An integer from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length - 1)]!;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) bytes[i] = this.between(0, 255);
    return bytes;
  }
}

/** The seed of this run: SLUICE_FAULT_SEED, or one of the clock's. */
export function runSeed(): number {
  return Number(process.env.SLUICE_FAULT_SEED ?? Date.now() % 1_000_000);
}

/** How long the random scenarios go on: SLUICE_FAULT_SECONDS, a minute in the long run, a few seconds otherwise. */
export function runSeconds(): number {
  return Number(process.env.SLUICE_FAULT_SECONDS ?? 8);
}
