// Reports as docs/performance.md: tables with medians, intervals and ratios, and a section that says where we lose. All of
// it is computed; nothing is typed by hand.
import {
  admitLonger,
  type BenchRun,
  type Claim,
  goalClaims,
  longerOf,
  type ReportFile,
  rivalClaims,
  roundsText,
} from './longer-runs.ts';
import {
  dateOf,
  formatBytes,
  formatInterval,
  formatNumber,
  formatPlain,
  NO_FIGURE,
} from './numbers.ts';
import { caseName, caseTables } from './performance-cases.ts';
import { inline, table } from './performance-markdown.ts';
import {
  type CaseRecord,
  type Machine,
  type Method,
  type Report,
  SCENARIO_NAMES,
} from './report.ts';
import { bootstrapMedian, figuresOf, median } from './statistics.ts';
import {
  absenceOf,
  type GoalVerdict,
  goalSubject,
  isLoss,
  isMoreBetter,
  isRival,
  labelOf,
  METRIC_NAMES,
  type Standing,
  unitOf,
} from './verdicts.ts';
import { driverName, networkName, placesName, warningsOf } from './warnings.ts';

/** Throws an Error worth showing when a longer report cannot stand beside the full one. */
export function renderPerformance(full: Report, files: readonly ReportFile[] = []): string {
  const longer = admitLonger(full, files);
  const sections = [
    introduction(full, longer),
    warnings(full),
    goals(full, longer),
    losses(full, longer),
    ...SCENARIO_NAMES.map((name) => scenario(full, name, longer)),
    strategies(full),
    longerRuns(longer),
    contestants(full),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function introduction(report: Report, longer: readonly BenchRun[]): string {
  const { at, machine, method } = report;
  const cores = `${machine.cores} ${machine.cores === 1 ? 'core' : 'cores'}`;
  const what =
    longer.length === 0
      ? 'One run of `npm run bench`, as it came out.'
      : 'One full run of `npm run bench`, and [longer runs](#longer-runs) of some of its cases,\nas they came out.';
  return `<!-- Printed from a report.json by scripts/print-performance.ts. Do not edit. -->
# Performance

${what} The method, and how to read the figures, is in
[bench/README.md](../bench/README.md). Only ratios within one run compare; run it on your own machine.

${table(
  ['', ''],
  [
    ['date', dateOf(at)],
    ['host', machine.host],
    ['CPU', `${machine.cpu}, ${cores}, ${formatBytes(machine.memoryBytes)} of memory`],
    ['system', `${machine.distribution}, Linux ${machine.kernel}`],
    ['network', networkName(machine)],
    ['Node.js', machine.nodeVersion],
    ['commit', commitName(machine)],
    ['rounds', roundsName(report)],
    ['cores', placesName(method)],
    ['HTTP load', driverName(method)],
  ],
)}`;
}

function commitName({ commit, isModified }: Machine): string {
  return `${commit}${isModified ? ' with changes' : ''}`;
}

function roundsName({ method, wallSeconds }: Report): string {
  const minutes = formatNumber(wallSeconds / 60);
  return `${lengthName(method)} for each contestant and case, ${minutes} min in all`;
}

function lengthName({ rounds, seconds }: Method): string {
  return `${rounds} of ${formatPlain(seconds)} s`;
}

function warnings(report: Report): string {
  const all = warningsOf(report);
  if (all.length === 0) return '';
  return `**Before you read the figures:**\n\n${all.map((one) => `- ${inline(one)}`).join('\n')}`;
}

function goals(full: Report, longer: readonly BenchRun[]): string {
  const claims = goalClaims(full, longer);
  if (claims.length === 0) return '';
  return `## Goals

A goal is met, or not met, when the whole 95 % interval of the median says so; else it is not shown.${whichRuns(longer)}

${table(
  ['case', 'goal for', 'at most', 'median', 'interval', 'rounds', 'verdict'],
  claims.map(goalRow),
)}`;
}

/** How to read the column `rounds`. */
function whichRuns(longer: readonly BenchRun[]): string {
  return longer.length === 0
    ? ''
    : `
Where a longer run had the case and the contestants, its verdict stands here, and \`rounds\` names the run.`;
}

function goalRow({ run, of }: Claim<GoalVerdict>): string[] {
  const { record, goal, found, state, reason } = of;
  const unit = goal.to === null ? ` ${unitOf(record, goal.metric)}` : '';
  return [
    `${record.id}: ${record.title}`,
    goalSubject(run.report, goal),
    `${formatNumber(goal.most)}${unit}`,
    found === null ? NO_FIGURE : formatNumber(found.median),
    found === null ? NO_FIGURE : formatInterval(found),
    roundsCell(run, found?.rounds ?? 0),
    reason === '' ? state : `${state}: ${reason}`,
  ];
}

function roundsCell({ name }: BenchRun, rounds: number): string {
  return name === null ? String(rounds) : `${rounds}, run ${name}`;
}

/** Every rival and case in which the native engine was not shown to be better. */
function losses(full: Report, longer: readonly BenchRun[]): string {
  const compared = rivalClaims(full, longer);
  const found = compared.filter(({ of }) => isLoss(of));
  const failed = failures([{ name: null, report: full }, ...longer]);
  if (compared.length === 0 && failed === '') return '';
  const heading = `## Where we lose\n\n${failed === '' ? '' : `${failed}\n\n`}`;
  const count = `${compared.length} ${compared.length === 1 ? 'comparison' : 'comparisons'}`;
  if (found.length === 0) {
    return `${heading}In none of ${count} with rivals: the native engine was shown to be better in each.`;
  }
  const rows = found.map(({ run, of }) => [
    caseName(of.record),
    labelOf(run.report, of.to),
    METRIC_NAMES[of.metric],
    formatNumber(of.ratio.median),
    formatInterval(of.ratio),
    roundsCell(run, of.ratio.pairs),
    lossWord(of),
  ]);
  return `${heading}In ${found.length} of ${count} with rivals, the native engine was not shown to be better:

${table(['case', 'rival', 'of what', 'native ÷ rival', 'interval', 'rounds', ''], rows)}`;
}

/** Cases in which rivals have figures, and the native engine took part and has none. */
function failures(runs: readonly BenchRun[]): string {
  const lines = runs.flatMap(({ name, report }) =>
    report.cases.filter(isFailure).map((record) => {
      const why = `${caseName(record)}: ${absenceOf(report, record, 'native')}`;
      return `- ${inline(name === null ? why : `${why} (run ${name})`)}`;
    }),
  );
  return lines.length === 0 ? '' : `Rivals have figures where we have none:\n\n${lines.join('\n')}`;
}

function isFailure(record: CaseRecord): boolean {
  const figures = figuresOf(record).filter(({ used }) => used > 0);
  const own = figures.some(({ contestant }) => contestant === 'native');
  const tookPart =
    'native' in record.absent || record.samples.some(({ contestant }) => contestant === 'native');
  return tookPart && !own && figures.some(({ contestant }) => isRival(contestant));
}

function lossWord({ difference, metric }: Standing): string {
  if (difference === 'too few rounds') return 'too few rounds to say';
  if (difference === 'no difference shown') return difference;
  return isMoreBetter(metric) || difference === 'more' ? '**worse**' : 'better';
}

function scenario(
  full: Report,
  name: (typeof SCENARIO_NAMES)[number],
  longer: readonly BenchRun[],
): string {
  const records = full.cases.filter((record) => record.scenario === name);
  if (records.length === 0) return '';
  const remark = (group: readonly CaseRecord[]): string => {
    const runs = new Set(group.flatMap((record) => longerOf(longer, record) ?? []));
    return [...runs]
      .map((run) => {
        const rounds = roundsText(run.report.method.rounds);
        const what = group.length === 1 ? 'Measured' : 'In part measured';
        return `${what} again with ${rounds}: [run ${run.name}](#longer-runs).`;
      })
      .join(' ');
  };
  return `## Scenario \`${name}\`\n\n${caseTables(full, records, { heading: '###', remark })}`;
}

function longerRuns(longer: readonly BenchRun[]): string {
  if (longer.length === 0) return '';
  const parts = longer.map(({ name, report }) => {
    const facts = table(
      ['', ''],
      [
        ['date', dateOf(report.at)],
        ['commit', commitName(report.machine)],
        ['rounds', roundsName(report)],
        ['contestants', versionsOf(report)],
      ],
    );
    const tables = SCENARIO_NAMES.map((scenario) => {
      const records = report.cases.filter((record) => record.scenario === scenario);
      return caseTables(report, records, { heading: '####', remark: () => '' });
    });
    return [`### Run ${name}`, facts, warnings(report), ...tables]
      .filter((part) => part !== '')
      .join('\n\n');
  });
  return `## Longer runs

More rounds give narrower intervals. These runs are of the same machine, on the same terms; ratios compare within each.

${parts.join('\n\n')}`;
}

/** Labels may hold commas. */
function versionsOf({ contestants }: Report): string {
  return contestants
    .map(
      ({ label, version, missing }) => `${label}${missing === null ? ` ${version}` : ': missing'}`,
    )
    .join('; ');
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
