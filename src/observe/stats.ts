// What proxy.stats() answers: a plain object made from an engine's snapshot and the plan that it belongs to.
// Made afresh at every call, on the main thread; no worker is stopped for it.
import {
  COUNTERS,
  type Counter,
  ERROR_CODE_NAMES,
  type ErrorCode,
  HISTOGRAM_BUCKETS,
  STATS_STRIDE,
} from '../contract/codes.ts';
import type { Engine, EngineName, LoopInUse, TargetState, UserState } from '../engine/engine.ts';
import type { ListedCertificate } from '../plan/listed-certificates.ts';
import type { Plan } from '../plan/plan.ts';
import { type LatencyStats, summarizeLatency } from './histogram.ts';

export interface EntityStats {
  readonly counters: Readonly<Record<Counter, number>>;
  /** Only those that have happened. */
  readonly errors: Readonly<Partial<Record<ErrorCode, number>>>;
  readonly latency: LatencyStats;
}

export interface TargetStats extends EntityStats {
  readonly state: TargetState;
}

export interface UserStats extends UserState {
  /** The file that has the user. */
  readonly file: string;
  readonly name: string;
}

export interface ProxyStats {
  readonly engine: EngineName;
  readonly workers: number;
  /** What the workers wait on; null on engines without workers. */
  readonly loop: LoopInUse | null;
  readonly uptimeMs: number;
  /** Grows by one with every plan: a reload, or a name that resolves anew. */
  readonly planVersion: number;
  /** By name. */
  readonly listeners: Readonly<Record<string, EntityStats>>;
  /** By `listener/route`. */
  readonly routes: Readonly<Record<string, EntityStats>>;
  /** By name. */
  readonly pools: Readonly<Record<string, EntityStats>>;
  /** By `pool/target`. */
  readonly targets: Readonly<Record<string, TargetStats>>;
  /** Users of forward proxies, in the order of their files. One whom listeners limit differently is there more than once. */
  readonly users: readonly UserStats[];
  /** What listeners show, in the order of the configuration. */
  readonly certificates: readonly ListedCertificate[];
}

/** Doubles that a snapshot of `plan` takes. */
export function statsLength({ listeners, routes, pools, targets }: Plan): number {
  return (listeners.length + routes.length + pools.length + targets.length) * STATS_STRIDE;
}

/** `plan` is the one that the engine carries out. */
export function readStats(
  engine: Engine,
  plan: Plan,
  uptimeMs: number,
  certificates: readonly ListedCertificate[] = [],
): ProxyStats {
  const snapshot = new Float64Array(statsLength(plan));
  engine.readStats(snapshot);
  const states = engine.targetStates();
  let at = 0;
  const next = (): EntityStats => {
    at += STATS_STRIDE;
    return readEntity(snapshot.subarray(at - STATS_STRIDE, at));
  };
  // The order of evaluation is the order in the snapshot.
  const listeners = byName(plan.listeners, ({ name }) => name, next);
  const routeName = (route: Plan['routes'][number]) =>
    `${plan.listeners[route.listener]?.name}/${route.name}`;
  const routes = byName(plan.routes, routeName, next);
  const pools = byName(plan.pools, ({ name }) => name, next);
  const targets = byName(
    plan.targets,
    (target) => `${plan.pools[target.pool]?.name}/${target.name}`,
    (target): TargetStats => ({ ...next(), state: states[target.index] ?? UNKNOWN_STATE }),
  );
  const { name, workers, loop = null } = engine;
  return {
    engine: name,
    workers,
    loop,
    uptimeMs,
    planVersion: plan.version,
    listeners,
    routes,
    pools,
    targets,
    users: readUsers(engine, plan),
    certificates,
  };
}

function readUsers(engine: Engine, plan: Plan): readonly UserStats[] {
  if (plan.users.length === 0) return [];
  const states = engine.userStates();
  return plan.users
    .flatMap(({ file, users }) => users.map(({ name }) => ({ file, name })))
    .map((user, i) => ({ ...user, ...(states[i] ?? UNUSED) }));
}

const UNUSED: UserState = { active: 0, requests: 0, bytesIn: 0, bytesOut: 0, bytesToday: 0 };

const UNKNOWN_STATE: TargetState = { isEjected: false, ejectedForMs: 0, inFlight: 0 };

function byName<T, S>(
  entities: readonly T[],
  nameOf: (entity: T) => string,
  read: (entity: T) => S,
): Record<string, S> {
  return Object.fromEntries(entities.map((entity) => [nameOf(entity), read(entity)]));
}

function readEntity(cells: Float64Array): EntityStats {
  const errorsAt = COUNTERS.length;
  const bucketsAt = errorsAt + ERROR_CODE_NAMES.length;
  const counters = Object.fromEntries(COUNTERS.map((name, i) => [name, cells[i] ?? 0]));
  const errors = ERROR_CODE_NAMES.map((code, i) => [code, cells[errorsAt + i] ?? 0] as const);
  return {
    counters: counters as Record<Counter, number>,
    errors: Object.fromEntries(errors.filter(([, count]) => count > 0)),
    latency: summarizeLatency(
      cells.subarray(bucketsAt, bucketsAt + HISTOGRAM_BUCKETS),
      cells[STATS_STRIDE - 1] ?? 0,
    ),
  };
}
