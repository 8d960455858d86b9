// TCP and UDP listeners as server blocks of nginx's stream module.
import type { Config, PoolConfig, TcpListenerConfig, UdpListenerConfig } from '../config/config.ts';
import { DEFAULT_UDP } from './defaults.ts';
import { duration, type ExportSettings, type Notes } from './exported.ts';
import {
  addressText,
  isAnyPort,
  type NamedListener,
  poolOf,
  poolsOfFlow,
  retriesOf,
  tcpListeners,
  udpListeners,
} from './facts.ts';
import {
  believedProxies,
  limitConnections,
  listenOptions,
  streamLog,
  udpOptions,
} from './nginx-listener.ts';
import { poolVariable } from './nginx-names.ts';
import { streamTls } from './nginx-stream-tls.ts';
import { block, Definitions, literal } from './nginx-text.ts';
import { clientTlsLines } from './nginx-tls.ts';
import { type Upstreams, upstreamsOf } from './nginx-upstream.ts';

type FlowListener = TcpListenerConfig | UdpListenerConfig;

export interface StreamContext {
  readonly config: Config;
  readonly settings: ExportSettings;
  readonly upstreams: Upstreams;
  readonly definitions: Definitions;
  readonly notes: Notes;
}

export function streamListeners(config: Config): NamedListener<FlowListener>[] {
  return [...tcpListeners(config), ...udpListeners(config)].sort((a, b) => a.index - b.index);
}

export function streamContext(config: Config, settings: ExportSettings, notes: Notes): string[] {
  const listeners = streamListeners(config);
  if (listeners.length === 0) return [];
  const pools = new Set(listeners.flatMap(({ listener }) => poolsOfFlow(listener)));
  const definitions = new Definitions();
  const upstreams = upstreamsOf(config, pools, 'stream', settings, notes);
  const context = { config, settings, upstreams, definitions, notes };
  const servers = listeners.flatMap((listener) =>
    isAnyPort(listener.listener.address)
      ? notes.warn(`${listener.path}.address`, 'nginx cannot listen on any free port: left out')
      : server(listener, context),
  );
  return block('stream', ['tcp_nodelay on;', ...definitions.lines, ...upstreams.lines, ...servers]);
}

function server(place: NamedListener<FlowListener>, context: StreamContext): string[] {
  const { path, name, listener } = place;
  const { config, settings, definitions, notes } = context;
  const pools = poolsOfFlow(listener).map((pool) => poolOf(config, pool));
  const secure =
    listener.protocol === 'tcp' && listener.tls !== null
      ? streamTls({ ...place, listener }, listener.tls, context)
      : { isServed: true, lines: [] };
  if (!secure.isServed) return [...secure.lines];
  const tries = Math.max(...pools.map(retriesOf)) + 1;
  return block('server', [
    `listen ${literal(addressText(listener.address))}${listenWords(listener, settings)};`,
    ...secure.lines,
    ...(listener.protocol === 'tcp'
      ? tcp({ ...place, listener }, context)
      : udp({ ...place, listener }, context)),
    ...(pools.some(({ targets }) => targets.length > 1)
      ? [`proxy_next_upstream_tries ${tries};`]
      : []),
    `proxy_timeout ${duration(listener.idleTimeout)};`,
    ...streamLog(path, name, listener.accessLog, definitions, notes),
    `proxy_pass ${destination(place, context)};`,
  ]);
}

function listenWords(listener: FlowListener, settings: ExportSettings): string {
  if (listener.protocol === 'udp') return udpOptions(listener.address, settings);
  const secure = listener.tls === null ? '' : ' ssl';
  const told = listener.proxyProtocol === 'off' ? '' : ' proxy_protocol';
  return `${secure}${told}${listenOptions(listener.address, settings)}`;
}

/** A pool, or a variable that finds one by what the client asks for. */
function destination(place: NamedListener<FlowListener>, context: StreamContext): string {
  const { listener } = place;
  return listener.protocol === 'tcp' && listener.routes !== null
    ? poolVariable({ ...place, listener }, listener.routes, context)
    : context.upstreams.nameOf(listener.pool ?? '');
}

function tcp(place: NamedListener<TcpListenerConfig>, context: StreamContext): string[] {
  const { index, path, listener } = place;
  const { definitions, notes } = context;
  const { maxConnections, timeouts, routes, tls, proxyProtocol } = listener;
  return [
    ...believedProxies(path, listener, notes),
    ...(proxyProtocol === 'off' ? [] : [`proxy_protocol_timeout ${duration(timeouts.handshake)};`]),
    ...(routes === null || tls !== null
      ? []
      : [
          'ssl_preread on;',
          `preread_timeout ${duration(timeouts.handshake)};`,
          // A ClientHello may be larger than nginx's own 16 KiB by the head of its record.
          'preread_buffer_size 18k;',
        ]),
    ...(maxConnections === 0 ? [] : [limitConnections(index, maxConnections, definitions)]),
    `proxy_connect_timeout ${duration(timeouts.connect)};`,
    'proxy_half_close on;',
    ...towardsTargets(place, context),
  ];
}

/** nginx says it for a listener, we for a pool. */
function towardsTargets(
  { path, listener }: NamedListener<TcpListenerConfig>,
  { config, settings, notes }: StreamContext,
): string[] {
  const names = poolsOfFlow(listener);
  const ways = names.map((name) => ({
    name,
    lines: wayTo(name, poolOf(config, name), settings, notes),
  }));
  const [first] = ways;
  const differs = ways.find(({ lines }) => lines.join() !== first?.lines.join());
  return [
    ...(first?.lines ?? []),
    ...(differs === undefined || first === undefined
      ? []
      : notes.warn(
          `${path}.routes`,
          `nginx speaks to the targets of all pools of a listener alike, over TLS and with PROXY headers: as to those of ${first.name}`,
        )),
  ];
}

function wayTo(name: string, pool: PoolConfig, settings: ExportSettings, notes: Notes): string[] {
  const secure = clientTlsLines(name, pool, settings, notes);
  return [
    ...(pool.proxyProtocol === 'off'
      ? []
      : [
          'proxy_protocol on;',
          ...(pool.proxyProtocol === 'v1'
            ? []
            : notes.warn(`pools.${name}.proxyProtocol`, 'nginx sends version 1')),
        ]),
    ...(secure.length === 0 ? [] : ['proxy_ssl on;', ...secure]),
  ];
}

function udp(
  { path, listener }: NamedListener<UdpListenerConfig>,
  { config, notes }: StreamContext,
): string[] {
  const { maxSessions, responses, proxyProtocol, pool } = listener;
  return [
    ...(proxyProtocol === 'off'
      ? []
      : notes.warn(
          `${path}.proxyProtocol`,
          'nginx reads no PROXY headers of datagrams: they go on to the targets',
        )),
    ...(poolOf(config, pool).proxyProtocol === 'off'
      ? []
      : notes.warn(`pools.${pool}.proxyProtocol`, 'nginx puts no PROXY headers before datagrams')),
    ...(maxSessions === DEFAULT_UDP.maxSessions
      ? []
      : notes.warn(`${path}.maxSessions`, 'nginx bounds sessions by its connections alone')),
    ...(responses === 0 ? [] : [`proxy_responses ${responses};`]),
  ];
}
