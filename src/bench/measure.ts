// One case: its contestants, which have shown that they do the work right, are warmed up and then sampled in rounds
// that go through them forwards and backwards in turn, so that a drift of the machine favours none.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import { arrivalKind, type Case } from './cases.ts';
import { type Relay, writeConfig } from './configuration.ts';
import { wordsOf } from './contestant.ts';
import { coresForWorkers } from './cores.ts';
import { limitOf } from './limit.ts';
import { type LoadResult, runLoad } from './load.ts';
import { secondsOf } from './pace.ts';
import {
  coresBusySeconds,
  cpuBetween,
  cpuTime,
  endedChildrenSeconds,
  machineBusySeconds,
} from './proc.ts';
import type { CaseRecord, Sample, SyscallRecord } from './report.ts';
import { type Running, readCpu } from './running.ts';
import type { Stage } from './stage.ts';
import { median } from './statistics.ts';
import { countSyscalls } from './syscalls.ts';
import { arrivalOf, isTls } from './work.ts';

/** A contestant that answers less than this share of what arrives is spared the higher rates of a curve. */
const KEEPS_UP = 0.9;

export async function measure(bench: Bench, stage: Stage, item: Case): Promise<CaseRecord> {
  const samples: Sample[] = [];
  const syscalls: SyscallRecord[] = [];
  await stage.enter(item);
  await warmUp(bench, stage, item);
  const { rounds } = bench.pace;
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? stage.ready : stage.ready.toReversed();
    for (const [position, running] of order.entries()) {
      bench.progress.doing(`${running.contestant.label}, round ${round + 1} of ${rounds}`);
      const sample = await takeSample(bench, item, running, { round, position });
      samples.push(sample);
      for (const error of sample.errors) {
        const where = `${running.contestant.label}, round ${round + 1}`;
        bench.progress.say(`!! ${item.id}: ${where}: sample not used: ${error}`);
      }
      if (running.program?.hasEnded) await stage.dismiss(running, 'it ended under load');
    }
  }
  if (bench.options.countsSyscalls && item.series === null) {
    for (const running of stage.ready) {
      if (running.program === null) continue;
      bench.progress.doing(`${running.contestant.label}: counting system calls`);
      syscalls.push(await countSyscalls(bench.tools, running, item));
    }
  }
  const record: CaseRecord = {
    ...recordOf(item),
    configurations: Object.fromEntries(
      stage.ready
        .filter(({ program }) => program !== null)
        .map(({ contestant, configuration }) => [contestant.id, configuration]),
    ),
    absent: Object.fromEntries(
      [...stage.absent].filter(([id]) => !samples.some((one) => one.contestant === id)),
    ),
    samples,
    syscalls,
  };
  await spareTheSlow(stage, record);
  return record;
}

/** What a record holds before anything was measured. */
export function recordOf(item: Case): CaseRecord {
  const { id, scenario, title, unit, series, goals, protocol, workers } = item;
  const relay: Relay = {
    protocol,
    workers,
    splice: 'auto',
    listenPort: 8_080,
    targetPort: 8_081,
    folder: '/tmp',
    ...(isTls(item.work) ? { certificate: '/tmp/bench.test.pem' } : {}),
  };
  return {
    id,
    scenario,
    title,
    arrival: arrivalKind(item),
    unit,
    series,
    goals,
    configuration: writeConfig(relay),
    configurations: {},
    absent: {},
    samples: [],
    syscalls: [],
  };
}

/** Shorter runs of a closed loop, whose median is taken for the peak. */
const PEAK_RUNS = 3;

/** The rate of the case's work in a closed loop, through a contestant that is up. */
export async function peakRate(bench: Bench, running: Running, item: Case): Promise<number> {
  const { tools, pace } = bench;
  const { port, targetPort } = running;
  const task = { work: item.work, port, targetPort };
  await runLoad(tools, { ...task, seconds: pace.warmupSeconds });
  const rates: number[] = [];
  for (let i = 0; i < PEAK_RUNS; i++) {
    const { rate, errors } = await runLoad(tools, { ...task, seconds: secondsOf(item, pace) });
    if (errors.length > 0) throw new Error(errors.join(', '));
    rates.push(rate);
  }
  return median(rates);
}

