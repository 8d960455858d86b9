// What a strategy is. A strategy turns a pool's targets into a table once, when a plan is compiled, and picks
// from it for every request. These are the reference picks, which the js engine runs; native/balance holds the
// same picks under the same file names, and test/vectors/balance holds both to one truth.
import type { StrategyName } from '../contract/codes.ts';

export interface WeightedTarget {
  readonly name: string;
  /** >= 1. */
  readonly weight: number;
}

export interface PickInput {
  /** What buildTable made of the pool's targets. */
  readonly table: Uint32Array;
  /** One entry a target, in order. */
  readonly weights: ArrayLike<number>;
  /** The pool's shared cursor, advanced by one after it was read. */
  nextCursor(): number;
  /** 32-bit hash of the client's address: hashKey(clientKeyBytes(host)). */
  readonly key: number;
  /** 32 random bits, unsigned. */
  random(): number;
  /** False for a target that is ejected, unhealthy or was tried already. */
  isUsable(position: number): boolean;
  inFlight(position: number): number;
}

export interface Strategy {
  readonly name: StrategyName;
  /** Entries are positions within the pool's targets. Empty where the strategy needs no table. */
  buildTable(targets: readonly WeightedTarget[]): Uint32Array;
  /** Position within the pool's targets, or -1 when none is usable. */
  pick(input: PickInput): number;
}
