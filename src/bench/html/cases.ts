// A case that stands by itself: cost and throughput side by side, the numbers beneath, who is absent and why.
import { formatGrouped, formatInterval, formatNumber, formatPlain, NO_FIGURE } from '../numbers.ts';
import type { CaseRecord, Metric } from '../report.ts';
import type { Estimate, Figure } from '../statistics.ts';
import {
  headlineOf,
  isMoreBetter,
  labelOf,
  METRIC_NAMES,
  standingsOf,
  unitOf,
} from '../verdicts.ts';
import { type Bar, bars } from './bars.ts';
import { details, figure } from './figure.ts';
import { type Distribution, mergeHistograms, percentiles, strips } from './latency.ts';
import { type Content, html, type Markup } from './markup.ts';
import { anchorOf, capitalised, figuresIn, named, type Page } from './page.ts';
import { type Column, number, prose, table, text } from './tables.ts';

/** Work that got lost or came late in fewer cases is not worth a remark. */
const NOTABLE = 0.0001;

export function caseSection(page: Page, record: CaseRecord): Markup {
  const headline = headlineOf(record);
  const figures = figuresIn(page, record);
  const metrics: readonly Metric[] = headline === 'cost' ? ['cost', 'rate'] : [headline];
  return html`<section id="${anchorOf(page, record)}"><h3>${record.title} <code>${record.id}</code></h3>
${arrivalRemark(record)}${figures.length === 0 ? html`<p>No contestant has a sample.</p>` : html`<div class="plots">${metrics.map((metric) => barFigure(page, record, metric))}</div>`}
${remarkList(remarksOn(page, record))}${details('Numbers', numbers(page, [record]))}${syscalls(page, record)}${distributions(page, record)}</section>
`;
}

function barFigure(page: Page, record: CaseRecord, metric: Metric): Markup {
  const figures = figuresIn(page, record);
  const rows = [
    // Without a proxy there is no cost of one.
    ...figures
      .filter(({ contestant }) => contestant !== 'direct' || metric === 'rate')
      .map((one): Bar => {
        const value = one[metric];
        const remark =
          value === null
            ? (one.errors[0] ?? 'not measured')
            : metric === 'rate'
              ? limitWords(one)
              : '';
        return { ...styleOf(page, one.contestant), value, remark };
      }),
    ...Object.entries(record.absent)
      .filter(([id]) => !figures.some(({ contestant }) => contestant === id))
      .map(([id, reason]): Bar => ({ ...styleOf(page, id), value: null, remark: reason })),
  ];
  const better = `${isMoreBetter(metric) ? 'more' : 'less'} is better`;
  const unit = unitOf(record, metric);
  return figure({
    title: titleOf(record, metric),
    better,
    description: `${titleOf(record, metric)} in ${unit}, ${better}: ${rows
      .map(({ label, value, remark }) =>
        value === null
          ? `${label}: no figure, ${remark}`
          : `${label}: ${formatNumber(value.median)}, interval ${formatInterval(value)}`,
      )
      .join('. ')}`,
    plot: bars(rows, unit),
  });
}

function titleOf({ unit }: CaseRecord, metric: Metric): string {
  if (metric === 'cost') return `CPU time of the proxy for a ${unit.name}`;
  if (metric === 'memory') return 'Memory of the proxy for each client';
  return capitalised(METRIC_NAMES[metric]);
}

function styleOf(
  { report, palette }: Page,
  id: string,
): { readonly label: string; readonly slot: number } {
  return { label: labelOf(report, id), slot: palette.slotOf(id) };
}

function limitWords({ limits }: Figure): string {
  return limits[0] === undefined || limits[0] === 'proxy' ? '' : `limit: ${limits[0]}`;
}

function arrivalRemark({ arrival }: CaseRecord): Content {
  if (arrival === 'closed') return null;
  const how =
    arrival === 'poisson' ? 'Poisson arrivals at a fixed mean rate' : 'Evenly spaced arrivals';
  return html`<p class="muted">${how}; latency counts from the moment at which a request was meant to leave.</p>`;
}

/** Who is absent, what got lost, and whose throughput says nothing about the proxy. */
export function remarksOn(page: Page, record: CaseRecord): readonly string[] {
  const { report } = page;
  const label = (id: string): string => labelOf(report, id);
  const lines = Object.entries(record.absent).map(
    ([id, reason]) => `${label(id)} has no figure: ${reason}`,
  );
  for (const { contestant, unused, used, errors, lost, late } of figuresIn(page, record)) {
    if (unused > 0) {
      const why = errors.length > 0 ? `: ${errors.join('; ')}` : ': no work was done';
      lines.push(`${label(contestant)}: ${unused} of ${used + unused} samples not used${why}`);
    }
    if (lost >= NOTABLE)
      lines.push(`${label(contestant)}: ${share(lost)} of the work got no answer`);
    if (late >= NOTABLE)
      lines.push(`${label(contestant)}: ${share(late)} of the answers came late`);
  }
  for (const limit of ['generator', 'origin', 'load core'] as const) {
    const held = figuresIn(page, record).filter(
      (one) => one.limits[0] === limit && one.contestant !== 'direct',
    );
    if (held.length === 0) continue;
    // Labels hold commas themselves.
    const who = held.map(({ contestant }) => label(contestant)).join('; ');
    lines.push(
      `The ${limit}, not the proxy, held back the throughput of ${who}: compare costs, not rates.`,
    );
  }
  return lines;
}

export function remarkList(lines: readonly string[]): Content {
  return (
    lines.length > 0 &&
    html`<ul class="remarks">${lines.map((line) => html`<li>${line}</li>`)}</ul>
`
  );
}

