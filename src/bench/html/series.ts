// Cases that are points of one curve: cost, throughput or latency over what was varied.
import { formatBytes, formatNumber, formatPlain } from '../numbers.ts';
import type { CaseRecord, Metric, Series } from '../report.ts';
import type { Figure } from '../statistics.ts';
import { isMoreBetter, labelOf, METRIC_NAMES, standingsOf, unitOf } from '../verdicts.ts';
import { distributions, numbers, remarkList, remarksOn } from './cases.ts';
import { details, figure } from './figure.ts';
import { type Line, lines, type Point } from './lines.ts';
import { type Content, html, type Markup } from './markup.ts';
import { anchorOf, capitalised, figuresIn, type Page } from './page.ts';

/** Below this share of the intended rate, the rate was not kept. */
const KEPT_UP = 0.98;
/** Beyond this factor between the least and the most, small values would lie flat on the axis. */
const WIDE = 20;

/** The points of one series, which has a point or more. */
export function seriesSection(page: Page, series: Series, records: readonly CaseRecord[]): Markup {
  const points = records.toSorted((a, b) => (a.series?.value ?? 0) - (b.series?.value ?? 0));
  const metrics: readonly Metric[] = series.show === 'latency' ? ['p50', 'p99'] : [series.show];
  return html`<section><h3>${points.map((record) => html`<a id="${anchorOf(page, record)}"></a>`)}${series.title}</h3>
${series.show === 'latency' && latencyRemark(points)}<div class="plots">${metrics.map((metric) => curves(page, series, points, metric))}${series.show !== 'latency' && ratioCurves(page, series, points)}</div>
${remarkList(remarksOnPoints(page, series, points))}${details('Numbers', numbers(page, points))}${points.map((record) => distributions(page, record, ` at ${pointName(series, record)}`))}</section>
`;
}

function curves(
  page: Page,
  series: Series,
  records: readonly CaseRecord[],
  metric: Metric,
): Markup {
  const first = records[0];
  const unit = first ? unitOf(first, metric) : '';
  const drawn = linesOf(page, records, metric);
  if (drawn.every(({ points }) => points.length === 0)) {
    return html`<p>No contestant has a figure.</p>`;
  }
  const isLatency = series.show === 'latency';
  const medians = drawn.flatMap(({ points }) => points.map(({ median }) => median));
  const isLogY =
    isLatency || (series.isLogarithmic && Math.max(...medians) > WIDE * Math.min(...medians));
  const better = `${isMoreBetter(metric) ? 'more' : 'less'} is better`;
  const title = `${capitalised(METRIC_NAMES[metric])} over ${series.axis}`;
  // Both percentiles on one scale, so that they can be compared at a glance.
  const alsoY = isLatency
    ? (['p50', 'p99'] as const)
        .flatMap((one) => linesOf(page, records, one))
        .flatMap(({ points }) => points.map((point) => point.median))
    : [];
  return figure({
    title,
    better,
    description: describe(`${title}, in ${unit}`, better, series, drawn),
    plot: lines({
      lines: drawn,
      axis: series.axis,
      unit: isLogY ? `${unit}, logarithmic` : unit,
      isLogX: series.isLogarithmic,
      isLogY,
      formatX: formatX(series),
      alsoY,
    }),
  });
}

