// What is allowed and yet cannot be meant.
import {
  type Config,
  type HttpListenerConfig,
  isHttpListener,
  type ListenerConfig,
  type RouteConfig,
} from './config.ts';
import { compileRegex, tableMatches } from './regex.ts';
import { forwardWarnings, unusedLists } from './warnings-forward.ts';

export interface ConfigWarning {
  /** Where, as written: `listeners.web.routes[2]`. */
  readonly path: string;
  readonly message: string;
}

export function configWarnings(config: Config): readonly ConfigWarning[] {
  const warnings: ConfigWarning[] = [];
  const used = new Set<string | null>();
  for (const [name, listener] of Object.entries(config.listeners)) {
    warnings.push(...idleTrust(name, listener));
    if (listener.protocol === 'forward') {
      for (const rule of listener.rules) used.add(rule.via);
      warnings.push(...forwardWarnings(name, listener));
      continue;
    }
    used.add(listener.pool);
    if (listener.protocol === 'tcp')
      for (const route of listener.routes ?? []) used.add(route.pool);
    if (!isHttpListener(listener)) continue;
    for (const route of listener.routes ?? []) used.add(route.pool);
    warnings.push(...coveredRoutes(name, listener));
  }
  warnings.push(...unusedLists(config));
  for (const [name, pool] of Object.entries(config.pools)) {
    if (pool.tls !== null && !pool.tls.verify && pool.tls.fingerprints.length === 0) {
      warnings.push({
        path: `pools.${name}.tls.verify`,
        message: 'is false: whoever answers at a target is believed to be it',
      });
    }
    if (!used.has(name))
      warnings.push({ path: `pools.${name}`, message: 'no listener and no route uses this pool' });
  }
  return warnings;
}

/** Routes are tried as written, so one behind another that takes all of its requests never has a turn. */
function coveredRoutes(name: string, listener: HttpListenerConfig): ConfigWarning[] {
  const routes = listener.routes ?? [];
  return routes.flatMap((route, i) => {
    const cover = routes.findIndex((earlier, j) => j < i && covers(earlier, route));
    if (cover < 0) return [];
    const message = `never matches: routes[${cover}], which comes first, takes everything that it would take`;
    return [{ path: `listeners.${name}.routes[${i}]`, message }];
  });
}

function covers(earlier: RouteConfig, later: RouteConfig): boolean {
  return (
    coversHost(earlier.match.host, later.match.host) &&
    coversPath(earlier.match, later.match) &&
    earlier.match.clientCertificate === null
  );
}

function coversHost(
  earlier: RouteConfig['match']['host'],
  later: RouteConfig['match']['host'],
): boolean {
  if (earlier === null) return true;
  if (later === null) return false;
  if (earlier.kind === 'exact') return later.kind === 'exact' && later.value === earlier.value;
  return (
    later.value === earlier.value ||
    (later.value.endsWith(earlier.value) && later.value.length > earlier.value.length)
  );
}

function coversPath(earlier: RouteConfig['match'], later: RouteConfig['match']): boolean {
  if (earlier.pathRegex !== null) {
    if (later.pathRegex !== null) return later.pathRegex === earlier.pathRegex;
    if (later.path?.kind !== 'exact') return false;
    const table = compileRegex(earlier.pathRegex);
    return table.ok && tableMatches(table.value, later.path.value);
  }
  if (earlier.path === null || earlier.path.kind === 'any') return true;
  if (later.path === null || later.path.kind === 'any') return false;
  const isEqual = earlier.path.value === later.path.value;
  if (earlier.path.kind === 'exact') return later.path.kind === 'exact' && isEqual;
  return isEqual || later.path.value.startsWith(`${earlier.path.value}/`);
}

function idleTrust(name: string, listener: ListenerConfig): ConfigWarning[] {
  if (listener.trustedProxies.length === 0 || listener.proxyProtocol !== 'off') return [];
  const isHttp = isHttpListener(listener);
  if (isHttp && listener.forwarded !== 'off') return [];
  const why = isHttp
    ? "forwarded is off, so nobody's forwarded headers are kept"
    : 'proxyProtocol is off, so nobody is asked who the client is';
  return [{ path: `listeners.${name}.trustedProxies`, message: `has no effect: ${why}` }];
}
