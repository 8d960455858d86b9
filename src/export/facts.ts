// What both exports ask of a configuration. Pure.
import type { Address } from '../config/address.ts';
import type { Config, HttpListenerConfig, PoolConfig, RouteConfig } from '../config/config.ts';
import { formatAddress } from '../contract/address.ts';
import { comment } from './exported.ts';

export interface NamedListener<T> {
  readonly name: string;
  /** Where it is configured: `listeners.web`. */
  readonly path: string;
  /** Its position among all listeners, for names that the other program's letters do not reach. */
  readonly index: number;
  readonly listener: T;
}

export interface PlacedRoute {
  /** Where it is configured: `listeners.web.routes[2]`. */
  readonly path: string;
  readonly index: number;
  readonly route: RouteConfig;
}

export function listenersOf<T extends Config['listeners'][string]>(
  config: Config,
  protocol: T['protocol'],
): NamedListener<T>[] {
  return Object.entries(config.listeners).flatMap(([name, listener], index) =>
    listener.protocol === protocol
      ? [{ name, path: `listeners.${name}`, index, listener: listener as T }]
      : [],
  );
}

export function poolOf(config: Config, name: string): PoolConfig {
  const pool = config.pools[name];
  if (pool === undefined)
    throw new TypeError(`a checked configuration names no unknown pool: ${name}`);
  return pool;
}

/** The routes of a listener; `pool` is short for one that takes everything. */
export function routesOf({ path, listener }: NamedListener<HttpListenerConfig>): PlacedRoute[] {
  if (listener.routes === null) {
    return listener.pool === null
      ? []
      : [{ path: `${path}.pool`, index: 0, route: routeTo(listener.pool) }];
  }
  return listener.routes.map((route, index) => ({
    path: `${path}.routes[${index}]`,
    index,
    route,
  }));
}

function routeTo(pool: string): RouteConfig {
  return {
    name: null,
    match: { host: null, path: null, pathRegex: null, clientCertificate: null },
    pool,
    respond: null,
    redirect: null,
    stripPrefix: '',
    addPrefix: '',
    hostHeader: null,
    requestHeaders: [],
    responseHeaders: [],
  };
}

export function matchesEveryPath({ match }: RouteConfig): boolean {
  return match.pathRegex === null && (match.path === null || match.path.kind === 'any');
}

/** Behind a route that takes every path none has its turn, among those that one host can meet. */
export function reachable(routes: readonly PlacedRoute[]): {
  readonly own: readonly PlacedRoute[];
  readonly idle: readonly PlacedRoute[];
} {
  const last = routes.findIndex(({ route }) => matchesEveryPath(route));
  const end = last < 0 ? routes.length : last + 1;
  return { own: routes.slice(0, end), idle: routes.slice(end) };
}

export function idleComments(routes: readonly PlacedRoute[]): string[] {
  return routes.flatMap(({ path }) =>
    comment(`${path}: left out, because an earlier route takes all of its requests`),
  );
}

/** How many targets are tried after the first. */
export function retriesOf(pool: PoolConfig): number {
  return pool.retries === 'auto' ? Math.min(2, pool.targets.length - 1) : pool.retries;
}

export function isUnix(address: Address): boolean {
  return address.kind === 'socket' && address.socket.family === 'unix';
}

export function isAnyPort(address: Address): boolean {
  return address.kind === 'socket' && address.socket.family !== 'unix' && address.socket.port === 0;
}

/** `[::]`, which takes IPv4 as well with us. */
export function isBothFamilies(address: Address): boolean {
  return address.kind === 'socket' && address.socket.host === '::';
}

export function addressText(address: Address): string {
  return address.kind === 'socket' ? formatAddress(address.socket) : address.text;
}

/** The Host that a target sees under `hostHeader: target`. */
export function authorityOf(address: Address): string {
  if (isUnix(address)) return 'localhost';
  return address.text.endsWith(':80') ? address.text.slice(0, -':80'.length) : address.text;
}

/** What a path stands for once its escapes are decoded: one character a byte. */
export function decodePath(path: string): string {
  return path.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
