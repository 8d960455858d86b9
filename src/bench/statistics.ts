// From samples to figures: the one definition of a cost, a ratio and an interval that the terminal, the HTML report,
// compare and assert share. Rounds are paired: a ratio is taken within a round, where both contestants saw the same
// machine, and intervals resample rounds. The bootstrap is seeded: the same report always prints the same figures.
import type { CaseRecord, Metric, Sample, Unit } from './report.ts';

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** A median with its 95 % bootstrap interval. */
export interface Estimate extends Spread, Interval {
  readonly rounds: number;
}

export interface Ratio extends Interval {
  readonly median: number;
  readonly pairs: number;
}

/** What one contestant made of one case. A metric that was not measured is null. */
export interface Figure extends Readonly<Record<Metric, Estimate | null>> {
  readonly contestant: string;
  /** Samples that the figures rest on, and those that were left out. */
  readonly used: number;
  readonly unused: number;
  /** Why samples were left out, each reason once. */
  readonly errors: readonly string[];
  /** Shares of the work that was answered in time. */
  readonly lost: number;
  readonly late: number;
  /** What held the rate back, the most frequent first; empty when nothing did. */
  readonly limits: readonly NonNullable<Sample['limit']>[];
}

/** Fewer rounds show that the bench works, not how fast anything is: nothing is claimed from them. */
export const ENOUGH_ROUNDS = 5;
const RESAMPLES = 4_000;
const LEVEL = 0.95;

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  return medianOfSorted([...values].sort((a, b) => a - b));
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** The median of ours / theirs over the rounds that have both, with a 95 % bootstrap interval. */
export function pairedRatio(
  ours: ReadonlyMap<number, number>,
  theirs: ReadonlyMap<number, number>,
): Ratio {
  const ratios = pairedRatios(ours, theirs);
  return { median: median(ratios), ...bootstrapMedian(ratios), pairs: ratios.length };
}

/** Ours / theirs, an entry for each round that has both. */
export function pairedRatios(
  ours: ReadonlyMap<number, number>,
  theirs: ReadonlyMap<number, number>,
): readonly number[] {
  const ratios: number[] = [];
  for (const [round, value] of ours) {
    const other = theirs.get(round);
    if (other !== undefined && other > 0) ratios.push(value / other);
  }
  return ratios;
}

export function bootstrapMedian(values: readonly number[], seed = 1): Interval {
  const first = values[0];
  if (first === undefined) return { low: Number.NaN, high: Number.NaN };
  if (values.every((value) => value === first)) return { low: first, high: first };
  return intervalOf(resampledMedians(values, seed));
}

/** The medians of as many resamples as every interval here is made of. */
export function resampledMedians(values: readonly number[], seed = 1): Float64Array {
  const random = randomFrom(seed);
  const drawn = new Float64Array(values.length);
  return Float64Array.from({ length: RESAMPLES }, () => {
    for (let i = 0; i < drawn.length; i++) {
      drawn[i] = values[Math.floor(random() * values.length)] ?? Number.NaN;
    }
    return medianOfSorted(drawn.sort());
  });
}

/** Which rounds each resample draws, as places in a list of `rounds`: for what is computed from whole rounds. */
export function* resampledRounds(rounds: number, seed = 1): Generator<readonly number[]> {
  const random = randomFrom(seed);
  for (let i = 0; i < RESAMPLES; i++) {
    yield Array.from({ length: rounds }, () => Math.floor(random() * rounds));
  }
}

/** The middle 95 % of resampled values. */
export function intervalOf(resampled: Float64Array): Interval {
  const sorted = resampled.slice().sort();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { low: at((1 - LEVEL) / 2), high: at((1 + LEVEL) / 2) };
}

/** How sure an interval of so few rounds can be of its median at best, however wide it is. */
export function surenessOf(rounds: number): number {
  return rounds < 1 ? 0 : Math.min(LEVEL, 1 - 2 ** (1 - rounds));
}

