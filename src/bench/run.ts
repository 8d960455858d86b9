// A run, from what was asked for to the report.
import { availableParallelism } from 'node:os';
import type { Bench } from './bench.ts';
import type { Case } from './cases.ts';
import { ceilings } from './ceilings.ts';
import { makeCertificate } from './certificate.ts';
import { type Contestant, wordsOf } from './contestant.ts';
import { CONTESTANTS } from './contestants.ts';
import { coresForWorkers, sharesCores } from './cores.ts';
import { driverVersion } from './http-drivers.ts';
import { describeMachine } from './machine.ts';
import { measure, peakRate, recordOf } from './measure.ts';
import { measureMemory } from './memory.ts';
import type { Network } from './network.ts';
import type { RunOptions } from './options.ts';
import { startOrigin } from './origin.ts';
import { estimateSeconds, paceOf } from './pace.ts';
import { buildGenerators, machineNotes, pin, tlsLibrary } from './prepare.ts';
import { mostDescriptors, type Processes } from './processes.ts';
import { clock, type Progress } from './progress.ts';
import { type CaseRecord, type ContestantInfo, REPORT_FORMAT, type Report } from './report.ts';
import { allCases } from './scenarios/all.ts';
import { findStaleBuilds } from './sluice.ts';
import { Stage } from './stage.ts';
import { ENOUGH_ROUNDS } from './statistics.ts';
import { measureStrategies } from './strategies.ts';
import { caseText, headingText, strategiesText } from './text.ts';
import { isTls } from './work.ts';

export interface RunTools {
  readonly network: Network;
  readonly progress: Progress;
  /** Makes the place for the programs of the run, once it is known whether they can be pinned. */
  readonly open: (isPinned: boolean) => Promise<Processes>;
}

/** A datagram without an answer for this long counts as lost. */
const PATIENCE_SECONDS = 0.2;

export async function run(options: RunOptions, tools: RunTools): Promise<Report> {
  const { network, progress } = tools;
  const cores = availableParallelism();
  const at = new Date().toISOString();
  const machine = describeMachine(network.kind);
  const cases = allCases({ isQuick: options.isQuick, cores }).filter(({ id }) =>
    options.cases.includes(id),
  );
  const driver = await driverVersion(options.driver);
  await buildGenerators();
  const tlsOfLoad = await tlsLibrary();
  const { isPinned, notes: pinNotes } = await pin(options, cores);
  const { contestants, infos } = await findContestants(options, cases);
  const notes = [
    ...(network.note === null ? [] : [network.note]),
    ...methodNotes(options, cases, cores),
    ...tlsNotes(cases, tlsOfLoad),
    ...pinNotes,
    ...machineNotes(machine.loadAverage),
    ...findStaleBuilds(),
  ];
  const { rounds, seconds, isQuick, proxyCores, loadCores } = options;
  const reportOf = (records: readonly CaseRecord[], strategies: Report['strategies']): Report => ({
    format: REPORT_FORMAT,
    at,
    wallSeconds: progress.elapsedSeconds,
    machine,
    method: {
      isQuick,
      rounds,
      seconds,
      proxyCores,
      loadCores,
      isPinned,
      driver: options.driver,
      driverVersion: driver,
    },
    contestants: infos,
    notes,
    cases: records,
    strategies,
  });
  progress.say(headingText(reportOf([], [])));
  const estimate = estimateSeconds(
    options,
    cases,
    (item) => item.contestants.filter((id) => contestants.has(id)).length,
  );
  progress.estimate(progress.elapsedSeconds + estimate);
  progress.say(`this takes about ${clock(estimate)} min\n`);

  const processes = await tools.open(isPinned);
  const bench: Bench = {
    options,
    pace: paceOf(options),
    tools: {
      processes,
      cores: loadCores,
      driver: options.driver,
      patienceSeconds: PATIENCE_SECONDS,
    },
    origin: await startOrigin(processes, loadCores),
    certificate: await makeCertificate(processes.folder),
    isPinned,
    cores,
    contestants,
    missing: new Map(
      infos.flatMap(({ id, missing }) => (missing === null ? [] : [[id, missing] as const])),
    ),
    progress,
  };
  const note = (text: string): void => {
    notes.push(text);
    progress.say(`!! ${text}`);
  };
  const canMeasure = ({ work }: Case): boolean => tlsOfLoad !== null || !isTls(work);
  const reachable = await ceilings(processes, options, cases.filter(canMeasure));
  if (reachable !== null) note(reachable);
  const records: CaseRecord[] = [];
  const takeRecord = (record: CaseRecord): void => {
    records.push(record);
    progress.say(caseText(reportOf([record], []), record));
  };
  await measureCases(bench, cases.filter(canMeasure), note, takeRecord);
  for (const item of cases) if (!canMeasure(item)) takeRecord(absentAll(item, NO_TLS));
  let strategies: Report['strategies'] = [];
  if (options.hasStrategies) {
    progress.enter('strategies');
    const pickCores = isPinned ? proxyCores : [];
    strategies = await measureStrategies({ rounds, isQuick, cores: pickCores, onNote: note });
    progress.say(strategiesText(strategies));
  }
  progress.end();
  return reportOf(records, strategies);
}

