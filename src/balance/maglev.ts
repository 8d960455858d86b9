// Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): a client keeps its target, shares follow the weights
// closely, and when the set of targets changes few clients move. Targets take their turns in the order of their
// names, so writing the same targets in another order moves nobody.
import { murmur3 } from './hash.ts';
import { firstUsableFrom } from './scan.ts';
import type { PickInput, Strategy, WeightedTarget } from './strategy.ts';
import { weightedSequence } from './weighted-sequence.ts';

/** Prime, so that every skip walks over the whole table; the paper's small table size. */
export const MAGLEV_SIZE = 65_537;
const OFFSET_SEED = 0x6f666673;
const SKIP_SEED = 0x736b6970;
const EMPTY = 0xffff_ffff;

export const maglev: Strategy = {
  name: 'maglev',

  buildTable(targets: readonly WeightedTarget[]): Uint32Array {
    if (targets.length === 0) return new Uint32Array(0);
    const walkers = targets
      .map((target, position) => createWalker(target, position))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.position - b.position));
    const turns = weightedSequence(walkers.map(({ weight }) => weight));
    const table = new Uint32Array(MAGLEV_SIZE).fill(EMPTY);
    for (let filled = 0; filled < MAGLEV_SIZE; filled++) {
      const walker = walkers[turns[filled % turns.length] ?? 0];
      if (!walker) continue;
      while (table[walker.next] !== EMPTY) walker.next = (walker.next + walker.skip) % MAGLEV_SIZE;
      table[walker.next] = walker.position;
    }
    return table;
  },

  pick({ table, weights, key, isUsable }: PickInput): number {
    for (let step = 0; step < table.length; step++) {
      // A long table without a usable target is not worth walking to its end.
      if (step === weights.length && firstUsableFrom(0, weights.length, isUsable) < 0) return -1;
      const position = table[(key + step) % table.length] ?? 0;
      if (isUsable(position)) return position;
    }
    return firstUsableFrom(0, weights.length, isUsable);
  },
};

interface Walker {
  readonly name: string;
  readonly weight: number;
  readonly position: number;
  readonly skip: number;
  /** The next entry of the target's permutation of the table. */
  next: number;
}

function createWalker({ name, weight }: WeightedTarget, position: number): Walker {
  const bytes = new TextEncoder().encode(name);
  const next = murmur3(bytes, OFFSET_SEED) % MAGLEV_SIZE;
  const skip = (murmur3(bytes, SKIP_SEED) % (MAGLEV_SIZE - 1)) + 1;
  return { name, weight, position, skip, next };
}
