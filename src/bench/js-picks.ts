// Picks by the reference strategies, fed as the js engine feeds them: from a client's address as text to a position. One
// pool of a plan; the load on its targets is what the last spread() left. native/micro does the same in C++, with the
// same clients and random numbers, so the two can be compared pick by pick.
import { type EjectionState, isEjected } from '../balance/ejection.ts';
import { hashKey } from '../balance/hash.ts';
import { strategyOf } from '../balance/registry.ts';
import { createRng } from '../balance/rng.ts';
import type { PickInput, Strategy } from '../balance/strategy.ts';
import { clientKeyBytes } from '../contract/address.ts';
import type { Plan, PlanPool } from '../plan/plan.ts';
import type { Round } from './native-loops.ts';

/** Clients that take turns while a pick is measured. */
const CLIENTS = 4096;
const MEASURED_HOSTS: readonly string[] = Array.from({ length: CLIENTS }, (_, i) => clientHost(i));
/** Keys of clients 0, 1, 2, …, as far as they were needed. */
let knownKeys = new Uint32Array(0);

interface PickTarget {
  readonly name: string;
  readonly ejection: EjectionState;
  inFlight: number;
}

/** The IPv4 address of a client by its number: distinct for distinct numbers, and scattered. */
export function clientHost(client: number): string {
  const address = Math.imul(client, 0x9e3779b1);
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** What hashing the address gives, computed once: for picks that are counted and not measured. */
export function clientKeys(count: number): Uint32Array {
  if (knownKeys.length < count) {
    knownKeys = Uint32Array.from({ length: count }, (_, i) => keyOf(clientHost(i)));
  }
  return knownKeys.subarray(0, count);
}

function keyOf(host: string): number {
  return hashKey(clientKeyBytes(host));
}

export class JsPicks {
  readonly #strategy: Strategy;
  readonly #targets: readonly PickTarget[];
  readonly #input: PickInput;
  #host = '';
  /** In place of the host's. */
  #key: number | null = null;
  #cursor = 0;
  #random: () => number = createRng(1);

  constructor(plan: Plan, pool: PlanPool) {
    const { first, count } = pool.targets;
    const planned = plan.targets.slice(first, first + count);
    const targets = planned.map(({ name }) => ({
      name,
      ejection: { failures: 0, ejections: 0, ejectedUntilMs: 0 },
      inFlight: 0,
    }));
    const readKey = () => this.#key ?? keyOf(this.#host);
    this.#strategy = strategyOf(pool.strategy);
    this.#targets = targets;
    this.#input = {
      table: pool.table,
      weights: planned.map(({ weight }) => weight),
      nextCursor: () => this.#cursor++,
      get key() {
        return readKey();
      },
      random: () => this.#random(),
      isUsable: (position) => {
        const target = targets[position];
        return target !== undefined && !isEjected(target.ejection, 1);
      },
      inFlight: (position) => targets[position]?.inFlight ?? 0,
    };
  }

  /** As a listener does it: from an address to a position. */
  pick(host: string): number {
    this.#host = host;
    this.#key = null;
    return this.#strategy.pick(this.#input);
  }

  pickByKey(key: number): number {
    this.#key = key;
    return this.#strategy.pick(this.#input);
  }

  nameOf(position: number): string {
    const target = this.#targets[position];
    if (target === undefined) throw new Error('a pick without a target');
    return target.name;
  }

  /** The cursor, the random numbers and the loads begin anew. */
  restart(seed: number): void {
    this.#cursor = 0;
    this.#random = createRng(seed);
    for (const target of this.#targets) target.inFlight = 0;
  }

  /** As NativeLoops.spread(). */
  spread({
    seed,
    picks,
    inFlight,
  }: {
    seed: number;
    picks: number;
    inFlight: number;
  }): readonly number[] {
    this.restart(seed);
    const counts = new Array<number>(this.#targets.length).fill(0);
    const served: PickTarget[] = [];
    clientKeys(picks).forEach((key, client) => {
      const done = served[client % inFlight];
      if (done !== undefined) done.inFlight--;
      const position = this.pickByKey(key);
      const target = this.#targets[position];
      if (target === undefined) throw new Error('a pick without a target');
      target.inFlight++;
      served[client % inFlight] = target;
      counts[position] = (counts[position] ?? 0) + 1;
    });
    return counts;
  }

  /** Under the loads that the last spread() left. */
  measure(milliseconds: number): Round {
    return measureRound(milliseconds, (i) => this.pick(MEASURED_HOSTS[i % CLIENTS] ?? ''));
  }
}

/** What measureRound() was given last: the compiler cannot leave out work whose result is looked at. */
let kept = 0;

/**
 * As native/micro/round.h: finds a batch that lasts long enough for the clock not to matter, which also warms up, then
 * runs batches until the round's time is over.
 */
export function measureRound(milliseconds: number, op: (i: number) => number): Round {
  let next = 0;
  const batchMs = (length: number): number => {
    const start = performance.now();
    for (let i = 0; i < length; i++) kept ^= op(next++);
    return performance.now() - start;
  };
  const enoughMs = Math.min(1, Math.max(0.02, milliseconds / 16));
  let length = 1;
  while (batchMs(length) < enoughMs) length *= 2;
  let ops = 0;
  let spentMs = 0;
  do {
    spentMs += batchMs(length);
    ops += length;
  } while (spentMs < milliseconds);
  if (Number.isNaN(kept)) throw new Error('work must give numbers');
  return { ns: (spentMs * 1e6) / ops, ops };
}
