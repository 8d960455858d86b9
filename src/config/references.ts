// What no schema can say: checks that span several keys. They read the configuration as it was written, so that
// they report beside the schema's findings and not only once those are mended; whatever has the wrong shape is
// passed over here, because the schema has already said so.
import {
  type Address,
  type AddressContext,
  parseListenAddress,
  parseTargetAddress,
} from './address.ts';
import { closest } from './closest.ts';
import { type Located, type Path, show } from './problems.ts';
import { asList, asMap, type CheckPool, type Report, type Written } from './raw.ts';
import { checkForward, checkParent, checkResolver } from './references-forward.ts';
import { checkRoute } from './references-route.ts';
import { checkAcme, checkListenerTls, checkPoolTls } from './references-tls.ts';
import { parseDuration, parseSize } from './units.ts';

export function checkReferences(input: unknown, context: AddressContext): Located[] {
  const findings: Located[] = [];
  const report: Report = (at, finding) => findings.push({ at, ...finding });
  refusePrototypeKeys(input, report);
  const root = asMap(input);
  const listeners = asMap(root.listeners);
  const pools = asMap(root.pools);
  if (root.listeners !== undefined && isEmptyMap(root.listeners)) {
    report(['listeners'], { expected: 'at least one listener', received: 'an empty map' });
  }
  const checkPool = poolReferences(pools, report);
  const forward = {
    pools,
    lists: asMap(root.lists),
    checkVia: poolNames(pools, report),
    addresses: context,
  };
  for (const [name, listener] of Object.entries(listeners)) {
    const at = ['listeners', name];
    checkListener(at, asMap(listener), checkPool, report);
    if (asMap(listener).protocol === 'forward') checkForward(at, asMap(listener), forward, report);
  }
  checkResolver(root, report);
  checkAddresses(listeners, context, report);
  checkAcme(root, listeners, report);
  checkDatagrams(listeners, pools, context, report);
  for (const [name, pool] of Object.entries(pools))
    checkPoolItself(['pools', name], asMap(pool), context, report);
  return findings;
}

function isEmptyMap(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.keys(value).length === 0
  );
}

/** JSON.parse makes `__proto__` an own key, and a record schema would drop it without a word. */
function refusePrototypeKeys(input: unknown, report: Report): void {
  const seen = new Set<object>();
  const walk = (value: unknown, path: Path): void => {
    if (typeof value !== 'object' || value === null || seen.has(value) || path.length > 12) return;
    seen.add(value);
    if (Object.hasOwn(value, '__proto__')) {
      report([...path, '__proto__'], { expected: 'another key', received: 'the key "__proto__"' });
    }
    for (const [key, inner] of Object.entries(value)) {
      if (key !== '__proto__') walk(inner, [...path, Array.isArray(value) ? Number(key) : key]);
    }
  };
  walk(input, []);
}

/** For listeners and routes that hand requests and connections to targets. */
function poolReferences(pools: Written, report: Report): CheckPool {
  const checkName = poolNames(pools, report);
  return (at, written) => {
    checkName(at, written);
    if (typeof written !== 'string' || !Object.hasOwn(pools, written)) return;
    if (asMap(pools[written]).parent === undefined) return;
    report(at, {
      expected: 'a pool of targets',
      received: `${show(written)}, whose targets are proxies`,
      hint: 'a pool with parent is for via in rules of forward listeners',
    });
  };
}

function poolNames(pools: Written, report: Report): CheckPool {
  const names = Object.keys(pools);
  return (at, written) => {
    if (typeof written !== 'string' || Object.hasOwn(pools, written)) return;
    const near = closest(written, names);
    const known = names.length === 0 ? 'there are no pools' : `the pools are ${names.join(', ')}`;
    report(at, {
      expected: 'the name of a pool',
      received: show(written),
      hint: near === null ? known : `did you mean ${near}?`,
    });
  };
}

function checkListener(at: Path, listener: Written, checkPool: CheckPool, report: Report): void {
  checkPool([...at, 'pool'], listener.pool);
  checkListenerTls(at, listener, report);
  if (listener.protocol === 'tcp') {
    checkTcpRoutes(at, listener, checkPool, report);
    return;
  }
  const isHttp = listener.protocol === 'http' || listener.protocol === 'https';
  if (isHttp) checkHttpRoutes(at, listener, checkPool, report);
  if (isHttp || listener.protocol === 'forward') checkLimits(at, listener, report);
}

function checkLimits(at: Path, listener: Written, report: Report): void {
  const limits = asMap(listener.limits);
  const head = sizeOf(limits.head);
  const target = sizeOf(limits.target);
  if (head !== null && target !== null && target > head) {
    report([...at, 'limits', 'target'], {
      expected: 'no more than limits.head, which holds the target too',
      received: show(limits.target),
    });
  }
}

function checkTcpRoutes(at: Path, listener: Written, checkPool: CheckPool, report: Report): void {
  if (listener.pool === undefined && listener.routes === undefined) {
    report(at, { expected: 'pool, routes or both', received: 'neither' });
  }
  asList(listener.routes).forEach((route, i) => {
    checkPool([...at, 'routes', i, 'pool'], asMap(route).pool);
  });
}

