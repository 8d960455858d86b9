// `sluice explain FILE --request …`: which listener, route or rule, and pool a request would meet, what the pick would be
// and why, and what would be forwarded. Nothing is sent but questions for the addresses of names.
import { isIP } from 'node:net';
import { loadConfigFile } from '../config/load.ts';
import { formatAddress } from '../contract/address.ts';
import { SluiceError } from '../contract/errors.ts';
import { assertNever } from '../contract/ids.ts';
import { ForwardFileStore } from '../control/forward-files.ts';
import { resolveNames } from '../control/resolve.ts';
import { compile, namesToResolve, type ResolvedNames } from '../plan/compile.ts';
import {
  explainRoutes,
  findNameRoute,
  isQueryAllowed,
  normalizeHost,
  normalizePath,
  rewritePath,
} from '../plan/match.ts';
import type { Plan, PlanListener, PlanRoute, PlanTarget } from '../plan/plan.ts';
import { explainForward, type ForwardFlags } from './explain-forward.ts';
import { editLines, explainPool, line } from './explain-pool.ts';
import { type DescribedRequest, findListener, readRequest } from './explain-request.ts';
import { credentialsOrStandIns, explainTls, nameAskedFor } from './explain-tls.ts';

export interface ExplainFlags extends ForwardFlags {
  readonly request: string;
  readonly header: readonly string[];
  readonly client: string;
  /** The name of a listener; left out: the one that such a request would reach. */
  readonly listener?: string;
}

export async function explain(file: string, flags: ExplainFlags): Promise<void> {
  const config = await loadConfigFile(file);
  if (isIP(flags.client) === 0) {
    throw new SluiceError('config_invalid', `--client ${flags.client}: expected an IP address`);
  }
  const written = readRequest(flags.request, flags.header);
  const resolved = await resolveOrStandIn(namesToResolve(config));
  const { current: files } = await ForwardFileStore.open(config);
  const plan = compile(config, resolved, 1, await credentialsOrStandIns(config), files);
  const listener = findListener(plan, written, flags.listener ?? null);
  const { family } = listener.address;
  const own = family === 'unix' ? 'localhost' : formatAddress(listener.address);
  const request = { ...written, authority: written.authority || own };
  const isHttps = listener.protocol === 'http' && listener.serverTls !== null;
  const protocol = isHttps ? 'https' : listener.protocol;
  const heading = line(
    'listener',
    `${listener.name} (${protocol} on ${formatAddress(listener.address)})`,
  );
  const forward = listener.forward === null ? undefined : plan.forwards[listener.forward];
  if (forward !== undefined) {
    const about = { plan, listener, forward, request: written, resolver: config.resolver };
    console.log([heading, ...(await explainForward(about, flags))].join('\n'));
    return;
  }
  const tls = explainTls(plan, listener, request.authority);
  const lines = [heading, ...tls.lines.map((text, i) => line(i === 0 ? 'tls' : '', text))];
  if (!tls.isRefused) {
    const explainRest = listener.protocol === 'http' ? explainHttp : explainStream;
    lines.push(...explainRest(plan, listener, request, flags.client));
  }
  console.log(lines.join('\n'));
}

/** A name that has no address today still has a place in the explanation. */
async function resolveOrStandIn(names: ReturnType<typeof namesToResolve>): Promise<ResolvedNames> {
  const resolved = new Map<
    string,
    ResolvedNames extends ReadonlyMap<string, infer V> ? V : never
  >();
  for (const name of names) {
    try {
      for (const [key, found] of await resolveNames([name])) resolved.set(key, found);
    } catch (error) {
      console.error(`note: ${error instanceof Error ? error.message : String(error)}`);
      resolved.set(name.name, [{ family: 'ipv4', host: '0.0.0.0', port: name.port }]);
    }
  }
  return resolved;
}

/** A name route of a tcp listener, else its pool. */
function explainStream(
  plan: Plan,
  listener: PlanListener,
  request: DescribedRequest,
  client: string,
): string[] {
  const serverName = request.scheme === 'tls' ? nameAskedFor(request.authority) : '';
  const found = findNameRoute(listener.nameRoutes, { serverName, alpn: [] });
  const told: string[] = [];
  if (listener.nameRoutes.length > 0) {
    const asked = serverName === '' ? 'no name' : serverName;
    const nth = found === null ? null : listener.nameRoutes.indexOf(found);
    told.push(
      line('route', nth === null ? `none takes ${asked}` : `routes[${nth}] takes ${asked}`),
    );
  }
  const pool = found?.pool ?? listener.pool;
  if (pool === null) return [...told, line('answer', 'unrecognized_name, and the connection ends')];
  return [...told, ...explainPool(plan, plan.pools[pool], client).lines];
}

function explainHttp(
  plan: Plan,
  listener: PlanListener,
  request: DescribedRequest,
  client: string,
): string[] {
  const path = request.path === '*' ? '*' : normalizePath(request.path);
  if (path === null || !isQueryAllowed(request.query)) {
    return [line('answer', '400 request_malformed: the path or the query is not allowed')];
  }
  const { route, verdicts } = explainRoutes(plan, listener, { host: request.authority, path });
  const lines = verdicts.map(({ route: { name }, isMatch, reason }) =>
    isMatch ? line('route', `${name}: ${reason}`) : line('', `passed over ${name}: ${reason}`),
  );
  if (path !== request.path) lines.unshift(line('path', `${path} in its normal form`));
  if (!route) return [...lines, line('answer', '404 no_route: no route matches')];
  return [...lines, ...explainAction(plan, listener, route, { ...request, path }, client)];
}

function explainAction(
  plan: Plan,
  listener: PlanListener,
  route: PlanRoute,
  request: DescribedRequest,
  client: string,
): string[] {
  const path = rewritePath(route, request.path);
  const { action } = route;
  switch (action.kind) {
    case 'respond':
      return [
        line('answer', `${action.status}, ${action.body.length} bytes of body`),
        ...action.headers.map(({ name, value }) => line('', `${name}: ${value}`)),
        ...editLines('response', route.responseEdits),
      ];
    case 'redirect': {
      const values = {
        scheme: listener.serverTls === null ? 'http' : 'https',
        host: request.authority,
        hostname: normalizeHost(request.authority),
        path,
        query: request.query,
      };
      const location = action.location.map(({ part, text }) =>
        part === 'literal' ? text : values[part],
      );
      return [line('answer', `${action.status} to ${location.join('')}`)];
    }
    case 'pool': {
      const picked = explainPool(plan, plan.pools[action.pool], client);
      if (!picked.target) return picked.lines;
      return [
        ...picked.lines,
        line('forward', `${request.method} ${path}${request.query} HTTP/1.1`),
        line('', `Host: ${hostOf(route, request, picked.target)}`),
        line('', FORWARDED[listener.forwarded]),
        ...editLines('request', route.requestEdits),
        ...editLines('response', route.responseEdits),
      ];
    }
    case 'deny':
      return [line('answer', '403: the rule denies it')];
    default:
      return assertNever(action);
  }
}

const FORWARDED: Readonly<Record<PlanListener['forwarded'], string>> = {
  replace: 'X-Forwarded-For and its kin are set to this client, what it claims is dropped',
  append: 'X-Forwarded-For and its kin are appended to',
  off: 'X-Forwarded-For and its kin are removed',
};

function hostOf(route: PlanRoute, request: DescribedRequest, target: PlanTarget): string {
  switch (route.hostHeader.kind) {
    case 'client':
      return request.authority;
    case 'target':
      return target.authority;
    case 'literal':
      return route.hostHeader.value;
    default:
      return assertNever(route.hostHeader);
  }
}
