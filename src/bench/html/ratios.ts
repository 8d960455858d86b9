// A scenario in one picture: our ratio to every other contestant in every case, on one axis, with a line at 1.
import { formatNumber, formatPlain } from '../numbers.ts';
import type { Interval } from '../statistics.ts';
import { lineBetween, type Plot, textAt, WIDTH } from './figure.ts';
import { fitText, keepApart, textWidth } from './layout.ts';
import { html, type Markup } from './markup.ts';
import { markerAt } from './palette.ts';
import { logarithmic, type Scale } from './scales.ts';

/** The ratios of one case. */
export interface RatioGroup {
  readonly title: string;
  readonly rows: readonly RatioRow[];
}

export interface RatioRow extends Interval {
  readonly label: string;
  readonly slot: number;
  readonly median: number;
  /** Whether the interval is of enough rounds and leaves 1 out. */
  readonly isShown: boolean;
  readonly goal: number | null;
}

const ROW = 20;
const HEADING = 22;
const BETWEEN = 8;
const VALUES = 60;
const MOST_LABEL = 225;
const GAP = 8;

/** `all` are the groups of every plot beside this one: they share one axis. */
export function ratios(
  groups: readonly RatioGroup[],
  all: readonly RatioGroup[],
  axisTitle: string,
): Plot {
  const rows = all.flatMap((group) => group.rows);
  const labels = Math.min(MOST_LABEL, Math.max(60, ...rows.map(({ label }) => textWidth(label))));
  const left = labels + GAP;
  const right = WIDTH - VALUES - GAP;
  const values = rows.flatMap(({ low, high, median, goal }) => [low, high, median, goal ?? median]);
  const across = logarithmic([...values, 0.9, 1.1], [left + 6, right - 6]);
  let top = 0;
  const drawn = groups.map((group) => {
    const from = top;
    top += HEADING + group.rows.length * ROW + BETWEEN;
    return ratioGroup(group, from, left, across);
  });
  const ticks = across.ticks.map((tick) => ({ at: across.at(tick), text: formatPlain(tick) }));
  const shown = keepApart(ticks, WIDTH);
  return {
    height: top + 38,
    drawing: html`${drawn}${ticks.map(({ at, text }, i) => shown[i] === true && textAt(at, top + 14, text, { anchor: 'middle', kind: 'tick' }))}${textAt((left + right) / 2, top + 33, fitText(axisTitle, right), { anchor: 'middle', kind: 'axis' })}`,
  };
}

function ratioGroup(
  { title, rows }: RatioGroup,
  top: number,
  left: number,
  { ticks, at }: Scale,
): Markup {
  const from = top + HEADING;
  const to = from + rows.length * ROW;
  const grid = ticks.map((tick) => lineBetween(at(tick), from, at(tick), to, 'grid'));
  return html`${textAt(2, top + 16, fitText(title, WIDTH - 4), { whole: title })}${grid}${lineBetween(at(1), from, at(1), to, 'reference')}${rows.map((row, i) => ratio(row, from + (i + 0.5) * ROW, left, at))}`;
}

function ratio(
  { label, slot, median, low, high, isShown, goal }: RatioRow,
  y: number,
  left: number,
  at: (value: number) => number,
): Markup {
  const goalMark = goal !== null && html`<path class="goal" d="M${at(goal)} ${y - 8}v16"/>`;
  return html`${textAt(left - GAP, y + 4.5, fitText(label, left - GAP), { anchor: 'end', kind: 'tick', whole: label })}${goalMark}<g class="c${slot}"><path class="spread" d="M${at(low)} ${y}H${at(high)}M${at(low)} ${y - 4}v8M${at(high)} ${y - 4}v8"/>${markerAt(slot, at(median), y, !isShown)}</g>${textAt(WIDTH, y + 4.5, formatNumber(median), { anchor: 'end', kind: 'value' })}`;
}
