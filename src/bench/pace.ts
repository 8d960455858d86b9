// How long everything takes: the lengths of samples, and what a run will last.
import type { Case } from './cases.ts';
import { memoryRounds } from './memory.ts';
import type { RunOptions } from './options.ts';

export interface Pace {
  readonly rounds: number;
  readonly seconds: number;
  /** Points of a curve are many, and shorter. */
  readonly pointSeconds: number;
  /** At least so long a sample for each connection. */
  readonly secondsPerConnection: number;
  readonly warmupSeconds: number;
  /** Time for a proxy to notice that its clients have gone, so that it is charged to them. */
  readonly settleMs: number;
}

export function paceOf({ rounds, seconds, isQuick }: RunOptions): Pace {
  return {
    rounds,
    seconds,
    pointSeconds: seconds * 0.6,
    secondsPerConnection: seconds / (isQuick ? 3_000 : 2_500),
    warmupSeconds: Math.min(isQuick ? 0.15 : 0.4, seconds),
    settleMs: isQuick ? 25 : 50,
  };
}

export function secondsOf({ series, work }: Case, pace: Pace): number {
  const seconds = series === null ? pace.seconds : Math.max(0.1, pace.pointSeconds);
  // Opening many connections takes its time, and its cost is to be a small part of the sample's.
  return work.kind === 'http'
    ? Math.max(seconds, work.connections * pace.secondsPerConnection)
    : seconds;
}

/** Of a generator, besides its sample: to start, to connect, to warm up, to end. */
const AROUND_SAMPLE_SECONDS = 0.12;
const WARMUP_SHARE = 0.1;
/** Of a contestant: to start, to be checked. */
const START_SECONDS = 0.6;
const IDLE_SECONDS = 3;
const SYSCALL_SECONDS = 5;
const STRATEGY_SECONDS = { quick: 4, full: 20 } as const;

/** What a run will take, roughly. `takingPart` says how many contestants a case has here. */
export function estimateSeconds(
  options: RunOptions,
  cases: readonly Case[],
  takingPart: (item: Case) => number,
): number {
  const pace = paceOf(options);
  const strategies = options.hasStrategies
    ? STRATEGY_SECONDS[options.isQuick ? 'quick' : 'full']
    : 0;
  return cases.reduce(
    (sum, item) => sum + takingPart(item) * caseSeconds(item, options, pace),
    strategies,
  );
}

function caseSeconds(item: Case, options: RunOptions, pace: Pace): number {
  if (item.work.kind === 'idle') return memoryRounds(options) * IDLE_SECONDS;
  const { driver, countsSyscalls } = options;
  const isWhole = driver !== 'native' && item.work.kind === 'http';
  const long = (seconds: number): number => (isWhole ? Math.ceil(seconds) : seconds);
  const around = AROUND_SAMPLE_SECONDS + (2 * pace.settleMs) / 1_000;
  const sample = long(secondsOf(item, pace)) * (1 + WARMUP_SHARE) + around;
  const start = item.series === null ? START_SECONDS : START_SECONDS / 4;
  const traced = countsSyscalls && item.series === null ? SYSCALL_SECONDS : 0;
  return start + long(pace.warmupSeconds) + around + pace.rounds * sample + traced;
}