const MEASURES: readonly {
  readonly metric: Metric;
  readonly title: (record: CaseRecord) => string;
}[] = [
  { metric: 'user', title: () => 'user' },
  { metric: 'machine', title: () => 'machine' },
  { metric: 'rate', title: ({ unit }) => unit.rate },
  { metric: 'p50', title: () => 'p50 µs' },
  { metric: 'p99', title: () => 'p99 µs' },
  { metric: 'p999', title: () => 'p99.9 µs' },
  { metric: 'memory', title: () => 'bytes a client' },
];

/** One row a contestant and case; the cases are of one unit. */
export function numbers(page: Page, records: readonly CaseRecord[]): Markup {
  const first = records[0];
  if (!first) return html`<p>No cases.</p>`;
  const figures = records.flatMap((record) =>
    figuresIn(page, record).map((of) => ({ record, of })),
  );
  if (figures.length === 0) return html`<p>No figures.</p>`;
  const { series } = first;
  const measures = MEASURES.filter(({ metric }) => figures.some(({ of }) => of[metric] !== null));
  const hasCost = figures.some(({ of }) => of.cost !== null);
  const headline = headlineOf(first);
  const columns: Column[] = [text('contestant')];
  if (series) columns.push(number(series.axis === first.unit.rate ? 'intended' : series.axis));
  if (hasCost)
    columns.push(number(`CPU ${first.unit.cost}`), number('interval'), number('least – most'));
  columns.push(...measures.map(({ title }) => number(title(first))));
  columns.push(number('samples'), text('held back by'));
  const standings = records.flatMap((record) => standingsOf(page.report, record));
  const [leading] = standings;
  if (leading) {
    columns.push(prose(`${labelOf(page.report, leading.of)} ÷ it (${METRIC_NAMES[headline]})`));
  }
  const rows = figures.map(({ record, of }) => {
    const cells: Content[] = [named(page, of.contestant)];
    if (series) cells.push(formatPlain(record.series?.value ?? Number.NaN));
    if (hasCost) cells.push(median(of.cost), interval(of.cost), extremes(of.cost));
    cells.push(...measures.map(({ metric }) => median(of[metric])));
    cells.push(of.unused === 0 ? `${of.used}` : `${of.used} of ${of.used + of.unused}`);
    cells.push(of.limits.join(', '));
    const standing = standings.find((one) => one.record === record && one.to === of.contestant);
    if (standing) {
      const { ratio, difference } = standing;
      const remark = difference === 'less' || difference === 'more' ? '' : `, ${difference}`;
      cells.push(`${formatNumber(ratio.median)} (${formatInterval(ratio)})${remark}`);
    }
    return cells;
  });
  const note = hasCost
    ? `CPU time for each ${first.unit.name}. Interval: of the median. Machine: busy time of the whole machine for the same work.`
    : `Medians over the rounds.`;
  return html`${table(columns, rows)}<p class="note">${note}</p>
`;
}

function syscalls(page: Page, record: CaseRecord): Content {
  if (record.syscalls.length === 0) return null;
  const names = [...new Set(record.syscalls.flatMap(({ perWork }) => Object.keys(perWork)))];
  const rows = record.syscalls.map(({ contestant, perWork, problem }) => [
    named(page, contestant),
    ...names.map((name) => (perWork[name] === undefined ? '' : formatNumber(perWork[name] ?? 0))),
    problem === null ? '' : `not counted: ${problem}`,
  ]);
  return details(
    `System calls for each ${record.unit.name}`,
    table([text('contestant'), ...names.map(number), prose('')], rows),
  );
}

/** Histograms, where the driver gave any. */
export function distributions(page: Page, record: CaseRecord, where = ''): Content {
  const found = figuresIn(page, record).flatMap(({ contestant }): readonly Distribution[] => {
    const own = record.samples.filter(
      (one) => one.contestant === contestant && one.errors.length === 0,
    );
    const histogram = mergeHistograms(own.map(({ latency }) => latency?.histogram ?? []));
    return histogram.length === 0 ? [] : [{ ...styleOf(page, contestant), histogram }];
  });
  if (found.length === 0) return null;
  const described = figuresIn(page, record)
    .filter(({ p50 }) => p50 !== null)
    .map(
      ({ contestant, p50, p99 }) =>
        `${labelOf(page.report, contestant)}: half within ${median(p50)} µs, 99 % within ${median(p99)} µs`,
    )
    .join('. ');
  const warning =
    record.arrival === 'closed' &&
    html`<p class="muted">Under a closed loop, which hides waiting: these are not response times that users would see.</p>`;
  return details(
    `Latency, as it is spread${where}`,
    html`${warning}<div class="plots">${figure({
      title: 'Latency at each percentile',
      better: 'lower is better',
      description: described,
      plot: percentiles(found),
    })}${figure({
      title: 'Histogram of latency, median and 99th percentile marked',
      better: 'further left is better',
      description: described,
      plot: strips(found),
    })}</div>`,
  );
}

function median(estimate: Estimate | null): string {
  return estimate === null ? NO_FIGURE : formatGrouped(estimate.median);
}

function interval(estimate: Estimate | null): string {
  return estimate === null ? NO_FIGURE : formatInterval(estimate);
}

function extremes(estimate: Estimate | null): string {
  return estimate === null
    ? NO_FIGURE
    : `${formatGrouped(estimate.least)} – ${formatGrouped(estimate.most)}`;
}

function share(part: number): string {
  return `${formatNumber(100 * part)} %`;
}
