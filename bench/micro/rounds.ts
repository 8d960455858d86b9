// Rounds of a case: its contestants one after another, forwards and backwards in turn, so that a machine that changes
// its pace does so for all of them. JavaScript is timed by tinybench, C++ loops time themselves.
import { Bench, type FnReturnedObject } from 'tinybench';
import { measureRound } from '../../src/bench/js-picks.ts';
import type { NativeLoops, Round } from '../../src/bench/native-loops.ts';
import type { Crossing } from './crossing.ts';

/** What native work is measured with; null for what could not be built. */
export interface Tools {
  readonly loops: NativeLoops | null;
  readonly crossing: Crossing | null;
}

export interface Contestant {
  readonly id: ContestantId;
  /** Nanoseconds for one piece of work, over so many milliseconds. */
  measure(milliseconds: number): Promise<number>;
}

/** In the order of presentation. */
export const CONTESTANTS = {
  loop: 'native, C++ loop',
  crossing: 'native through N-API',
  strings: 'native through N-API, to strings',
  llhttp: 'llhttp inside Node',
  'http-parser-js': 'http-parser-js',
  js: 'js engine',
} as const;
export type ContestantId = keyof typeof CONTESTANTS;

export interface MicroCase {
  readonly group: string;
  readonly name: string;
  /** Of input, where bytes a second say something. */
  readonly bytes: number | null;
  /** Throws when the contestants do not agree on what the work is: no speed of wrong work. */
  prepare(): Promise<readonly Contestant[]>;
  /** What there is to say besides, once it was prepared. */
  remark?(): string;
}

export interface MicroResult {
  readonly group: string;
  readonly name: string;
  readonly bytes: number | null;
  /** '' = none. */
  readonly remark: string;
  readonly contestants: readonly {
    readonly id: ContestantId;
    /** Nanoseconds for one piece of work, one entry a round. */
    readonly ns: readonly number[];
  }[];
}

export interface RoundOptions {
  readonly rounds: number;
  /** Of one contestant's round. */
  readonly milliseconds: number;
}

export async function measureCase(
  { group, name, bytes, prepare, remark }: MicroCase,
  { rounds, milliseconds }: RoundOptions,
): Promise<MicroResult> {
  const entries = (await prepare()).map((contestant) => ({ contestant, ns: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const { contestant, ns } of round % 2 === 0 ? entries : entries.toReversed()) {
      ns.push(await contestant.measure(milliseconds));
    }
  }
  const contestants = entries.map(({ contestant: { id }, ns }) => ({ id, ns }));
  return { group, name, bytes, remark: remark?.() ?? '', contestants };
}

export function loopContestant(measure: (milliseconds: number) => Promise<Round>): Contestant {
  return { id: 'loop', measure: async (milliseconds) => (await measure(milliseconds)).ns };
}

/** Length of a batch: long enough that reading the clock does not matter. */
const BATCH_MS = 0.1;

/** What was worked out last: work whose result is looked at cannot be left out. */
let kept = 0;

/** `op` gives a number that depends on its work; it is called with 0, 1, 2, … */
export function jsContestant(id: ContestantId, op: (i: number) => number): Contestant {
  let batch = 0;
  let next = 0;
  const run = (bench: Bench): FnReturnedObject => {
    const start = bench.now();
    for (let i = 0; i < batch; i++) kept ^= op(next++);
    const spent = bench.now() - start;
    return { overriddenDuration: spent / batch, overriddenIterationCost: spent };
  };
  return {
    id,
    measure: async (milliseconds) => {
      const isFirst = batch === 0;
      if (isFirst) batch = Math.ceil((BATCH_MS * 1e6) / measureRound(milliseconds, op).ns);
      const bench = new Bench({
        time: milliseconds,
        iterations: 5,
        warmup: isFirst,
        warmupTime: milliseconds,
        throws: true,
      });
      bench.add(id, () => run(bench));
      const [task] = bench.runSync();
      if (task?.result.state !== 'completed') throw new Error(`${id}: tinybench did not complete`);
      if (Number.isNaN(kept)) throw new Error('work must give numbers');
      return task.result.latency.p50 * 1e6;
    },
  };
}
