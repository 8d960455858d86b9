// Latency as it is spread: a strip of a histogram for each contestant, and the latency at each percentile.

import { formatPlain } from '../numbers.ts';
import type { Latency } from '../report.ts';
import { lineBetween, type Plot, textAt, WIDTH } from './figure.ts';
import { fitText, keepApart, spreadOut, textWidth } from './layout.ts';
import { html, type Markup } from './markup.ts';
import { SLOTS } from './palette.ts';
import { logarithmic, type Scale } from './scales.ts';

export type Histogram = Latency['histogram'];

export interface Distribution {
  readonly label: string;
  readonly slot: number;
  readonly histogram: Histogram;
}

const GAP = 8;
const MOST_LABEL = 165;
const STRIP = 34;
/** To the right of the strips, for half of the last tick's label. */
const MARGIN = 30;
/** Steps of the strips along the logarithm of the latency: factors of about 1.12. */
const STEPS_PER_DECADE = 20;
const TAIL_HEIGHT = 290;
const TAIL_TOP = 22;
const TAIL_BOTTOM = TAIL_HEIGHT - 44;
const TAIL_MARKS = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999];

/** Of several samples, the sum. */
export function mergeHistograms(histograms: readonly Histogram[]): Histogram {
  const counts = new Map<number, number>();
  for (const [upTo, count] of histograms.flat()) counts.set(upTo, (counts.get(upTo) ?? 0) + count);
  return [...counts].sort(([a], [b]) => a - b);
}

/** One strip a contestant over one axis of latency; each is as high as its most frequent latency. */
export function strips(distributions: readonly Distribution[]): Plot {
  const labels = labelRoom(distributions);
  const left = labels + GAP;
  const all = distributions.flatMap(({ histogram }) => histogram.map(([upTo]) => upTo));
  const across = logarithmic(all, [left, WIDTH - MARGIN]);
  const bottom = distributions.length * STRIP + 10;
  const ticks = across.ticks.map((tick) => ({ at: across.at(tick), text: formatPlain(tick) }));
  const shown = keepApart(ticks, WIDTH);
  return {
    height: bottom + 40,
    drawing: html`${ticks.map(
      ({ at, text }, i) =>
        html`${lineBetween(at, 2, at, bottom, 'grid')}${shown[i] === true && textAt(at, bottom + 16, text, { anchor: 'middle', kind: 'tick' })}`,
    )}${distributions.map((one, i) => strip(one, 10 + (i + 1) * STRIP, left, across))}${textAt((left + WIDTH) / 2, bottom + 36, 'latency, µs', { anchor: 'middle', kind: 'axis' })}`,
  };
}

/** The latency that all but the slowest share of the answers kept to. */
export function percentiles(distributions: readonly Distribution[]): Plot {
  const drawn = distributions.filter(({ histogram }) => histogram.length > 0);
  const all = drawn.flatMap(({ histogram }) => histogram.map(([upTo]) => upTo));
  const vertical = logarithmic(all, [TAIL_BOTTOM, TAIL_TOP + 8]);
  const left = Math.max(30, ...vertical.ticks.map((tick) => textWidth(formatPlain(tick)))) + GAP;
  const labels = labelRoom(drawn);
  const right = WIDTH - labels - 3 * GAP;
  const most = Math.max(10, ...drawn.map(({ histogram }) => total(histogram)));
  const deepest = Math.min(5, Math.max(1, Math.floor(Math.log10(most))));
  const at = (share: number): number =>
    left + (Math.min(deepest, -Math.log10(Math.max(1 - share, 1e-9))) / deepest) * (right - left);
  const marks = [0, ...TAIL_MARKS].filter((share) => -Math.log10(1 - share) <= deepest + 1e-6);
  const labelled = marks.map((share) => ({
    at: at(share),
    text: `${Number((share * 100).toPrecision(6))} %`,
  }));
  const shown = keepApart(labelled, WIDTH, 4);
  return {
    height: TAIL_HEIGHT,
    drawing: html`${textAt(2, 12, 'latency, µs', { kind: 'axis' })}${vertical.ticks.map(
      (tick, i) =>
        html`${lineBetween(left, vertical.at(tick), right, vertical.at(tick), i === 0 ? 'axis' : 'grid')}${textAt(left - GAP, vertical.at(tick) + 4.5, formatPlain(tick), { anchor: 'end', kind: 'tick' })}`,
    )}${labelled.map(
      (mark, i) =>
        html`${lineBetween(mark.at, TAIL_BOTTOM, mark.at, TAIL_BOTTOM + 4, 'axis')}${shown[i] === true && textAt(mark.at, TAIL_BOTTOM + 18, mark.text, { anchor: 'middle', kind: 'tick' })}`,
    )}${textAt((left + right) / 2, TAIL_BOTTOM + 38, 'share of the answers that took no longer', { anchor: 'middle', kind: 'axis' })}${tails(drawn, at, vertical, right, labels)}`,
  };
}

