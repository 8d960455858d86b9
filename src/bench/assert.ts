// `sluice bench assert FILE EXPRESSION`: holds a line. What it says rests on intervals: an assertion fails only when the
// whole interval is on the wrong side, and is not shown when the interval includes the limit or rounds are too few.
//
// Within one case the two sides are evaluated round by round, so that cost(native)/cost(nginx) is the very ratio that the
// report shows. Across cases, whose rounds have nothing to do with each other, each case's rounds are drawn by
// themselves and the sides are evaluated on medians.
import { closest } from '../config/closest.ts';
import {
  type Assertion,
  type Comparator,
  errorAt,
  evaluate,
  type MetricTerm,
  metricsIn,
  parseAssertion,
  type Term,
} from './expression.ts';
import { formatNumber } from './numbers.ts';
import type { CaseRecord, Report } from './report.ts';
import {
  bootstrapMedian,
  ENOUGH_ROUNDS,
  type Interval,
  intervalOf,
  isUsable,
  median,
  resampledRounds,
  roundsOf,
} from './statistics.ts';
import { absenceOf } from './verdicts.ts';

export interface AssertOptions {
  /** The case of metrics that name none. */
  readonly caseId?: string | undefined;
  /** Whether what is not shown fails too. */
  readonly isStrict: boolean;
}

export interface AssertResult {
  readonly holds: boolean;
  readonly text: string;
}

type Outcome = 'holds' | 'does not hold' | 'not shown' | 'no figure';

interface Judgement {
  readonly outcome: Outcome;
  readonly text: string;
  /** Whether somebody who took part has no figure: it failed, or gave no such metric. */
  readonly isNotable: boolean;
}

/** Throws an Error worth showing when the expression makes no sense for the report. */
export function assertReport(
  report: Report,
  expression: string,
  { caseId, isStrict }: AssertOptions,
): AssertResult {
  const assertion = parseAssertion(expression);
  const metrics = metricsIn(assertion);
  if (metrics.length === 0) throw new Error(`'${expression}' names no metric of a contestant`);
  for (const metric of metrics) checkNames(report, expression, metric);
  if (caseId !== undefined) findCase(report, caseId, '--case');
  const isOpen = caseId === undefined && metrics.some((metric) => metric.caseId === null);
  if (!isOpen) {
    const { outcome, text } = judge(report, assertion, caseId ?? '');
    const isGood = outcome === 'holds' || (outcome === 'not shown' && !isStrict);
    return { holds: isGood, text: `${outcomeWord(outcome, isStrict)}: ${expression}\n  ${text}` };
  }
  return judgeAll(report, expression, assertion, isStrict);
}

/**
 * It has to hold in every case that has figures of all contestants named, and there has to be one. Where a contestant
 * took part and has no figure, the case is left out, loudly.
 */
function judgeAll(
  report: Report,
  expression: string,
  assertion: Assertion,
  isStrict: boolean,
): AssertResult {
  const judged = report.cases.map(({ id }) => ({ id, ...judge(report, assertion, id) }));
  const counted = judged.filter(({ outcome }) => outcome !== 'no figure');
  const left = judged.filter(({ outcome }) => outcome === 'no figure');
  const others = left.filter(({ isNotable }) => !isNotable).length;
  const has = (wanted: Outcome): boolean => counted.some(({ outcome }) => outcome === wanted);
  const holds = counted.length > 0 && !has('does not hold') && !(isStrict && has('not shown'));
  const overall: Outcome =
    counted.length === 0
      ? 'no figure'
      : has('does not hold')
        ? 'does not hold'
        : has('not shown')
          ? 'not shown'
          : 'holds';
  const lines = [
    `${outcomeWord(overall, isStrict)}: ${expression}`,
    ...counted.map(({ id, outcome, text }) => `  ${id}: ${outcome}: ${text}`),
    ...left
      .filter(({ isNotable }) => isNotable)
      .map(({ id, text }) => `  !! ${id}: left out: ${text}`),
    ...(others === 0
      ? []
      : [`  ${others} of ${judged.length} cases do not have all of these figures`]),
  ];
  return { holds, text: lines.join('\n') };
}

