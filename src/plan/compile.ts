// Config -> Plan: names become indices, defaults of a pool become those of its routes, a name with several
// addresses becomes several targets, strategies become tables. Pure: the control plane has resolved the names.
import { strategyOf } from '../balance/registry.ts';
import type { Address } from '../config/address.ts';
import {
  type Config,
  deepFreeze,
  type ListenerConfig,
  type PoolConfig,
  type TargetConfig,
} from '../config/config.ts';
import { defaultLimits, defaultTimeouts } from '../config/schema-listener.ts';
import { formatAddress, type SocketAddress } from '../contract/address.ts';
import { SluiceError } from '../contract/errors.ts';
import {
  assertNever,
  type ListenerIndex,
  listenerIndex,
  type PoolIndex,
  poolIndex,
  targetIndex,
} from '../contract/ids.ts';
import { compileRoute, type PoolReference, poolRoute } from './compile-route.ts';
import type {
  Plan,
  PlanLimits,
  PlanListener,
  PlanPool,
  PlanRoute,
  PlanTarget,
  PlanTimeouts,
} from './plan.ts';

/** `host:port` of every name in the configuration -> its addresses, in order of preference. */
export type ResolvedNames = ReadonlyMap<string, readonly SocketAddress[]>;

export interface NameToResolve {
  /** Where the name is first written: `pools.api.targets[0]`. */
  readonly path: string;
  /** The key in ResolvedNames: `localhost:5001`. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** Every name that needs addresses before compile() can run, each once. */
export function namesToResolve(config: Config): readonly NameToResolve[] {
  const names = new Map<string, NameToResolve>();
  const note = (path: string, address: Address): void => {
    if (address.kind !== 'name' || names.has(address.text)) return;
    names.set(address.text, { path, name: address.text, host: address.host, port: address.port });
  };
  for (const [name, listener] of Object.entries(config.listeners)) {
    note(`listeners.${name}.address`, listener.address);
  }
  for (const [name, pool] of Object.entries(config.pools)) {
    pool.targets.forEach((target, i) => {
      note(`pools.${name}.targets[${i}]`, target.address);
    });
  }
  return [...names.values()];
}

/** Throws SluiceError `resolve_failed` when `resolved` lacks a name of namesToResolve(). */
export function compile(config: Config, resolved: ResolvedNames, version: number): Plan {
  const pools: PlanPool[] = [];
  const targets: PlanTarget[] = [];
  const references = new Map<string, PoolReference>();
  for (const [name, pool] of Object.entries(config.pools)) {
    const index = poolIndex(pools.length);
    const own = compileTargets(name, pool, index, targets.length, resolved);
    pools.push(compilePool(name, pool, index, targets.length, own));
    targets.push(...own);
    references.set(name, { index, hostHeader: pool.hostHeader });
  }
  const listeners: PlanListener[] = [];
  const routes: PlanRoute[] = [];
  for (const [name, listener] of Object.entries(config.listeners)) {
    const index = listenerIndex(listeners.length);
    const own = compileRoutes(listener, index, routes.length, references);
    listeners.push(
      compileListener(name, listener, index, routes.length, own.length, references, resolved),
    );
    routes.push(...own);
  }
  const plan: Plan = { version, listeners, routes, pools, targets };
  deepFreeze(plan);
  return plan;
}

function compileTargets(
  poolName: string,
  pool: PoolConfig,
  index: PoolIndex,
  first: number,
  resolved: ResolvedNames,
): PlanTarget[] {
  const targets: PlanTarget[] = [];
  pool.targets.forEach((target, i) => {
    for (const { name, address } of addressesOf(
      target,
      `pools.${poolName}.targets[${i}]`,
      resolved,
    )) {
      targets.push({
        index: targetIndex(first + targets.length),
        pool: index,
        name,
        authority: authorityOf(target.address),
        address,
        weight: target.weight,
      });
    }
  });
  return targets;
}

function addressesOf(
  target: TargetConfig,
  path: string,
  resolved: ResolvedNames,
): { readonly name: string; readonly address: SocketAddress }[] {
  const { address } = target;
  if (address.kind === 'socket') return [{ name: address.text, address: address.socket }];
  const distinct = new Map(
    addressesOfName(address, path, resolved).map((one) => [formatAddress(one), one]),
  );
  return [...distinct.values()].map((one) => ({
    name: `${address.text}/${one.host}`,
    address: one,
  }));
}

function addressesOfName(
  address: Extract<Address, { readonly kind: 'name' }>,
  path: string,
  resolved: ResolvedNames,
): readonly SocketAddress[] {
  const addresses = resolved.get(address.text) ?? [];
  if (addresses.length > 0) return addresses;
  throw new SluiceError('resolve_failed', `${path}: ${address.host} has no address`);
}

/** The Host that a target sees under `hostHeader: target`: port 80 goes without saying. */
function authorityOf(address: Address): string {
  if (address.kind === 'socket' && address.socket.family === 'unix') return 'localhost';
  return address.text.endsWith(':80') ? address.text.slice(0, -':80'.length) : address.text;
}

function compilePool(
  name: string,
  pool: PoolConfig,
  index: PoolIndex,
  firstTarget: number,
  targets: readonly PlanTarget[],
): PlanPool {
  return {
    index,
    name,
    strategy: pool.strategy,
    targets: { first: firstTarget, count: targets.length },
    table: strategyOf(pool.strategy).buildTable(targets),
    retries: pool.retries === 'auto' ? Math.min(2, targets.length - 1) : pool.retries,
    ejectAfter: pool.eject.after,
    ejectMs: pool.eject.for,
    maxEjectMs: pool.eject.max,
    idleMs: pool.keepAlive.idle,
    maxIdle: pool.keepAlive.maxIdle,
  };
}

function compileRoutes(
  listener: ListenerConfig,
  index: ListenerIndex,
  first: number,
  pools: ReadonlyMap<string, PoolReference>,
): PlanRoute[] {
  if (listener.protocol !== 'http') return [];
  if (listener.routes === null) {
    return listener.pool === null
      ? []
      : [poolRoute(index, first, referenceOf(listener.pool, pools))];
  }
  const names = new Set<string>();
  return listener.routes.map((route, i) => {
    const pool = route.pool === null ? null : referenceOf(route.pool, pools);
    return compileRoute(route, { listener: index, index: first + i, pool, names });
  });
}

function referenceOf(name: string, pools: ReadonlyMap<string, PoolReference>): PoolReference {
  const pool = pools.get(name);
  if (pool === undefined)
    throw new TypeError(`a checked configuration names no unknown pool: ${name}`);
  return pool;
}

function compileListener(
  name: string,
  listener: ListenerConfig,
  index: ListenerIndex,
  firstRoute: number,
  routeCount: number,
  pools: ReadonlyMap<string, PoolReference>,
  resolved: ResolvedNames,
): PlanListener {
  const isHttp = listener.protocol === 'http';
  return {
    index,
    name,
    address: listenAddress(name, listener.address, resolved),
    protocol: listener.protocol,
    routes: { first: firstRoute, count: routeCount },
    pool: isHttp ? null : referenceOf(listener.pool, pools).index,
    maxConnections: listener.protocol === 'udp' ? 0 : listener.maxConnections,
    accessLog: listener.accessLog,
    forwarded: isHttp ? listener.forwarded : 'off',
    trustedProxies: isHttp ? listener.trustedProxies : [],
    splice: listener.protocol === 'udp' ? 'never' : listener.splice,
    timeouts: compileTimeouts(listener),
    limits: isHttp ? compileLimits(listener.limits) : compileLimits(defaultLimits),
    maxSessions: listener.protocol === 'udp' ? listener.maxSessions : 0,
    responses: listener.protocol === 'udp' ? listener.responses : 0,
  };
}

function listenAddress(name: string, address: Address, resolved: ResolvedNames): SocketAddress {
  if (address.kind === 'socket') return address.socket;
  const [first] = addressesOfName(address, `listeners.${name}.address`, resolved);
  if (first === undefined) throw new TypeError('addressesOfName answers with at least one');
  return first;
}

/** A relay reads its own fields only; the others hold defaults, because every timeout must be positive. */
function compileTimeouts(listener: ListenerConfig): PlanTimeouts {
  switch (listener.protocol) {
    case 'http':
      return timeoutsOf(listener.timeouts, listener.timeouts.tunnelIdle);
    case 'tcp':
      return timeoutsOf({ ...defaultTimeouts, ...listener.timeouts }, listener.idleTimeout);
    case 'udp':
      return timeoutsOf(defaultTimeouts, listener.idleTimeout);
    default:
      return assertNever(listener);
  }
}

function timeoutsOf(timeouts: typeof defaultTimeouts, idleMs: number): PlanTimeouts {
  return {
    connectMs: timeouts.connect,
    requestHeaderMs: timeouts.requestHeader,
    bodyIdleMs: timeouts.bodyIdle,
    responseHeaderMs: timeouts.responseHeader,
    keepAliveMs: timeouts.keepAlive,
    idleMs,
  };
}

function compileLimits(limits: typeof defaultLimits): PlanLimits {
  return {
    headBytes: limits.head,
    headerCount: limits.headerCount,
    targetBytes: limits.target,
    bodyBytes: limits.body,
  };
}
