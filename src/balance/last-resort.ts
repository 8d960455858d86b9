// What is left when no target is usable: trying an ejected one beats answering 503 without trying.

export interface LastResortInput {
  /** Targets in the pool. */
  readonly count: number;
  /** Whether a position may be tried at all: healthy, and not tried already. */
  isEligible(position: number): boolean;
  ejectedUntilMs(position: number): number;
}

/** The eligible position with the least time left of its ejection; -1 when none is eligible. */
export function lastResort({ count, isEligible, ejectedUntilMs }: LastResortInput): number {
  let best = -1;
  for (let i = 0; i < count; i++) {
    if (!isEligible(i)) continue;
    if (best < 0 || ejectedUntilMs(i) < ejectedUntilMs(best)) best = i;
  }
  return best;
}
