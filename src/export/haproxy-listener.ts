// Listeners as frontend sections of HAProxy.
import type { Address } from '../config/address.ts';
import type { Config, HttpListenerConfig, TcpListenerConfig } from '../config/config.ts';
import { DEFAULT_HTTP } from './defaults.ts';
import { duration, type ExportSettings, type Notes } from './exported.ts';
import {
  addressText,
  idleComments,
  isAnyPort,
  isBothFamilies,
  type NamedListener,
  type PlacedRoute,
  poolOf,
  reachable,
  routesOf,
  schemeOf,
} from './facts.ts';
import { certificateRules } from './haproxy-client-certificates.ts';
import { listenerRules } from './haproxy-fields.ts';
import { nameRules } from './haproxy-names.ts';
import { type Pools, type PoolUse, socketPath } from './haproxy-pool.ts';
import {
  answerRules,
  chooseRules,
  conditionOf,
  forwardRules,
  isNamed,
  isOnlyRoute,
  normalRules,
  plainAnswer,
  queryRules,
  titleOf,
} from './haproxy-route.ts';
import { chunks, section, when, word } from './haproxy-text.ts';
import { type BindTls, bindTls } from './haproxy-tls.ts';

const HTTP_RECORD =
  '{"time":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]","client":"%ci:%cp","listener":"%f","method":"%HM","path":"%HP","status":%ST,"bytesIn":%U,"bytesOut":%B,"milliseconds":%Ta,"target":"%b/%s"}';
const TCP_RECORD =
  '{"time":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]","client":"%ci:%cp","listener":"%f","bytesIn":%U,"bytesOut":%B,"milliseconds":%Tt,"target":"%b/%s"}';

export interface ListenerContext {
  readonly config: Config;
  readonly settings: ExportSettings;
  readonly notes: Notes;
  readonly pools: Pools;
}

export function httpListener(
  place: NamedListener<HttpListenerConfig>,
  context: ListenerContext,
): string[] {
  const { name, path, listener } = place;
  const { settings, notes } = context;
  const { timeouts } = listener;
  const secure =
    listener.protocol === 'https'
      ? bindTls(path, listener.tls, ['http/1.1'], settings, notes)
      : PLAIN;
  const bind = bindLine(path, listener.address, secure, notes);
  if (!bind.isBound) return ['', ...bind.lines];
  return section(`frontend ${name}`, [
    'mode http',
    ...bind.lines,
    ...proxyHeaders(path, listener, notes),
    ...handshakeNotes(path, timeouts.handshake, notes),
    ...maxConnections(place, settings, notes),
    `timeout http-request ${duration(timeouts.requestHeader)}`,
    `timeout http-keep-alive ${duration(timeouts.keepAlive)}`,
    `timeout client ${duration(timeouts.bodyIdle)}`,
    ...splice(listener.splice),
    ...log(path, listener.accessLog, HTTP_RECORD, notes),
    ...limitRules(path, listener, notes),
    ...timeoutNotes(path, listener, notes),
    ...routing(place, context),
  ]);
}

export function tcpListener(
  place: NamedListener<TcpListenerConfig>,
  context: ListenerContext,
): string[] {
  const { name, path, listener } = place;
  const { settings, notes, pools } = context;
  const secure =
    listener.tls === null ? PLAIN : bindTls(path, listener.tls, listener.tls.alpn, settings, notes);
  const bind = bindLine(path, listener.address, secure, notes);
  if (!bind.isBound) return ['', ...bind.lines];
  const nameOf = (pool: string): string =>
    pools.nameOf({
      pool,
      mode: 'tcp',
      connectMs: listener.timeouts.connect,
      responseMs: listener.idleTimeout,
      tunnelMs: null,
      isNamed: false,
    });
  return section(`frontend ${name}`, [
    'mode tcp',
    ...bind.lines,
    ...proxyHeaders(path, listener, notes),
    ...(listener.tls === null ? [] : handshakeNotes(path, listener.timeouts.handshake, notes)),
    ...maxConnections(place, settings, notes),
    `timeout client ${duration(listener.idleTimeout)}`,
    ...splice(listener.splice),
    ...log(path, listener.accessLog, TCP_RECORD, notes),
    ...(listener.routes === null ? [] : nameRules(place, listener.routes, nameOf, notes)),
    ...(listener.pool === null ? [] : [`default_backend ${nameOf(listener.pool)}`]),
  ]);
}

const PLAIN: BindTls = { words: '', comments: [] };

interface Bind {
  readonly isBound: boolean;
  readonly lines: readonly string[];
}

function bindLine(path: string, address: Address, secure: BindTls, notes: Notes): Bind {
  const at = `${path}.address`;
  const refuse = (reason: string): Bind => ({ isBound: false, lines: notes.warn(at, reason) });
  if (secure.words === null) return { isBound: false, lines: secure.comments };
  const bind = (place: string): Bind => ({
    isBound: true,
    lines: [...secure.comments, `bind ${place}${secure.words === '' ? '' : ` ${secure.words}`}`],
  });
  if (isAnyPort(address)) return refuse('HAProxy cannot listen on any free port: left out');
  if (address.kind === 'socket' && address.socket.family === 'unix') {
    const socket = socketPath(address.socket.host);
    return socket === null
      ? refuse('HAProxy cannot be told of a socket file of this name: left out')
      : bind(socket);
  }
  return bind(`${addressText(address)}${isBothFamilies(address) ? ' v4v6' : ''}`);
}

