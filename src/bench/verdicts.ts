// What a report claims: whether goals are met, and how our engines stand beside each rival, in every case. A claim needs
// an interval that lies wholly on one side, from enough rounds.
import type { CaseRecord, GoalRecord, Metric, Report } from './report.ts';
import {
  bootstrapMedian,
  type Difference,
  differenceOf,
  ENOUGH_ROUNDS,
  type Interval,
  isUsable,
  median,
  type Ratio,
  ratioOf,
  roundsOf,
} from './statistics.ts';

export interface GoalVerdict {
  readonly record: CaseRecord;
  readonly goal: GoalRecord;
  /** Null without figures. */
  readonly found: (Interval & { readonly median: number; readonly rounds: number }) | null;
  readonly state: GoalState;
  /** Why it is not shown, or why there is no figure; empty where the state says it all. */
  readonly reason: string;
}

export type GoalState = 'met' | 'not met' | 'not shown' | 'no figure';

/** A contestant of ours beside another, in one case. */
export interface Standing {
  readonly record: CaseRecord;
  readonly of: string;
  readonly to: string;
  readonly metric: Metric;
  readonly ratio: Ratio;
  readonly difference: Difference;
}

/** Which contestants are engines of ours; everyone else but `direct` is a rival. */
const OWN = ['native', 'uws', 'js'];
/** Whose ratio to the others is shown: the first of them that a case has. */
const SUBJECTS = ['native', 'native-http'];

export function isRival(contestant: string): boolean {
  return contestant !== 'direct' && !OWN.some((own) => own === contestant.split('-')[0]);
}

export function goalVerdicts(report: Report): readonly GoalVerdict[] {
  return report.cases.flatMap((record) =>
    record.goals.map((goal) => goalVerdict(report, record, goal)),
  );
}

/** The metric that a case is about. */
export function headlineOf(record: CaseRecord): Metric {
  const used = record.samples.filter(isUsable);
  if (used.some(({ memoryBytes }) => memoryBytes !== null)) return 'memory';
  if (record.series?.show === 'latency') return 'p99';
  if (record.series?.show === 'rate') return 'rate';
  if (!used.some(({ cpuSeconds }) => cpuSeconds > 0)) return 'rate';
  return 'cost';
}

/**
 * Ours beside every other contestant with figures: the native engine, or, where layers are compared, the one that relays
 * HTTP. Empty where a case has neither.
 */
export function standingsOf(report: Report, record: CaseRecord): readonly Standing[] {
  const metric = headlineOf(record);
  const ids = orderOf(report).filter((id) => roundsOf(record, id, metric).size > 0);
  const of = SUBJECTS.find((id) => ids.includes(id));
  if (of === undefined) return [];
  return ids.flatMap((to) => {
    const ratio = to === of ? null : ratioOf(record, of, to, metric);
    if (ratio === null) return [];
    return [{ record, of, to, metric, ratio, difference: differenceOf(ratio) }];
  });
}

/** Whether the native engine was not shown to be better than a rival: dearer, slower, or no difference shown. */
export function isLoss({ to, metric, difference }: Standing): boolean {
  return isRival(to) && difference !== (isMoreBetter(metric) ? 'more' : 'less');
}

export function isMoreBetter(metric: Metric): boolean {
  return metric === 'rate';
}

export function orderOf(report: Report): readonly string[] {
  return report.contestants.map(({ id }) => id);
}

export function labelOf(report: Report, id: string): string {
  return report.contestants.find((contestant) => contestant.id === id)?.label ?? id;
}

/** Why a contestant has no figure in a case, as far as the report says. */
export function absenceOf(report: Report, record: CaseRecord, id: string): string {
  const known = record.absent[id] ?? report.contestants.find((one) => one.id === id)?.missing;
  if (known) return `${labelOf(report, id)}: ${known}`;
  const errors = record.samples.filter((one) => one.contestant === id).flatMap((one) => one.errors);
  if (errors.length > 0) return `${labelOf(report, id)}: no usable sample: ${errors[0]}`;
  return `${labelOf(report, id)}: not measured in this case`;
}

/** `cost of native ÷ nginx`. */
export function goalSubject(report: Report, { metric, of, to }: GoalRecord): string {
  const ours = `${METRIC_NAMES[metric]} of ${labelOf(report, of)}`;
  return to === null ? ours : `${ours} ÷ ${labelOf(report, to)}`;
}

/** What each metric is called in a sentence. */
export const METRIC_NAMES: Readonly<Record<Metric, string>> = {
  cost: 'CPU time',
  user: 'user-mode CPU time',
  machine: 'busy time of the machine',
  rate: 'throughput',
  p50: 'median latency',
  p99: '99th percentile of latency',
  p999: '99.9th percentile of latency',
  memory: 'memory',
};

/** The unit of a metric in a case. */
export function unitOf(record: CaseRecord, metric: Metric): string {
  switch (metric) {
    case 'cost':
    case 'user':
    case 'machine':
      return `${record.unit.cost}/${record.unit.name}`;
    case 'rate':
      return record.unit.rate;
    case 'p50':
    case 'p99':
    case 'p999':
      return 'µs';
    case 'memory':
      return 'bytes a client';
  }
}

function goalVerdict(report: Report, record: CaseRecord, goal: GoalRecord): GoalVerdict {
  const found = goal.to === null ? estimate(record, goal) : ratio(record, goal, goal.to);
  if (found === null) {
    const ids = [goal.of, ...(goal.to === null ? [] : [goal.to])];
    const without = ids.filter((id) => roundsOf(record, id, goal.metric).size === 0);
    const reason = without.map((id) => absenceOf(report, record, id)).join('; ');
    return { record, goal, found, state: 'no figure', reason: reason || 'no round has both' };
  }
  if (found.rounds < ENOUGH_ROUNDS) {
    const rounds = `${found.rounds} ${found.rounds === 1 ? 'round' : 'rounds'}`;
    return { record, goal, found, state: 'not shown', reason: `${rounds} of ${ENOUGH_ROUNDS}` };
  }
  if (found.high <= goal.most) return { record, goal, found, state: 'met', reason: '' };
  if (found.low > goal.most) return { record, goal, found, state: 'not met', reason: '' };
  return { record, goal, found, state: 'not shown', reason: 'the interval holds the goal' };
}

function estimate(record: CaseRecord, { of, metric }: GoalRecord): GoalVerdict['found'] {
  const values = [...roundsOf(record, of, metric).values()];
  if (values.length === 0) return null;
  return { median: median(values), ...bootstrapMedian(values), rounds: values.length };
}

function ratio(record: CaseRecord, { of, metric }: GoalRecord, to: string): GoalVerdict['found'] {
  const found = ratioOf(record, of, to, metric);
  return found && { median: found.median, low: found.low, high: found.high, rounds: found.pairs };
}
