// A deadline that moves on with every sign of progress. When it has passed, the event loop still gets one turn: a
// process that was held up itself finds the progress of others only then. Main thread; owned by whoever waits.
export class StallTimer {
  readonly #ms: number;
  readonly #onStall: () => void;
  #timer: NodeJS.Timeout | null = null;
  #lastTurn: NodeJS.Immediate | null = null;

  constructor(ms: number, onStall: () => void) {
    this.#ms = ms;
    this.#onStall = onStall;
  }

  /** Starts, or starts anew. */
  arm(): void {
    if (this.#lastTurn !== null) this.disarm();
    if (this.#timer === null) this.#timer = setTimeout(this.#onDeadline, this.#ms);
    else this.#timer.refresh();
  }

  disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#lastTurn !== null) clearImmediate(this.#lastTurn);
    this.#timer = null;
    this.#lastTurn = null;
  }

  readonly #onDeadline = (): void => {
    this.#lastTurn = setImmediate(() => {
      this.disarm();
      this.#onStall();
    });
  };
}
