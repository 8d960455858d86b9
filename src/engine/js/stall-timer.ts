// A deadline that moves on with every sign of progress. Main thread; owned by whoever waits.
export class StallTimer {
  readonly #ms: number;
  readonly #onStall: () => void;
  #timer: NodeJS.Timeout | null = null;

  constructor(ms: number, onStall: () => void) {
    this.#ms = ms;
    this.#onStall = onStall;
  }

  /** Starts, or starts anew. */
  arm(): void {
    if (this.#timer === null) this.#timer = setTimeout(this.#onStall, this.#ms);
    else this.#timer.refresh();
  }

  disarm(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }
}
