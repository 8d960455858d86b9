// Which target a strategy would pick for a client if the pool were idle, and why.
import { hashKey } from '../balance/hash.ts';
import { strategyOf } from '../balance/registry.ts';
import { createRng } from '../balance/rng.ts';
import { clientKeyBytes } from '../contract/address.ts';
import type { StrategyName } from '../contract/codes.ts';
import type { Plan, PlanPool, PlanTarget } from '../plan/plan.ts';

export interface ExplainedPick {
  readonly target: PlanTarget | null;
  readonly why: string;
}

const SHOWN_TURNS = 12;

export function explainPick(plan: Plan, pool: PlanPool, client: string): ExplainedPick {
  const targets = plan.targets.slice(pool.targets.first, pool.targets.first + pool.targets.count);
  const key = hashKey(clientKeyBytes(client));
  const position = strategyOf(pool.strategy).pick({
    table: pool.table,
    weights: targets.map(({ weight }) => weight),
    nextCursor: () => 0,
    key,
    random: createRng(Date.now() >>> 0),
    isUsable: () => true,
    inFlight: () => 0,
  });
  return {
    target: targets[position] ?? null,
    why:
      targets.length === 1
        ? 'the only target'
        : REASONS[pool.strategy]({ pool, targets, client, key }),
  };
}

interface PickContext {
  readonly pool: PlanPool;
  readonly targets: readonly PlanTarget[];
  readonly client: string;
  readonly key: number;
}

const REASONS: Readonly<Record<StrategyName, (context: PickContext) => string>> = {
  'round-robin': ({ pool, targets }) => {
    const { table } = pool;
    const turns = [...table.subarray(0, SHOWN_TURNS)].map((position) => targets[position]?.name);
    const more = table.length > SHOWN_TURNS ? `, … (${table.length} turns)` : '';
    return `the first turn; the turns are ${turns.join(', ')}${more}`;
  },
  random: ({ targets }) => `by chance this time: ${shares(targets)}`,
  'least-connections': ({ targets }) =>
    `the fewest in flight for its weight; equally busy targets, as here where all are idle, take turns${weighted(targets)}`,
  'ip-hash': ({ pool, client, key }) =>
    `client ${client} hashes to ${key}, entry ${key % pool.table.length} of ${pool.table.length}`,
  'power-of-two-choices': ({ targets }) =>
    `this time; two are drawn by chance (${shares(targets)}) and the one with less in flight for its weight is taken`,
  maglev: ({ pool, client, key }) =>
    `client ${client} hashes to ${key}, entry ${key % pool.table.length} of ${pool.table.length}`,
};

function shares(targets: readonly PlanTarget[]): string {
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  return targets
    .map(
      ({ name, weight }) => `${name} ${((100 * weight) / total).toFixed(1).replace(/\.0$/, '')} %`,
    )
    .join(', ');
}

function weighted(targets: readonly PlanTarget[]): string {
  const isWeighted = new Set(targets.map(({ weight }) => weight)).size > 1;
  return isWeighted
    ? ` (weights ${targets.map(({ name, weight }) => `${name} ${weight}`).join(', ')})`
    : '';
}
