// The arithmetic of a comparison. Rounds are paired: a ratio is taken within a round, where both proxies saw
// the same machine, and the spread is that of the rounds. The bootstrap is seeded: the same samples
// give the same interval.

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface Ratio extends Interval {
  readonly median: number;
  readonly pairs: number;
}

const RESAMPLES = 4_000;

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** The median of ours / theirs over the rounds that have both, with a 95 % bootstrap interval. */
export function pairedRatio(
  ours: ReadonlyMap<number, number>,
  theirs: ReadonlyMap<number, number>,
): Ratio {
  const ratios: number[] = [];
  for (const [round, value] of ours) {
    const other = theirs.get(round);
    if (other !== undefined && other > 0) ratios.push(value / other);
  }
  return { median: median(ratios), ...bootstrapMedian(ratios), pairs: ratios.length };
}

export function bootstrapMedian(values: readonly number[], seed = 1): Interval {
  if (values.length === 0) return { low: Number.NaN, high: Number.NaN };
  const random = mulberry32(seed);
  const medians = Array.from({ length: RESAMPLES }, () =>
    median(values.map(() => values[Math.floor(random() * values.length)] ?? Number.NaN)),
  ).sort((a, b) => a - b);
  const at = (share: number): number =>
    medians[Math.min(RESAMPLES - 1, Math.floor(share * RESAMPLES))] ?? Number.NaN;
  return { low: at(0.025), high: at(0.975) };
}

/** A small generator of numbers in [0, 1), good enough for resampling. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
