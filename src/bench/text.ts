// Figures as text for a terminal.
import type { ContestantId } from './contestant.ts';
import type { IdleResult } from './idle.ts';
import type { Machine } from './machine.ts';
import { ENOUGH_ROUNDS, type Options } from './options.ts';
import type { Scenario } from './scenarios.ts';
import type { Figure, IdleSummary, Summary, Verdict } from './summary.ts';
import { type SyscallCount, syscallGoals } from './syscalls.ts';

/** Calls rarer than this in a hundred pieces of work are not listed. */
const RARE = 0.005;
const NOTABLE_LOSS = 0.0001;

export function heading(
  machine: Machine,
  options: Options,
  versions: ReadonlyMap<ContestantId, string>,
): string {
  const named = [...versions].map(([id, version]) => `${id} ${version}`).join(', ');
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.distribution}, Linux ${machine.kernel}, Node ${machine.nodeVersion}`,
    `commit ${machine.commit.slice(0, 12)}${machine.isModified ? ' with changes' : ''}; ${named}`,
    `proxies on core ${options.proxyCore}, load and origin on core ${options.loadCore}; ` +
      `${options.rounds} × ${options.seconds} s for each; load average before: ${machine.loadAverage}`,
  ];
  if (options.isQuick || options.rounds < ENOUGH_ROUNDS) {
    lines.push(
      `!! fewer than ${ENOUGH_ROUNDS} rounds: this shows that the bench works, not how fast anything is`,
    );
  }
  return lines.join('\n');
}

export function caseReport(
  scenario: Scenario,
  summary: Summary,
  syscalls: readonly SyscallCount[],
): string {
  const { unit } = scenario;
  const head = [
    '',
    `CPU ${unit.cost}`,
    'least – most',
    'user',
    'machine',
    unit.rate,
    'p50 µs',
    'p99 µs',
    '',
  ];
  const rows = summary.figures.map((figure) => [
    figure.contestant,
    number(figure.cost.median),
    `${number(figure.cost.least)} – ${number(figure.cost.most)}`,
    number(figure.userCost),
    number(figure.machineCost),
    number(figure.rate),
    figure.p50Us === null ? '' : number(figure.p50Us),
    figure.p99Us === null ? '' : number(figure.p99Us),
    note(figure),
  ]);
  return [
    `\n${scenario.id}: ${scenario.title} (for each ${unit.name})`,
    table([head, ...rows]),
    verdictTable(summary.verdicts),
    ...syscalls.map((count) => syscallReport(scenario, count)),
  ].join('\n');
}

export function idleReport(result: IdleResult, summary: IdleSummary): string {
  const head = ['', 'bytes a client', 'least – most', 'MiB with none'];
  const rows = summary.figures.map(({ contestant, bytesPerClient, baseBytes }) => [
    contestant,
    bytesPerClient.median.toFixed(0),
    `${bytesPerClient.least.toFixed(0)} – ${bytesPerClient.most.toFixed(0)}`,
    number(baseBytes / 1024 ** 2),
  ]);
  return [
    `\n${result.id}: memory of the proxy with ${result.clients} idle keep-alive clients`,
    table([head, ...rows]),
    verdictTable(summary.verdicts),
  ].join('\n');
}

function note({ samples, unused, loss }: Figure): string {
  const notes = unused === 0 ? [] : [`${unused} of ${samples + unused} samples not used`];
  if (loss >= NOTABLE_LOSS) notes.push(`${(100 * loss).toFixed(2)} % of datagrams lost`);
  return notes.join(', ');
}

function verdictTable(verdicts: readonly Verdict[]): string {
  return table(
    verdicts.map((verdict) => [
      verdict.what,
      verdict.value === null ? 'no figure' : number(verdict.value),
      verdict.ratio ? `${number(verdict.ratio.low)} – ${number(verdict.ratio.high)} (95 %)` : '',
      verdict.goal ?? 'no goal',
      verdictWord(verdict),
    ]),
  );
}

function verdictWord({ goal, isMet, isClose }: Verdict): string {
  if (goal === null) return '';
  if (isMet === null) return 'not measured';
  return `${isMet ? 'PASS' : 'not met'}${isClose ? ' (the interval holds the goal: add rounds)' : ''}`;
}

function syscallReport(scenario: Scenario, count: SyscallCount): string {
  const title = `  system calls of ${count.contestant} for each ${scenario.unit.name}`;
  if (count.problem !== null) return `!!${title}: not counted: ${count.problem}`;
  const calls = Object.entries(count.calls)
    .map(([name, calls]) => [name, calls / count.work] as const)
    .filter(([, perWork]) => perWork >= RARE)
    .sort(([, a], [, b]) => b - a)
    .map(([name, perWork]) => `${name} ${number(perWork)}`);
  const lines = [`${title}: ${calls.join(', ')}`];
  if (scenario.hasSyscallGoal && count.contestant === 'native') {
    const goals = syscallGoals(count).map(({ text, perWork, isMet }) => {
      return `${text}: ${number(perWork)} ${isMet ? 'PASS' : 'not met'}`;
    });
    lines.push(`    ${goals.join('; ')}`);
  }
  return lines.join('\n');
}

/** Three significant digits, or all of the integer part. */
function number(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 1e-3))));
  return value.toFixed(digits);
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
      isText: body.some((row) => /^[a-zA-Z]/.test(row[column] ?? '')),
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
