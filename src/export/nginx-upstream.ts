// Pools as upstream blocks of nginx. http and stream have each their own.
import type { Config, PoolConfig } from '../config/config.ts';
import { DEFAULT_POOL } from './defaults.ts';
import { duration, type ExportSettings, type Notes } from './exported.ts';
import { addressText, poolOf } from './facts.ts';
import { block, literal } from './nginx-text.ts';

type Context = 'http' | 'stream';

/** What nginx has for each strategy; nothing is round robin. */
const STRATEGIES: Readonly<Record<PoolConfig['strategy'], readonly string[]>> = {
  'round-robin': [],
  random: ['random;'],
  'least-connections': ['least_conn;'],
  'ip-hash': ['hash $remote_addr consistent;'],
  'power-of-two-choices': ['random two least_conn;'],
  maglev: ['hash $remote_addr consistent;'],
};

export interface Upstreams {
  readonly lines: readonly string[];
  /** The upstream's name of a pool that was asked for. */
  nameOf(pool: string): string;
}

export function upstreamsOf(
  config: Config,
  pools: ReadonlySet<string>,
  context: Context,
  settings: ExportSettings,
  notes: Notes,
): Upstreams {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const pool of pools) {
    // nginx compares the names of upstreams without case.
    let name = pool;
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${pool}_${number}`;
    taken.add(name.toLowerCase());
    names.set(pool, name);
  }
  const lines = [...names].flatMap(([pool, name]) =>
    block(`upstream ${name}`, upstream(pool, name, poolOf(config, pool), context, settings, notes)),
  );
  return { lines, nameOf: (pool) => names.get(pool) ?? pool };
}

function upstream(
  poolName: string,
  name: string,
  pool: PoolConfig,
  context: Context,
  settings: ExportSettings,
  notes: Notes,
): string[] {
  const path = `pools.${poolName}`;
  const isAlone = pool.targets.length === 1;
  return [
    // Without shared memory each process would count turns, connections and failures by itself.
    ...(settings.workers > 1 && !isAlone ? [`zone ${context}_${name} ${zoneSize(pool)}k;`] : []),
    ...(isAlone ? [] : STRATEGIES[pool.strategy]),
    ...(pool.strategy === 'maglev' && !isAlone
      ? notes.warn(
          `${path}.strategy`,
          'nginx has a consistent hash instead: a client keeps its target, but it is another one than with Sluice',
        )
      : []),
    ...ejectNotes(path, pool, notes),
    ...pool.targets.flatMap((target, i) => [
      ...(target.address.kind === 'name'
        ? notes.warn(
            `${path}.targets[${i}]`,
            `nginx looks ${target.address.host} up once, when it starts`,
          )
        : []),
      `server ${literal(addressText(target.address))}${serverOptions(pool, target.weight)};`,
    ]),
    ...(context === 'http' ? keepAlive(pool) : []),
  ];
}

function zoneSize(pool: PoolConfig): number {
  return 128 + pool.targets.length;
}

/** A lone target is never set aside, neither by us, who try it as the last resort, nor by nginx. */
function serverOptions(pool: PoolConfig, weight: number): string {
  if (pool.targets.length === 1) return '';
  const share = weight === 1 ? '' : ` weight=${weight}`;
  const { after } = pool.eject;
  const seconds = Math.max(1, Math.round(pool.eject.for / 1000));
  return `${share} max_fails=${after}${after === 0 ? '' : ` fail_timeout=${seconds}s`}`;
}

function ejectNotes(path: string, pool: PoolConfig, notes: Notes): string[] {
  const { eject } = pool;
  if (pool.targets.length === 1 || eject.after === 0) return [];
  return [
    ...(eject.for % 1000 === 0
      ? []
      : notes.warn(
          `${path}.eject.for`,
          `nginx counts in seconds: ${Math.max(1, Math.round(eject.for / 1000))}s`,
        )),
    ...(eject.max === DEFAULT_POOL.eject.max || eject.max === eject.for
      ? []
      : notes.warn(`${path}.eject.max`, 'nginx sets a target aside for the same time each time')),
  ];
}

/** Kept per target and process by us, per upstream and process by nginx. */
function keepAlive({ keepAlive: { maxIdle, idle }, targets }: PoolConfig): string[] {
  if (maxIdle === 0) return [];
  return [
    `keepalive ${maxIdle * targets.length};`,
    'keepalive_requests 1000000000;',
    `keepalive_timeout ${duration(idle)};`,
  ];
}
