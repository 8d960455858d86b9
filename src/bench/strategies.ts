// What each strategy's pick costs and how evenly it spreads, with the code that serves traffic: src/balance for the js
// engine, native/balance for the native one, both from the tables of one compiled plan.

import { parseConfig } from '../config/parse.ts';
import { STRATEGIES, type StrategyName } from '../contract/codes.ts';
import { compile } from '../plan/compile.ts';
import type { Plan, PlanPool } from '../plan/plan.ts';
import { clientKeys, JsPicks } from './js-picks.ts';
import { makeMicro, NativeLoops } from './native-loops.ts';
import { pinOwnThread } from './own-affinity.ts';
import type { StrategyFigure } from './report.ts';

export interface StrategiesOptions {
  readonly rounds: number;
  readonly isQuick: boolean;
  /** Those that picks run on; none: wherever this process may run. */
  readonly cores: readonly number[];
  /** What the reader must know: figures that are absent, and why. */
  onNote?(text: string): void;
}

const TARGET_COUNTS = [2, 10, 100] as const;
const WEIGHTS = ['equal', 'skewed'] as const;
/** Weights of skewed pools, in turn. */
const SKEWED = [8, 1, 4, 2];
/** Strategies that give a client the same target again. */
const KEYED: readonly StrategyName[] = ['ip-hash', 'maglev'];
const SEED = 1;
/** Work in flight for each unit of weight, while picks are counted. */
const IN_FLIGHT = 2;
/** Longest round of one pool and engine. */
const ROUND_MS = 20;

/** How much is done: picks (and clients) counted, and the time that all the rounds take together. */
const EXTENT = {
  quick: { picks: 20_000, measuredMs: 1_000 },
  full: { picks: 200_000, measuredMs: 10_000 },
} as const;

/** One pool under test, and how each engine picks from it. */
interface Subject {
  readonly strategy: StrategyName;
  readonly targets: number;
  readonly weights: (typeof WEIGHTS)[number];
  readonly pool: PlanPool;
  /** The pool with one target less; null where clients have no fixed target. */
  readonly reduced: PlanPool | null;
}

interface Picker {
  readonly engine: StrategyFigure['engine'];
  spread(pool: PlanPool, picks: number, inFlight: number): Promise<readonly number[]>;
  measure(pool: PlanPool, milliseconds: number): Promise<number>;
  moved(before: PlanPool, after: PlanPool, clients: number): Promise<number>;
}

/** Figures of both engines; those of the native one are absent, with a note, where its loops cannot be built. */
export async function measureStrategies(
  options: StrategiesOptions,
): Promise<readonly StrategyFigure[]> {
  const note = options.onNote ?? (() => {});
  const plan = strategiesPlan();
  const isBuilt = await makeMicro().then(
    () => true,
    (cause: unknown) => {
      note(`no native picks: ${cause instanceof Error ? cause.message : String(cause)}`);
      return false;
    },
  );
  // After the build, which may have all cores, and before the loops, which inherit the pinning.
  const pinned = pinOwnThread(options.cores);
  if (pinned.problem !== null) note(`picks were not pinned: ${pinned.problem}`);
  const loops = isBuilt ? new NativeLoops() : null;
  try {
    await loops?.takePlan(plan);
    const pickers = [...(loops === null ? [] : [nativePicker(loops)]), jsPicker(plan)];
    return await measureAll(subjectsOf(plan), pickers, options);
  } finally {
    pinned.restore();
    await loops?.close();
  }
}

async function measureAll(
  subjects: readonly Subject[],
  pickers: readonly Picker[],
  { rounds, isQuick }: StrategiesOptions,
): Promise<StrategyFigure[]> {
  const extent = isQuick ? EXTENT.quick : EXTENT.full;
  const jobs: { subject: Subject; picker: Picker; pickNs: number[]; figure: StrategyFigure }[] = [];
  for (const subject of subjects) {
    for (const picker of pickers) {
      const pickNs: number[] = [];
      const spread = await spreadOf(subject, picker, extent.picks);
      const { strategy, targets, weights } = subject;
      const figure = { strategy, engine: picker.engine, targets, weights, pickNs, ...spread };
      jobs.push({ subject, picker, pickNs, figure });
    }
  }
  const milliseconds = Math.min(ROUND_MS, extent.measuredMs / (jobs.length * rounds));
  for (let round = 0; round < rounds; round++) {
    // There and back, so that a machine that slows down slows both engines.
    for (const { subject, picker, pickNs } of round % 2 === 0 ? jobs : jobs.toReversed()) {
      pickNs.push(await picker.measure(subject.pool, milliseconds));
    }
  }
  return jobs.map(({ figure }) => figure);
}

