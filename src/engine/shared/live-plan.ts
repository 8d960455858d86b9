// A plan with what lives behind its tables: statistics, pools, targets, logs. One LivePlan is in force at a time;
// flows keep the one they began with. EntityTable is what outlives plans: it finds entities again by name.
// Main thread.
import { BlockList } from 'node:net';
import { STATS_STRIDE } from '../../contract/codes.ts';
import type { IndexRange, ListenerIndex, PoolIndex, RouteIndex } from '../../contract/ids.ts';
import type {
  Plan,
  PlanForward,
  PlanListener,
  PlanPool,
  PlanRoute,
  PlanTarget,
  PlanUser,
  PlanUsers,
} from '../../plan/plan.ts';
import type { Oracle } from '../engine.ts';
import type { AccessLog } from './access-log.ts';
import { type ClientTls, TargetTls } from './client-tls.ts';
import { EntityStats } from './entity-stats.ts';
import { Account, LiveUser } from './live-user.ts';
import { LiveUsers, Verdicts } from './live-users.ts';
import { LivePool, type PoolCursor } from './pool.ts';
import type { ServerTls } from './server-tls.ts';
import { Sources } from './sources.ts';
import { LiveTarget } from './target.ts';
import { TlsTable } from './tls-table.ts';

export interface LiveListener {
  readonly plan: PlanListener;
  readonly stats: EntityStats;
  readonly log: AccessLog | null;
  /** Where tcp and udp go; null for http. */
  readonly pool: LivePool | null;
  /** null when it does not end TLS. */
  readonly tls: ServerTls | null;
  /** null unless it is a forward proxy. */
  readonly forward: LiveForward | null;
  readonly live: LivePlan;
  /** Whether what a client says about earlier hops is believed. */
  isTrusted(clientHost: string): boolean;
}

export interface LiveForward {
  readonly plan: PlanForward;
  /** null: nobody is asked who they are. */
  readonly users: LiveUsers | null;
  readonly sources: Sources;
  /** Who knows the addresses of names; null: nobody does. */
  readonly oracle: Oracle | null;
}

export interface LiveRoute {
  readonly plan: PlanRoute;
  readonly stats: EntityStats;
  /** null unless the route's action is a pool. */
  readonly pool: LivePool | null;
}

export class LivePlan {
  readonly plan: Plan;
  readonly listeners: readonly LiveListener[];
  readonly routes: readonly LiveRoute[];
  readonly pools: readonly LivePool[];
  readonly targets: readonly LiveTarget[];
  /** By table of the plan's users, in its order. */
  readonly users: readonly ReadonlyMap<string, LiveUser>[];

  constructor(plan: Plan, entities: EntityTable, logOf: (path: string) => AccessLog | null) {
    this.plan = plan;
    const clients = plan.clientTls.map((tls) => entities.tls.client(tls));
    this.targets = plan.targets.map((target) => {
      const client = target.clientTls === null ? null : at(clients, target.clientTls);
      return entities.target(poolOf(plan, target.pool), target, client);
    });
    this.pools = plan.pools.map((pool) => {
      const targets = slice(this.targets, pool.targets);
      return new LivePool(pool, entities.stats('pool', pool.name), targets, entities.cursor(pool));
    });
    this.routes = plan.routes.map((route) => ({
      plan: route,
      stats: entities.stats('route', listenerOf(plan, route.listener).name, route.name),
      pool: route.action.kind === 'pool' ? at(this.pools, route.action.pool) : null,
    }));
    this.users = plan.users.map(
      (table) =>
        new Map(
          table.users.map((user) => [user.name, new LiveUser(user, entities.account(table, user))]),
        ),
    );
    this.listeners = plan.listeners.map((listener) => ({
      plan: listener,
      stats: entities.stats('listener', listener.name),
      log: listener.accessLog === null ? null : logOf(listener.accessLog),
      pool: listener.pool === null ? null : at(this.pools, listener.pool),
      tls:
        listener.serverTls === null
          ? null
          : entities.tls.server(at(plan.serverTls, listener.serverTls), listener.name),
      forward: listener.forward === null ? null : this.#forward(listener.forward, entities),
      live: this,
      isTrusted: trustCheck(listener),
    }));
  }

  route(index: RouteIndex): LiveRoute {
    return at(this.routes, index);
  }

  pool(index: PoolIndex): LivePool {
    return at(this.pools, index);
  }

  #forward(index: number, entities: EntityTable): LiveForward {
    const plan = at(this.plan.forwards, index);
    const users =
      plan.users === null
        ? null
        : new LiveUsers(
            at(this.plan.users, plan.users),
            at(this.users, plan.users),
            entities.verdicts,
          );
    return { plan, users, sources: new Sources(plan.sources), oracle: entities.oracle };
  }

  readStats(into: Float64Array): void {
    const entities = [...this.listeners, ...this.routes, ...this.pools, ...this.targets];
    entities.forEach((entity, i) => {
      entity.stats.copyTo(into, i * STATS_STRIDE);
    });
  }
}

