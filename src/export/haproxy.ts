// A configuration as one of HAProxy. Written for HAProxy 2.6; docs/export.md says what becomes of what.
import { type Config, serverTlsOf } from '../config/config.ts';
import { DEFAULT_HTTP } from './defaults.ts';
import { comment, duration, type Exported, type ExportSettings, Notes } from './exported.ts';
import { forwardListeners, httpListeners, tcpListeners, udpListeners } from './facts.ts';
import { httpListener, tcpListener } from './haproxy-listener.ts';
import { Pools } from './haproxy-pool.ts';
import { section, word } from './haproxy-text.ts';
import { needsShortNames } from './haproxy-tls.ts';

/** What HAProxy keeps free in a buffer for what it adds to a head. */
const RESERVE = 1024;
const DEFAULT_BUFFER = 16_384;
const LARGEST_BUFFER = 1024 * 1024;

export function exportHaproxy(config: Config, settings: ExportSettings): Exported {
  const notes = new Notes();
  const pools = new Pools(config, settings, notes);
  const context = { config, settings, notes, pools };
  const listeners = [
    ...httpListeners(config).map((one) => ({
      index: one.index,
      lines: httpListener(one, context),
    })),
    ...tcpListeners(config).map((one) => ({
      index: one.index,
      lines: tcpListener(one, context),
    })),
    ...udpListeners(config).map(({ index, path }) => ({
      index,
      lines: ['', ...notes.warn(path, 'HAProxy does not relay UDP: left out')],
    })),
    ...forwardListeners(config).map(({ index, path }) => ({
      index,
      lines: ['', ...notes.warn(path, 'HAProxy is no forward proxy: left out')],
    })),
  ].sort((a, b) => a.index - b.index);
  const body = [...listeners.flatMap(({ lines }) => lines), ...pools.print()];
  const lines = [
    ...comment(
      'Made by sluice export haproxy. What differs always, and why, is in docs/export.md.',
    ),
    ...section('global', [
      ...general(config, settings, body),
      ...limits(config, notes),
      ...security(config, notes),
    ]).slice(1),
    ...body,
  ];
  return { text: `${lines.join('\n')}\n`, warnings: notes.warnings };
}

function general(config: Config, settings: ExportSettings, body: readonly string[]): string[] {
  return [
    `nbthread ${settings.workers}`,
    `maxconn ${settings.connections}`,
    ...(settings.folder === undefined ? [] : ['no strict-limits']),
    ...(settings.user === undefined ? [] : [`user ${word(settings.user)}`]),
    `hard-stop-after ${duration(Math.max(1000, config.shutdownGrace))}`,
    ...(body.some((line) => line.includes('normalize-uri'))
      ? ['expose-experimental-directives']
      : []),
  ];
}

/** What HAProxy has once for all listeners. */
function security(config: Config, notes: Notes): string[] {
  const listeners = Object.entries(config.listeners).flatMap(([name, listener]) => {
    const tls = serverTlsOf(listener);
    return tls === null ? [] : [{ path: `listeners.${name}`, tls }];
  });
  const pairs = [
    ...listeners.flatMap(({ tls }) =>
      tls.certificates.flatMap((one) => ('acme' in one ? [] : [one])),
    ),
    ...Object.values(config.pools).flatMap(({ tls }) => tls?.certificate ?? []),
  ];
  const longest = Math.max(0, ...listeners.map(({ tls }) => tls.sessionLifetime));
  return [
    ...(needsShortNames(pairs) ? ['ssl-load-extra-del-ext'] : []),
    ...listeners
      .filter(({ tls }) => tls.sessionLifetime < longest)
      .flatMap(({ path }) =>
        notes.warn(
          `${path}.tls.sessionLifetime`,
          `HAProxy has one for all listeners: the longest, ${duration(longest)}`,
        ),
      ),
    ...(longest === 0 ? [] : [`tune.ssl.lifetime ${duration(longest)}`]),
  ];
}

/** Heads and made-up bodies must fit a buffer; HAProxy has one size and one count for all listeners. */
function limits(config: Config, notes: Notes): string[] {
  const listeners = httpListeners(config);
  const heads = listeners
    .map(({ listener }) => listener.limits.head)
    .filter((head) => head !== DEFAULT_HTTP.limits.head);
  const bodies = listeners.flatMap(({ listener }) =>
    (listener.routes ?? []).map(({ respond }) => Buffer.byteLength(respond?.body ?? '')),
  );
  const size = Math.max(0, ...heads, ...bodies.map((bytes) => bytes + RESERVE)) + RESERVE;
  const counts = listeners.map(({ listener }) => listener.limits.headerCount);
  const count = Math.max(0, ...counts);
  return [
    ...differing(
      listeners.map(({ path, listener }) => [path, listener.limits.head]),
      'head',
      notes,
    ),
    ...(size > DEFAULT_BUFFER || heads.length > 0
      ? [`tune.bufsize ${Math.min(size, LARGEST_BUFFER)}`]
      : []),
    ...differing(
      listeners.map(({ path, listener }) => [path, listener.limits.headerCount]),
      'headerCount',
      notes,
    ),
    ...(count === 0 || count === DEFAULT_HTTP.limits.headerCount
      ? []
      : [`tune.http.maxhdr ${count + 1}`]),
  ];
}

function differing(
  values: readonly (readonly [path: string, value: number])[],
  key: string,
  notes: Notes,
): string[] {
  const largest = Math.max(...values.map(([, value]) => value));
  return values
    .filter(([, value]) => value < largest)
    .flatMap(([path]) =>
      notes.warn(
        `${path}.limits.${key}`,
        `HAProxy has one for all listeners: the largest, ${largest}`,
      ),
    );
}