/** Contestants in `order`, then as they first appear in the samples. */
export function figuresOf(record: CaseRecord, order: readonly string[] = []): readonly Figure[] {
  const seen = new Set(record.samples.map(({ contestant }) => contestant));
  const ids = [...order.filter((id) => seen.has(id)), ...seen];
  return [...new Set(ids)].map((id) => figureOf(record, id));
}

/** Null when either has no figure. */
export function ratioOf(
  record: CaseRecord,
  of: string,
  to: string,
  metric: Metric = 'cost',
): Ratio | null {
  const ratio = pairedRatio(roundsOf(record, of, metric), roundsOf(record, to, metric));
  return ratio.pairs > 0 ? ratio : null;
}

export type Difference = 'less' | 'more' | 'no difference shown' | 'too few rounds';

export function differenceOf({ low, high, pairs }: Ratio): Difference {
  if (pairs < ENOUGH_ROUNDS) return 'too few rounds';
  if (low <= 1 && high >= 1) return 'no difference shown';
  return high < 1 ? 'less' : 'more';
}

/** The value of each round in which the contestant has a usable sample with this metric. */
export function roundsOf(
  record: CaseRecord,
  contestant: string,
  metric: Metric,
): ReadonlyMap<number, number> {
  const rounds = new Map<number, number[]>();
  for (const sample of record.samples) {
    if (sample.contestant !== contestant || !isUsable(sample)) continue;
    const value = metricOf(sample, metric, record.unit);
    if (value === null) continue;
    const earlier = rounds.get(sample.round);
    if (earlier) earlier.push(value);
    else rounds.set(sample.round, [value]);
  }
  return new Map([...rounds].map(([round, values]) => [round, median(values)]));
}

export function isUsable({ errors, work, memoryBytes }: Sample): boolean {
  return errors.length === 0 && (work > 0 || memoryBytes !== null);
}

/** Of one sample, in the unit of the metric; null when it was not measured. */
export function metricOf(sample: Sample, metric: Metric, { scale }: Unit): number | null {
  const { work, cpuSeconds, latency } = sample;
  const perWork = (seconds: number): number | null => {
    return work > 0 && seconds > 0 ? (seconds / work) * scale : null;
  };
  switch (metric) {
    case 'cost':
      // No CPU time at all: there is no proxy in this case, or the clock did not tick for it.
      return perWork(cpuSeconds);
    case 'user':
      return cpuSeconds > 0 && work > 0 ? (sample.userSeconds / work) * scale : null;
    case 'machine':
      return perWork(sample.machineBusySeconds);
    case 'rate':
      return work > 0 ? sample.rate : null;
    case 'p50':
    case 'p99':
    case 'p999':
      return latency?.[metric] ?? null;
    case 'memory':
      return sample.memoryBytes;
  }
}

function figureOf(record: CaseRecord, contestant: string): Figure {
  const all = record.samples.filter((sample) => sample.contestant === contestant);
  const used = all.filter(isUsable);
  const estimate = (metric: Metric): Estimate | null => {
    const values = [...roundsOf(record, contestant, metric).values()];
    if (values.length === 0) return null;
    return { ...spread(values), ...bootstrapMedian(values), rounds: values.length };
  };
  const limits = used.flatMap(({ limit }) => (limit === null ? [] : [limit]));
  const times = (limit: string): number => limits.filter((one) => one === limit).length;
  return {
    contestant,
    cost: estimate('cost'),
    user: estimate('user'),
    machine: estimate('machine'),
    rate: estimate('rate'),
    p50: estimate('p50'),
    p99: estimate('p99'),
    p999: estimate('p999'),
    memory: estimate('memory'),
    used: used.length,
    unused: all.length - used.length,
    errors: [...new Set(all.flatMap(({ errors }) => errors))],
    lost: used.length === 0 ? 0 : median(used.map(({ lost }) => lost)),
    late: used.length === 0 ? 0 : median(used.map(({ late }) => late)),
    limits: [...new Set(limits)].sort((a, b) => times(b) - times(a)),
  };
}

function medianOfSorted(sorted: ArrayLike<number>): number {
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** mulberry32: a small generator of numbers in [0, 1), good enough for resampling. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