/** Entities by name, over plans. Only apply() changes it. */
export class EntityTable {
  readonly tls = new TlsTable();
  readonly oracle: Oracle | null;
  readonly verdicts: Verdicts;
  readonly #stats = new Map<string, EntityStats>();
  readonly #cursors = new Map<string, PoolCursor>();
  readonly #targets = new Map<string, LiveTarget>();
  readonly #accounts = new Map<string, Account>();

  constructor(oracle: Oracle | null = null) {
    this.oracle = oracle;
    this.verdicts = new Verdicts(oracle);
  }

  stats(...name: readonly string[]): EntityStats {
    return found(this.#stats, keyOf(...name), () => new EntityStats());
  }

  cursor(pool: PlanPool): PoolCursor {
    return found(this.#cursors, keyOf(pool.name), () => ({ next: 0 }));
  }

  target(pool: PlanPool, plan: PlanTarget, client: ClientTls | null): LiveTarget {
    return found(this.#targets, targetKey(pool, plan, client), () => {
      const tls = client === null ? null : new TargetTls(client, plan.serverName);
      const stats = this.stats('target', pool.name, plan.name);
      return new LiveTarget(plan, stats, tls, pool);
    });
  }

  account({ file }: PlanUsers, { name }: PlanUser): Account {
    return found(this.#accounts, keyOf('user', file, name), () => new Account());
  }

  /** Leaves only what `live`, the plan in force, names, with its settings; retires the rest. */
  settle(live: LivePlan | null): void {
    const kept = live === null ? new Set<string>() : this.#adopt(live);
    for (const [key, target] of this.#targets) if (!kept.has(key)) target.retire();
    this.tls.settle(
      new Set(live?.listeners.flatMap(({ tls }) => tls ?? [])),
      new Set(live?.targets.flatMap(({ tls }) => tls?.client ?? [])),
    );
    for (const table of [this.#stats, this.#cursors, this.#targets, this.#accounts]) {
      for (const key of table.keys()) if (!kept.has(key)) table.delete(key);
    }
  }

  /** The keys of everything that `live` names. */
  #adopt(live: LivePlan): Set<string> {
    const { plan } = live;
    const kept = new Set<string>();
    for (const listener of plan.listeners) kept.add(keyOf('listener', listener.name));
    for (const route of plan.routes) {
      kept.add(keyOf('route', listenerOf(plan, route.listener).name, route.name));
    }
    for (const pool of live.pools) {
      kept.add(keyOf('pool', pool.plan.name)).add(keyOf(pool.plan.name));
      for (const target of pool.targets) {
        target.adopt(pool.plan);
        kept.add(keyOf('target', pool.plan.name, target.plan.name));
        kept.add(targetKey(pool.plan, target.plan, target.tls?.client ?? null));
      }
    }
    for (const { file, users } of plan.users) {
      for (const { name } of users) kept.add(keyOf('user', file, name));
    }
    return kept;
  }
}

// A name cannot hold a NUL, so joined names cannot collide.
const keyOf = (...parts: readonly string[]): string => parts.join('\0');

/** A target that is spoken to in another way than before is another one. */
function targetKey(
  pool: PlanPool,
  { name, address, serverName }: PlanTarget,
  client: ClientTls | null,
): string {
  const where = [address.family, address.host, String(address.port)];
  const how = client === null ? [] : [String(client.id), serverName];
  return keyOf('address', pool.name, name, ...where, ...how, pool.kind, pool.login.reveal());
}

function found<T>(table: Map<string, T>, key: string, create: () => T): T {
  const existing = table.get(key);
  if (existing !== undefined) return existing;
  const created = create();
  table.set(key, created);
  return created;
}

function trustCheck({ trustedProxies }: PlanListener): (clientHost: string) => boolean {
  if (trustedProxies.length === 0) return () => false;
  const list = new BlockList();
  for (const { family, host, bits } of trustedProxies) list.addSubnet(host, bits, family);
  return (clientHost) =>
    clientHost !== '' && list.check(clientHost, clientHost.includes(':') ? 'ipv6' : 'ipv4');
}

const slice = <T>(table: readonly T[], { first, count }: IndexRange): readonly T[] =>
  table.slice(first, first + count);
const poolOf = (plan: Plan, index: PoolIndex): PlanPool => at(plan.pools, index);
const listenerOf = (plan: Plan, index: ListenerIndex): PlanListener => at(plan.listeners, index);

/** An index that leads nowhere makes the plan unusable; apply() reports it as plan_rejected. */
function at<T>(table: readonly T[], index: number): T {
  const entry = table[index];
  if (entry === undefined) throw new RangeError(`the plan has no entry ${index}`);
  return entry;
}
