// The statistics as a table for people: what SIGUSR1 prints.
import type { EntityStats, ProxyStats, TargetStats } from './stats.ts';
import { formatTable } from './table.ts';

export function formatStats(stats: ProxyStats): string {
  const head = ['', 'active', 'conns', 'requests', '2xx', '3xx', '4xx', '5xx', 'in', 'out'];
  const latency = ['p50', 'p99', 'max'];
  const rows = [
    ...rowsOf('listener', stats.listeners),
    ...rowsOf('route', stats.routes),
    ...rowsOf('pool', stats.pools),
    ...rowsOf('target', stats.targets),
  ];
  const uptime = (stats.uptimeMs / 1000).toFixed(1);
  const title = `sluice: ${stats.engine} engine, ${stats.workers} worker${stats.workers === 1 ? '' : 's'}, up ${uptime} s, plan ${stats.planVersion}`;
  return `${title}\n${formatTable([...head, ...latency, 'notes'], rows)}\n${formatUsers(stats)}${formatCertificates(stats)}`;
}

/** Of all users those who used most today come first, and the rest is counted. */
const SHOWN_USERS = 50;

function formatUsers({ users }: ProxyStats): string {
  const used = users.filter(({ active, requests }) => active > 0 || requests > 0);
  if (used.length === 0) return '';
  const rows = used
    .sort((a, b) => b.bytesToday - a.bytesToday)
    .slice(0, SHOWN_USERS)
    .map(({ name, active, requests, bytesIn, bytesOut, bytesToday }) => [
      `user ${name}`,
      ...[active, requests].map(String),
      ...[bytesIn, bytesOut, bytesToday].map(formatBytes),
    ]);
  const more = used.length > SHOWN_USERS ? `and ${used.length - SHOWN_USERS} more\n` : '';
  const table = formatTable(['', 'active', 'requests', 'in', 'out', 'today'], rows);
  return `\n${table}\n${more}`;
}

function formatCertificates({ certificates }: ProxyStats): string {
  if (certificates.length === 0) return '';
  const rows = certificates.map(({ listener, name, hosts, keyType, notAfterMs }) => [
    `listener ${listener}`,
    name,
    hosts.join(', '),
    keyType,
    new Date(notAfterMs).toISOString().slice(0, 10),
  ]);
  return `\n${formatTable(['', 'certificate', 'for', 'key', 'expires'], rows)}\n`;
}

function rowsOf(
  kind: string,
  entities: Readonly<Record<string, EntityStats | TargetStats>>,
): string[][] {
  return Object.entries(entities).map(([name, entity]) => {
    const { counters, latency } = entity;
    const requests = counters.requests + counters.datagrams_in;
    return [
      `${kind} ${name}`,
      ...[counters.active, counters.connections, requests].map(String),
      ...[counters.status_2xx, counters.status_3xx, counters.status_4xx, counters.status_5xx].map(
        String,
      ),
      formatBytes(counters.bytes_in),
      formatBytes(counters.bytes_out),
      ...[latency.p50, latency.p99, latency.max].map(formatMs),
      notesOf(entity).join(', '),
    ];
  });
}

function notesOf(entity: EntityStats | TargetStats): string[] {
  const notes = Object.entries(entity.errors).map(([code, count]) => `${code} ${count}`);
  const { retries, log_dropped } = entity.counters;
  if (retries > 0) notes.push(`retries ${retries}`);
  if (log_dropped > 0) notes.push(`log_dropped ${log_dropped}`);
  if ('state' in entity && entity.state.isEjected) {
    notes.push(`ejected for ${(entity.state.ejectedForMs / 1000).toFixed(1)} s`);
  }
  return notes;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function formatMs(ms: number): string {
  if (ms === 0) return '-';
  return ms < 1 ? `${(ms * 1000).toFixed(0)} µs` : `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;
}
