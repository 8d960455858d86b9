// What a person sees while a run goes on: on a terminal one line that is rewritten, elsewhere one line a case.

export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const ERASE_LINE = '\r\x1b[K';

export class Progress {
  readonly #screen: Screen;
  readonly #now: () => number;
  readonly #beganAt: number;
  #estimate = Number.NaN;
  #line = '';
  #case = '';

  constructor(screen: Screen, now: () => number = () => performance.now() / 1_000) {
    this.#screen = screen;
    this.#now = now;
    this.#beganAt = now();
  }

  get elapsedSeconds(): number {
    return this.#now() - this.#beganAt;
  }

  estimate(seconds: number): void {
    this.#estimate = seconds;
  }

  /** A line that stays. */
  say(text: string): void {
    this.#erase();
    this.#screen.write(`${text}\n`);
    if (this.#line !== '') this.#draw();
  }

  /** The case that begins now. */
  enter(id: string): void {
    this.#case = id;
    if (this.#screen.isTTY) this.doing('');
    else this.#screen.write(`[${this.#clock()}] ${id}\n`);
  }

  /** What happens within it: a contestant and a round. Rewrites the line; says nothing where there is no terminal. */
  doing(what: string): void {
    if (!this.#screen.isTTY) return;
    const columns = this.#screen.columns ?? 80;
    const line = `[${this.#clock()}] ${this.#case}${what === '' ? '' : `: ${what}`}`;
    this.#line = line.slice(0, Math.max(1, columns - 1));
    this.#erase();
    this.#draw();
  }

  /** Leaves the line empty. */
  end(): void {
    this.#erase();
    this.#line = '';
  }

  #clock(): string {
    const elapsed = clock(this.elapsedSeconds);
    return Number.isFinite(this.#estimate)
      ? `${elapsed} of about ${clock(this.#estimate)}`
      : elapsed;
  }

  #erase(): void {
    if (this.#screen.isTTY && this.#line !== '') this.#screen.write(ERASE_LINE);
  }

  #draw(): void {
    this.#screen.write(this.#line);
  }
}

/** `2:05`. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
