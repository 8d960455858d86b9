// A client keeps its target as long as that is usable. When it is not, the client's key is hashed again until it
// meets one that is, so only the clients of the lost target move, and they spread over all the others.
import { rehash } from './hash.ts';
import { firstUsableFrom } from './scan.ts';
import type { PickInput, Strategy, WeightedTarget } from './strategy.ts';
import { weightedSequence } from './weighted-sequence.ts';

/** Hashes before the linear scan. */
const ATTEMPTS = 16;

export const ipHash: Strategy = {
  name: 'ip-hash',

  buildTable: (targets: readonly WeightedTarget[]) =>
    weightedSequence(targets.map(({ weight }) => weight)),

  pick({ table, weights, key, isUsable }: PickInput): number {
    if (table.length === 0) return -1;
    let hash = key;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const position = table[hash % table.length] ?? 0;
      if (isUsable(position)) return position;
      hash = rehash(key, attempt);
    }
    return firstUsableFrom(hash % weights.length, weights.length, isUsable);
  },
};
