// Holds a stream of bytes back for as long as its user has to wait for more of them. Main thread; owned by whoever
// moves the bytes.

/** Counts bytes that are about to move: milliseconds until more may, less than 0 when no more may at all. */
export type Toll = (count: number) => number;

/** Longer than a timer can wait is long enough. */
const LONGEST_MS = 60_000;
/** What is due sooner than a timer can tell is due now. */
const SHORTEST_MS = 1;

export class TollGate {
  readonly #toll: Toll | null;
  readonly #onOpen: () => void;
  #timer: NodeJS.Timeout | null = null;
  #untilMs = 0;

  constructor(toll: Toll | null | undefined, onOpen: () => void) {
    this.#toll = toll ?? null;
    this.#onOpen = onOpen;
  }

  get isShut(): boolean {
    return this.#timer !== null;
  }

  /** False when `count` bytes may not move any more. Afterwards the gate may be shut until onOpen. */
  pass(count: number): boolean {
    const waitMs = this.#toll?.(count) ?? 0;
    if (waitMs < 0) return false;
    if (waitMs >= SHORTEST_MS) this.#shut(waitMs);
    return true;
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #shut(waitMs: number): void {
    this.stop();
    this.#untilMs = performance.now() + waitMs;
    this.#wait();
  }

  #wait(): void {
    const leftMs = Math.max(0, this.#untilMs - performance.now());
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        if (performance.now() < this.#untilMs) this.#wait();
        else this.#onOpen();
      },
      Math.min(leftMs, LONGEST_MS),
    );
  }
}
