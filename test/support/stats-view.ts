// A stats snapshot by name, read straight from the layout in src/contract/codes.ts.
import {
  COUNTERS,
  type Counter,
  ERROR_CODE_NAMES,
  type ErrorCode,
  HISTOGRAM_BUCKETS,
  STATS_STRIDE,
} from '../../src/contract/codes.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { Plan } from '../../src/plan/plan.ts';

export type EntityStats = Readonly<Record<Counter, number>> & {
  readonly errors: Readonly<Record<ErrorCode, number>>;
  /** Every error but `none`. */
  readonly errorTotal: number;
  readonly histogram: Float64Array;
  /** Entries in the histogram. */
  readonly timed: number;
  readonly timedNs: number;
};

export interface StatsView {
  listener(name: string): EntityStats;
  route(listener: string, name: string): EntityStats;
  pool(name: string): EntityStats;
  target(pool: string, name: string): EntityStats;
}

export function readStatsView(engine: Engine, plan: Plan): StatsView {
  const { listeners, routes, pools, targets } = plan;
  const entities = listeners.length + routes.length + pools.length + targets.length;
  const all = new Float64Array(entities * STATS_STRIDE);
  engine.readStats(all);
  const at = (base: number, index: number): EntityStats => {
    if (index < 0) throw new Error('the plan has no such entity');
    const start = (base + index) * STATS_STRIDE;
    return entityStats(all.slice(start, start + STATS_STRIDE));
  };
  const routeBase = listeners.length;
  const poolBase = routeBase + routes.length;
  const targetBase = poolBase + pools.length;
  const listenerIndex = (name: string) => listeners.findIndex((l) => l.name === name);
  const poolIndex = (name: string) => pools.findIndex((p) => p.name === name);
  return {
    listener: (name) => at(0, listenerIndex(name)),
    route: (listener, name) =>
      at(
        routeBase,
        routes.findIndex((r) => r.name === name && r.listener === listenerIndex(listener)),
      ),
    pool: (name) => at(poolBase, poolIndex(name)),
    target: (pool, name) =>
      at(
        targetBase,
        targets.findIndex((t) => t.name === name && t.pool === poolIndex(pool)),
      ),
  };
}

function entityStats(slot: Float64Array): EntityStats {
  const counters = Object.fromEntries(COUNTERS.map((name, i) => [name, slot[i]!])) as Record<
    Counter,
    number
  >;
  const errorAt = COUNTERS.length;
  const errors = Object.fromEntries(
    ERROR_CODE_NAMES.map((code, i) => [code, slot[errorAt + i]!]),
  ) as Record<ErrorCode, number>;
  const histogramAt = errorAt + ERROR_CODE_NAMES.length;
  const histogram = slot.slice(histogramAt, histogramAt + HISTOGRAM_BUCKETS);
  return {
    ...counters,
    errors,
    errorTotal: ERROR_CODE_NAMES.reduce(
      (sum, code) => (code === 'none' ? sum : sum + errors[code]),
      0,
    ),
    histogram,
    timed: histogram.reduce((sum, n) => sum + n, 0),
    timedNs: slot[STATS_STRIDE - 1]!,
  };
}
