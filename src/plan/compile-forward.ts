// A forward proxy, as written -> as engines carry it out. Its rules become routes, so that they are counted, logged and
// named like those of other listeners; what they ask for lies beside them.

import { strategyOf } from '../balance/registry.ts';
import type { ForwardListenerConfig, RuleConfig } from '../config/config.ts';
import type { DestinationPattern } from '../config/destination.ts';
import {
  type ListenerIndex,
  type PoolIndex,
  poolIndex,
  routeIndex,
  targetIndex,
} from '../contract/ids.ts';
import { Secret } from '../contract/secret.ts';
import { poolRoute, uniqueName } from './compile-route.ts';
import type { ForwardFiles } from './forward-files.ts';
import { readPage } from './page.ts';
import type {
  HeaderEdit,
  PlanForward,
  PlanPool,
  PlanRoute,
  PlanRule,
  PlanTarget,
  PlanUsers,
  TimeWindow,
} from './plan.ts';

const DAY_BITS: Readonly<Record<string, number>> = {
  sun: 1,
  mon: 2,
  tue: 4,
  wed: 8,
  thu: 16,
  fri: 32,
  sat: 64,
};

/** The pool of what is not handed on to a parent. */
export function directPool(
  name: string,
  listener: ForwardListenerConfig,
  index: PoolIndex,
  target: number,
): { readonly pool: PlanPool; readonly target: PlanTarget } {
  const only: PlanTarget = {
    index: targetIndex(target),
    pool: index,
    name: 'direct',
    authority: '',
    address: { family: 'ipv4', host: '0.0.0.0', port: 0 },
    weight: 1,
    clientTls: null,
    serverName: '',
  };
  const pool: PlanPool = {
    index,
    // No name that a person can give to a pool.
    name: `${name}/direct`,
    strategy: 'round-robin',
    targets: { first: target, count: 1 },
    table: strategyOf('round-robin').buildTable([only]),
    retries: 0,
    ejectAfter: 0,
    ejectMs: 1000,
    maxEjectMs: 1000,
    idleMs: listener.timeouts.keepAlive,
    maxIdle: MAX_IDLE,
    proxyProtocol: 'off',
    kind: 'direct',
    login: new Secret(''),
  };
  return { pool, target: only };
}

/** Idle connections kept to one destination. */
const MAX_IDLE = 256;

export interface ForwardPlace {
  readonly listener: ListenerIndex;
  /** Of the listener's first route. */
  readonly firstRoute: number;
  readonly direct: PoolIndex;
  readonly poolOf: (name: string) => PoolIndex;
  /** Position of a list in the plan. */
  readonly listOf: (name: string) => number;
  /** Position of the listener's users in the plan. */
  readonly users: number | null;
}

interface Decision {
  readonly name: string;
  readonly rule: PlanRule;
  /** null = denied. */
  readonly pool: PoolIndex | null;
}

export function compileForward(
  listener: ForwardListenerConfig,
  place: ForwardPlace,
  files: ForwardFiles,
): { readonly forward: PlanForward; readonly routes: readonly PlanRoute[] } {
  const decisions = compileDecisions(listener, place);
  const names = new Set<string>();
  const { requestEdits, responseEdits } = privacyEdits(listener.anonymity, files.instance);
  const routes = decisions.map(({ name, pool }, i): PlanRoute => {
    const base = poolRoute(place.listener, place.firstRoute + i, {
      index: pool ?? poolIndex(0),
      hostHeader: { kind: 'client' },
    });
    return {
      ...base,
      index: routeIndex(place.firstRoute + i),
      name: uniqueName(name, names),
      action: pool === null ? { kind: 'deny' } : { kind: 'pool', pool },
      requestEdits: pool === null ? [] : requestEdits,
      responseEdits: pool === null ? [] : responseEdits,
    };
  });
  const forward: PlanForward = {
    accepts: listener.accept,
    isTransparent: listener.transparent,
    users: place.users,
    realm: listener.users?.realm ?? '',
    rules: decisions.map(({ rule }) => rule),
    connectPorts: listener.connectPorts,
    socksPorts: listener.socksPorts,
    privateDestinations: listener.privateDestinations,
    anonymity: listener.anonymity,
    sources: listener.sourceAddresses,
    page: readPage(textOf(listener.denyPage, files)),
    pac: pacOf(listener.pac, files),
    viaName: files.instance,
  };
  return { forward, routes };
}

/** What clients or proxies in front of us may have said of the client. */
const TELLING = [
  'Forwarded',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-Forwarded-Proto',
  'X-Forwarded-Port',
  'X-Forwarded-Server',
  'X-Real-IP',
  'Forwarded-For',
  'Client-IP',
  'X-Client-IP',
  'X-Cluster-Client-IP',
  'X-Originating-IP',
  'X-Remote-Addr',
  'X-Remote-IP',
  'X-ProxyUser-IP',
  'True-Client-IP',
  'CF-Connecting-IP',
  'Fastly-Client-IP',
];

