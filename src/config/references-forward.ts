// The checks of references.ts on forward proxies, the pools of their parents, and the resolver.
import { BlockList, isIP } from 'node:net';
import type { Address, AddressContext } from './address.ts';
import { parseListenAddress } from './address.ts';
import { closest } from './closest.ts';
import { type Path, show } from './problems.ts';
import { asList, asMap, type CheckPool, type Report, type Written } from './raw.ts';
import { parseDuration } from './units.ts';

/** Of the whole configuration, as written. */
export interface ForwardContext {
  readonly pools: Written;
  readonly lists: Written;
  readonly checkVia: CheckPool;
  readonly addresses: AddressContext;
}

export function checkForward(
  at: Path,
  listener: Written,
  context: ForwardContext,
  report: Report,
): void {
  asList(listener.rules).forEach((rule, i) => {
    checkRule([...at, 'rules', i], asMap(rule), listener, context, report);
  });
  checkTransparent(at, listener, report);
  checkOpen(at, listener, context, report);
  const { headers } = asMap(asMap(listener.tls).clientCertificates);
  if (Object.keys(asMap(headers)).length > 0) {
    report([...at, 'tls', 'clientCertificates', 'headers'], {
      expected: 'no headers: destinations are not told who the client is',
      received: show(headers),
    });
  }
}

function checkRule(
  at: Path,
  rule: Written,
  listener: Written,
  { pools, lists, checkVia }: ForwardContext,
  report: Report,
): void {
  const match = asMap(rule.match);
  if (rule.via !== undefined && rule.action === 'deny') {
    report([...at, 'via'], { expected: 'no via beside action: deny', received: show(rule.via) });
  } else {
    checkVia([...at, 'via'], rule.via);
    const isPool = typeof rule.via === 'string' && Object.hasOwn(pools, rule.via);
    if (isPool && asMap(pools[String(rule.via)]).parent === undefined) {
      report([...at, 'via'], {
        expected: 'a pool whose targets are proxies',
        received: show(rule.via),
        hint: `if they are, add parent: http or parent: socks5 to pools.${rule.via}`,
      });
    }
  }
  asList(match.lists).forEach((name, i) => {
    if (typeof name !== 'string' || Object.hasOwn(lists, name)) return;
    const names = Object.keys(lists);
    const near = closest(name, names);
    const known = names.length === 0 ? 'there are no lists' : `the lists are ${names.join(', ')}`;
    report([...at, 'match', 'lists', i], {
      expected: 'the name of a list',
      received: show(name),
      hint: near === null ? known : `did you mean ${near}?`,
    });
  });
  if (match.users !== undefined && listener.users === undefined) {
    report([...at, 'match', 'users'], {
      expected: 'users of the listener beside it, which tell clients apart',
      received: 'none',
      hint: 'add users: users.txt to the listener',
    });
  }
}

/** Who is redirected does not know of the proxy: it speaks no proxy's protocol and gives no password. */
function checkTransparent(at: Path, listener: Written, report: Report): void {
  if (listener.transparent !== true) return;
  for (const key of ['accept', 'tls', 'users', 'pac'] as const) {
    if (listener[key] === undefined || listener[key] === false) continue;
    report([...at, key], {
      expected: `no ${key} beside transparent: true`,
      received: show(listener[key]),
      hint: 'clients that are redirected do not know of the proxy; have another listener for those that do',
    });
  }
}