function outcomeWord(outcome: Outcome, isStrict: boolean): string {
  return outcome === 'not shown' ? `not shown${isStrict ? ', which --strict fails' : ''}` : outcome;
}

function judge(report: Report, assertion: Assertion, open: string): Judgement {
  const metrics = metricsIn(assertion);
  const absent = new Set<string>();
  let isNotable = false;
  const rounds = new Map<string, ReadonlyMap<number, number>>();
  for (const metric of metrics) {
    const record = findCase(report, metric.caseId ?? open, 'the expression');
    const values = roundsOf(record, metric.contestant, metric.metric);
    rounds.set(keyOf(metric, open), values);
    if (values.size > 0) continue;
    absent.add(whyAbsent(report, record, metric));
    isNotable ||= hasFailed(record, metric.contestant);
  }
  if (absent.size > 0) return { outcome: 'no figure', text: [...absent].join('; '), isNotable };
  const cases = new Set(metrics.map((metric) => metric.caseId ?? open));
  const sides = cases.size === 1 ? withinCase : acrossCases;
  const found = sides(assertion, { metrics, rounds, open });
  if (found === null)
    return { outcome: 'no figure', text: 'no round has all of these figures', isNotable: true };
  const outcome = outcomeOf(found, assertion.comparator);
  return { outcome, text: describe(assertion, found), isNotable };
}

interface Material {
  readonly metrics: readonly MetricTerm[];
  /** By keyOf(). */
  readonly rounds: ReadonlyMap<string, ReadonlyMap<number, number>>;
  readonly open: string;
}

/** Of left − right: above nothing, or below it. */
interface Found {
  readonly left: number;
  readonly right: number;
  readonly apart: Interval;
  readonly rounds: number;
}

function withinCase({ left, right }: Assertion, { metrics, rounds, open }: Material): Found | null {
  const maps = metrics.map((metric) => rounds.get(keyOf(metric, open)));
  const common = [...(maps[0]?.keys() ?? [])].filter((round) =>
    maps.every((map) => map?.has(round)),
  );
  const sides = common.flatMap((round) => {
    const read = (metric: MetricTerm): number =>
      rounds.get(keyOf(metric, open))?.get(round) ?? Number.NaN;
    const [one, other] = [evaluate(left, read), evaluate(right, read)];
    return Number.isFinite(one - other) ? [{ one, other }] : [];
  });
  if (sides.length === 0) return null;
  return {
    left: median(sides.map(({ one }) => one)),
    right: median(sides.map(({ other }) => other)),
    apart: bootstrapMedian(sides.map(({ one, other }) => one - other)),
    rounds: sides.length,
  };
}

function acrossCases(
  { left, right }: Assertion,
  { metrics, rounds, open }: Material,
): Found | null {
  const caseOf = (metric: MetricTerm): string => metric.caseId ?? open;
  const cases = [...new Set(metrics.map(caseOf))];
  // Within a case, the contestants of an expression are drawn together, by the rounds that all of them have.
  const common = new Map(
    cases.map((id) => {
      const maps = metrics
        .filter((one) => caseOf(one) === id)
        .map((one) => rounds.get(keyOf(one, open)));
      const own = [...(maps[0]?.keys() ?? [])].filter((round) =>
        maps.every((map) => map?.has(round)),
      );
      return [id, own] as const;
    }),
  );
  if ([...common.values()].some((own) => own.length === 0)) return null;
  const sideOf = (term: Term, drawn: ReadonlyMap<string, readonly number[]>): number =>
    evaluate(term, (metric) => {
      const values = rounds.get(keyOf(metric, open));
      return median(
        (drawn.get(caseOf(metric)) ?? []).map((round) => values?.get(round) ?? Number.NaN),
      );
    });
  const draws = cases.map((id, i) => {
    const own = common.get(id) ?? [];
    return [id, own, resampledRounds(own.length, i + 1)] as const;
  });
  const apart: number[] = [];
  for (;;) {
    const drawn = new Map<string, readonly number[]>();
    for (const [id, own, places] of draws) {
      const next = places.next();
      if (next.done) break;
      drawn.set(
        id,
        next.value.map((place) => own[place] ?? Number.NaN),
      );
    }
    if (drawn.size < draws.length) break;
    apart.push(sideOf(left, drawn) - sideOf(right, drawn));
  }
  const [one, other] = [sideOf(left, common), sideOf(right, common)];
  if (!Number.isFinite(one - other)) return null;
  const fewest = Math.min(...[...common.values()].map((own) => own.length));
  return { left: one, right: other, apart: intervalOf(Float64Array.from(apart)), rounds: fewest };
}

