// `sluice bench compare A.json B.json`: what changed from one report to another, with its interval. Two runs see two
// machines, even on one host; the change of a ratio to a rival, who was there both times, cancels what both met.
import { formatChange, formatNumber, formatTable } from './numbers.ts';
import type { CaseRecord, Metric, Report } from './report.ts';
import {
  ENOUGH_ROUNDS,
  type Interval,
  intervalOf,
  median,
  pairedRatios,
  resampledMedians,
  roundsOf,
} from './statistics.ts';
import {
  headlineOf,
  isMoreBetter,
  isRival,
  labelOf,
  METRIC_NAMES,
  orderOf,
  unitOf,
} from './verdicts.ts';

/** A median after over a median before, of rounds that have nothing to do with each other. */
export interface Change extends Interval {
  readonly median: number;
  /** Of the report that has fewer. */
  readonly rounds: number;
}

export function compareReports(before: Report, after: Report): string {
  const pairs = after.cases.flatMap((record) => {
    const earlier = before.cases.find(({ id }) => id === record.id);
    return earlier ? [{ earlier, record }] : [];
  });
  const alone = [
    ...lonely(before, after).map((id) => `  ${id}: only before`),
    ...lonely(after, before).map((id) => `  ${id}: only after`),
  ];
  const obstacles = obstaclesTo(before, after);
  const isAlike = obstacles.length === 0;
  const sections = pairs.map(({ earlier, record }) =>
    compareCase(before, after, { earlier, record, isAlike }),
  );
  return [
    `before: ${describe(before)}`,
    `after:  ${describe(after)}`,
    ...[...obstacles, ...cautions(before, after)].map((line) => `!! ${line}`),
    ...(pairs.length === 0 ? ['', 'The reports have no case in common.'] : sections),
    ...(alone.length === 0 ? [] : ['', 'cases of one report only:', ...alone]),
  ].join('\n');
}

/** The change from one list of rounds to another; null when either is empty. */
export function changeOf(before: readonly number[], after: readonly number[]): Change | null {
  if (before.length === 0 || after.length === 0) return null;
  // Two seeds: the rounds of two runs are drawn independently.
  const earlier = resampledMedians(before, 1);
  const later = resampledMedians(after, 2);
  const interval = intervalOf(later.map((value, i) => value / (earlier[i] ?? Number.NaN)));
  const change = median(after) / median(before);
  return { median: change, ...interval, rounds: Math.min(before.length, after.length) };
}

interface Both {
  readonly earlier: CaseRecord;
  readonly record: CaseRecord;
  /** Whether the runs were so alike that figures themselves, and not only ratios, can be compared. */
  readonly isAlike: boolean;
}

function compareCase(before: Report, after: Report, { earlier, record, isAlike }: Both): string {
  const metric = headlineOf(record);
  const heading = `\n${record.id}: ${record.title} (${METRIC_NAMES[metric]}, ${unitOf(record, metric)})`;
  if (headlineOf(earlier) !== metric || earlier.unit.name !== record.unit.name) {
    return `${heading}\n  not compared: before, it was about ${METRIC_NAMES[headlineOf(earlier)]} for a ${earlier.unit.name}`;
  }
  const ids = [...new Set([...orderOf(after), ...orderOf(before)])];
  const has = (of: CaseRecord, id: string): boolean => roundsOf(of, id, metric).size > 0;
  const both = ids.filter((id) => has(earlier, id) && has(record, id));
  const rows = both.map((id) => {
    const [then, now] = [valuesOf(earlier, id, metric), valuesOf(record, id, metric)];
    const values = `${formatNumber(median(then))} → ${formatNumber(median(now))}`;
    const [change = '', interval = '', word = ''] = changeCells(changeOf(then, now), metric);
    return [labelOf(after, id), values, change, interval, isAlike ? word : 'not comparable'];
  });
  const toRivals = both
    .filter((id) => !isRival(id) && id !== 'direct')
    .flatMap((of) => both.filter(isRival).map((to) => ({ of, to })))
    .map(({ of, to }) => {
      const [then, now] = [
        pairedRatios(roundsOf(earlier, of, metric), roundsOf(earlier, to, metric)),
        pairedRatios(roundsOf(record, of, metric), roundsOf(record, to, metric)),
      ];
      const values = `${formatNumber(median(then))} → ${formatNumber(median(now))}`;
      const name = `${labelOf(after, of)} ÷ ${labelOf(after, to)}`;
      return [name, values, ...changeCells(changeOf(then, now), metric)];
    });
  const missing = ids
    .filter((id) => has(earlier, id) !== has(record, id))
    .map(
      (id) => `  ${labelOf(after, id)} has a figure only ${has(record, id) ? 'after' : 'before'}`,
    );
  const table = formatTable(['', 'median', 'change', 'interval', ''], [...rows, ...toRivals]);
  return [
    heading,
    both.length === 0 ? '  no contestant has a figure in both' : table,
    ...missing,
  ].join('\n');
}