async function measureCases(
  bench: Bench,
  cases: readonly Case[],
  note: (text: string) => void,
  onRecord: (record: CaseRecord) => void,
): Promise<void> {
  const stage = new Stage(bench);
  const peaks = new Map<string, number>();
  try {
    for (const item of cases) {
      bench.progress.enter(item.id);
      if (item.work.kind === 'idle') {
        await stage.close();
        const { record, notes } = await measureMemory(bench, item);
        for (const text of notes) note(text);
        onRecord(record);
        continue;
      }
      const settled = await settleRate(bench, stage, item, peaks, note);
      onRecord(settled === null ? absentAll(item, NO_PEAK) : await measure(bench, stage, settled));
    }
  } finally {
    await stage.close();
  }
}

/** Turns a share of a peak into a rate; null when there is no peak to take a share of. */
async function settleRate(
  bench: Bench,
  stage: Stage,
  item: Case,
  peaks: Map<string, number>,
  note: (text: string) => void,
): Promise<Case | null> {
  const { peakShare, series, work } = item;
  if (peakShare === null || series === null || work.kind !== 'http') return item;
  let peak = peaks.get(series.name);
  if (peak === undefined) {
    await stage.enter(item);
    const wanted = stage.ready.find(({ contestant }) => contestant.id === peakShare.of);
    const measured = wanted ?? stage.ready[0];
    if (!measured) return null;
    bench.progress.doing(`${measured.contestant.label}: its peak rate`);
    peak = await peakRate(bench, measured, item);
    peaks.set(series.name, peak);
    const whose = measured.contestant.label;
    note(`${series.name}: rates are shares of ${whose}'s peak, ${peak.toFixed(0)} requests/s`);
  }
  const perSecond = Math.max(1, Math.round(peak * peakShare.share));
  return {
    ...item,
    work: { ...work, arrival: { kind: 'poisson', perSecond } },
    series: { ...series, value: perSecond },
  };
}

const NO_PEAK = 'there is no peak rate to take a share of';
const NO_TLS = 'load-http was built without TLS (apt-get install libssl-dev)';

function absentAll(item: Case, reason: string): CaseRecord {
  return {
    ...recordOf(item),
    absent: Object.fromEntries(item.contestants.map((id) => [id, reason])),
  };
}

async function findContestants(
  { contestants: wanted }: RunOptions,
  cases: readonly Case[],
): Promise<{
  readonly contestants: ReadonlyMap<string, Contestant>;
  readonly infos: readonly ContestantInfo[];
}> {
  const contestants = new Map<string, Contestant>();
  const infos: ContestantInfo[] = [];
  for (const contestant of CONTESTANTS) {
    const { id, label } = contestant;
    if (!wanted.includes(id) || !cases.some((item) => item.contestants.includes(id))) continue;
    const found = await contestant.find().catch((error: unknown) => ({ missing: wordsOf(error) }));
    if ('missing' in found) {
      infos.push({ id, label, version: null, missing: found.missing });
    } else {
      contestants.set(id, contestant);
      infos.push({ id, label, version: found.version, missing: null });
    }
  }
  return { contestants, infos };
}

function tlsNotes(cases: readonly Case[], tlsOfLoad: string | null): readonly string[] {
  const secure = cases.filter(({ work }) => isTls(work));
  if (secure.length === 0) return [];
  if (tlsOfLoad === null) return [`${secure.map(({ id }) => id).join(', ')}: ${NO_TLS}`];
  return [
    `TLS: Sluice speaks it with OpenSSL ${process.versions.openssl} (Node's), the load with ${tlsOfLoad}, nginx and HAProxy with what they are linked to`,
  ];
}

function methodNotes(
  options: RunOptions,
  cases: readonly Case[],
  cores: number,
): readonly string[] {
  const notes: string[] = [];
  if (options.rounds < ENOUGH_ROUNDS) {
    notes.push(
      `fewer than ${ENOUGH_ROUNDS} rounds: this shows that the bench works, not how fast anything is`,
    );
  }
  if (options.driver !== 'native') {
    notes.push(
      `${options.driver} drives closed loops over HTTP, in whole seconds; open loops, TCP and UDP have our own generators`,
    );
  }
  const limit = mostDescriptors();
  const crowded = cases.filter(
    ({ work }) => work.kind === 'http' && 2.1 * work.connections > limit,
  );
  if (crowded.length > 0) {
    const ids = crowded.map(({ id }) => id).join(', ');
    notes.push(`${ids}: a proxy may have ${limit} files open, and needs two for each client`);
  }
  const shared = cases.filter(
    ({ workers }) =>
      workers > 1 && sharesCores(coresForWorkers(workers, cores, options), options.loadCores),
  );
  if (shared.length > 0) {
    const ids = shared.map(({ id }) => id).join(', ');
    notes.push(`${ids}: proxies share cores with load and origin; read the cost, not the rate`);
  }
  return notes;
}
