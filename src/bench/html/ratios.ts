// The whole report in one picture: our ratio to every other contestant in every case, on one axis, with a line at 1.
import { formatNumber } from '../numbers.ts';
import type { Interval } from '../statistics.ts';
import { formatTick } from './bars.ts';
import { lineBetween, type Plot, textAt, WIDTH } from './figure.ts';
import { fitText, keepApart, textWidth } from './layout.ts';
import { html, type Markup } from './markup.ts';
import { markerAt } from './palette.ts';
import { logarithmic } from './scales.ts';

export interface RatioRow extends Interval {
  /** Rows of one group stand together below their heading. */
  readonly group: string;
  readonly label: string;
  readonly slot: number;
  readonly median: number;
  /** Whether the interval is of enough rounds and leaves 1 out. */
  readonly isShown: boolean;
  readonly goal: number | null;
}

const ROW = 20;
const HEADING = 24;
const VALUES = 150;
const MOST_LABEL = 150;
const GAP = 8;

export function ratios(rows: readonly RatioRow[], axisTitle: string): Plot {
  const labels = Math.min(MOST_LABEL, Math.max(60, ...rows.map(({ label }) => textWidth(label))));
  const left = labels + GAP;
  const right = WIDTH - VALUES - GAP;
  const values = rows.flatMap(({ low, high, median, goal }) => [low, high, median, goal ?? median]);
  const across = logarithmic([...values, 0.9, 1.1], [left + 6, right - 6]);
  let top = 4;
  let group: string | null = null;
  const drawn = rows.map((row) => {
    const heading =
      row.group !== group &&
      textAt(2, top + 17, fitText(row.group, WIDTH - 4), { kind: 'value', whole: row.group });
    if (heading !== false) top += HEADING;
    group = row.group;
    const y = top + ROW / 2;
    top += ROW;
    return html`${heading}${ratio(row, y, left, right, across.at)}`;
  });
  const ticks = across.ticks.map((tick) => ({ at: across.at(tick), text: formatTick(tick), tick }));
  const shown = keepApart(ticks);
  return {
    height: top + 42,
    drawing: html`${ticks.map(
      ({ at, text, tick }, i) =>
        html`${lineBetween(at, 4, at, top + 3, tick === 1 ? 'reference' : 'grid')}${shown[i] === true && textAt(at, top + 18, text, { anchor: 'middle', kind: 'tick' })}`,
    )}${lineBetween(across.at(1), 4, across.at(1), top + 3, 'reference')}${drawn}${textAt((left + right) / 2, top + 37, fitText(axisTitle, WIDTH), { anchor: 'middle', kind: 'axis' })}`,
  };
}

function ratio(
  { label, slot, median, low, high, isShown, goal }: RatioRow,
  y: number,
  left: number,
  right: number,
  at: (value: number) => number,
): Markup {
  const text = `${formatNumber(median)} (${formatNumber(low)} – ${formatNumber(high)})`;
  const goalMark = goal !== null && html`<path class="goal" d="M${at(goal)} ${y - 8}v16"/>`;
  return html`${textAt(left - GAP, y + 4.5, fitText(label, left - GAP), { anchor: 'end', whole: label })}${goalMark}<g class="c${slot}"><path class="spread" d="M${at(low)} ${y}H${at(high)}M${at(low)} ${y - 4}v8M${at(high)} ${y - 4}v8"/>${markerAt(slot, at(median), y, !isShown)}</g>${textAt(right + GAP, y + 4.5, fitText(text, VALUES - GAP), { kind: 'value', whole: text })}`;
}
