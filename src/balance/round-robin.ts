// Targets in turn, each as often as its weight says. The cursor is shared by the whole process, so two equal
// targets alternate strictly whoever asks. Turns of a target that is not usable are used up by whoever meets
// them, so the others keep their order and their even shares.
import { firstUsableFrom } from './scan.ts';
import type { PickInput, Strategy, WeightedTarget } from './strategy.ts';
import { weightedSequence } from './weighted-sequence.ts';

export const roundRobin: Strategy = {
  name: 'round-robin',

  buildTable: (targets: readonly WeightedTarget[]) =>
    weightedSequence(targets.map(({ weight }) => weight)),

  pick({ table, weights, nextCursor, isUsable }: PickInput): number {
    const count = weights.length;
    for (let attempt = 0; attempt < table.length; attempt++) {
      // A long table without a usable target is not worth walking to its end.
      if (attempt === count && firstUsableFrom(0, count, isUsable) < 0) return -1;
      const position = table[nextCursor() % table.length] ?? 0;
      if (isUsable(position)) return position;
    }
    return firstUsableFrom(0, count, isUsable);
  },
};
