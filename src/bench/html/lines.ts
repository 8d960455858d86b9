// Lines over an axis: a contestant each, with markers, intervals, and its name at the end of the line.

import { formatPlain } from '../numbers.ts';
import { lineBetween, type Plot, textAt, WIDTH } from './figure.ts';
import { FONT_SIZE, fitText, keepApart, spreadOut, textWidth } from './layout.ts';
import { html, type Markup } from './markup.ts';
import { markerAt, SLOTS } from './palette.ts';
import {
  linearBetween,
  linearFromZero,
  logarithmic,
  logarithmicBetween,
  type Scale,
} from './scales.ts';

export interface Point {
  readonly x: number;
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Not what it seems, such as a latency at a rate that was not reached: drawn hollow. */
  readonly isDoubtful: boolean;
}

export interface Line {
  readonly label: string;
  readonly slot: number;
  /** In the order of x. */
  readonly points: readonly Point[];
}

export interface LinePlot {
  readonly lines: readonly Line[];
  readonly axis: string;
  readonly unit: string;
  readonly isLogX: boolean;
  readonly isLogY: boolean;
  readonly formatX: (value: number) => string;
  /** A value worth a line across, such as 1 among ratios. */
  readonly reference?: number;
  /** Values that the vertical axis has to hold besides those drawn, so that two plots may share it. */
  readonly alsoY?: readonly number[];
}

const HEIGHT = 290;
const TOP = 22;
const BOTTOM = HEIGHT - 44;
const MOST_LABEL = 165;
const GAP = 8;
const LABEL_GAP = FONT_SIZE + 2.5;

export function lines(plot: LinePlot): Plot {
  const drawn = plot.lines.filter(({ points }) => points.length > 0);
  const values = drawn.flatMap(({ points }) =>
    points.flatMap(({ low, median, high }) => [low, median, high]),
  );
  const reference = plot.reference === undefined ? [] : [plot.reference];
  const vertical = verticalScale(plot, [...values, ...reference, ...(plot.alsoY ?? [])]);
  const left = Math.max(30, ...vertical.ticks.map((tick) => textWidth(formatPlain(tick)))) + GAP;
  const names = Math.min(MOST_LABEL, Math.max(30, ...drawn.map(({ label }) => textWidth(label))));
  const right = WIDTH - names - 3 * GAP;
  const places = drawn.flatMap(({ points }) => points.map(({ x }) => x));
  const across = (plot.isLogX ? logarithmicBetween : linearBetween)(places, [left + 10, right - 4]);
  return {
    height: HEIGHT,
    drawing: html`${textAt(2, 12, plot.unit, { kind: 'axis' })}${rows(vertical, left, right)}${columns(plot, across, left, right)}${reference.map((value) => lineBetween(left, vertical.at(value), right, vertical.at(value), 'reference'))}${onTop(drawn).map((line) => curve(line, across, vertical))}${nameTags(drawn, across, vertical, right, names)}`,
  };
}

/** The first contestant is the one that the report is about: nothing hides its line. */
function onTop(drawn: readonly Line[]): readonly Line[] {
  return drawn.toReversed();
}

function verticalScale({ isLogY }: LinePlot, values: readonly number[]): Scale {
  const range = [BOTTOM, TOP + 8] as const;
  return isLogY ? logarithmic(values, range) : linearFromZero(Math.max(0, ...values), range);
}

function rows({ ticks, at }: Scale, left: number, right: number): Markup {
  return html`${ticks.map(
    (tick, i) =>
      html`${lineBetween(left, at(tick), right, at(tick), i === 0 ? 'axis' : 'grid')}${textAt(left - GAP, at(tick) + 4.5, formatPlain(tick), { anchor: 'end', kind: 'tick' })}`,
  )}`;
}

function columns(plot: LinePlot, { ticks, at }: Scale, left: number, right: number): Markup {
  const labels = ticks.map((tick) => ({ at: at(tick), text: plot.formatX(tick) }));
  const shown = keepApart(labels, WIDTH);
  return html`${labels.map(
    (label, i) =>
      html`${lineBetween(label.at, BOTTOM, label.at, BOTTOM + 4, 'axis')}${shown[i] === true && textAt(label.at, BOTTOM + 18, label.text, { anchor: 'middle', kind: 'tick' })}`,
  )}${textAt((left + right) / 2, BOTTOM + 38, plot.axis, { anchor: 'middle', kind: 'axis' })}`;
}

function curve({ slot, points, label }: Line, across: Scale, vertical: Scale): Markup {
  const path = points.map(({ x, median }, i) => {
    return html`${i === 0 ? 'M' : 'L'}${across.at(x)} ${vertical.at(median)}`;
  });
  const dash = SLOTS[slot]?.dash ?? '';
  return html`<g class="c${slot}"><title>${label}</title><path class="curve" ${dash !== '' && html`stroke-dasharray="${dash}" `}d="${path}"/>${points.map(
    ({ x, median, low, high, isDoubtful }) => {
      const place = across.at(x);
      const [from, to] = [vertical.at(low), vertical.at(high)];
      const whisker =
        from - to >= 1.5 &&
        html`<path class="spread" d="M${place} ${from}V${to}M${place - 3.5} ${from}h7M${place - 3.5} ${to}h7"/>`;
      return html`${whisker}${markerAt(slot, place, vertical.at(median), isDoubtful)}`;
    },
  )}</g>`;
}

/** Beside the last point of each, moved apart where they would touch, with a leader to what they name. */
function nameTags(
  drawn: readonly Line[],
  across: Scale,
  vertical: Scale,
  right: number,
  room: number,
): Markup {
  const ends = drawn.map(({ points }) => points.at(-1));
  const wanted = ends.map((end) => (end ? vertical.at(end.median) : BOTTOM));
  const places = spreadOut(wanted, LABEL_GAP, TOP, BOTTOM);
  return html`${drawn.map(({ label, slot }, i) => {
    const end = ends[i];
    const y = places[i] ?? 0;
    if (!end) return null;
    const x = right + 2 * GAP;
    return html`<g class="c${slot}"><path class="leader" d="M${across.at(end.x) + 7} ${wanted[i] ?? 0}L${x - 3} ${y}"/></g>${textAt(x, y + 4.5, fitText(label, room), { whole: label })}`;
  })}`;
}
