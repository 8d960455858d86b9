// The linear scan that strategies end in when their own way has not met a usable target.

/** The first usable position at or after `start`, round the end; -1 when there is none. */
export function firstUsableFrom(
  start: number,
  count: number,
  isUsable: (position: number) => boolean,
): number {
  for (let step = 0; step < count; step++) {
    const position = (start + step) % count;
    if (isUsable(position)) return position;
  }
  return -1;
}
