// Cases of a report as tables in Markdown: one for each case, and one for all points of a series.
import { formatInterval, formatNumber, formatPlain, NO_FIGURE } from './numbers.ts';
import { inline, table } from './performance-markdown.ts';
import type { CaseRecord, Metric, Report } from './report.ts';
import { type Figure, figuresOf, type Ratio } from './statistics.ts';
import { headlineOf, labelOf, METRIC_NAMES, orderOf, standingsOf } from './verdicts.ts';

export interface CaseStyle {
  /** Before each title. */
  readonly heading: '###' | '####';
  /** What is to be said below the table of some cases; empty for nothing. */
  readonly remark: (records: readonly CaseRecord[]) => string;
}

/** In the order of the report; a series stands where its first point does. */
export function caseTables(
  report: Report,
  records: readonly CaseRecord[],
  { heading, remark }: CaseStyle,
): string {
  const known = new Set<string>();
  const part = (title: string, group: readonly CaseRecord[]): string => {
    const said = remark(group);
    const below = `${absences(report, group)}${said === '' ? '' : `\n\n${said}`}`;
    return `${heading} ${inline(title)}\n\n${figureTable(report, group)}${below}`;
  };
  const parts = records.flatMap((record) => {
    const { series, scenario } = record;
    if (series === null) return [part(record.title, [record])];
    const key = `${scenario}/${series.name}`;
    if (known.has(key)) return [];
    known.add(key);
    return [part(series.title, pointsOf(records, record))];
  });
  return parts.join('\n\n');
}

interface Measure {
  readonly title: string;
  readonly metric: Metric;
}

function measuresOf(record: CaseRecord): readonly Measure[] {
  const { unit } = record;
  return [
    { metric: 'user', title: 'user' },
    { metric: 'machine', title: 'machine' },
    { metric: 'rate', title: unit.rate },
    { metric: 'p50', title: 'p50 µs' },
    { metric: 'p99', title: 'p99 µs' },
    { metric: 'memory', title: 'bytes a client' },
  ];
}

/** Of the same series, along its axis. */
function pointsOf(records: readonly CaseRecord[], { scenario, series }: CaseRecord): CaseRecord[] {
  return records
    .filter((one) => one.scenario === scenario && one.series?.name === series?.name)
    .toSorted((a, b) => (a.series?.value ?? 0) - (b.series?.value ?? 0));
}

function figureTable(report: Report, records: readonly CaseRecord[]): string {
  const first = records[0];
  if (!first) return '';
  const order = orderOf(report);
  const lines = records.flatMap((record) => {
    const standings = standingsOf(report, record);
    return figuresOf(record, order).map((figure) => ({
      record,
      figure,
      standing: standings.find(({ to }) => to === figure.contestant) ?? null,
    }));
  });
  if (lines.length === 0) return 'No contestant has a sample.';
  const has = (metric: Metric): boolean => lines.some(({ figure }) => figure[metric] !== null);
  const measures = measuresOf(first).filter(({ metric }) => has(metric));
  const hasCost = has('cost');
  const ours = lines.find(({ standing }) => standing !== null)?.standing?.of;
  const axis = first.series?.axis;
  const head = [
    ...(axis === undefined ? [] : [axis]),
    '',
    ...(hasCost ? [`CPU ${first.unit.cost}/${first.unit.name}`, 'interval'] : []),
    ...measures.map(({ title }) => title),
    ...(ours === undefined
      ? []
      : [`${labelOf(report, ours)} ÷ it, ${METRIC_NAMES[headlineOf(first)]}`]),
  ];
  const rows = lines.map(({ record, figure, standing }) => [
    ...(axis === undefined ? [] : [formatPlain(record.series?.value ?? Number.NaN)]),
    labelOf(report, figure.contestant),
    ...(hasCost ? costCells(figure) : []),
    ...measures.map(({ metric }) => formatNumber(figure[metric]?.median ?? Number.NaN)),
    ...(ours === undefined ? [] : [ratioCell(standing?.ratio ?? null)]),
  ]);
  return table(head, rows, axis === undefined ? 1 : 2);
}

function costCells({ cost }: Figure): readonly string[] {
  return cost === null ? [NO_FIGURE, NO_FIGURE] : [formatNumber(cost.median), formatInterval(cost)];
}

function ratioCell(ratio: Ratio | null): string {
  return ratio === null ? '' : `${formatNumber(ratio.median)} (${formatInterval(ratio)})`;
}

function absences(report: Report, records: readonly CaseRecord[]): string {
  const lines = records.flatMap(({ absent }) =>
    Object.entries(absent).map(([id, why]) => `- ${inline(`${labelOf(report, id)}: ${why}`)}`),
  );
  return lines.length === 0 ? '' : `\n\nWithout a figure:\n\n${[...new Set(lines)].join('\n')}`;
}

export function caseName(record: CaseRecord): string {
  const { series, title } = record;
  return series === null ? title : `${series.title}: ${formatPlain(series.value)} ${series.axis}`;
}