function checkHttpRoutes(at: Path, listener: Written, checkPool: CheckPool, report: Report): void {
  const isRedirected =
    listener.protocol === 'http' &&
    listener.redirectToHttps !== undefined &&
    listener.redirectToHttps !== false;
  const given = ['routes', 'pool'].filter((key) => listener[key] !== undefined);
  if (isRedirected) given.push('redirectToHttps');
  if (given.length !== 1) {
    report(at, {
      expected: isRedirected
        ? 'exactly one of routes, pool and redirectToHttps'
        : 'exactly one of routes and pool',
      received:
        given.length === 0
          ? 'neither'
          : given.length === 2 && !isRedirected
            ? 'both'
            : given.join(' and '),
      ...(given.length === 0 || isRedirected
        ? {}
        : { hint: 'pool is short for one route that takes everything' }),
    });
  }
  asList(listener.routes).forEach((route, i) => {
    checkRoute([...at, 'routes', i], asMap(route), checkPool, report);
  });
}

function sizeOf(written: unknown): number | null {
  if (typeof written !== 'string' && typeof written !== 'number') return null;
  const size = parseSize(written, 0, Number.MAX_SAFE_INTEGER);
  return size.ok ? size.value : null;
}

/** Two listeners cannot have one address: http and tcp share TCP's ports, udp has its own. */
function checkAddresses(listeners: Written, context: AddressContext, report: Report): void {
  const owners = new Map<string, string>();
  for (const [name, raw] of Object.entries(listeners)) {
    const listener = asMap(raw);
    const address = readAddress(listener.address, context, parseListenAddress);
    const port =
      address?.kind === 'socket' && address.socket.family === 'unix' ? 1 : portOf(address);
    if (address === null || port === 0) continue;
    const key = `${listener.protocol === 'udp' ? 'udp' : 'tcp'} ${address.text}`;
    const owner = owners.get(key);
    if (owner === undefined) {
      owners.set(key, name);
      continue;
    }
    report(['listeners', name, 'address'], {
      expected: 'an address of its own',
      received: show(listener.address),
      hint: `listener ${owner} has it already`,
    });
  }
}

function portOf(address: Address | null): number {
  if (address === null) return 0;
  return address.kind === 'name' ? address.port : address.socket.port;
}

function readAddress(
  written: unknown,
  context: AddressContext,
  parse: typeof parseListenAddress,
): Address | null {
  if (typeof written !== 'string') return null;
  const address = parse(written, context);
  return address.ok ? address.value : null;
}

/** UDP goes over IP only. */
function checkDatagrams(
  listeners: Written,
  pools: Written,
  context: AddressContext,
  report: Report,
): void {
  const reported = new Set<string>();
  for (const [name, raw] of Object.entries(listeners)) {
    const listener = asMap(raw);
    if (listener.protocol !== 'udp') continue;
    const own = readAddress(listener.address, context, parseListenAddress);
    if (isUnix(own)) {
      report(['listeners', name, 'address'], {
        expected: 'an IP address and port: udp has no unix sockets',
        received: show(listener.address),
      });
    }
    const poolName = listener.pool;
    if (typeof poolName !== 'string' || !Object.hasOwn(pools, poolName) || reported.has(poolName))
      continue;
    reported.add(poolName);
    const pool = asMap(pools[poolName]);
    if (pool.tls !== undefined) {
      report(['pools', poolName, 'tls'], {
        expected: `no tls: the udp listener ${name} uses this pool`,
        received: show(pool.tls),
      });
    }
    if (pool.proxyProtocol === 'v1') {
      report(['pools', poolName, 'proxyProtocol'], {
        expected: `v2 or off: version 1 knows no datagrams, and the udp listener ${name} uses this pool`,
        received: show(pool.proxyProtocol),
      });
    }
    targetsOf(pool).forEach(({ at, written }) => {
      const address = readAddress(written, context, parseTargetAddress);
      if (!isUnix(address) && address?.isTls !== true) return;
      report(['pools', poolName, ...at], {
        expected: `an IP address and port: the udp listener ${name} uses this pool`,
        received: show(written),
      });
    });
  }
}

function isUnix(address: Address | null): boolean {
  return address?.kind === 'socket' && address.socket.family === 'unix';
}

/** The addresses of a pool's targets, in both of their forms. */
function targetsOf(pool: Written): { readonly at: Path; readonly written: unknown }[] {
  return asList(pool.targets).map((target, i) =>
    typeof target === 'string'
      ? { at: ['targets', i], written: target }
      : { at: ['targets', i, 'address'], written: asMap(target).address },
  );
}

function checkPoolItself(at: Path, pool: Written, context: AddressContext, report: Report): void {
  const seen = new Map<string, number>();
  targetsOf(pool).forEach(({ at: place, written }, i) => {
    const address = readAddress(written, context, parseTargetAddress);
    if (address === null) return;
    const first = seen.get(address.text);
    if (first === undefined) {
      seen.set(address.text, i);
      return;
    }
    report([...at, ...place], {
      expected: 'a target that the pool does not have yet',
      received: show(written),
      hint: `it is targets[${first}] already; for a larger share give that one a weight`,
    });
  });
  const targets = targetsOf(pool).map(({ at: place, written }) => ({
    at: [...at, ...place],
    address: readAddress(written, context, parseTargetAddress),
  }));
  checkPoolTls(at, pool, targets, report);
  checkParent(at, pool, targets, report);
  const eject = asMap(pool.eject);
  const first = durationOf(eject.for ?? '2s');
  const longest = durationOf(eject.max ?? '60s');
  if (first !== null && longest !== null && first > longest) {
    report([...at, 'eject', eject.for === undefined ? 'max' : 'for'], {
      expected: 'eject.for to be no longer than eject.max',
      received: `${String(eject.for ?? '2s')} and ${String(eject.max ?? '60s')}`,
    });
  }
}

function durationOf(written: unknown): number | null {
  if (typeof written !== 'string') return null;
  const duration = parseDuration(written);
  return duration.ok ? duration.value : null;
}
