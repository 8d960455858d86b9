// A started proxy for people: its listeners and pools as tables, with a command to try for each way in.
import { formatTable } from '../observe/table.ts';
import type { Plan, PlanListener, PlanRoute } from '../plan/plan.ts';
import type { SluiceProxy } from '../proxy.ts';

export function describeProxy(proxy: SluiceProxy): string {
  const { plan } = proxy;
  if (!plan) return 'not started';
  const { engine, workers, loop } = proxy.stats();
  const listeners = plan.listeners.flatMap((listener) =>
    rowsOf(plan, listener, proxy.addresses[listener.name] ?? ''),
  );
  const named = plan.pools.filter(({ kind }) => kind !== 'direct');
  const pools = named.map(({ name, strategy, targets }) => [
    name,
    strategy,
    plan.targets
      .slice(targets.first, targets.first + targets.count)
      .map((target) =>
        target.weight === 1 ? target.name : `${target.name} (weight ${target.weight})`,
      )
      .join(', '),
  ]);
  return [
    `Engine ${engine}, ${workers} worker${workers === 1 ? '' : 's'}${loop ? ` on ${loop.name}` : ''}`,
    formatTable(['LISTENER', 'PROTOCOL', 'TAKES', 'SENDS TO', 'TRY'], listeners),
    ...(pools.length === 0 ? [] : [formatTable(['POOL', 'STRATEGY', 'TARGETS'], pools)]),
  ].join('\n\n');
}

function rowsOf(plan: Plan, listener: PlanListener, address: string): string[][] {
  const { name } = listener;
  const isTls = listener.serverTls !== null;
  if (listener.protocol === 'forward') return ruleRowsOf(plan, listener, address);
  if (listener.protocol !== 'http') return streamRowsOf(plan, listener, address);
  const protocol = isTls ? 'https' : 'http';
  const { first, count } = listener.routes;
  return plan.routes
    .slice(first, first + count)
    .map((route) => [
      name,
      protocol,
      route.name === '*' ? address : `${address} ${route.name}`,
      describeAction(plan, route),
      isTls ? tryTlsCommand(route, address) : tryCommand(route, address),
    ]);
}

/** One row a rule of a forward proxy; the last one is about whatever the others are not. */
function ruleRowsOf(plan: Plan, listener: PlanListener, address: string): string[][] {
  const { name, routes, serverTls, forward } = listener;
  const users = plan.forwards[forward ?? -1]?.users ?? null;
  const asks = users === null ? '' : ' -U USER';
  const proxy =
    serverTls === null ? `-x http://${address}` : `--proxy-insecure -x https://${address}`;
  return plan.routes.slice(routes.first, routes.first + routes.count).map((route, i) => {
    const isLast = i === routes.count - 1;
    return [
      name,
      serverTls === null ? 'forward' : 'forward (TLS)',
      `${address} ${isLast ? '*' : route.name}`,
      describeAction(plan, route),
      isLast && route.action.kind === 'pool' ? `curl ${proxy}${asks} http://example.com/` : '',
    ];
  });
}

/** One row a name route, and one for the pool that takes the rest. */
function streamRowsOf(plan: Plan, listener: PlanListener, address: string): string[][] {
  const { name, protocol, nameRoutes, pool } = listener;
  const poolName = (index: number) => plan.pools[index]?.name ?? '';
  const kind = listener.serverTls === null ? protocol : `${protocol} (TLS)`;
  const rows = nameRoutes.map(({ host, alpn, pool: to }) => {
    const wanted = exampleOf(host);
    const asked = [wanted === '' ? '*' : wanted, ...alpn].join(' ');
    const flags = [
      ...(wanted === '' ? [] : [`-servername ${wanted}`]),
      ...(alpn.length === 0 ? [] : [`-alpn ${alpn.join(',')}`]),
    ];
    const command = `openssl s_client -connect ${address} ${flags.join(' ')}`.trimEnd();
    return [name, kind, `${address} ${asked}`, poolName(to), command];
  });
  if (pool === null) return rows;
  const plain = `echo hello | nc ${protocol === 'udp' ? '-u -w1' : '-w1'} ${splitAddress(address)}`;
  const command = listener.serverTls === null ? plain : `openssl s_client -connect ${address}`;
  return [...rows, [name, kind, address, poolName(pool), command]];
}

function describeAction(plan: Plan, { action }: PlanRoute): string {
  switch (action.kind) {
    case 'pool': {
      const pool = plan.pools[action.pool];
      return pool?.kind === 'direct' ? 'anywhere' : (pool?.name ?? '');
    }
    case 'respond':
      return `answers ${action.status}`;
    case 'redirect':
      return `redirects ${action.status}`;
    case 'deny':
      return 'denied';
  }
}

function exampleOf(host: PlanRoute['host']): string {
  return host.kind === 'suffix' ? `www${host.value}` : host.kind === 'exact' ? host.value : '';
}

function examplePath(path: PlanRoute['path']): string {
  return path.kind === 'exact' ? path.value : path.kind === 'prefix' ? `${path.value}/hello` : '/';
}

/** -k: what a quick start has is a certificate that nobody believes yet. */
function tryTlsCommand({ host, path }: PlanRoute, address: string): string {
  const at = examplePath(path);
  const example = exampleOf(host);
  if (address.startsWith('unix:'))
    return `curl -k --unix-socket ${address.slice('unix:'.length)} https://${example || 'localhost'}${at}`;
  // With a name in the URL curl asks for it, as the Host header alone would not.
  return example === ''
    ? `curl -k https://${address}${at}`
    : `curl -k --connect-to ::${address} https://${example}${at}`;
}

function tryCommand({ host, path }: PlanRoute, address: string): string {
  const example = exampleOf(host);
  const header = example === '' ? '' : `-H 'Host: ${example}' `;
  const at = examplePath(path);
  return address.startsWith('unix:')
    ? `curl ${header}--unix-socket ${address.slice('unix:'.length)} http://localhost${at}`
    : `curl ${header}http://${address}${at}`;
}

/** `127.0.0.1:80` as nc wants it: `127.0.0.1 80`. */
function splitAddress(address: string): string {
  if (address.startsWith('unix:')) return `-U ${address.slice('unix:'.length)}`;
  const colon = address.lastIndexOf(':');
  return `${address.slice(0, colon).replace(/^\[|\]$/g, '')} ${address.slice(colon + 1)}`;
}
