// Room for words: how wide text becomes, and labels that keep clear of each other. Widths are those of a wide typeface,
// so that they hold whichever one the reader's machine has.

/** Of all text in a plot, in its units. */
export const FONT_SIZE = 12.5;

export function textWidth(text: string, fontSize = FONT_SIZE): number {
  let ems = 0;
  for (const character of text) ems += emsOf(character);
  return ems * fontSize;
}

/** The text, or as much of its beginning as there is room for, and an ellipsis. */
export function fitText(text: string, room: number, fontSize = FONT_SIZE): string {
  if (textWidth(text, fontSize) <= room) return text;
  const kept = Array.from(text);
  while (kept.length > 0 && textWidth(`${kept.join('')}…`, fontSize) > room) kept.pop();
  return `${kept.join('').trimEnd()}…`;
}

/** Places as near as can be to the wanted ones, in the same order, `gap` apart, and within `from` and `to`. */
export function spreadOut(
  wanted: readonly number[],
  gap: number,
  from: number,
  to: number,
): readonly number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const room = (to - from) / Math.max(1, wanted.length - 1);
  const apart = Math.min(gap, room);
  // Labels that touch form a group, which stands around the mean of what its members want.
  const groups: { members: number[]; centre: number }[] = [];
  const extent = (members: readonly number[]): number => ((members.length - 1) * apart) / 2;
  const clamp = (members: readonly number[], centre: number): number =>
    Math.min(to - extent(members), Math.max(from + extent(members), centre));
  for (const i of order) {
    let group = { members: [i], centre: clamp([i], wanted[i] ?? 0) };
    let before = groups.at(-1);
    while (
      before &&
      before.centre + extent(before.members) + apart > group.centre - extent(group.members) + 1e-9
    ) {
      groups.pop();
      const members = [...before.members, ...group.members];
      const mean = members.reduce((sum, one) => sum + (wanted[one] ?? 0), 0) / members.length;
      group = { members, centre: clamp(members, mean) };
      before = groups.at(-1);
    }
    groups.push(group);
  }
  const places = wanted.map(() => 0);
  for (const { members, centre } of groups) {
    members.forEach((member, place) => {
      places[member] = centre - extent(members) + place * apart;
    });
  }
  return places;
}

/** Which of the labels, centred at their places in ascending order, fit side by side up to `end`, the last one first. */
export function keepApart(
  labels: readonly { readonly at: number; readonly text: string }[],
  end: number,
  gap = 8,
): readonly boolean[] {
  const kept = labels.map(() => false);
  let limit = end + gap;
  for (let i = labels.length - 1; i >= 0; i--) {
    const label = labels[i];
    if (!label) continue;
    const half = textWidth(label.text) / 2;
    if (label.at + half + gap > limit) continue;
    kept[i] = true;
    limit = label.at - half;
  }
  return kept;
}

function emsOf(character: string): number {
  if ("iljI.,:;'|!()[] ".includes(character)) return 0.4;
  if ('mwMW@%—…'.includes(character)) return 0.98;
  if (/[0-9]/.test(character)) return 0.64;
  if (/[A-Z]/.test(character)) return 0.74;
  return character < '\u0250' ? 0.63 : 1;
}