/** From whom we believe them, HAProxy wants them. */
function proxyHeaders(
  path: string,
  { proxyProtocol, trustedProxies }: HttpListenerConfig | TcpListenerConfig,
  notes: Notes,
): string[] {
  if (proxyProtocol === 'off') return [];
  return [
    ...(proxyProtocol === 'required'
      ? []
      : notes.warn(
          `${path}.proxyProtocol`,
          'HAProxy wants a PROXY header from everybody whose headers it believes',
        )),
    ...chunks(trustedProxies).map(
      (some) =>
        `tcp-request connection expect-proxy layer4 if { src ${some.map(({ host, bits }) => `${host}/${bits}`).join(' ')} }`,
    ),
  ];
}

function handshakeNotes(path: string, handshakeMs: number, notes: Notes): string[] {
  return handshakeMs === DEFAULT_HTTP.timeouts.handshake
    ? []
    : notes.warn(
        `${path}.timeouts.handshake`,
        'HAProxy gives a handshake as long as any other pause of a client',
      );
}

function maxConnections(
  { path, listener }: NamedListener<HttpListenerConfig | TcpListenerConfig>,
  { connections }: ExportSettings,
  notes: Notes,
): string[] {
  if (listener.maxConnections === 0) return [`maxconn ${connections}`];
  return [
    ...notes.warn(
      `${path}.maxConnections`,
      'HAProxy lets the newest connections wait instead of refusing them',
    ),
    `maxconn ${listener.maxConnections}`,
  ];
}

function splice(mode: 'auto' | 'never' | 'always'): string[] {
  switch (mode) {
    case 'never':
      return [];
    case 'auto':
      return ['option splice-auto'];
    case 'always':
      return ['option splice-request', 'option splice-response'];
  }
}

function log(path: string, accessLog: string | null, record: string, notes: Notes): string[] {
  if (accessLog === null) return [];
  return [
    ...notes.warn(
      `${path}.accessLog`,
      accessLog === '-'
        ? 'HAProxy knows neither routes nor our words for errors'
        : 'HAProxy writes no files: the lines go to standard output; it knows neither routes nor our words for errors',
    ),
    'log stdout format raw daemon',
    `log-format ${word(record)}`,
  ];
}

function limitRules(path: string, { limits }: HttpListenerConfig, notes: Notes): string[] {
  return [
    ...(limits.target === DEFAULT_HTTP.limits.target
      ? []
      : [when(`{ pathq,length gt ${limits.target} }`, plainAnswer(414))]),
    ...(limits.body === 0
      ? []
      : [
          ...notes.warn(
            `${path}.limits.body`,
            'HAProxy refuses by Content-Length: bodies of unknown length have no limit',
          ),
          when(`{ req.hdr_val(content-length) gt ${limits.body} }`, plainAnswer(413)),
        ]),
  ];
}

function timeoutNotes(path: string, { timeouts }: HttpListenerConfig, notes: Notes): string[] {
  const { responseHeader, bodyIdle } = timeouts;
  if (responseHeader === bodyIdle) return [];
  return notes.warn(
    `${path}.timeouts`,
    `HAProxy has one timeout for responseHeader and for pauses of a response: ${duration(Math.max(responseHeader, bodyIdle))}`,
  );
}

function routing(place: NamedListener<HttpListenerConfig>, context: ListenerContext): string[] {
  const { listener } = place;
  const all = routesOf(place);
  const isOnly = isOnlyRoute(all);
  const { own, idle } = reachable(all);
  const routes = isOnly ? own : all;
  const answered = routes.filter(({ route }) => route.pool === null);
  return [
    ...normalRules(routes),
    ...queryRules(routes),
    ...(isOnly ? [] : chooseRules(routes)),
    ...answered.flatMap((one) => [
      ...titleOf(one),
      ...answerRules(one, conditionOf(one, isOnly), schemeOf(listener), context.notes),
    ]),
    ...(answered.length === routes.length
      ? []
      : [...listenerRules(listener, context.settings), ...certificateRules(place, context.notes)]),
    ...routes.flatMap((one) => forwarding(one, isOnly, context)),
    ...uses(listener, routes, isOnly, context),
    ...(isOnly ? idleComments(idle) : []),
  ];
}

function forwarding(
  place: PlacedRoute,
  isOnly: boolean,
  { config, notes }: ListenerContext,
): string[] {
  const { pool } = place.route;
  if (pool === null) return [];
  const rules = forwardRules(place, pool, poolOf(config, pool), conditionOf(place, isOnly), notes);
  return rules.length === 0 ? [] : [...titleOf(place), ...rules];
}

/** Which section of a pool takes which routes. */
function uses(
  { timeouts }: HttpListenerConfig,
  routes: readonly PlacedRoute[],
  isOnly: boolean,
  { config, pools }: ListenerContext,
): string[] {
  const names = new Map<string, number[]>();
  for (const { route, index } of routes) {
    if (route.pool === null) continue;
    const use: PoolUse = {
      pool: route.pool,
      mode: 'http',
      connectMs: timeouts.connect,
      responseMs: Math.max(timeouts.responseHeader, timeouts.bodyIdle),
      tunnelMs: timeouts.tunnelIdle,
      isNamed: isNamed(route, poolOf(config, route.pool)),
    };
    const name = pools.nameOf(use);
    names.set(name, [...(names.get(name) ?? []), index]);
  }
  if (isOnly) return [...names.keys()].map((name) => `default_backend ${name}`);
  return [...names].flatMap(([name, indexes]) =>
    chunks(indexes).map(
      (some) => `use_backend ${name} if { var(txn.route) -m int ${some.join(' ')} }`,
    ),
  );
}