/** Where a distribution's percentile is, by its buckets. */
export function percentileOf(histogram: Histogram, share: number): number {
  const wanted = share * total(histogram);
  let seen = 0;
  for (const [upTo, count] of histogram) {
    seen += count;
    if (seen >= wanted) return upTo;
  }
  return histogram.at(-1)?.[0] ?? Number.NaN;
}

function strip(
  { label, slot, histogram }: Distribution,
  base: number,
  left: number,
  across: Scale,
): Markup {
  const steps = new Map<number, number>();
  for (const [upTo, count] of histogram) {
    const step = Math.floor(Math.log10(Math.max(upTo, 1e-3)) * STEPS_PER_DECADE);
    steps.set(step, (steps.get(step) ?? 0) + count);
  }
  const most = Math.max(...steps.values(), 1);
  const path = [...steps]
    .sort(([a], [b]) => a - b)
    .map(([step, count]) => {
      const from = across.at(10 ** (step / STEPS_PER_DECADE));
      const to = across.at(10 ** ((step + 1) / STEPS_PER_DECADE));
      // What happened once among millions is still seen.
      const height = Math.max(0.75, (count / most) * (STRIP - 9));
      return html`M${from} ${base}V${base - height}H${Math.max(to, from + 0.5)}V${base}Z`;
    });
  const marks = [0.5, 0.99].map((share) => {
    const x = across.at(percentileOf(histogram, share));
    return html`<path class="quantile" d="M${x} ${base + 3}V${base - STRIP + 8}"/>`;
  });
  return html`${textAt(left - GAP, base - 8, fitText(label, left - GAP), { anchor: 'end', whole: label })}<g class="c${slot}"><path class="bar" d="${path}"/></g>${lineBetween(left, base, WIDTH - MARGIN, base, 'grid')}${histogram.length > 0 && marks}`;
}

function tails(
  drawn: readonly Distribution[],
  at: (share: number) => number,
  vertical: Scale,
  right: number,
  labels: number,
): Markup {
  const wanted = drawn.map(({ histogram }) => vertical.at(histogram.at(-1)?.[0] ?? 0));
  const places = spreadOut(wanted, 15, TAIL_TOP, TAIL_BOTTOM);
  return html`${drawn.map(({ label, slot, histogram }, i) => {
    const answers = total(histogram);
    let seen = 0;
    const path = histogram.map(([upTo, count], k) => {
      const x = at(seen / answers);
      seen += count;
      const y = vertical.at(upTo);
      return k === 0 ? html`M${x} ${y}H${at(seen / answers)}` : html`V${y}H${at(seen / answers)}`;
    });
    const dash = SLOTS[slot]?.dash ?? '';
    const x = right + 2 * GAP;
    return html`<g class="c${slot}"><title>${label}</title><path class="curve" ${dash !== '' && html`stroke-dasharray="${dash}" `}d="${path}"/><path class="leader" d="M${right + 2} ${wanted[i] ?? 0}L${x - 3} ${places[i] ?? 0}"/></g>${textAt(x, (places[i] ?? 0) + 4.5, fitText(label, labels), { whole: label })}`;
  })}`;
}

function labelRoom(distributions: readonly Distribution[]): number {
  return Math.min(MOST_LABEL, Math.max(40, ...distributions.map(({ label }) => textWidth(label))));
}

function total(histogram: Histogram): number {
  return histogram.reduce((sum, [, count]) => sum + count, 0);
}
