// Which route takes a request: the reference for meaning. The js engine and `sluice explain` call it; the native
// engine does the same in native/http/route, and test/vectors/route.txt binds both. Pure, main thread.
import { normalizeHost } from '../config/host.ts';
import { tableMatches } from '../config/regex.ts';
import { assertNever } from '../contract/ids.ts';
import type {
  CertificateMatch,
  HostMatch,
  PathMatch,
  Plan,
  PlanListener,
  PlanNameRoute,
  PlanRoute,
} from './plan.ts';

export { normalizeHost } from '../config/host.ts';
export { isQueryAllowed, normalizePath } from '../config/path.ts';

export interface RouteRequest {
  /** The request's authority as received: with a port, in any case, or '' when it has none. */
  readonly host: string;
  /** In the normal form of normalizePath(), or `*` for `OPTIONS *`. */
  readonly path: string;
  /** What is known of the client by its TLS certificate; left out: nothing. */
  readonly client?: ClientIdentity | undefined;
}

/** What routes look at in a client's certificate. */
export interface ClientIdentity {
  /** It showed one that holds. */
  readonly isVerified: boolean;
  readonly commonName: string;
  /** SHA-256, lower-case digits. */
  readonly fingerprint: string;
}

/** One route that was looked at, in order. */
export interface RouteVerdict {
  readonly route: PlanRoute;
  readonly isMatch: boolean;
  readonly reason: string;
}

export interface Explanation {
  /** null when no route of the listener matches, which is answered 404 no_route. */
  readonly route: PlanRoute | null;
  readonly verdicts: readonly RouteVerdict[];
}

/** The first route that matches, or null. Nothing is allocated but the lower-case host. */
export function findRoute(
  plan: Plan,
  listener: PlanListener,
  request: RouteRequest,
): PlanRoute | null {
  const host = normalizeHost(request.host);
  const end = listener.routes.first + listener.routes.count;
  for (let index = listener.routes.first; index < end; index++) {
    const route = plan.routes[index];
    if (
      route &&
      matchesHost(route.host, host) &&
      matchesPath(route.path, request.path) &&
      matchesCertificate(route.certificate, request.client)
    )
      return route;
  }
  return null;
}

/** The first route that matches and a sentence for every route looked at, or null when none matches. */
export function matchRoute(
  plan: Plan,
  listener: PlanListener,
  request: RouteRequest,
): { readonly route: PlanRoute; readonly why: readonly string[] } | null {
  const { route, verdicts } = explainRoutes(plan, listener, request);
  if (route === null) return null;
  return { route, why: verdicts.map((verdict) => `${verdict.route.name}: ${verdict.reason}`) };
}

/** Like matchRoute, and it says why each route was passed over even when none matches. */
export function explainRoutes(
  plan: Plan,
  listener: PlanListener,
  request: RouteRequest,
): Explanation {
  const host = normalizeHost(request.host);
  const verdicts: RouteVerdict[] = [];
  const end = listener.routes.first + listener.routes.count;
  for (const route of plan.routes.slice(listener.routes.first, end)) {
    const failures = [
      hostMiss(route.host, host),
      pathMiss(route.path, request.path),
      certificateMiss(route.certificate, request.client),
    ].filter((failure) => failure !== null);
    if (failures.length === 0) {
      verdicts.push({ route, isMatch: true, reason: describeMatch(route, host, request.path) });
      return { route, verdicts };
    }
    verdicts.push({ route, isMatch: false, reason: failures.join('; ') });
  }
  return { route: null, verdicts };
}

/** The path that is forwarded: stripPrefix removed on a segment border, then addPrefix put in front. `*` stays. */
export function rewritePath(
  route: Pick<PlanRoute, 'stripPrefix' | 'addPrefix'>,
  path: string,
): string {
  if (!path.startsWith('/')) return path;
  const strip = route.stripPrefix;
  const rest = strip !== '' && hasPrefix(path, strip) ? path.slice(strip.length) || '/' : path;
  return route.addPrefix + rest;
}

/** What a client asks for in its TLS ClientHello. */
export interface NameRequest {
  /** Lower-case, without trailing dot; '' when it asks for none. */
  readonly serverName: string;
  /** The protocols that it offers (ALPN). */
  readonly alpn: readonly string[];
}

