// A started proxy for people: its listeners and pools as tables, with a command to try for each way in.
import { formatTable } from '../observe/table.ts';
import type { Plan, PlanListener, PlanRoute } from '../plan/plan.ts';
import type { SluiceProxy } from '../proxy.ts';

export function describeProxy(proxy: SluiceProxy): string {
  const { plan } = proxy;
  if (!plan) return 'not started';
  const { engine, workers } = proxy.stats();
  const listeners = plan.listeners.flatMap((listener) =>
    rowsOf(plan, listener, proxy.addresses[listener.name] ?? ''),
  );
  const pools = plan.pools.map(({ name, strategy, targets }) => [
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
    `Engine ${engine}, ${workers} worker${workers === 1 ? '' : 's'}`,
    formatTable(['LISTENER', 'PROTOCOL', 'TAKES', 'SENDS TO', 'TRY'], listeners),
    formatTable(['POOL', 'STRATEGY', 'TARGETS'], pools),
  ].join('\n\n');
}

function rowsOf(plan: Plan, listener: PlanListener, address: string): string[][] {
  const { name, protocol } = listener;
  if (listener.pool !== null) {
    const flags = protocol === 'udp' ? '-u -w1' : '-w1';
    const pool = plan.pools[listener.pool]?.name ?? '';
    return [[name, protocol, address, pool, `echo hello | nc ${flags} ${splitAddress(address)}`]];
  }
  const { first, count } = listener.routes;
  return plan.routes
    .slice(first, first + count)
    .map((route) => [
      name,
      protocol,
      route.name === '*' ? address : `${address} ${route.name}`,
      describeAction(plan, route),
      tryCommand(route, address),
    ]);
}

function describeAction(plan: Plan, { action }: PlanRoute): string {
  switch (action.kind) {
    case 'pool':
      return plan.pools[action.pool]?.name ?? '';
    case 'respond':
      return `answers ${action.status}`;
    case 'redirect':
      return `redirects ${action.status}`;
  }
}

function tryCommand({ host, path }: PlanRoute, address: string): string {
  const example =
    host.kind === 'suffix' ? `www${host.value}` : host.kind === 'exact' ? host.value : '';
  const header = example === '' ? '' : `-H 'Host: ${example}' `;
  const at =
    path.kind === 'exact' ? path.value : path.kind === 'prefix' ? `${path.value}/hello` : '/';
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
