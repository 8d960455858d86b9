// Pools as sections of HAProxy. Timeouts of targets belong to a listener with us and to the targets' section with
// HAProxy, so a pool has as many sections as it has users that differ.
import type { Config, PoolConfig, TargetConfig } from '../config/config.ts';
import { DEFAULT_POOL } from './defaults.ts';
import { comment, duration, type ExportSettings, type Notes } from './exported.ts';
import { addressText, authorityOf, isUnix, poolOf, retriesOf } from './facts.ts';
import { section } from './haproxy-text.ts';
import { serverTls, serverTlsNotes } from './haproxy-tls.ts';

/** HAProxy's own bound; ours is 1000. */
const MAX_WEIGHT = 256;
const SAFE_NAME = /^[A-Za-z0-9_.:-]+$/;
/** Other characters of a path have a meaning in HAProxy's addresses. */
const SAFE_SOCKET = /^\/[A-Za-z0-9_./:@=+-]*$/;

const STRATEGIES: Readonly<Record<PoolConfig['strategy'], readonly string[]>> = {
  'round-robin': ['balance roundrobin'],
  random: ['balance random(1)'],
  'least-connections': ['balance leastconn'],
  'ip-hash': ['balance source', 'hash-type consistent'],
  'power-of-two-choices': ['balance random(2)'],
  maglev: ['balance source', 'hash-type consistent'],
};

const SENDS: Readonly<Record<PoolConfig['proxyProtocol'], string>> = {
  off: '',
  v1: ' send-proxy',
  v2: ' send-proxy-v2',
};

export interface PoolUse {
  readonly pool: string;
  readonly mode: 'http' | 'tcp';
  readonly connectMs: number;
  readonly responseMs: number;
  /** null where nothing is upgraded. */
  readonly tunnelMs: number | null;
  /** Whether targets are to get their own address as Host. */
  readonly isNamed: boolean;
}

/** Gives each way of using a pool the name of a section, and prints them. */
export class Pools {
  readonly #config: Config;
  readonly #settings: ExportSettings;
  readonly #notes: Notes;
  readonly #sections = new Map<string, { readonly name: string; readonly use: PoolUse }>();

  constructor(config: Config, settings: ExportSettings, notes: Notes) {
    this.#config = config;
    this.#settings = settings;
    this.#notes = notes;
  }

