// `sluice explain FILE --request …`: which listener, route and pool a request would meet, what the pick would be and
// why, and what would be forwarded. Nothing is sent.
import { isIP } from 'node:net';
import { loadConfigFile } from '../config/load.ts';
import { formatAddress } from '../contract/address.ts';
import { SluiceError } from '../contract/errors.ts';
import { assertNever } from '../contract/ids.ts';
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
import type {
  HeaderEdit,
  Plan,
  PlanListener,
  PlanPool,
  PlanRoute,
  PlanTarget,
} from '../plan/plan.ts';
import { explainPick } from './explain-pick.ts';
import { type DescribedRequest, findListener, readRequest } from './explain-request.ts';
import { credentialsOrStandIns, explainTls, nameAskedFor } from './explain-tls.ts';

export interface ExplainFlags {
  readonly request: string;
  readonly header: readonly string[];
  readonly client: string;
}

export async function explain(file: string, flags: ExplainFlags): Promise<void> {
  const config = await loadConfigFile(file);
  if (isIP(flags.client) === 0) {
    throw new SluiceError('config_invalid', `--client ${flags.client}: expected an IP address`);
  }
  const written = readRequest(flags.request, flags.header);
  const resolved = await resolveOrStandIn(namesToResolve(config));
  const plan = compile(config, resolved, 1, await credentialsOrStandIns(config));
  const listener = findListener(plan, written);
  const { family } = listener.address;
  const own = family === 'unix' ? 'localhost' : formatAddress(listener.address);
  const request = { ...written, authority: written.authority || own };
  const isHttps = listener.protocol === 'http' && listener.serverTls !== null;
  const protocol = isHttps ? 'https' : listener.protocol;
  const tls = explainTls(plan, listener, request.authority);
  const lines = [
    line('listener', `${listener.name} (${protocol} on ${formatAddress(listener.address)})`),
    ...tls.lines.map((text, i) => line(i === 0 ? 'tls' : '', text)),
  ];
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

function explainPool(
  plan: Plan,
  pool: PlanPool | undefined,
  client: string,
): { readonly lines: string[]; readonly target: PlanTarget | null } {
  if (!pool) return { lines: [], target: null };
  const { target, why } = explainPick(plan, pool, client);
  const { count } = pool.targets;
  const lines = [
    line('pool', `${pool.name} (${pool.strategy}, ${count} target${count === 1 ? '' : 's'})`),
  ];
  if (!target) return { lines: [...lines, line('pick', 'none: no target')], target };
  const address = formatAddress(target.address);
  const name = target.name === address ? address : `${target.name} at ${address}`;
  const picked = [...lines, line('pick', `${name}: ${why}`)];
  return { lines: [...picked, ...explainUpstreamTls(plan, target)], target };
}

function explainUpstreamTls(plan: Plan, target: PlanTarget): string[] {
  const tls = target.clientTls === null ? undefined : plan.clientTls[target.clientTls];
  if (tls === undefined) return [];
  const told = [
    tls.verify
      ? `it must show a certificate for ${target.serverName}`
      : 'its name is not looked at',
    ...(tls.fingerprints.length > 0 ? ['it must have a known fingerprint'] : []),
    ...(tls.certificate === null ? [] : [`it is shown ${tls.certificate.name}`]),
  ];
  return [line('', `over TLS: ${told.join('; ')}`)];
}

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

function editLines(what: string, edits: readonly HeaderEdit[]): string[] {
  return edits.map(({ op, name, value }) =>
    line('', op === 'remove' ? `${what}: remove ${name}` : `${what}: ${op} ${name}: ${value}`),
  );
}

function line(label: string, text: string): string {
  return `${label.padEnd(10)}${text}`;
}