/** Our ratio to each other contestant over the axis. */
function ratioCurves(page: Page, series: Series, records: readonly CaseRecord[]): Content {
  const { report, palette } = page;
  const standings = records.flatMap((record) => standingsOf(report, record));
  const [first] = standings;
  if (!first) return null;
  const { metric } = first;
  const ours = labelOf(report, first.of);
  const others = [...new Set(standings.map(({ to }) => to))];
  const drawn = others.map((to) => ({
    label: `÷ ${labelOf(report, to)}`,
    slot: palette.slotOf(to),
    points: standings
      .filter((one) => one.to === to)
      .map(({ record, ratio: { median, low, high }, difference }): Point => {
        const isDoubtful = difference !== 'less' && difference !== 'more';
        return { x: record.series?.value ?? 0, median, low, high, isDoubtful };
      }),
  }));
  const better = `${isMoreBetter(metric) ? 'more' : 'less'} than 1 is better`;
  const title = `${capitalised(METRIC_NAMES[metric])}: ${ours} ÷ the others`;
  return figure({
    title,
    better,
    description: describe(title, better, series, drawn),
    plot: lines({
      lines: drawn,
      axis: series.axis,
      unit: 'ratio; hollow: no difference shown',
      isLogX: series.isLogarithmic,
      isLogY: false,
      formatX: formatX(series),
      reference: 1,
    }),
  });
}

function describe(title: string, better: string, series: Series, drawn: readonly Line[]): string {
  const curves = drawn.map(({ label, points }) => {
    const places = points.map(
      ({ x, median }) => `${formatNumber(median)} at ${formatX(series)(x)}`,
    );
    return `${label}: ${places.join(', ')}`;
  });
  return `${title}, ${better}. ${curves.join('. ')}`;
}

function linesOf(page: Page, records: readonly CaseRecord[], metric: Metric): readonly Line[] {
  const ids = page.report.contestants.map(({ id }) => id);
  const seen = new Set(
    records.flatMap((record) => figuresIn(page, record).map((one) => one.contestant)),
  );
  const ordered = [
    ...ids.filter((id) => seen.has(id)),
    ...[...seen].filter((id) => !ids.includes(id)),
  ];
  return ordered.map((id) => ({
    label: labelOf(page.report, id),
    slot: page.palette.slotOf(id),
    points: records.flatMap((record): readonly Point[] => {
      const figure = figuresIn(page, record).find(({ contestant }) => contestant === id);
      const value = figure?.[metric] ?? null;
      if (!figure || value === null || !record.series) return [];
      const { median, low, high } = value;
      const isDoubtful = !keptUp(record, figure);
      return [{ x: record.series.value, median, low, high, isDoubtful }];
    }),
  }));
}

function keptUp(record: CaseRecord, { contestant, rate }: Figure): boolean {
  const intended =
    record.samples.find((one) => one.contestant === contestant)?.intendedRate ?? null;
  return intended === null || rate === null || rate.median >= KEPT_UP * intended;
}

function latencyRemark(records: readonly CaseRecord[]): Content {
  const isPoisson = records.some(({ arrival }) => arrival === 'poisson');
  return html`<p class="muted">${isPoisson ? 'Poisson arrivals' : 'Arrivals'} at a fixed rate, whatever the answers do; latency counts from the moment at which a request was meant to leave. Hollow: the rate was not kept, so that waiting grew for as long as the sample lasted.</p>
`;
}

/** What is true of several points is said once. */
function remarksOnPoints(
  page: Page,
  series: Series,
  records: readonly CaseRecord[],
): readonly string[] {
  const places = new Map<string, string[]>();
  for (const record of records) {
    for (const line of remarksOn(page, record)) {
      const earlier = places.get(line) ?? [];
      earlier.push(formatX(series)(record.series?.value ?? Number.NaN));
      places.set(line, earlier);
    }
  }
  const unit = isBytes(series) ? '' : ` ${series.axis}`;
  return [...places].map(([line, at]) =>
    at.length === records.length ? line : `At ${at.join(', ')}${unit}: ${line}`,
  );
}

function pointName(series: Series, record: CaseRecord): string {
  return `${formatX(series)(record.series?.value ?? Number.NaN)}${isBytes(series) ? '' : ` ${series.axis}`}`;
}

function formatX(series: Series): (value: number) => string {
  return isBytes(series) ? formatBytes : formatPlain;
}

function isBytes({ axis }: Series): boolean {
  return axis.startsWith('bytes');
}
