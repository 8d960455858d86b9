// One period of the smooth weighted order: each target appears as often as its weight says, spread as evenly
// as possible, so weights 5, 1, 1 give a a b a c a a and never five a in a row.

/** The longest period, hence the largest table, that weights may lead to. */
export const MAX_PERIOD = 65_536;

/**
 * nginx's algorithm (ngx_http_upstream_round_robin.c): every turn each target gains its weight, the richest is
 * chosen and pays the sum of all weights. After as many turns as that sum everyone is back at zero.
 */
export function weightedSequence(weights: readonly number[]): Uint32Array {
  const shares = reduce(weights);
  if (shares.every((share) => share === 1)) return Uint32Array.from(shares, (_, i) => i);
  const period = sum(shares);
  const credit = new Float64Array(shares.length);
  const table = new Uint32Array(period);
  for (let turn = 0; turn < period; turn++) {
    let best = 0;
    for (let i = 0; i < shares.length; i++) {
      credit[i] = (credit[i] ?? 0) + (shares[i] ?? 0);
      if ((credit[i] ?? 0) > (credit[best] ?? 0)) best = i;
    }
    credit[best] = (credit[best] ?? 0) - period;
    table[turn] = best;
  }
  return table;
}

/** The weights divided by what they have in common, and scaled down where their sum exceeds MAX_PERIOD. */
function reduce(weights: readonly number[]): number[] {
  const divisor = weights.reduce(greatestCommonDivisor, 0);
  const shares = weights.map((weight) => weight / divisor);
  const total = sum(shares);
  if (total <= MAX_PERIOD) return shares;
  if (shares.length >= MAX_PERIOD) return shares.map(() => 1);
  // Nobody goes below 1; who was raised to it takes room from the others.
  let room = MAX_PERIOD;
  for (;;) {
    const scaled = shares.map((share) => Math.max(1, Math.floor((share * room) / total)));
    const excess = sum(scaled) - MAX_PERIOD;
    if (excess <= 0) return reduce(scaled);
    room -= excess;
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
