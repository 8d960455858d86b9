// Cases that are points of one curve: cost, throughput or latency over what was varied.
import { formatBytes, formatGrouped, formatNumber } from '../numbers.ts';
import type { CaseRecord, Metric, Series } from '../report.ts';
import type { Figure } from '../statistics.ts';
import { isMoreBetter, labelOf, METRIC_NAMES, unitOf } from '../verdicts.ts';
import { distributions, numbers, remarks } from './cases.ts';
import { details, figure } from './figure.ts';
import { type Line, lines, type Point } from './lines.ts';
import { type Content, html, type Markup } from './markup.ts';
import { anchorOf, figuresIn, type Page } from './page.ts';

/** Below this share of the intended rate, the rate was not kept. */
const KEPT_UP = 0.98;

/** The points of one series, which has a point or more. */
export function seriesSection(page: Page, series: Series, records: readonly CaseRecord[]): Markup {
  const points = records.toSorted((a, b) => (a.series?.value ?? 0) - (b.series?.value ?? 0));
  const metrics: readonly Metric[] = series.show === 'latency' ? ['p50', 'p99'] : [series.show];
  return html`<section><h3>${points.map((record) => html`<a id="${anchorOf(page, record)}"></a>`)}${series.title}</h3>
${series.show === 'latency' && latencyRemark(points)}<div class="plots">${metrics.map((metric) => curves(page, series, points, metric))}</div>
${points.map((record) => pointRemarks(page, series, record))}${details('Numbers', numbers(page, points))}${points.map((record) => pointDistributions(page, series, record))}</section>
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
  const isLatency = series.show === 'latency';
  const better = `${isMoreBetter(metric) ? 'more' : 'less'} is better`;
  const name = METRIC_NAMES[metric];
  const title = `${name.charAt(0).toUpperCase()}${name.slice(1)} over ${series.axis}`;
  // Both percentiles on one scale, so that they can be compared at a glance.
  const alsoY = isLatency
    ? (['p50', 'p99'] as const)
        .flatMap((one) => linesOf(page, records, one))
        .flatMap(({ points }) => points.map((point) => point.median))
    : [];
  return figure({
    title,
    better,
    description: `${title}, in ${unit}, ${better}. ${drawn
      .map(
        ({ label, points }) =>
          `${label}: ${points.map(({ x, median }) => `${formatNumber(median)} at ${formatX(series)(x)}`).join(', ')}`,
      )
      .join('. ')}`,
    plot: lines({
      lines: drawn,
      axis: series.axis,
      unit: isLatency ? `${unit}, logarithmic` : unit,
      isLogX: series.isLogarithmic,
      isLogY: isLatency,
      formatX: formatX(series),
      alsoY,
    }),
  });
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

function pointRemarks(page: Page, series: Series, record: CaseRecord): Content {
  const all = remarks(page, record);
  return all && html`<div class="muted">At ${pointName(series, record)}:${all}</div>`;
}

function pointDistributions(page: Page, series: Series, record: CaseRecord): Content {
  const all = distributions(page, record);
  return all && html`<div><span class="muted">At ${pointName(series, record)}:</span>${all}</div>`;
}

function pointName(series: Series, record: CaseRecord): string {
  return `${formatX(series)(record.series?.value ?? Number.NaN)}${isBytes(series) ? '' : ` ${series.axis}`}`;
}

function formatX(series: Series): (value: number) => string {
  return isBytes(series) ? formatBytes : formatGrouped;
}

function isBytes({ axis }: Series): boolean {
  return axis.startsWith('bytes');
}
