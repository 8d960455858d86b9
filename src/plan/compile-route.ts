// One route of a listener, as written -> as engines carry it out.
import type { PoolConfig, RouteConfig } from '../config/config.ts';
import { compileRegex } from '../config/regex.ts';
import { type ListenerIndex, type PoolIndex, routeIndex } from '../contract/ids.ts';
import type { CertificateMatch, HostMatch, PathMatch, PlanRoute, RouteAction } from './plan.ts';

export interface PoolReference {
  readonly index: PoolIndex;
  readonly hostHeader: PoolConfig['hostHeader'];
}

export interface RoutePlace {
  readonly listener: ListenerIndex;
  readonly index: number;
  /** null when the route answers by itself. */
  readonly pool: PoolReference | null;
  /** Names taken by earlier routes of the listener; the route's own is added. */
  readonly names: Set<string>;
}

export function compileRoute(route: RouteConfig, place: RoutePlace): PlanRoute {
  const host: HostMatch = route.match.host ?? { kind: 'any' };
  const path = compilePath(route);
  const poolHost = place.pool === null ? { kind: 'client' as const } : place.pool.hostHeader;
  return {
    index: routeIndex(place.index),
    listener: place.listener,
    name: uniqueName(route.name ?? nameOf(host, path), place.names),
    host,
    path,
    certificate: compileCertificate(route),
    action: compileAction(route, place.pool),
    stripPrefix: route.stripPrefix,
    addPrefix: route.addPrefix,
    hostHeader: route.hostHeader ?? poolHost,
    requestEdits: route.requestHeaders,
    responseEdits: route.responseHeaders,
  };
}

/** The route that a listener's `pool` is short for. */
export function poolRoute(listener: ListenerIndex, index: number, pool: PoolReference): PlanRoute {
  return {
    index: routeIndex(index),
    listener,
    name: '*',
    host: { kind: 'any' },
    path: { kind: 'any' },
    certificate: ANY_CERTIFICATE,
    action: { kind: 'pool', pool: pool.index },
    stripPrefix: '',
    addPrefix: '',
    hostHeader: pool.hostHeader,
    requestEdits: [],
    responseEdits: [],
  };
}

/** A route that answers by itself, wherever it is asked for. */
function answeringRoute(
  listener: ListenerIndex,
  index: number,
  name: string,
  path: PathMatch,
  action: RouteAction,
): PlanRoute {
  return {
    index: routeIndex(index),
    listener,
    name,
    host: { kind: 'any' },
    path,
    certificate: ANY_CERTIFICATE,
    action,
    stripPrefix: '',
    addPrefix: '',
    hostHeader: { kind: 'client' },
    requestEdits: [],
    responseEdits: [],
  };
}

/** The route that a listener's `redirectToHttps` is short for. */
export function httpsRoute(listener: ListenerIndex, index: number, port: number): PlanRoute {
  const to = port === 443 ? [] : [{ part: 'literal' as const, text: `:${port}` }];
  return answeringRoute(
    listener,
    index,
    '*',
    { kind: 'any' },
    {
      kind: 'redirect',
      status: 308,
      location: [
        { part: 'literal', text: 'https://' },
        { part: 'hostname', text: '' },
        ...to,
        { part: 'path', text: '' },
        { part: 'query', text: '' },
      ],
    },
  );
}

/** Routes that answer the http-01 challenges that are under way (RFC 8555, section 8.3), before all others. */
export function challengeRoutes(
  listener: ListenerIndex,
  first: number,
  challenges: ReadonlyMap<string, string>,
): PlanRoute[] {
  return [...challenges].map(([token, answer], i) => {
    const value = `/.well-known/acme-challenge/${token}`;
    return answeringRoute(
      listener,
      first + i,
      value,
      { kind: 'exact', value },
      {
        kind: 'respond',
        status: 200,
        headers: [{ name: 'Content-Type', value: 'application/octet-stream' }],
        body: new TextEncoder().encode(answer),
      },
    );
  });
}

const ANY_CERTIFICATE: CertificateMatch = { kind: 'any', commonName: '', fingerprint: '' };

function compileCertificate(route: RouteConfig): CertificateMatch {
  const asked = route.match.clientCertificate;
  if (asked === null) return ANY_CERTIFICATE;
  return {
    kind: asked.verified ? 'verified' : 'none',
    commonName: asked.commonName ?? '',
    fingerprint: asked.fingerprint ?? '',
  };
}

function compilePath(route: RouteConfig): PathMatch {
  const { path, pathRegex: source } = route.match;
  if (source === null) return path ?? { kind: 'any' };
  const compiled = compileRegex(source);
  if (!compiled.ok) throw new TypeError(`a checked configuration has no bad expression: ${source}`);
  return { kind: 'regex', source, dfa: compiled.value };
}

function compileAction(route: RouteConfig, pool: PoolReference | null): RouteAction {
  if (route.respond !== null) {
    const { status, headers, body } = route.respond;
    return { kind: 'respond', status, headers, body: new TextEncoder().encode(body) };
  }
  if (route.redirect !== null) {
    return { kind: 'redirect', status: route.redirect.status, location: route.redirect.to };
  }
  if (pool === null) throw new TypeError('a checked route has exactly one action');
  return { kind: 'pool', pool: pool.index };
}

/** The match as people write it: `example.com/api/*`, `~^/v[0-9]+/`, `*`. */
function nameOf(host: HostMatch, path: PathMatch): string {
  const hostText =
    host.kind === 'any' ? '' : host.kind === 'suffix' ? `*${host.value}` : host.value;
  switch (path.kind) {
    case 'any':
      return hostText === '' ? '*' : `${hostText}/*`;
    case 'exact':
      return hostText + path.value;
    case 'prefix':
      return `${hostText}${path.value}/*`;
    case 'regex':
      return `${hostText}~${path.source}`;
  }
}

export function uniqueName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let number = 2; taken.has(name); number++) name = `${wanted}#${number}`;
  taken.add(name);
  return name;
}