/** Privacy is edits to headers like any other. X-Forwarded-For and Forwarded are PlanListener.forwarded. */
function privacyEdits(
  anonymity: ForwardListenerConfig['anonymity'],
  instance: string,
): Pick<PlanRoute, 'requestEdits' | 'responseEdits'> {
  const via: HeaderEdit = { op: 'add', name: 'Via', value: `1.1 ${instance}` };
  const removed = TELLING.map((name): HeaderEdit => ({ op: 'remove', name, value: '' }));
  switch (anonymity) {
    case 'transparent':
      return { requestEdits: [via], responseEdits: [via] };
    case 'anonymous':
      return { requestEdits: [...removed, via], responseEdits: [via] };
    case 'elite':
      return {
        requestEdits: [...removed, { op: 'remove', name: 'Via', value: '' }],
        responseEdits: [],
      };
  }
}

function compileDecisions(listener: ForwardListenerConfig, place: ForwardPlace): Decision[] {
  const decisions: Decision[] = [];
  if (listener.deny.length > 0) {
    decisions.push({ name: 'deny', rule: { ...EVERYTHING, ...split(listener.deny) }, pool: null });
  }
  for (const rule of listener.rules) {
    const via = rule.via === null ? place.direct : place.poolOf(rule.via);
    decisions.push({
      name: rule.name ?? nameOf(rule),
      rule: compileRule(rule, place),
      pool: rule.action === 'deny' ? null : via,
    });
  }
  const last = listener.default === 'deny' ? null : place.direct;
  decisions.push({ name: 'default', rule: EVERYTHING, pool: last });
  return decisions;
}

const EVERYTHING: PlanRule = {
  clients: [],
  users: [],
  hosts: [],
  blocks: [],
  lists: [],
  ports: [],
  methods: [],
  path: { kind: 'any' },
  times: [],
};

function compileRule({ match }: RuleConfig, { listOf }: ForwardPlace): PlanRule {
  return {
    clients: match.clients ?? [],
    users: match.users ?? [],
    ...split(match.hosts ?? []),
    lists: (match.lists ?? []).map(listOf),
    ports: match.ports ?? [],
    methods: match.methods ?? [],
    path: match.path ?? { kind: 'any' },
    times: (match.times ?? []).map(
      ({ days, from, to }): TimeWindow => ({
        days: days.reduce((bits, day) => bits | (DAY_BITS[day] ?? 0), 0),
        fromMinute: from % 1440,
        toMinute: to === 0 ? 1440 : to,
      }),
    ),
  };
}

function split(patterns: readonly DestinationPattern[]): Pick<PlanRule, 'hosts' | 'blocks'> {
  return {
    hosts: patterns.flatMap((one) => (one.kind === 'host' ? [one.host] : [])),
    blocks: patterns.flatMap((one) => (one.kind === 'block' ? [one.block] : [])),
  };
}

/** What a rule is called that has no name: what it is about, shortened. */
function nameOf({ action, match }: RuleConfig): string {
  const hosts = (match.hosts ?? []).map((one) =>
    one.kind === 'host'
      ? `${one.host.kind === 'suffix' ? '*' : ''}${one.host.value}`
      : `${one.block.host}/${one.block.bits}`,
  );
  const about = [...hosts, ...(match.lists ?? []), ...(match.users ?? [])].join(' ');
  const text = about === '' ? action : `${action} ${about}`;
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

function textOf(file: string | null, files: ForwardFiles): string | null {
  const bytes = file === null ? undefined : files.texts.get(file);
  return bytes === undefined ? null : Buffer.from(bytes).toString('utf8');
}

function pacOf(pac: boolean | string, files: ForwardFiles): Uint8Array | null {
  if (typeof pac === 'string') return files.texts.get(pac) ?? new Uint8Array(0);
  return pac ? new Uint8Array(0) : null;
}

/** The users of a listener; listeners with one file and one set of limits share a table. */
export function compileUsers(
  listener: ForwardListenerConfig,
  files: ForwardFiles,
): PlanUsers | null {
  if (listener.users === null) return null;
  const { file, limits, each } = listener.users;
  const loaded = files.users.get(file);
  return {
    file,
    digest: `${loaded?.digest ?? ''} ${JSON.stringify([limits, each])}`,
    users: (loaded?.names ?? []).map((name) => {
      const own = Object.hasOwn(each, name) ? (each[name] ?? limits) : limits;
      return {
        name,
        bytesPerSecond: own.bandwidth,
        connections: own.connections,
        bytesPerDay: own.quota,
      };
    }),
  };
}
