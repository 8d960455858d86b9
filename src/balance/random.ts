// A target by chance, in proportion to its weight.
import { below } from './rng.ts';
import { firstUsableFrom } from './scan.ts';
import type { PickInput, Strategy, WeightedTarget } from './strategy.ts';
import { weightedSequence } from './weighted-sequence.ts';

/** Draws before the linear scan. With half the targets gone one pick in 65,536 comes to that. */
const DRAWS = 16;

export const random: Strategy = {
  name: 'random',

  buildTable: (targets: readonly WeightedTarget[]) =>
    weightedSequence(targets.map(({ weight }) => weight)),

  pick: (input: PickInput) => drawUsable(input, -1),
};

/** A usable target by weighted chance that is not `other`; -1 when there is none. */
export function drawUsable({ table, weights, random, isUsable }: PickInput, other: number): number {
  if (table.length === 0) return -1;
  for (let draw = 0; draw < DRAWS; draw++) {
    const position = table[below(random(), table.length)] ?? 0;
    if (position !== other && isUsable(position)) return position;
  }
  const start = below(random(), weights.length);
  return firstUsableFrom(start, weights.length, (i) => i !== other && isUsable(i));
}
