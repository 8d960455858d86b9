// The target with the least in flight for its weight. Targets that are equally busy take turns, by the pool's
// shared cursor, so a quiet pool is used evenly.
import { isLighter } from './load.ts';
import type { PickInput, Strategy } from './strategy.ts';

export const leastConnections: Strategy = {
  name: 'least-connections',

  buildTable: () => new Uint32Array(0),

  pick({ weights, nextCursor, isUsable, inFlight }: PickInput): number {
    let best = -1;
    let bestInFlight = 0;
    let bestWeight = 1;
    let ties = 0;
    for (let i = 0; i < weights.length; i++) {
      if (!isUsable(i)) continue;
      const weight = weights[i] ?? 1;
      const load = inFlight(i);
      if (best < 0 || isLighter(load, weight, bestInFlight, bestWeight)) {
        best = i;
        bestInFlight = load;
        bestWeight = weight;
        ties = 1;
      } else if (!isLighter(bestInFlight, bestWeight, load, weight)) {
        ties++;
      }
    }
    if (ties <= 1) return best;
    let turn = nextCursor() % ties;
    for (let i = best; i < weights.length; i++) {
      if (!isUsable(i)) continue;
      if (isLighter(bestInFlight, bestWeight, inFlight(i), weights[i] ?? 1)) continue;
      if (turn-- === 0) return i;
    }
    return best;
  },
};