async function warmUp(bench: Bench, stage: Stage, item: Case): Promise<void> {
  for (const running of stage.ready) {
    bench.progress.doing(`${running.contestant.label}: warming up`);
    const { port, targetPort } = running;
    const seconds = bench.pace.warmupSeconds;
    try {
      await runLoad(bench.tools, { work: item.work, port, targetPort, seconds });
    } catch (error) {
      await stage.dismiss(running, wordsOf(error));
    }
  }
}

async function takeSample(
  bench: Bench,
  item: Case,
  running: Running,
  place: { readonly round: number; readonly position: number },
): Promise<Sample> {
  const { tools, pace, options, origin, isPinned } = bench;
  const arrival = arrivalOf(item.work);
  const blank: Sample = {
    contestant: running.contestant.id,
    ...place,
    work: 0,
    wallSeconds: 0,
    cpuSeconds: 0,
    userSeconds: 0,
    machineBusySeconds: 0,
    generatorCpuSeconds: 0,
    originCpuSeconds: 0,
    rate: 0,
    intendedRate: arrival.kind === 'closed' ? null : arrival.perSecond,
    limit: null,
    latency: null,
    memoryBytes: null,
    lost: 0,
    late: 0,
    errors: [],
  };
  try {
    await sleep(pace.settleMs);
    const originPids = [origin.program.pid];
    const childrenBefore = endedChildrenSeconds();
    const busyBefore = machineBusySeconds();
    const coresBefore = coresBusySeconds(options.loadCores);
    const originBefore = cpuTime(originPids);
    const before = readCpu(running);
    const began = performance.now();
    const load = await runLoad(tools, {
      work: item.work,
      port: running.port,
      targetPort: running.targetPort,
      seconds: secondsOf(item, pace),
    });
    const loadSeconds = (performance.now() - began) / 1_000;
    const coresBusy = coresBusySeconds(options.loadCores) - coresBefore;
    await sleep(pace.settleMs);
    const after = readCpu(running);
    const cpu = cpuBetween(before.time, after.time);
    const errors = [...load.errors];
    if (after.pids.join() !== before.pids.join()) errors.push('its processes changed under load');
    const originCpuSeconds = cpuBetween(originBefore, cpuTime(originPids)).cpuSeconds;
    const generatorCpuSeconds = load.cpuSeconds ?? endedChildrenSeconds() - childrenBefore;
    const cores = coresForWorkers(item.workers, bench.cores, options);
    return {
      ...blank,
      ...shares(load),
      ...cpu,
      wallSeconds: (performance.now() - began) / 1_000,
      machineBusySeconds: machineBusySeconds() - busyBefore,
      generatorCpuSeconds,
      originCpuSeconds,
      limit: limitOf({
        wallSeconds: loadSeconds,
        proxyCpuSeconds: cpu.cpuSeconds,
        proxyCores: Math.min(item.workers, cores.length),
        generatorCpuSeconds,
        originCpuSeconds,
        loadCoresBusySeconds: isPinned ? coresBusy : null,
        loadCores: options.loadCores.length,
      }),
      errors,
    };
  } catch (error) {
    return { ...blank, errors: [wordsOf(error)] };
  }
}

function shares({
  work,
  rate,
  latency,
  lost,
  late,
}: LoadResult): Pick<Sample, 'work' | 'rate' | 'latency' | 'lost' | 'late'> {
  const answered = Math.max(1, work);
  return { work, rate, latency, lost: lost / answered, late: late / answered };
}

/** Those that did not keep up with the arrivals would only show how long their queue had become. */
async function spareTheSlow(stage: Stage, { series, samples }: CaseRecord): Promise<void> {
  if (series?.show !== 'latency') return;
  for (const running of stage.ready) {
    const own = samples.filter(({ contestant }) => contestant === running.contestant.id);
    const isSlow = own.every(
      ({ rate, intendedRate }) => intendedRate !== null && rate < KEEPS_UP * intendedRate,
    );
    if (own.length === 0 || !isSlow) continue;
    const reached = Math.max(...own.map(({ rate }) => rate));
    await stage.dismiss(running, `it reaches ${reached.toFixed(0)} requests/s and no more`);
  }
}
