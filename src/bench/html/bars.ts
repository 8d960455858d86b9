// Horizontal bars from zero, one a contestant, with the interval of the median across the end of each.
import { formatGrouped, formatPlain } from '../numbers.ts';
import { lineBetween, type Plot, textAt, WIDTH } from './figure.ts';
import { fitText, keepApart, textWidth } from './layout.ts';
import { html, type Markup } from './markup.ts';
import { linearFromZero } from './scales.ts';

export interface Bar {
  readonly label: string;
  readonly slot: number;
  /** Null where there is no figure; `remark` then says why. */
  readonly value: { readonly median: number; readonly low: number; readonly high: number } | null;
  /** Behind the value, such as what held it back. */
  readonly remark: string;
}

const ROW = 25;
const THICKNESS = 15;
const MOST_LABEL = 215;
const GAP = 8;

export function bars(rows: readonly Bar[], unit: string): Plot {
  const labels = Math.min(MOST_LABEL, Math.max(...rows.map(({ label }) => textWidth(label)), 40));
  const left = labels + GAP;
  const valueText = (row: Bar): string =>
    row.value === null
      ? ''
      : `${formatGrouped(row.value.median)}${row.remark && ` · ${row.remark}`}`;
  const ends = rows.flatMap(({ value }) =>
    value === null ? [] : [Math.max(value.median, value.high)],
  );
  const most = Math.max(...ends, 0);
  // The axis ends where the longest of bar and value still fits.
  const shares = rows.flatMap((row) => {
    if (row.value === null || most === 0) return [];
    const share = Math.max(row.value.median, row.value.high) / most;
    return [(WIDTH - left - textWidth(valueText(row)) - 2 * GAP) / Math.max(share, 0.01)];
  });
  const right = left + Math.max(90, Math.min(WIDTH - left - GAP, ...shares));
  const bottom = rows.length * ROW + 6;
  const scale = fittedScale(most, left, right);
  return {
    height: bottom + 40,
    drawing: html`${axis(scale.ticks, scale.at, bottom)}${textAt(Math.max((left + right) / 2, textWidth(unit) / 2 + 2), bottom + 36, unit, { anchor: 'middle', kind: 'axis' })}${rows.map((row, i) => bar(row, i * ROW + 6, left, scale.at, valueText(row)))}`,
  };
}

/** Ends with its data, not with the next tick: the room to the right is for values. */
function fittedScale(
  most: number,
  left: number,
  right: number,
): { readonly at: (value: number) => number; readonly ticks: readonly number[] } {
  const top = most > 0 && Number.isFinite(most) ? most : 1;
  const { ticks } = linearFromZero(top, [left, right], 4);
  const at = (value: number): number =>
    left + (Math.min(top, Math.max(0, Number.isFinite(value) ? value : 0)) / top) * (right - left);
  return { at, ticks: ticks.filter((tick) => tick <= top * (1 + 1e-9)) };
}

function axis(ticks: readonly number[], at: (value: number) => number, bottom: number): Markup {
  const labels = ticks.map((tick) => ({ at: at(tick), text: formatPlain(tick) }));
  const shown = keepApart(labels, WIDTH);
  return html`${labels.map(
    (label, i) =>
      html`${lineBetween(label.at, 2, label.at, bottom, i === 0 ? 'axis' : 'grid')}${shown[i] === true && textAt(label.at, bottom + 16, label.text, { anchor: 'middle', kind: 'tick' })}`,
  )}`;
}

function bar(
  { label, slot, value, remark }: Bar,
  top: number,
  left: number,
  at: (value: number) => number,
  text: string,
): Markup {
  const middle = top + ROW / 2 - 2;
  const name = fitText(label, left - GAP);
  const baseline = middle + 4.5;
  const head = textAt(left - GAP, baseline, name, { anchor: 'end', whole: label });
  if (value === null) {
    const room = WIDTH - left - 2 * GAP;
    return html`${head}${textAt(left + GAP, baseline, fitText(`no figure: ${remark}`, room), { kind: 'tick', whole: remark })}`;
  }
  const [low, end, high] = [at(value.low), at(value.median), at(value.high)];
  const whisker =
    high - low >= 1.5 &&
    html`${lineBetween(low, middle, high, middle, 'whisker')}${[low, high].map((x) => lineBetween(x, middle - 4, x, middle + 4, 'whisker'))}`;
  const room = WIDTH - Math.max(end, high) - GAP;
  return html`${head}<g class="c${slot}"><rect class="bar" x="${left}" y="${middle - THICKNESS / 2}" width="${Math.max(1, end - left)}" height="${THICKNESS}"/></g>${whisker}${textAt(Math.max(end, high) + GAP, baseline, fitText(text, room), { kind: 'value', whole: text })}`;
}
