// Config -> Plan: names become indices, defaults of a pool become those of its routes, a name with several
// addresses becomes several targets, strategies become tables. Pure: the control plane has resolved the names.
import { strategyOf } from '../balance/registry.ts';
import type { Address } from '../config/address.ts';
import {
  type ClientTlsConfig,
  type Config,
  deepFreeze,
  isHttpListener,
  type ListenerConfig,
  type PoolConfig,
  serverTlsOf,
  type TargetConfig,
  type TcpListenerConfig,
} from '../config/config.ts';
import { defaultLimits, defaultTimeouts } from '../config/schema-listener.ts';
import { defaultClientTls } from '../config/schema-tls.ts';
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
import { Secret } from '../contract/secret.ts';
import { compileForward, compileUsers, directPool } from './compile-forward.ts';
import {
  challengeRoutes,
  compileRoute,
  httpsRoute,
  type PoolReference,
  poolRoute,
} from './compile-route.ts';
import { compileClientTls, compileServerTls, hstsEdits } from './compile-tls.ts';
import { type Credentials, NO_CREDENTIALS } from './credentials.ts';
import { type ForwardFiles, forwardListeners, NO_FORWARD_FILES } from './forward-files.ts';
import type {
  Plan,
  PlanClientTls,
  PlanForward,
  PlanLimits,
  PlanListener,
  PlanNameRoute,
  PlanPool,
  PlanRoute,
  PlanServerTls,
  PlanTarget,
  PlanTimeouts,
  PlanUsers,
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

/**
 * Throws SluiceError `resolve_failed` when `resolved` lacks a name of namesToResolve(). `credentials` holds what
 * credentialsToLoad() names, `files` what forwardFilesToLoad() names.
 */
export function compile(
  config: Config,
  resolved: ResolvedNames,
  version: number,
  credentials: Credentials = NO_CREDENTIALS,
  files: ForwardFiles = NO_FORWARD_FILES,
): Plan {
  const pools: PlanPool[] = [];
  const targets: PlanTarget[] = [];
  const serverTls: PlanServerTls[] = [];
  const clientTls: PlanClientTls[] = [];
  const references = new Map<string, PoolReference>();
  for (const [name, pool] of Object.entries(config.pools)) {
    const index = poolIndex(pools.length);
    const tls = compileClientTls(pool, DEFAULT_CLIENT_TLS, credentials);
    const place = { index, first: targets.length, tls: tls === null ? null : clientTls.length };
    if (tls !== null) clientTls.push(tls);
    const own = compileTargets(name, pool, place, resolved);
    pools.push(compilePool(name, pool, index, targets.length, own));
    targets.push(...own);
    references.set(name, { index, hostHeader: pool.hostHeader });
  }
  const directPools = new Map<string, PoolIndex>();
  for (const [name, listener] of forwardListeners(config)) {
    const index = poolIndex(pools.length);
    const direct = directPool(name, listener, index, targets.length);
    pools.push(direct.pool);
    targets.push(direct.target);
    directPools.set(name, index);
  }
  const lists = Object.keys(config.lists).map((name) => listOf(name, files));
  const forwards: PlanForward[] = [];
  const users: PlanUsers[] = [];
  const listeners: PlanListener[] = [];
  const routes: PlanRoute[] = [];
  for (const [name, listener] of Object.entries(config.listeners)) {
    const index = listenerIndex(listeners.length);
    const forwarding =
      listener.protocol === 'forward'
        ? compileForward(
            listener,
            {
              listener: index,
              firstRoute: routes.length,
              direct: directPools.get(name) ?? poolIndex(0),
              poolOf: (pool) => referenceOf(pool, references).index,
              listOf: (list) => Object.keys(config.lists).indexOf(list),
              users: placeOf(compileUsers(listener, files), users),
            },
            files,
          )
        : null;
    const own =
      forwarding?.routes ?? compileRoutes(listener, index, routes.length, references, credentials);
    const tls = serverTlsOf(listener);
    const place = {
      index,
      routes: { first: routes.length, count: own.length },
      tls: tls === null ? null : serverTls.length,
      forward: forwarding === null ? null : forwards.length,
    };
    if (forwarding !== null) forwards.push(forwarding.forward);
    if (tls !== null) {
      const alpn = 'alpn' in tls ? (tls.alpn as readonly string[]) : null;
      serverTls.push(compileServerTls(tls, alpn, credentials));
    }
    listeners.push(compileListener(name, listener, place, references, resolved));
    routes.push(...own);
  }
  const plan: Plan = {
    version,
    listeners,
    routes,
    pools,
    targets,
    serverTls,
    clientTls,
    forwards,
    lists,
    users,
  };
  deepFreeze(plan);
  return plan;
}

function listOf(name: string, files: ForwardFiles): Plan['lists'][number] {
  const loaded = files.lists.get(name);
  if (loaded === undefined) return { name, digest: '', hosts: new Uint8Array(0), blocks: [] };
  return { name, digest: loaded.digest, hosts: loaded.hosts, blocks: loaded.blocks };
}

/** Position of `own` among `users`, where it is put unless it is there. */
function placeOf(own: PlanUsers | null, users: PlanUsers[]): number | null {
  if (own === null) return null;
  const known = users.findIndex(({ file, digest }) => file === own.file && digest === own.digest);
  return known >= 0 ? known : users.push(own) - 1;
}

const DEFAULT_CLIENT_TLS: ClientTlsConfig = defaultClientTls;

interface PoolPlace {
  readonly index: PoolIndex;
  /** Of the pool's targets. */
  readonly first: number;
  /** Position of the pool's TLS among the plan's. */
  readonly tls: number | null;
}

function compileTargets(
  poolName: string,
  pool: PoolConfig,
  place: PoolPlace,
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
        index: targetIndex(place.first + targets.length),
        pool: place.index,
        name,
        authority: authorityOf(target.address),
        address,
        weight: target.weight,
        clientTls: pool.tls !== null || target.address.isTls === true ? place.tls : null,
        serverName: pool.tls?.serverName ?? hostOf(target.address),
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

/** The Host that a target sees under `hostHeader: target`: the scheme's own port goes without saying. */
function authorityOf(address: Address): string {
  if (address.kind === 'socket' && address.socket.family === 'unix') return 'localhost';
  const usual = address.isTls === true ? ':443' : ':80';
  return address.text.endsWith(usual) ? address.text.slice(0, -usual.length) : address.text;
}

/** What a certificate must name: a host, an IP address, or '' for a unix socket. */
function hostOf(address: Address): string {
  if (address.kind === 'name') return address.host;
  return address.socket.family === 'unix' ? '' : address.socket.host;
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
    // A PROXY header speaks for one client.
    maxIdle: pool.proxyProtocol === 'off' ? pool.keepAlive.maxIdle : 0,
    proxyProtocol: pool.proxyProtocol,
    kind: pool.parent === null ? 'targets' : `${pool.parent.protocol}-parent`,
    login: new Secret(
      pool.parent === null || pool.parent.username === null
        ? ''
        : `${pool.parent.username}:${pool.parent.password ?? ''}`,
    ),
  };
}

function compileRoutes(
  listener: ListenerConfig,
  index: ListenerIndex,
  first: number,
  pools: ReadonlyMap<string, PoolReference>,
  credentials: Credentials,
): PlanRoute[] {
  if (!isHttpListener(listener)) return [];
  const challenges =
    listener.protocol === 'http' ? challengeRoutes(index, first, credentials.httpChallenges) : [];
  const next = first + challenges.length;
  if (listener.protocol === 'http' && listener.redirectToHttps !== null) {
    return [...challenges, httpsRoute(index, next, listener.redirectToHttps)];
  }
  const added = hstsEdits(listener);
  if (listener.pool !== null) {
    const route = poolRoute(index, next, referenceOf(listener.pool, pools));
    return [...challenges, { ...route, responseEdits: added }];
  }
  const names = new Set<string>();
  const own = (listener.routes ?? []).map((route, i) => {
    const pool = route.pool === null ? null : referenceOf(route.pool, pools);
    const plan = compileRoute(route, { listener: index, index: next + i, pool, names });
    return { ...plan, responseEdits: [...added, ...plan.responseEdits] };
  });
  return [...challenges, ...own];
}

function referenceOf(name: string, pools: ReadonlyMap<string, PoolReference>): PoolReference {
  const pool = pools.get(name);
  if (pool === undefined)
    throw new TypeError(`a checked configuration names no unknown pool: ${name}`);
  return pool;
}

interface ListenerPlace {
  readonly index: ListenerIndex;
  readonly routes: PlanListener['routes'];
  readonly tls: number | null;
  readonly forward: number | null;
}

function compileListener(
  name: string,
  listener: ListenerConfig,
  { index, routes, tls, forward }: ListenerPlace,
  pools: ReadonlyMap<string, PoolReference>,
  resolved: ResolvedNames,
): PlanListener {
  const isHttp = isHttpListener(listener);
  const { protocol } = listener;
  const pool = isHttp || protocol === 'forward' ? null : listener.pool;
  return {
    index,
    name,
    address: listenAddress(name, listener.address, resolved),
    protocol: protocol === 'https' ? 'http' : protocol,
    routes,
    pool: pool === null ? null : referenceOf(pool, pools).index,
    nameRoutes: protocol === 'tcp' ? compileNameRoutes(listener.routes, pools) : [],
    serverTls: tls,
    forward,
    proxyProtocol: listener.proxyProtocol,
    maxConnections: protocol === 'udp' ? 0 : listener.maxConnections,
    accessLog: listener.accessLog,
    forwarded: forwardedOf(listener),
    trustedProxies: listener.trustedProxies,
    splice: protocol === 'udp' ? 'never' : listener.splice,
    timeouts: compileTimeouts(listener),
    limits: 'limits' in listener ? compileLimits(listener.limits) : compileLimits(defaultLimits),
    maxSessions: protocol === 'udp' ? listener.maxSessions : 0,
    responses: protocol === 'udp' ? listener.responses : 0,
  };
}

function forwardedOf(listener: ListenerConfig): PlanListener['forwarded'] {
  if (listener.protocol === 'forward')
    return listener.anonymity === 'transparent' ? 'append' : 'off';
  return isHttpListener(listener) ? listener.forwarded : 'off';
}

function compileNameRoutes(
  routes: TcpListenerConfig['routes'],
  pools: ReadonlyMap<string, PoolReference>,
): PlanNameRoute[] {
  return (routes ?? []).map(({ match, pool }) => ({
    host: match.serverName ?? { kind: 'any' },
    alpn: match.alpn ?? [],
    pool: referenceOf(pool, pools).index,
  }));
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
    case 'https':
    case 'forward':
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
    handshakeMs: timeouts.handshake,
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
