// Work that may be done a few at a time, and that only so much may wait for. Main thread; knows no time.

export interface TurnLimits {
  readonly atATime: number;
  readonly waiting: number;
}

export class Turns {
  readonly #limits: TurnLimits;
  readonly #waiting: (() => void)[] = [];
  #working = 0;

  constructor(limits: TurnLimits) {
    this.#limits = limits;
  }

  /** Does `work` when its turn comes; null when too much waits already. */
  take<T>(work: () => Promise<T>): Promise<T> | null {
    const { atATime, waiting } = this.#limits;
    if (this.#working < atATime) {
      this.#working++;
      return this.#do(work);
    }
    if (this.#waiting.length >= waiting) return null;
    return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => this.#do(work));
  }

  /** Who is done hands the turn on. */
  async #do<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#working--;
      else next();
    }
  }
}