function outcomeOf({ apart: { low, high }, rounds }: Found, comparator: Comparator): Outcome {
  if (rounds < ENOUGH_ROUNDS) return 'not shown';
  switch (comparator) {
    case '<':
      return high < 0 ? 'holds' : low >= 0 ? 'does not hold' : 'not shown';
    case '<=':
      return high <= 0 ? 'holds' : low > 0 ? 'does not hold' : 'not shown';
    case '>':
      return low > 0 ? 'holds' : high <= 0 ? 'does not hold' : 'not shown';
    case '>=':
      return low >= 0 ? 'holds' : high < 0 ? 'does not hold' : 'not shown';
  }
}

/** With a plain limit on the right, the interval is that of the left side; else that of the difference. */
function describe({ comparator, right }: Assertion, found: Found): string {
  const few = found.rounds < ENOUGH_ROUNDS ? `: too few, ${ENOUGH_ROUNDS} are needed` : '';
  const rounds = `${found.rounds} ${found.rounds === 1 ? 'round' : 'rounds'}${few}`;
  const { low, high } = found.apart;
  const isPlain = right.kind === 'number';
  const [shift, of] = isPlain ? [found.right, 'interval'] : [0, 'interval of the difference'];
  const interval = `${of} ${formatNumber(low + shift)} – ${formatNumber(high + shift)}`;
  const limit = formatNumber(found.right);
  return `${formatNumber(found.left)} ${comparator} ${limit}? ${interval}, ${rounds}`;
}

function keyOf({ metric, contestant, caseId }: MetricTerm, open: string): string {
  return JSON.stringify([metric, contestant, caseId ?? open]);
}

function checkNames(report: Report, expression: string, term: MetricTerm): void {
  const known = report.contestants.map(({ id }) => id);
  const isThere = known.includes(term.contestant);
  if (!isThere) throw errorAt(expression, term.at, unknown('contestant', term.contestant, known));
  if (term.caseId === null || report.cases.some(({ id }) => id === term.caseId)) return;
  const cases = report.cases.map(({ id }) => id);
  throw errorAt(expression, term.at, unknown('case', term.caseId, cases));
}

function findCase(report: Report, id: string, where: string): CaseRecord {
  const found = report.cases.find((record) => record.id === id);
  if (found) return found;
  throw new Error(
    `${where}: ${unknown(
      'case',
      id,
      report.cases.map((record) => record.id),
    )}`,
  );
}

function unknown(what: string, name: string, known: readonly string[]): string {
  const near = closest(name, known);
  const hint = near === null ? '' : `; did you mean ${near}?`;
  return `the report has no ${what} '${name}'${hint} (it has ${known.join(', ') || 'none'})`;
}

function hasFailed({ absent, samples }: CaseRecord, contestant: string): boolean {
  const own = samples.filter((sample) => sample.contestant === contestant);
  return contestant in absent || (own.length > 0 && !own.some(isUsable));
}

function whyAbsent(report: Report, record: CaseRecord, { contestant, metric }: MetricTerm): string {
  const hasSamples = roundsOf(record, contestant, 'rate').size > 0;
  return hasSamples ? `${contestant} has no ${metric} here` : absenceOf(report, record, contestant);
}
