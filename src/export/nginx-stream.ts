// TCP and UDP listeners as server blocks of nginx's stream module.
import type { Config, TcpListenerConfig, UdpListenerConfig } from '../config/config.ts';
import { DEFAULT_UDP } from './defaults.ts';
import { duration, type ExportSettings, type Notes } from './exported.ts';
import {
  addressText,
  isAnyPort,
  listenersOf,
  type NamedListener,
  poolOf,
  retriesOf,
} from './facts.ts';
import { limitConnections, listenOptions, streamLog, udpOptions } from './nginx-listener.ts';
import { block, Definitions, literal } from './nginx-text.ts';
import { type Upstreams, upstreamsOf } from './nginx-upstream.ts';

type FlowListener = TcpListenerConfig | UdpListenerConfig;

export function streamListeners(config: Config): NamedListener<FlowListener>[] {
  return [
    ...listenersOf<TcpListenerConfig>(config, 'tcp'),
    ...listenersOf<UdpListenerConfig>(config, 'udp'),
  ].sort((a, b) => a.index - b.index);
}

export function streamContext(config: Config, settings: ExportSettings, notes: Notes): string[] {
  const listeners = streamListeners(config);
  if (listeners.length === 0) return [];
  const pools = new Set(listeners.flatMap(({ listener }) => listener.pool ?? []));
  const definitions = new Definitions();
  const upstreams = upstreamsOf(config, pools, 'stream', settings, notes);
  const servers = listeners.flatMap((listener) =>
    isAnyPort(listener.listener.address)
      ? notes.warn(`${listener.path}.address`, 'nginx cannot listen on any free port: left out')
      : block('server', server(listener, config, upstreams, definitions, settings, notes)),
  );
  return block('stream', ['tcp_nodelay on;', ...definitions.lines, ...upstreams.lines, ...servers]);
}

function server(
  place: NamedListener<FlowListener>,
  config: Config,
  upstreams: Upstreams,
  definitions: Definitions,
  settings: ExportSettings,
  notes: Notes,
): string[] {
  const { path, name, listener } = place;
  const pool = poolOf(config, listener.pool ?? '');
  return [
    `listen ${literal(addressText(listener.address))}${listener.protocol === 'udp' ? udpOptions(listener.address, settings) : listenOptions(listener.address, settings)};`,
    ...(listener.protocol === 'tcp'
      ? tcp(place, listener, definitions)
      : udp(path, listener, notes)),
    ...(pool.targets.length > 1 ? [`proxy_next_upstream_tries ${retriesOf(pool) + 1};`] : []),
    `proxy_timeout ${duration(listener.idleTimeout)};`,
    ...streamLog(path, name, listener.accessLog, definitions, notes),
    `proxy_pass ${upstreams.nameOf(listener.pool ?? '')};`,
  ];
}

function tcp(
  { index }: NamedListener<FlowListener>,
  { maxConnections, timeouts }: TcpListenerConfig,
  definitions: Definitions,
): string[] {
  return [
    ...(maxConnections === 0 ? [] : [limitConnections(index, maxConnections, definitions)]),
    `proxy_connect_timeout ${duration(timeouts.connect)};`,
    'proxy_half_close on;',
  ];
}

function udp(path: string, { maxSessions, responses }: UdpListenerConfig, notes: Notes): string[] {
  return [
    ...(maxSessions === DEFAULT_UDP.maxSessions
      ? []
      : notes.warn(`${path}.maxSessions`, 'nginx bounds sessions by its connections alone')),
    ...(responses === 0 ? [] : [`proxy_responses ${responses};`]),
  ];
}
