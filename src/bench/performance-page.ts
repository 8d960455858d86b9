// A Report as docs/performance.md: tables with medians, intervals and ratios, and a section that says where we lose. All of
// it is computed; nothing is typed by hand.
import {
  dateOf,
  formatBytes,
  formatInterval,
  formatNumber,
  formatPlain,
  NO_FIGURE,
} from './numbers.ts';
import {
  type CaseRecord,
  type Metric,
  type Report,
  SCENARIO_NAMES,
  type Series,
} from './report.ts';
import { bootstrapMedian, type Figure, figuresOf, median, type Ratio } from './statistics.ts';
import {
  absenceOf,
  type GoalVerdict,
  goalSubject,
  goalVerdicts,
  headlineOf,
  isMoreBetter,
  isRival,
  labelOf,
  lossesOf,
  METRIC_NAMES,
  orderOf,
  type Standing,
  standingsOf,
  unitOf,
} from './verdicts.ts';
import { driverName, warningsOf } from './warnings.ts';

export function renderPerformance(report: Report): string {
  const sections = [
    introduction(report),
    warnings(report),
    goals(report),
    losses(report),
    ...SCENARIO_NAMES.map((name) => scenario(report, name)),
    strategies(report),
    contestants(report),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function introduction({ at, machine, method, wallSeconds }: Report): string {
  const cores = `${machine.cores} ${machine.cores === 1 ? 'core' : 'cores'}`;
  const network = machine.network === 'own' ? 'a namespace of its own' : 'the host’s network';
  const commit = `${machine.commit}${machine.isModified ? ' with changes' : ''}`;
  return `<!-- Printed from a report.json by scripts/print-performance.ts. Do not edit. -->
# Performance

One run of \`npm run bench\`, as it came out. The method, and how to read the figures, is in
[bench/README.md](../bench/README.md). Only ratios within one run compare; run it on your own machine.

${table(
  ['', ''],
  [
    ['date', dateOf(at)],
    ['host', machine.host],
    ['CPU', `${machine.cpu}, ${cores}, ${formatBytes(machine.memoryBytes)} of memory`],
    ['system', `${machine.distribution}, Linux ${machine.kernel}`],
    ['network', `${network}, congestion control ${machine.congestionControl}`],
    ['Node.js', machine.nodeVersion],
    ['commit', commit],
    [
      'rounds',
      `${method.rounds} of ${formatPlain(method.seconds)} s for each contestant and case, ${formatNumber(wallSeconds / 60)} min in all`,
    ],
    [
      'cores',
      method.isPinned
        ? `proxies ${method.proxyCores.join(', ')}; load and origin ${method.loadCores.join(', ')}`
        : 'not pinned',
    ],
    ['HTTP load', driverName(method)],
  ],
)}`;
}

function warnings(report: Report): string {
  const all = warningsOf(report);
  if (all.length === 0) return '';
  return `**Before you read the figures:**\n\n${all.map((one) => `- ${inline(one)}`).join('\n')}`;
}

function goals(report: Report): string {
  const verdicts = goalVerdicts(report);
  if (verdicts.length === 0) return '';
  return `## Goals

A goal is met, or not met, when the whole 95 % interval of the median says so; else it is not shown.

${table(
  ['case', 'goal for', 'at most', 'median', 'interval', 'verdict'],
  verdicts.map((one) => goalRow(report, one)),
)}`;
}

function goalRow(report: Report, { record, goal, found, state, reason }: GoalVerdict): string[] {
  const unit = goal.to === null ? ` ${unitOf(record, goal.metric)}` : '';
  return [
    `${record.id}: ${record.title}`,
    goalSubject(report, goal),
    `${formatNumber(goal.most)}${unit}`,
    found === null ? NO_FIGURE : formatNumber(found.median),
    found === null ? NO_FIGURE : formatInterval(found),
    reason === '' ? state : `${state}: ${reason}`,
  ];
}

/** Every rival and case in which the native engine was not shown to be better. */
function losses(report: Report): string {
  const found = lossesOf(report);
  const compared = report.cases.flatMap((record) =>
    standingsOf(report, record).filter(({ to }) => isRival(to)),
  );
  const failed = failures(report);
  if (compared.length === 0 && failed === '') return '';
  const heading = `## Where we lose\n\n${failed === '' ? '' : `${failed}\n\n`}`;
  const count = `${compared.length} ${compared.length === 1 ? 'comparison' : 'comparisons'}`;
  if (found.length === 0) {
    return `${heading}In none of ${count} with rivals: the native engine was shown to be better in each.`;
  }
  const rows = found.map((standing) => [
    caseName(standing.record),
    labelOf(report, standing.to),
    METRIC_NAMES[standing.metric],
    formatNumber(standing.ratio.median),
    formatInterval(standing.ratio),
    lossWord(standing),
  ]);
  return `${heading}In ${found.length} of ${count} with rivals, the native engine was not shown to be better:

${table(['case', 'rival', 'of what', 'native ÷ rival', 'interval', ''], rows)}`;
}

/** Cases in which rivals have figures, and the native engine took part and has none. */
function failures(report: Report): string {
  const lines = report.cases.flatMap((record) => {
    const figures = figuresOf(record).filter(({ used }) => used > 0);
    const own = figures.some(({ contestant }) => contestant === 'native');
    const tookPart =
      'native' in record.absent || record.samples.some(({ contestant }) => contestant === 'native');
    const isLost = tookPart && !own && figures.some(({ contestant }) => isRival(contestant));
    return isLost
      ? [`- ${inline(`${caseName(record)}: ${absenceOf(report, record, 'native')}`)}`]
      : [];
  });
  return lines.length === 0 ? '' : `Rivals have figures where we have none:\n\n${lines.join('\n')}`;
}

function lossWord({ difference, metric }: Standing): string {
  if (difference === 'too few rounds') return 'too few rounds to say';
  if (difference === 'no difference shown') return difference;
  return isMoreBetter(metric) || difference === 'more' ? '**worse**' : 'better';
}

function scenario(report: Report, name: (typeof SCENARIO_NAMES)[number]): string {
  const records = report.cases.filter(({ scenario }) => scenario === name);
  if (records.length === 0) return '';
  const known = new Set<string>();
  const parts = records.flatMap((record) => {
    const { series } = record;
    if (series === null) return [caseTable(report, record)];
    if (known.has(series.name)) return [];
    known.add(series.name);
    return [
      seriesTable(
        report,
        series,
        records.filter((one) => one.series?.name === series.name),
      ),
    ];
  });
  return `## Scenario \`${name}\`\n\n${parts.join('\n\n')}`;
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

function caseTable(report: Report, record: CaseRecord): string {
  return `### ${inline(record.title)}\n\n${figureTable(report, [record])}${absences(report, [record])}`;
}

function seriesTable(report: Report, series: Series, records: readonly CaseRecord[]): string {
  const points = records.toSorted((a, b) => (a.series?.value ?? 0) - (b.series?.value ?? 0));
  return `### ${inline(series.title)}\n\n${figureTable(report, points)}${absences(report, points)}`;
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

function strategies(report: Report): string {
  if (report.strategies.length === 0) return '';
  const rows = report.strategies.map(
    ({ strategy, engine, targets, weights, pickNs, imbalance, moved }) => [
      strategy,
      engine,
      String(targets),
      weights,
      formatNumber(median(pickNs)),
      pickNs.length === 0 ? NO_FIGURE : formatInterval(bootstrapMedian(pickNs)),
      imbalance.toFixed(3),
      moved === null ? '' : `${formatNumber(100 * moved)} %`,
    ],
  );
  return `## Scenario \`strategies\`

Imbalance: the largest share of picks over the share that the weights promise; 1 is perfect. Moved: clients whose target
changed when one target went.

${table(['strategy', 'engine', 'targets', 'weights', 'ns a pick', 'interval', 'imbalance', 'moved'], rows, 2)}`;
}

function contestants(report: Report): string {
  const rows = report.contestants.map(({ label, version, missing }) => [
    label,
    version ?? NO_FIGURE,
    missing === null ? 'took part' : `missing: ${missing}`,
  ]);
  return `## Contestants\n\n${table(['', 'version', ''], rows)}`;
}

function caseName(record: CaseRecord): string {
  const { series, title } = record;
  return series === null ? title : `${series.title}: ${formatPlain(series.value)} ${series.axis}`;
}

/** Figures stand right: every column from `figuresFrom` on whose cells begin with a digit or are empty. */
function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  figuresFrom = 1,
): string {
  const rule = head.map((_, i) => {
    const isFigures = i >= figuresFrom && rows.every((row) => /^(?:[\d–]|$)/.test(row[i] ?? ''));
    return isFigures ||
      (i === 0 && figuresFrom > 1 && rows.every((row) => /^\d/.test(row[0] ?? '')))
      ? '---:'
      : '---';
  });
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${rule.join('|')}|`, ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return inline(text).replaceAll('|', '\\|');
}

/** A host or a reason may hold anything: it stays text, on one line. Bold of our own is let through. */
function inline(text: string): string {
  const isBold = /^\*\*[a-z]+\*\*$/.test(text);
  if (isBold) return text;
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_[\]]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;');
}
