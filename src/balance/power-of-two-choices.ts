// Two different targets by weighted chance, and of them the one with less in flight for its weight: nearly as
// even as least-connections without looking at every target (Mitzenmacher 2001).
import { isLighter } from './load.ts';
import { drawUsable } from './random.ts';
import type { PickInput, Strategy, WeightedTarget } from './strategy.ts';
import { weightedSequence } from './weighted-sequence.ts';

export const powerOfTwoChoices: Strategy = {
  name: 'power-of-two-choices',

  buildTable: (targets: readonly WeightedTarget[]) =>
    weightedSequence(targets.map(({ weight }) => weight)),

  pick(input: PickInput): number {
    const { weights, inFlight } = input;
    const first = drawUsable(input, -1);
    if (first < 0 || weights.length === 1) return first;
    const second = drawUsable(input, first);
    if (second < 0) return first;
    const isSecondLighter = isLighter(
      inFlight(second),
      weights[second] ?? 1,
      inFlight(first),
      weights[first] ?? 1,
    );
    return isSecondLighter ? second : first;
  },
};
