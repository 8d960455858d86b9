// What http and stream listeners share in nginx beside their pools: access logs and the bound on connections.

import type { Notes } from './exported.ts';
import { block, type Definitions } from './nginx-text.ts';

const STANDARD_OUTPUT = '/dev/stdout';
const HTTP_RECORD =
  '{"time":"$time_iso8601","client":"$remote_addr:$remote_port","listener":"$sluice_listener","method":"$request_method","host":"$http_host","path":"$uri","status":$status,"bytesIn":$request_length,"bytesOut":$body_bytes_sent,"seconds":$request_time,"target":"$upstream_addr"}';
const STREAM_RECORD =
  '{"time":"$time_iso8601","client":"$remote_addr:$remote_port","listener":"$sluice_listener","bytesIn":$bytes_received,"bytesOut":$bytes_sent,"seconds":$session_time,"target":"$upstream_addr"}';

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
    `access_log ${definitions.value(file)} ${format};`,
  ];
}

export function limitConnections(index: number, most: number, definitions: Definitions): string {
  const zone = `sluice_listener_${index}`;
  const one = definitions.variable('one', (name) => block(`map "" ${name}`, ['default 1;']));
  definitions.once(`limit ${zone}`, [`limit_conn_zone ${one} zone=${zone}:64k;`]);
  return `limit_conn ${zone} ${most};`;
}
