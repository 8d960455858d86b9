// What http and stream listeners share in nginx beside their pools: how they listen, access logs, the bound on connections.

import type { Address } from '../config/address.ts';
import type { HttpListenerConfig } from '../config/config.ts';
import type { ExportSettings, Notes } from './exported.ts';
import { isBothFamilies, isUnix } from './facts.ts';
import { block, type Definitions, literal } from './nginx-text.ts';

type ProxiedListener = Pick<HttpListenerConfig, 'proxyProtocol' | 'trustedProxies'>;

const STANDARD_OUTPUT = '/dev/stdout';
const HTTP_RECORD =
  '{"time":"$time_iso8601","client":"$remote_addr:$remote_port","listener":"$sluice_listener","method":"$request_method","host":"$http_host","path":"$uri","status":$status,"bytesIn":$request_length,"bytesOut":$body_bytes_sent,"seconds":$request_time,"target":"$upstream_addr"}';
const STREAM_RECORD =
  '{"time":"$time_iso8601","client":"$remote_addr:$remote_port","listener":"$sluice_listener","bytesIn":$bytes_received,"bytesOut":$bytes_sent,"seconds":$session_time,"target":"$upstream_addr"}';

/** How many connections may wait to be accepted. */
const BACKLOG = 4096;

export function listenOptions(address: Address, settings: ExportSettings): string {
  return ` backlog=${BACKLOG}${sharing(address, settings)}`;
}

/** With nginx's own buffers bursts of many flows are dropped before it sees them. */
export function udpOptions(address: Address, settings: ExportSettings): string {
  return ` udp rcvbuf=4m sndbuf=4m${sharing(address, settings)}`;
}

function sharing(address: Address, { workers }: ExportSettings): string {
  return `${isBothFamilies(address) ? ' ipv6only=off' : ''}${workers > 1 && !isUnix(address) ? ' reuseport' : ''}`;
}

export function httpLog(
  path: string,
  name: string,
  accessLog: string | null,
  definitions: Definitions,
  notes: Notes,
): string[] {
  return log(HTTP_RECORD, path, name, accessLog, definitions, notes);
}

export function streamLog(
  path: string,
  name: string,
  accessLog: string | null,
  definitions: Definitions,
  notes: Notes,
): string[] {
  return log(STREAM_RECORD, path, name, accessLog, definitions, notes);
}

function log(
  record: string,
  path: string,
  name: string,
  accessLog: string | null,
  definitions: Definitions,
  notes: Notes,
): string[] {
  if (accessLog === null) return [];
  // With a variable in the name nginx opens the file for each line, and only where its folder of pages exists.
  if (accessLog.includes('$')) {
    return notes.warn(
      `${path}.accessLog`,
      'nginx cannot write a file with $ in its name: left out',
    );
  }
  const format = `sluice_${name}`;
  definitions.once(`log_format ${format}`, [
    `log_format ${format} escape=json '${record.replace('$sluice_listener', name)}';`,
  ]);
  const file = accessLog === '-' ? STANDARD_OUTPUT : accessLog;
  return [
    ...notes.warn(
      `${path}.accessLog`,
      'nginx counts seconds, and knows neither routes nor our words for errors',
    ),
    `access_log ${literal(file)} ${format};`,
  ];
}

/** Who is told of in PROXY headers that come from these is the client. */
export function believedProxies(
  path: string,
  { proxyProtocol, trustedProxies }: ProxiedListener,
  notes: Notes,
): string[] {
  if (proxyProtocol === 'off') return [];
  return [
    ...notes.warn(
      `${path}.proxyProtocol`,
      'nginx wants a PROXY header from everybody, and believes the same clients',
    ),
    ...trustedProxies.map(({ host, bits }) => `set_real_ip_from ${literal(`${host}/${bits}`)};`),
  ];
}

export function limitConnections(index: number, most: number, definitions: Definitions): string {
  const zone = `sluice_listener_${index}`;
  const one = definitions.variable('one', (name) => block(`map "" ${name}`, ['default 1;']));
  definitions.once(`limit ${zone}`, [`limit_conn_zone ${one} zone=${zone}:64k;`]);
  return `limit_conn ${zone} ${most};`;
}
