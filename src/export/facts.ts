// What both exports ask of a configuration. Pure.
import type { Address } from '../config/address.ts';
import {
  type Config,
  type ForwardListenerConfig,
  type HttpListenerConfig,
  isHttpListener,
  type ListenerConfig,
  type PoolConfig,
  type RouteConfig,
  type TcpListenerConfig,
  type UdpListenerConfig,
} from '../config/config.ts';
import { formatAddress } from '../contract/address.ts';
import { hstsEdits } from '../plan/compile-tls.ts';
import type { LocationPart } from '../plan/plan.ts';
import { comment } from './exported.ts';

/** A route as written, or one that a short option of its listener stands for. */
export interface Route extends Omit<RouteConfig, 'redirect'> {
  readonly redirect: { readonly status: number; readonly to: readonly LocationPart[] } | null;
}

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
  readonly route: Route;
}

export function httpListeners(config: Config): NamedListener<HttpListenerConfig>[] {
  return listenersOf(config, isHttpListener);
}

export function tcpListeners(config: Config): NamedListener<TcpListenerConfig>[] {
  return listenersOf(config, (one): one is TcpListenerConfig => one.protocol === 'tcp');
}

export function udpListeners(config: Config): NamedListener<UdpListenerConfig>[] {
  return listenersOf(config, (one): one is UdpListenerConfig => one.protocol === 'udp');
}

/** Neither nginx nor HAProxy goes where clients say. */
export function forwardListeners(config: Config): NamedListener<ForwardListenerConfig>[] {
  return listenersOf(config, (one): one is ForwardListenerConfig => one.protocol === 'forward');
}

function listenersOf<T extends ListenerConfig>(
  config: Config,
  isWanted: (listener: ListenerConfig) => listener is T,
): NamedListener<T>[] {
  return Object.entries(config.listeners).flatMap(([name, listener], index) =>
    isWanted(listener) ? [{ name, path: `listeners.${name}`, index, listener }] : [],
  );
}

export function poolOf(config: Config, name: string): PoolConfig {
  const pool = config.pools[name];
  if (pool === undefined)
    throw new TypeError(`a checked configuration names no unknown pool: ${name}`);
  return pool;
}

/** The routes of a listener, with what it adds to all of them; `pool` and `redirectToHttps` are short for one. */
export function routesOf({ path, listener }: NamedListener<HttpListenerConfig>): PlacedRoute[] {
  const added = hstsEdits(listener);
  const withAdded = (route: Route): Route =>
    added.length === 0
      ? route
      : { ...route, responseHeaders: [...added, ...route.responseHeaders] };
  if (listener.protocol === 'http' && listener.redirectToHttps !== null) {
    const route = { ...EVERYTHING, redirect: toHttps(listener.redirectToHttps) };
    return [{ path: `${path}.redirectToHttps`, index: 0, route }];
  }
  if (listener.routes === null) {
    return listener.pool === null
      ? []
      : [
          {
            path: `${path}.pool`,
            index: 0,
            route: withAdded({ ...EVERYTHING, pool: listener.pool }),
          },
        ];
  }
  return listener.routes.map((route, index) => ({
    path: `${path}.routes[${index}]`,
    index,
    route: withAdded(route),
  }));
}

const EVERYTHING: Route = {
  name: null,
  match: { host: null, path: null, pathRegex: null, clientCertificate: null },
  pool: null,
  respond: null,
  redirect: null,
  stripPrefix: '',
  addPrefix: '',
  hostHeader: null,
  requestHeaders: [],
  responseHeaders: [],
};

function toHttps(port: number): NonNullable<Route['redirect']> {
  const literal = (text: string): LocationPart => ({ part: 'literal', text });
  const part = (name: Exclude<LocationPart['part'], 'literal'>): LocationPart => ({
    part: name,
    text: '',
  });
  return {
    status: 308,
    to: [
      literal('https://'),
      part('hostname'),
      ...(port === 443 ? [] : [literal(`:${port}`)]),
      part('path'),
      part('query'),
    ],
  };
}

/** The pools of a tcp or udp listener, that of its first route first. */
export function poolsOfFlow(listener: TcpListenerConfig | UdpListenerConfig): string[] {
  const routes = listener.protocol === 'tcp' ? (listener.routes ?? []) : [];
  const last = listener.pool === null ? [] : [listener.pool];
  return [...new Set([...routes.map(({ pool }) => pool), ...last])];
}

/** How clients reach the listener: what X-Forwarded-Proto and `{scheme}` say. */
export function schemeOf({ protocol }: HttpListenerConfig): 'http' | 'https' {
  return protocol;
}

export function matchesEveryPath({ match }: Route): boolean {
  return match.pathRegex === null && (match.path === null || match.path.kind === 'any');
}

/** Whether it takes every request that has its host. */
export function takesEverything(route: Route): boolean {
  return matchesEveryPath(route) && route.match.clientCertificate === null;
}

/** Behind a route that takes everything none has its turn, among those that one host can meet. */
export function reachable(routes: readonly PlacedRoute[]): {
  readonly own: readonly PlacedRoute[];
  readonly idle: readonly PlacedRoute[];
} {
  const last = routes.findIndex(({ route }) => takesEverything(route));
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

/** The Host that a target sees under `hostHeader: target`: the scheme's own port goes without saying. */
export function authorityOf(address: Address): string {
  if (isUnix(address)) return 'localhost';
  const usual = address.isTls === true ? ':443' : ':80';
  return address.text.endsWith(usual) ? address.text.slice(0, -usual.length) : address.text;
}

/** What a path stands for once its escapes are decoded: one character a byte. */
export function decodePath(path: string): string {
  return path.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