/** Leaves its load on the targets: picks are measured under it. */
async function spreadOf(
  { pool, reduced, targets, weights }: Subject,
  picker: Picker,
  wanted: number,
): Promise<Pick<StrategyFigure, 'imbalance' | 'picks' | 'moved'>> {
  const promised = weightsOf(weights, targets);
  const total = promised.reduce((sum, weight) => sum + weight, 0);
  // Whole periods of the weighted order: one that is cut short is no unevenness of a strategy.
  const picks = Math.floor(wanted / total) * total;
  const moved = reduced === null ? null : await picker.moved(pool, reduced, wanted);
  const counts = await picker.spread(pool, picks, IN_FLIGHT * total);
  const imbalance = Math.max(
    ...promised.map((weight, i) => ((counts[i] ?? 0) * total) / (picks * weight)),
  );
  return { imbalance, picks, moved };
}

function nativePicker(loops: NativeLoops): Picker {
  return {
    engine: 'native',
    spread: (pool, picks, inFlight) => loops.spread(pool.index, { seed: SEED, picks, inFlight }),
    measure: async (pool, milliseconds) => (await loops.pick(pool.index, milliseconds)).ns,
    moved: (before, after, clients) => loops.moved(before.index, after.index, clients),
  };
}

function jsPicker(plan: Plan): Picker {
  const pools = plan.pools.map((pool) => new JsPicks(plan, pool));
  const picksOf = (pool: PlanPool): JsPicks => {
    const picks = pools[pool.index];
    if (picks === undefined) throw new Error(`no pool ${pool.name}`);
    return picks;
  };
  return {
    engine: 'js',
    spread: async (pool, picks, inFlight) => picksOf(pool).spread({ seed: SEED, picks, inFlight }),
    measure: async (pool, milliseconds) => picksOf(pool).measure(milliseconds).ns,
    moved: async (before, after, clients) => {
      const [from, to] = [picksOf(before), picksOf(after)];
      const moved = clientKeys(clients).filter(
        (key) => from.nameOf(from.pickByKey(key)) !== to.nameOf(to.pickByKey(key)),
      );
      return moved.length / clients;
    },
  };
}

/** A plan with a pool for everything that is measured. */
function strategiesPlan(): Plan {
  const pools: Record<string, unknown> = {};
  for (const { strategy, targets, weights } of combinations()) {
    const all = weightsOf(weights, targets).map((weight, i) => ({
      address: `10.0.0.${i + 1}:3000`,
      weight,
    }));
    pools[poolName(strategy, targets, weights)] = { strategy, targets: all };
    if (KEYED.includes(strategy)) {
      const rest = all.toSpliced(targets >> 1, 1);
      pools[reducedName(strategy, targets, weights)] = { strategy, targets: rest };
    }
  }
  const listeners = {
    any: { address: '127.0.0.1:8080', protocol: 'tcp', pool: Object.keys(pools)[0] },
  };
  return compile(parseConfig({ listeners, pools }), new Map(), 1);
}

function subjectsOf(plan: Plan): Subject[] {
  const pools = new Map(plan.pools.map((pool) => [pool.name, pool]));
  return combinations().map(({ strategy, targets, weights }) => {
    const pool = pools.get(poolName(strategy, targets, weights));
    if (pool === undefined) throw new Error('the plan has a pool for every combination');
    const reduced = pools.get(reducedName(strategy, targets, weights)) ?? null;
    return { strategy, targets, weights, pool, reduced };
  });
}

function combinations(): Pick<Subject, 'strategy' | 'targets' | 'weights'>[] {
  return STRATEGIES.flatMap((strategy) =>
    TARGET_COUNTS.flatMap((targets) => WEIGHTS.map((weights) => ({ strategy, targets, weights }))),
  );
}

function weightsOf(weights: Subject['weights'], count: number): number[] {
  return Array.from({ length: count }, (_, i) =>
    weights === 'equal' ? 1 : (SKEWED[i % SKEWED.length] ?? 1),
  );
}

const poolName = (strategy: string, targets: number, weights: string): string =>
  `${strategy}-${targets}-${weights}`;
const reducedName = (strategy: string, targets: number, weights: string): string =>
  `${poolName(strategy, targets, weights)}-reduced`;
