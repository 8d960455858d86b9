// Longer runs of single cases beside a full run: whether they may stand beside it at all, and which run's verdict counts.
// A longer run is from the same machine, on the same terms, and has more rounds. Its figures then stand for the full
// run's in all that is claimed of its cases, whichever way they came out.
import { isDeepStrictEqual } from 'node:util';
import { formatPlain } from './numbers.ts';
import type { CaseRecord, Report } from './report.ts';
import { type GoalVerdict, goalVerdicts, isRival, type Standing, standingsOf } from './verdicts.ts';
import { driverName, networkName, placesName } from './warnings.ts';

/** Of several whose figures stand on one page. */
export interface BenchRun {
  /** `A`, `B`, … for longer runs; null for the full one. */
  readonly name: string | null;
  readonly report: Report;
}

export interface ReportFile {
  /** What errors call it. */
  readonly subject: string;
  readonly report: Report;
}

/** What one run claims. */
export interface Claim<T> {
  readonly run: BenchRun;
  readonly of: T;
}

/** In the order given. Throws an Error that says which of the reports cannot stand beside the full run, and why. */
export function admitLonger(full: Report, files: readonly ReportFile[]): readonly BenchRun[] {
  const holders = new Map<string, string>();
  return files.map(({ subject, report }, i) => {
    checkTerms(full, report, subject);
    if (report.cases.length === 0) throw new Error(`${subject} has no case`);
    if (report.strategies.length > 0) {
      throw new Error(`${subject} has picks of strategies, which only the full run is read for`);
    }
    const cases = report.cases.map((record) => {
      const earlier = holders.get(record.id);
      if (earlier !== undefined) {
        throw new Error(`${subject} has the case '${record.id}', which ${earlier} has too`);
      }
      holders.set(record.id, subject);
      // Whatever the goals were when it ran: the full run's are those that are printed.
      return { ...record, goals: sameWork(full, record, subject).goals };
    });
    return { name: nameOf(i), report: { ...report, cases } };
  });
}

/** The longer run that has a case; null when none does. */
export function longerOf(longer: readonly BenchRun[], { id }: CaseRecord): BenchRun | null {
  return longer.find(({ report }) => report.cases.some((record) => record.id === id)) ?? null;
}

/** The goals of the full run, each with the verdict of the longer run that had the contestants it is about. */
export function goalClaims(
  full: Report,
  longer: readonly BenchRun[],
): readonly Claim<GoalVerdict>[] {
  const found = longer.flatMap((run) => goalVerdicts(run.report).map((of) => ({ run, of })));
  return goalVerdicts(full).map((of) => {
    const ids = [of.goal.of, ...(of.goal.to === null ? [] : [of.goal.to])];
    const better = found.find(
      (one) =>
        one.of.record.id === of.record.id &&
        one.of.goal === of.goal &&
        ids.every((id) => one.run.report.contestants.some((contestant) => contestant.id === id)),
    );
    return better ?? { run: { name: null, report: full }, of };
  });
}

/** Ours beside every rival, in the order of the full run's cases, from the longer run where it has the two. */
export function rivalClaims(full: Report, longer: readonly BenchRun[]): readonly Claim<Standing>[] {
  return full.cases.flatMap((record) => {
    const first = claimsIn({ name: null, report: full }, record.id);
    const run = longerOf(longer, record);
    const second = run === null ? [] : claimsIn(run, record.id);
    const isSame = (a: Claim<Standing>, b: Claim<Standing>): boolean =>
      a.of.to === b.of.to && a.of.metric === b.of.metric;
    return [
      ...first.map((one) => second.find((other) => isSame(one, other)) ?? one),
      ...second.filter((one) => !first.some((other) => isSame(one, other))),
    ];
  });
}

function claimsIn(run: BenchRun, id: string): readonly Claim<Standing>[] {
  return run.report.cases
    .filter((record) => record.id === id)
    .flatMap((record) => standingsOf(run.report, record))
    .filter(({ to }) => isRival(to))
    .map((of) => ({ run, of }));
}

function checkTerms(full: Report, longer: Report, subject: string): void {
  for (const [what, fact] of TERMS) {
    const [found, wanted] = [fact(longer), fact(full)];
    if (found === wanted) continue;
    throw new Error(
      `${subject} cannot stand beside the full run: ${what}: ${found}; the full run: ${wanted}`,
    );
  }
  const [{ rounds, seconds }, least] = [longer.method, full.method];
  if (rounds <= least.rounds) {
    throw new Error(
      `${subject} is not a longer run: it has ${roundsText(rounds)}, and the full run has ${least.rounds}`,
    );
  }
  if (seconds < least.seconds) {
    const [had, needed] = [formatPlain(seconds), formatPlain(least.seconds)];
    throw new Error(
      `${subject} is not a longer run: its samples take ${had} s, and the full run's ${needed} s`,
    );
  }
}

/** What has to be the same, for figures of two runs to stand on one page. */
const TERMS: readonly (readonly [string, (report: Report) => string])[] = [
  ['host', ({ machine }) => machine.host],
  ['CPU', ({ machine }) => machine.cpu],
  ['number of cores', ({ machine }) => String(machine.cores)],
  ['kernel', ({ machine }) => machine.kernel],
  ['network', ({ machine }) => networkName(machine)],
  ['cores used', ({ method }) => placesName(method)],
  ['HTTP load', ({ method }) => driverName(method)],
  ['kind of run', ({ method }) => (method.isQuick ? 'quick' : 'not quick')],
];

/** The full run's record of a case, which has to be about the same work. */
function sameWork(full: Report, record: CaseRecord, subject: string): CaseRecord {
  const known = full.cases.find(({ id }) => id === record.id);
  if (!known) throw new Error(`${subject} has the case '${record.id}', and the full run has not`);
  for (const field of ['title', 'arrival', 'unit'] as const) {
    if (isDeepStrictEqual(known[field], record[field])) continue;
    throw new Error(
      `${subject} has another case '${record.id}' than the full run: its ${field} is ${JSON.stringify(record[field])}, not ${JSON.stringify(known[field])}`,
    );
  }
  return known;
}

/** A … Z, AA, AB, … */
function nameOf(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : `${nameOf(Math.floor(index / 26) - 1)}${last}`;
}

export function roundsText(rounds: number): string {
  return `${rounds} ${rounds === 1 ? 'round' : 'rounds'}`;
}