/**
 * The first name route of a tcp listener that takes the client, or null. The native engine does the same in
 * native/relay/name_route, and test/vectors/name-route.txt binds both.
 */
export function findNameRoute(
  routes: readonly PlanNameRoute[],
  { serverName, alpn }: NameRequest,
): PlanNameRoute | null {
  const takes = (route: PlanNameRoute): boolean =>
    matchesHost(route.host, serverName) &&
    (route.alpn.length === 0 || route.alpn.some((protocol) => alpn.includes(protocol)));
  return routes.find(takes) ?? null;
}

export function matchesHost(match: HostMatch, host: string): boolean {
  switch (match.kind) {
    case 'any':
      return true;
    case 'exact':
      return host === match.value;
    case 'suffix':
      return host.length > match.value.length && host.endsWith(match.value);
    default:
      return assertNever(match);
  }
}

export function matchesPath(match: PathMatch, path: string): boolean {
  switch (match.kind) {
    case 'any':
      return true;
    case 'exact':
      return path === match.value;
    case 'prefix':
      return hasPrefix(path, match.value);
    case 'regex':
      return tableMatches(match.dfa, path);
    default:
      return assertNever(match);
  }
}

export function matchesCertificate(
  { kind, commonName, fingerprint }: CertificateMatch,
  client: ClientIdentity | undefined,
): boolean {
  if (kind === 'any') return true;
  if (kind === 'none' || client?.isVerified !== true) {
    return kind === 'none' && client?.isVerified !== true;
  }
  return (
    (commonName === '' || commonName === client.commonName) &&
    (fingerprint === '' || fingerprint === client.fingerprint)
  );
}

function hasPrefix(path: string, prefix: string): boolean {
  return (
    path.startsWith(prefix) &&
    (path.length === prefix.length || path.charCodeAt(prefix.length) === 0x2f)
  );
}

/** Why the host does not match, or null when it does. */
function hostMiss(match: HostMatch, host: string): string | null {
  if (match.kind === 'any' || matchesHost(match, host)) return null;
  if (host === '') return 'the request names no host';
  if (match.kind === 'exact') return `host ${host} is not ${match.value}`;
  return `host ${host} is not below ${match.value.slice(1)}`;
}

/** Why the path does not match, or null when it does. */
function pathMiss(match: PathMatch, path: string): string | null {
  if (match.kind === 'any' || matchesPath(match, path)) return null;
  if (match.kind === 'regex') return `path ${path} does not match /${match.source}/`;
  if (match.kind === 'exact') return `path ${path} is not ${match.value}`;
  const isNear = path.startsWith(match.value);
  return `path ${path} is not below ${match.value}/${isNear ? ' (prefixes end on segment borders)' : ''}`;
}

/** Why the client's certificate does not match, or null when it does. */
function certificateMiss(
  match: CertificateMatch,
  client: ClientIdentity | undefined,
): string | null {
  if (matchesCertificate(match, client)) return null;
  if (match.kind === 'none') return 'the client shows a certificate';
  if (client?.isVerified !== true) return 'the client shows no certificate';
  return match.commonName === '' || match.commonName === client.commonName
    ? `the certificate's fingerprint is not ${match.fingerprint}`
    : `the certificate's common name is not ${match.commonName}`;
}

function describeMatch(route: PlanRoute, host: string, path: string): string {
  const parts: string[] = [];
  if (route.host.kind === 'exact') parts.push(`host is ${host}`);
  if (route.host.kind === 'suffix')
    parts.push(`host ${host} is below ${route.host.value.slice(1)}`);
  if (route.path.kind === 'exact') parts.push(`path is ${path}`);
  if (route.path.kind === 'prefix') parts.push(`path ${path} is below ${route.path.value}`);
  if (route.path.kind === 'regex') parts.push(`path ${path} matches /${route.path.source}/`);
  if (route.certificate.kind === 'verified')
    parts.push('the client shows the certificate asked for');
  if (route.certificate.kind === 'none') parts.push('the client shows no certificate');
  return parts.length === 0 ? 'matches every request' : parts.join(' and ');
}
