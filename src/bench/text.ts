// Figures as text for a terminal.
import { formatGrouped, formatInterval, formatNumber, NO_FIGURE } from './numbers.ts';
import type { CaseRecord, Report, StrategyFigure } from './report.ts';
import { type Estimate, type Figure, figuresOf, median } from './statistics.ts';
import {
  absenceOf,
  goalSubject,
  goalVerdicts,
  METRIC_NAMES,
  orderOf,
  standingsOf,
} from './verdicts.ts';

const NOTABLE_SHARE = 0.0001;

export function headingText({ machine, method, contestants, notes }: Report): string {
  const present = contestants.filter(({ id, version }) => version !== null && id !== 'direct');
  // The native engine is one program, whatever it is asked to be.
  const hasNative = present.some(({ id }) => id === 'native');
  const named = present
    .filter(({ id }) => !(hasNative && id.startsWith('native-')))
    .map(({ id, version }) => `${id} ${version}`);
  const missing = contestants.flatMap(({ label, missing }) =>
    missing === null ? [] : [`!! MISSING: ${label}: ${missing}`],
  );
  const { cpu, cores, distribution, kernel, nodeVersion, commit, isModified } = machine;
  return [
    `${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}, ${distribution}, Linux ${kernel}, Node ${nodeVersion}`,
    [
      `commit ${commit.slice(0, 12)}${isModified ? ' with changes' : ''}`,
      ...(named.length === 0 ? [] : [named.join(', ')]),
      `load by ${method.driverVersion}`,
    ].join('; '),
    `${method.isPinned ? `proxies on ${coresText(method.proxyCores)}, load and origin on ${coresText(method.loadCores)}` : 'not pinned'}; ` +
      `${method.rounds} × ${method.seconds} s for each; ${machine.network === 'own' ? 'own network' : "host's network"}, ${machine.congestionControl}`,
    ...missing,
    ...notes.map((note) => `!! ${note}`),
  ].join('\n');
}

function coresText(cores: readonly number[]): string {
  return `${cores.length === 1 ? 'core' : 'cores'} ${cores.join(',')}`;
}

export function caseText(report: Report, record: CaseRecord): string {
  const { unit } = record;
  const figures = figuresOf(record, orderOf(report));
  const isMemory = figures.some(({ memory }) => memory !== null);
  const head = isMemory
    ? ['', 'bytes a client', 'least – most', 'notes']
    : [
        '',
        `CPU ${unit.cost}`,
        'least – most',
        'user',
        'machine',
        unit.rate,
        'p50 µs',
        'p99 µs',
        'limit',
        'notes',
      ];
  const rows = figures.map((figure) =>
    isMemory
      ? [figure.contestant, median3(figure.memory), range(figure.memory), notesOf(figure)]
      : [
          figure.contestant,
          median3(figure.cost),
          range(figure.cost),
          median3(figure.user),
          median3(figure.machine),
          median3(figure.rate),
          median3(figure.p50),
          median3(figure.p99),
          figure.limits[0] ?? '',
          notesOf(figure),
        ],
  );
  const absent = Object.keys(record.absent).map(
    (id) => `  !! NO FIGURE: ${absenceOf(report, record, id)}`,
  );
  return [
    `${record.id}: ${record.title} (for each ${unit.name})`,
    ...(rows.length > 0 ? [table([head, ...rows])] : []),
    ...absent,
    ...standings(report, record),
    ...goals(report),
    ...record.syscalls.map((count) => syscallText(record, count)),
    '',
  ].join('\n');
}

export function strategiesText(figures: readonly StrategyFigure[]): string {
  const head = ['strategy', 'engine', 'targets', 'weights', 'ns a pick', 'imbalance', 'moved'];
  const rows = figures.map((figure) => [
    figure.strategy,
    figure.engine,
    String(figure.targets),
    figure.weights,
    formatNumber(median(figure.pickNs)),
    figure.imbalance.toFixed(3),
    figure.moved === null ? '' : `${(figure.moved * 100).toFixed(1)} %`,
  ]);
  return `strategies: cost of a pick, and how evenly it spreads (1 is perfect)\n${table([head, ...rows])}\n`;
}

function standings(report: Report, record: CaseRecord): readonly string[] {
  const found = standingsOf(report, record);
  if (found.length === 0) return [];
  return [
    table(
      found.map(({ of, to, metric, ratio, difference }) => [
        `  ${of} / ${to}`,
        METRIC_NAMES[metric],
        formatNumber(ratio.median),
        `${formatInterval(ratio)} (95 %)`,
        difference,
      ]),
    ),
  ];
}

function goals(report: Report): readonly string[] {
  return goalVerdicts(report).map(({ goal, found, state, reason }) => {
    const value = found === null ? NO_FIGURE : formatNumber(found.median);
    const why = reason === '' ? '' : ` (${reason})`;
    return `    goal: ${goalSubject(report, goal)} ≤ ${formatNumber(goal.most)}: ${value}: ${state}${why}`;
  });
}

function syscallText(record: CaseRecord, count: CaseRecord['syscalls'][number]): string {
  const title = `  system calls of ${count.contestant} for each ${record.unit.name}`;
  if (count.problem !== null) return `!!${title}: not counted: ${count.problem}`;
  const calls = Object.entries(count.perWork).map(
    ([name, perWork]) => `${name} ${formatNumber(perWork)}`,
  );
  return `${title}: ${calls.join(', ')}`;
}

function median3(estimate: Estimate | null): string {
  return estimate === null ? '' : formatGrouped(estimate.median);
}

function range(estimate: Estimate | null): string {
  if (estimate === null) return '';
  return `${formatGrouped(estimate.least)} – ${formatGrouped(estimate.most)}`;
}

function notesOf({ used, unused, lost, late }: Figure): string {
  const notes = unused === 0 ? [] : [`${unused} of ${used + unused} samples not used`];
  if (lost >= NOTABLE_SHARE) notes.push(`${(100 * lost).toFixed(2)} % lost`);
  if (late >= NOTABLE_SHARE) notes.push(`${(100 * late).toFixed(2)} % late`);
  return notes.join(', ');
}

/** Text stands left and figures stand right; columns with nothing under their head are left out. */
function table(rows: readonly (readonly string[])[]): string {
  const body = rows.length > 1 ? rows.slice(1) : rows;
  const columns = (rows[0] ?? [])
    .map((_, column) => column)
    .filter((column) => body.some((row) => (row[column] ?? '') !== ''))
    .map((column) => ({
      column,
      width: Math.max(...rows.map((row) => (row[column] ?? '').length)),
      isText: body.some((row) => /^\s*[a-zA-Z]/.test(row[column] ?? '')),
    }));
  const line = (row: readonly string[]): string =>
    columns
      .map(({ column, width, isText }) => {
        const cell = row[column] ?? '';
        return isText ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ');
  return rows.map((row) => `  ${line(row).trimEnd()}`).join('\n');
}