/** Addresses that only neighbours can reach. */
const NEAR = new BlockList();
for (const [block, bits] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
] as const) {
  NEAR.addSubnet(block, bits, 'ipv4');
}
for (const [block, bits] of [
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) {
  NEAR.addSubnet(block, bits, 'ipv6');
}

function isNear(address: Address): boolean {
  if (address.kind === 'name') return /^(?:.*\.)?localhost$/.test(address.host);
  const { family, host } = address.socket;
  return family === 'unix' || NEAR.check(host, family);
}

/** A proxy that everybody can reach and use is abused by everybody. */
function checkOpen(
  at: Path,
  listener: Written,
  { addresses }: ForwardContext,
  report: Report,
): void {
  const written = listener.address;
  if (typeof written !== 'string' || /^:[0-9]+$/.test(written)) return;
  const address = parseListenAddress(written, addresses);
  if (!address.ok || isNear(address.value)) return;
  if (listener.openToAll === true || listener.transparent === true) return;
  const { clientCertificates } = asMap(listener.tls);
  const asksForCertificate =
    clientCertificates !== undefined && asMap(clientCertificates).mode !== 'request';
  if (listener.users !== undefined || asksForCertificate) return;
  const way = wayIn(listener);
  if (way === null) return;
  report([...at, 'address'], {
    expected: 'an address that only neighbours can reach, because everybody may use this proxy',
    received: `${show(written)}, and ${way}`,
    hint: 'add users: users.txt, or default: deny and rules that name clients, or listen on a loopback or private address; openToAll: true says that it is meant',
  });
}

/** How a client that nothing is known of comes to be served; null = in no way. */
function wayIn(listener: Written): string | null {
  for (const [i, written] of asList(listener.rules).entries()) {
    const rule = asMap(written);
    const match = asMap(rule.match);
    const isForSome = asList(match.clients).length > 0 && !asList(match.clients).some(isEverybody);
    if (rule.action === 'allow' && !isForSome && match.users === undefined) {
      return `rules[${i}] allows every client`;
    }
    const isForAll = Object.keys(match).length === 0;
    if (isForAll) return null;
  }
  return listener.default === 'deny' ? null : 'default is allow';
}

function isEverybody(block: unknown): boolean {
  const [host = '', bits] = String(block).split('/');
  return isIP(host.replace(/[[\]]/g, '')) !== 0 && bits === '0';
}

/** Keys of a pool that have no meaning where its targets are proxies. */
const NOT_FOR_PARENTS = ['proxyProtocol', 'hostHeader'];

/** RFC 1929, section 2. */
const MAX_LOGIN_BYTES = 255;

export interface ParentTarget {
  readonly at: Path;
  readonly address: Address | null;
}

export function checkParent(
  at: Path,
  pool: Written,
  targets: readonly ParentTarget[],
  report: Report,
): void {
  if (pool.parent === undefined) return;
  const parent = asMap(pool.parent);
  for (const key of NOT_FOR_PARENTS) {
    if (pool[key] === undefined || pool[key] === 'off') continue;
    report([...at, key], { expected: `no ${key} beside parent`, received: show(pool[key]) });
  }
  for (const [key, other] of [
    ['username', 'password'],
    ['password', 'username'],
  ] as const) {
    if (parent[key] === undefined || parent[other] !== undefined) continue;
    report([...at, 'parent', key], {
      expected: `${other} beside ${key}`,
      received: 'none',
    });
  }
  if (pool.parent !== 'socks5' && parent.protocol !== 'socks5') return;
  for (const key of ['username', 'password'] as const) {
    const bytes = Buffer.byteLength(String(parent[key] ?? ''));
    if (bytes <= MAX_LOGIN_BYTES) continue;
    // Said without what was written.
    report([...at, 'parent', key], {
      expected: `at most ${MAX_LOGIN_BYTES} bytes as UTF-8: SOCKS5 has room for no more`,
      received: `${bytes} bytes`,
    });
  }
  const refusal = 'no TLS: SOCKS5 has none';
  if (pool.tls !== undefined) {
    report([...at, 'tls'], { expected: refusal, received: show(pool.tls) });
  }
  for (const { at: place, address } of targets) {
    if (address?.isTls !== true) continue;
    report(place, {
      expected: `an address without scheme, and ${refusal}`,
      received: show(address.text),
    });
  }
}

export function checkResolver(root: Written, report: Report): void {
  const resolver = asMap(root.resolver);
  const least = durationOf(resolver.minTtl ?? '1s');
  const most = durationOf(resolver.maxTtl ?? '1h');
  if (least !== null && most !== null && least > most) {
    report(['resolver', resolver.minTtl === undefined ? 'maxTtl' : 'minTtl'], {
      expected: 'minTtl to be no longer than maxTtl',
      received: `${String(resolver.minTtl ?? '1s')} and ${String(resolver.maxTtl ?? '1h')}`,
    });
  }
  const seen = new Map<string, string>();
  for (const host of Object.keys(asMap(resolver.hosts))) {
    const first = seen.get(host.toLowerCase());
    if (first === undefined) seen.set(host.toLowerCase(), host);
    else {
      report(['resolver', 'hosts', host], {
        expected: 'each host once',
        received: `${first} and ${host}`,
      });
    }
  }
}

function durationOf(written: unknown): number | null {
  const duration = typeof written === 'string' ? parseDuration(written, 0) : null;
  return duration?.ok === true ? duration.value : null;
}
