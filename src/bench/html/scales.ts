// From values to places on a plot, with round ticks.

export interface Scale {
  at(value: number): number;
  readonly ticks: readonly number[];
}

export type Range = readonly [from: number, to: number];

/** From zero to at least `most`, ending on a tick. */
export function linearFromZero(most: number, range: Range, wanted = 5): Scale {
  const top = Number.isFinite(most) && most > 0 ? most : 1;
  const step = roundStep(top / wanted);
  const steps = Math.ceil(top / step - 1e-9);
  const ticks = Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toPrecision(12)));
  return { at: placer(0, steps * step, range, (value) => value), ticks };
}

/** Between the least and the most of `values`; used where the ticks are the values themselves. */
export function linearBetween(values: readonly number[], range: Range): Scale {
  const [least, most] = widened(values, (value) => [value - 1, value + 1]);
  return { at: placer(least, most, range, (value) => value), ticks: distinct(values) };
}

/** Over whole decades, or the parts of them that hold `values`; what is not positive stands at the low end. */
export function logarithmic(values: readonly number[], range: Range): Scale {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const [least, most] = widened(positive, (value) => [value / 2, value * 2]);
  const decades = Math.log10(most / least);
  const marks = decades < 2 ? [1, 2, 5] : decades < 4 ? [1, 3] : [1];
  const stride = Math.max(1, Math.ceil(decades / 8));
  const ticks: number[] = [];
  const first = Math.floor(Math.log10(least)) - 1;
  for (let power = first; power <= Math.ceil(Math.log10(most)) + 1; power++) {
    if ((power - first) % stride !== 0) continue;
    ticks.push(...marks.map((mark) => Number((mark * 10 ** power).toPrecision(6))));
  }
  const low = ticks.findLast((tick) => tick <= least * (1 + 1e-9)) ?? least;
  const high = ticks.find((tick) => tick >= most * (1 - 1e-9)) ?? most;
  return {
    at: placer(low, high, range, (value) => Math.log10(Math.max(value, low))),
    ticks: ticks.filter((tick) => tick >= low && tick <= high),
  };
}

/** Over exactly the values given, which are its ticks. */
export function logarithmicBetween(values: readonly number[], range: Range): Scale {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const [least, most] = widened(positive, (value) => [value / 2, value * 2]);
  return {
    at: placer(least, most, range, (value) => Math.log10(Math.max(value, least))),
    ticks: distinct(positive),
  };
}

function placer(
  from: number,
  to: number,
  [start, end]: Range,
  along: (value: number) => number,
): (value: number) => number {
  const origin = along(from);
  const length = along(to) - origin;
  return (value) => {
    const share = length === 0 ? 0 : (along(value) - origin) / length;
    return start + Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0)) * (end - start);
  };
}

/** Least and most; something around a lone value; 0 to 1 of nothing at all. */
function widened(
  values: readonly number[],
  around: (value: number) => readonly [number, number],
): readonly [number, number] {
  const least = Math.min(...values);
  const most = Math.max(...values);
  if (values.length === 0) return around(1);
  return least === most ? around(least) : [least, most];
}

function distinct(values: readonly number[]): readonly number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

function roundStep(about: number): number {
  const power = 10 ** Math.floor(Math.log10(about));
  const times = about / power;
  return power * ([1, 2, 2.5, 5].find((step) => step >= times - 1e-9) ?? 10);
}
