// What an idle keep-alive client costs a proxy in memory of its own: each contestant, freshly started and asked
// once, is read before and while many clients that have asked once stay connected.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import type { Case } from './cases.ts';
import { wordsOf } from './contestant.ts';
import { generator } from './load.ts';
import { recordOf } from './measure.ts';
import { formatBytes } from './numbers.ts';
import type { RunOptions } from './options.ts';
import { type Memory, memory } from './proc.ts';
import { mostDescriptors } from './processes.ts';
import type { CaseRecord, Sample } from './report.ts';
import { processesOf, type Running } from './running.ts';
import { Stage } from './stage.ts';
import { median } from './statistics.ts';
import { httpPath } from './work.ts';

const STEPS = 2;
/** Descriptors that a proxy needs for other things than clients. */
const SPARE_DESCRIPTORS = 1_000;
const STEADY_BYTES = 16 * 1024;
const STEADY_TRIES = 12;
const STEADY_PAUSE_MS = 150;
const BODY_BYTES = 100;

export interface MemoryResult {
  readonly record: CaseRecord;
  readonly notes: readonly string[];
}

export async function measureMemory(bench: Bench, item: Case): Promise<MemoryResult> {
  const wanted = item.work.kind === 'idle' ? item.work.clients : 0;
  const clients = Math.min(wanted, mostDescriptors() - SPARE_DESCRIPTORS);
  const notes =
    clients < wanted
      ? [`${item.id}: ${clients} clients instead of ${wanted}: the hard limit of open files is low`]
      : [];
  const absent: Record<string, string> = {};
  const configurations: Record<string, string> = {};
  const samples: Sample[] = [];
  const bases = new Map<string, number[]>();
  const rounds = memoryRounds(bench.options);
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? item.contestants : item.contestants.toReversed();
    for (const [position, id] of order.entries()) {
      if (absent[id] !== undefined) continue;
      bench.progress.doing(`${id}, round ${round + 1} of ${rounds}`);
      // Afresh each time: memory that was once taken is not given back.
      const stage = new Stage(bench);
      try {
        await stage.enter({ ...item, contestants: [id] });
        const reason = stage.absent.get(id);
        if (reason !== undefined) absent[id] = reason;
        const running = stage.ready[0];
        if (!running) continue;
        const { sample, baseBytes } = await sampleOne(bench, running, clients, { round, position });
        configurations[id] = running.configuration;
        samples.push(sample);
        bases.set(id, [...(bases.get(id) ?? []), baseBytes]);
      } catch (error) {
        absent[id] = wordsOf(error);
      } finally {
        await stage.close();
      }
    }
  }
  const before = [...bases].map(([id, bytes]) => `${id} ${formatBytes(median(bytes))}`);
  return {
    record: { ...recordOf(item), configurations, absent, samples },
    notes: [...notes, `${item.id}: before the first client: ${before.join(', ')}`],
  };
}

/** Each takes seconds, and a quick run has none to spare. */
export function memoryRounds({ rounds, isQuick }: RunOptions): number {
  return isQuick ? 1 : rounds;
}

async function sampleOne(
  bench: Bench,
  running: Running,
  clients: number,
  place: { readonly round: number; readonly position: number },
): Promise<{ readonly sample: Sample; readonly baseBytes: number }> {
  const began = performance.now();
  const step = Math.floor(clients / STEPS);
  const readings = await hold(bench, running, step);
  const baseBytes = readings[0]?.pssBytes ?? Number.NaN;
  const grown = (readings.at(-1)?.pssBytes ?? Number.NaN) - baseBytes;
  const sample: Sample = {
    contestant: running.contestant.id,
    ...place,
    work: 0,
    wallSeconds: (performance.now() - began) / 1_000,
    cpuSeconds: 0,
    userSeconds: 0,
    machineBusySeconds: 0,
    generatorCpuSeconds: 0,
    originCpuSeconds: 0,
    rate: 0,
    intendedRate: null,
    limit: null,
    latency: null,
    memoryBytes: grown / (step * STEPS),
    lost: 0,
    late: 0,
    errors: [],
  };
  return { sample, baseBytes };
}

async function hold(bench: Bench, running: Running, step: number): Promise<readonly Memory[]> {
  const { processes, cores } = bench.tools;
  const readings = [await steadyMemory(running)];
  const load = processes.start('load-idle', cores, [
    generator('load-idle'),
    ...['--to', `127.0.0.1:${running.port}`, '--step', `${step}`, '--steps', `${STEPS}`],
    ...['--path', httpPath(BODY_BYTES), '--body-bytes', `${BODY_BYTES}`],
  ]);
  try {
    for (let i = 1; i <= STEPS; i++) {
      const { open, lost } = JSON.parse(await load.readLine()) as { open: number; lost: number };
      if (open !== i * step || lost > 0) throw new Error(`${lost} of ${open} clients were closed`);
      readings.push(await steadyMemory(running));
      load.writeLine('go on');
    }
    const { lost } = JSON.parse(await load.readLine()) as { lost: number };
    if (lost > 0) throw new Error(`${lost} idle clients were closed`);
  } finally {
    await load.stop();
  }
  return readings;
}

/** Memory once two readings in a row agree: allocators and collectors tidy up after the last request. */
async function steadyMemory(running: Running): Promise<Memory> {
  let last = memory(processesOf(running));
  for (let i = 0; i < STEADY_TRIES; i++) {
    await sleep(STEADY_PAUSE_MS);
    const next = memory(processesOf(running));
    if (Math.abs(next.pssBytes - last.pssBytes) <= STEADY_BYTES) return next;
    last = next;
  }
  return last;
}