function changeCells(change: Change | null, metric: Metric): readonly string[] {
  if (change === null) return ['', '', 'no figure'];
  const interval = `${formatNumber(change.low)} – ${formatNumber(change.high)}`;
  return [formatChange(change.median), interval, changeWord(change, metric)];
}

function changeWord({ low, high, rounds }: Change, metric: Metric): string {
  if (rounds < ENOUGH_ROUNDS) return `no difference shown (${rounds} of ${ENOUGH_ROUNDS} rounds)`;
  if (low <= 1 && high >= 1) return 'no difference shown';
  return high < 1 === isMoreBetter(metric) ? 'worse' : 'better';
}

/** What keeps absolute figures of the two from being compared. */
function obstaclesTo(before: Report, after: Report): readonly string[] {
  const found: string[] = [];
  const check = (what: string, then: unknown, now: unknown): void => {
    const [one, other] = [JSON.stringify(then), JSON.stringify(now)];
    if (one !== other) found.push(`${what} differs: ${plain(one)} before, ${plain(other)} after`);
  };
  check('the host', before.machine.host, after.machine.host);
  check('the CPU', before.machine.cpu, after.machine.cpu);
  check('the kernel', before.machine.kernel, after.machine.kernel);
  check('Node.js', before.machine.nodeVersion, after.machine.nodeVersion);
  check('the network', before.machine.network, after.machine.network);
  check('congestion control', before.machine.congestionControl, after.machine.congestionControl);
  check('the driver', before.method.driver, after.method.driver);
  check('the length of a sample', before.method.seconds, after.method.seconds);
  check('pinning', before.method.isPinned, after.method.isPinned);
  check(
    'the number of proxy cores',
    before.method.proxyCores.length,
    after.method.proxyCores.length,
  );
  if (found.length > 0) found.push('so only the ratios to rivals (÷) can be compared');
  return found;
}

function cautions(before: Report, after: Report): readonly string[] {
  const found: string[] = [];
  for (const { id, label, version } of after.contestants) {
    const then = before.contestants.find((one) => one.id === id)?.version;
    if (isRival(id) && then && version && then !== version) {
      found.push(
        `${label} was ${then} before and is ${version} after: ratios to it differ for that alone`,
      );
    }
  }
  const quick = [before, after].some(({ method }) => method.isQuick);
  if (quick) found.push('a quick run shows that the bench works, not how fast anything is');
  return found;
}

function plain(json: string | undefined): string {
  return (json ?? 'nothing').replace(/^"|"$/g, '');
}

function describe({ at, machine, method }: Report): string {
  const commit = `${machine.commit.slice(0, 12)}${machine.isModified ? ' with changes' : ''}`;
  return `${at}, ${machine.host}, Linux ${machine.kernel}, commit ${commit}, ${method.rounds} × ${method.seconds} s`;
}

function lonely(of: Report, other: Report): readonly string[] {
  return of.cases.map(({ id }) => id).filter((id) => !other.cases.some((one) => one.id === id));
}

function valuesOf(record: CaseRecord, id: string, metric: Metric): readonly number[] {
  return [...roundsOf(record, id, metric).values()];
}