  nameOf(use: PoolUse): string {
    const key = JSON.stringify(use);
    const known = this.#sections.get(key);
    if (known !== undefined) return known.name;
    const others = [...this.#sections.values()].filter(({ use: { pool } }) => pool === use.pool);
    // Our names have no colon, so this is nobody else's.
    const name = others.length === 0 ? use.pool : `${use.pool}:${others.length + 1}`;
    this.#sections.set(key, { name, use });
    return name;
  }

  print(): string[] {
    return [...this.#sections.values()].flatMap(({ name, use }) =>
      section(`backend ${name}`, this.#lines(use)),
    );
  }

  #lines(use: PoolUse): string[] {
    const pool = poolOf(this.#config, use.pool);
    const path = `pools.${use.pool}`;
    const isAlone = pool.targets.length === 1;
    return [
      `mode ${use.mode}`,
      ...(isAlone ? [] : STRATEGIES[pool.strategy]),
      ...(pool.strategy === 'maglev' && !isAlone
        ? this.#notes.warn(
            `${path}.strategy`,
            'HAProxy has a consistent hash instead: a client keeps its target, but it is another one than with Sluice',
          )
        : []),
      `timeout connect ${duration(use.connectMs)}`,
      `timeout server ${duration(use.responseMs)}`,
      ...(use.tunnelMs === null ? [] : [`timeout tunnel ${duration(use.tunnelMs)}`]),
      ...this.#retries(pool, use),
      ...(use.mode === 'http' ? keepAlive(pool) : []),
      ...(use.isNamed ? ['http-send-name-header Host'] : []),
      ...this.#eject(pool, path),
      ...this.#servers(pool, path, use),
    ];
  }

  #retries(pool: PoolConfig, { mode }: PoolUse): string[] {
    const retries = retriesOf(pool);
    if (mode === 'tcp')
      return [`retries ${retries}`, ...(retries > 0 ? ['option redispatch 1'] : [])];
    if (this.#settings.isLean === true) return [`retries ${retries}`];
    // One more for a kept connection that the target has closed, which is no failure with us.
    return [
      `retries ${Math.max(1, retries)}`,
      ...(retries > 0 ? ['option redispatch 1'] : []),
      'retry-on conn-failure empty-response',
      'http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }',
    ];
  }

  #eject({ eject, targets }: PoolConfig, path: string): string[] {
    if (targets.length === 1 || eject.after === 0) return [];
    return [
      ...(eject.max === DEFAULT_POOL.eject.max || eject.max === eject.for
        ? []
        : this.#notes.warn(
            `${path}.eject.max`,
            'HAProxy tries a target again each time after the same time',
          )),
      `default-server check inter ${duration(eject.for)} rise 1 fall ${eject.after} observe layer4 error-limit ${eject.after} on-error mark-down`,
    ];
  }

  #servers(pool: PoolConfig, path: string, use: PoolUse): string[] {
    const weights = weightsOf(pool.targets);
    const isExact = pool.targets.every(
      ({ weight }, i) =>
        weight * (weights[0] ?? 1) === (weights[i] ?? 1) * (pool.targets[0]?.weight ?? 1),
    );
    const idle = use.mode === 'http' ? keptOf(pool) * this.#settings.workers : 0;
    return [
      ...serverTlsNotes(path, pool, this.#notes),
      ...(isExact
        ? []
        : this.#notes.warn(
            `${path}.targets`,
            `HAProxy's weights end at ${MAX_WEIGHT}: they are rounded`,
          )),
      ...pool.targets.flatMap((target, i) => [
        ...this.#targetNotes(target, `${path}.targets[${i}]`),
        ...(isUnix(target.address) && !isSafeSocket(target)
          ? comment('left out: it would have been here')
          : [
              `server ${serverName(target, i)} ${serverAddress(target)}${
                (weights[i] ?? 1) === 1 ? '' : ` weight ${weights[i]}`
              }${serverTls(pool, target)}${SENDS[pool.proxyProtocol]}${idle > 0 ? ` pool-max-conn ${idle} pool-purge-delay ${duration(pool.keepAlive.idle)}` : ''}`,
            ]),
      ]),
    ];
  }

  #targetNotes(target: TargetConfig, path: string): string[] {
    if (target.address.kind === 'name') {
      return this.#notes.warn(
        path,
        `HAProxy looks ${target.address.host} up once, when it starts, and takes its first address`,
      );
    }
    return isUnix(target.address) && !isSafeSocket(target)
      ? this.#notes.warn(path, 'HAProxy cannot be told of a socket file of this name: left out')
      : [];
  }
}

/** The Host of every target when they all have the same; null when they differ. */
export function commonAuthority(pool: PoolConfig): string | null {
  const all = new Set(pool.targets.map(({ address }) => authorityOf(address)));
  const [only = ''] = all;
  return all.size === 1 ? only : null;
}

/** Whether HAProxy can say each target's own address as Host: it says the name of the target, which has few letters. */
export function canBeNamed(pool: PoolConfig): boolean {
  return pool.targets.every((target, i) => serverName(target, i) === authorityOf(target.address));
}

export function socketPath(path: string): string | null {
  return SAFE_SOCKET.test(path) ? `unix@${path}` : null;
}

function isSafeSocket({ address }: TargetConfig): boolean {
  return address.kind === 'socket' && SAFE_SOCKET.test(address.socket.host);
}

function serverName({ address }: TargetConfig, i: number): string {
  const name = authorityOf(address);
  return SAFE_NAME.test(name) && !isUnix(address) ? name : `target${i + 1}`;
}

function serverAddress({ address }: TargetConfig): string {
  return isUnix(address) && address.kind === 'socket'
    ? `unix@${address.socket.host}`
    : addressText(address);
}

/** The same shares in whole numbers that HAProxy takes. */
function weightsOf(targets: readonly TargetConfig[]): number[] {
  const divisor = targets.reduce((sum, { weight }) => greatestDivisor(sum, weight), 0);
  const least = targets.map(({ weight }) => weight / divisor);
  const largest = Math.max(...least);
  if (largest <= MAX_WEIGHT) return least;
  return least.map((weight) => Math.max(1, Math.round((weight * MAX_WEIGHT) / largest)));
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** A connection that begins with a PROXY header speaks for one client. */
function keptOf({ proxyProtocol, keepAlive: { maxIdle } }: PoolConfig): number {
  return proxyProtocol === 'off' ? maxIdle : 0;
}

function keepAlive(pool: PoolConfig): string[] {
  return keptOf(pool) === 0
    ? ['http-reuse never', 'option http-server-close']
    : ['http-reuse always'];
}
