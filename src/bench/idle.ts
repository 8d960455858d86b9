// What an idle keep-alive client costs a proxy in memory of its own: each contestant, freshly started and asked
// once, is read before and while many clients that have asked once stay connected.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContestantId } from './contestant.ts';
import { PROGRAMS } from './load.ts';
import type { Bench } from './measure.ts';
import { type Memory, memory } from './proc.ts';
import { processesOf, type Running, start } from './running.ts';
import { IDLE_ID, SCENARIOS, SMALL_BODY } from './scenarios.ts';

export const IDLE_CONTESTANTS = ['native', 'nginx', 'haproxy', 'js'] as const;
export const IDLE_GOAL_BYTES = 2_048;
const CLIENTS = 10_000;
const STEPS = 2;
/** Descriptors that a proxy needs for other things than clients. */
const SPARE_DESCRIPTORS = 1_000;
const STEADY_BYTES = 16 * 1024;
const STEADY_TRIES = 15;

export interface IdleSample {
  readonly contestant: ContestantId;
  readonly round: number;
  readonly clients: number;
  /** Memory with no client, then after each step. */
  readonly memory: readonly Memory[];
  /** Growth of the proportional set size for a client. */
  readonly bytesPerClient: number;
}

export interface IdleResult {
  readonly id: typeof IDLE_ID;
  readonly clients: number;
  readonly absent: Readonly<Partial<Record<ContestantId, string>>>;
  readonly samples: readonly IdleSample[];
}

export async function measureIdle(bench: Bench): Promise<IdleResult> {
  const clients = Math.min(CLIENTS, hardDescriptorLimit() - SPARE_DESCRIPTORS);
  if (clients < CLIENTS) {
    bench.say(`!! ${IDLE_ID}: only ${clients} clients: the hard limit of open files is too low`);
  }
  const absent: Partial<Record<ContestantId, string>> = {};
  const samples: IdleSample[] = [];
  for (let round = 0; round < Math.min(bench.rounds, 3); round++) {
    for (const id of IDLE_CONTESTANTS) {
      if (absent[id]) continue;
      const result = await sampleOne(bench, id, round, clients);
      if (typeof result === 'string') absent[id] = result;
      else if (result) samples.push(result);
    }
  }
  for (const [id, reason] of Object.entries(absent)) {
    bench.say(`!! ${IDLE_ID}: NO FIGURE for ${id}: ${reason}`);
  }
  return { id: IDLE_ID, clients, absent, samples };
}

/** A sample, or why there is none; null for a contestant that was not asked to take part. */
async function sampleOne(
  bench: Bench,
  id: ContestantId,
  round: number,
  clients: number,
): Promise<IdleSample | string | null> {
  const contestant = bench.contestants.get(id);
  if (!contestant) return bench.missing.get(id) ?? null;
  const { tools, proxyCore: core, origins } = bench;
  let running: Running | null = null;
  try {
    running = await start(contestant, {
      processes: tools.processes,
      core,
      protocol: 'http',
      targetPort: origins.ports.http,
    });
    await SCENARIOS.find((scenario) => scenario.protocol === 'http')?.check(tools, running.port);
    const readings = await hold(bench, running, Math.floor(clients / STEPS));
    const grown = (readings.at(-1)?.pssBytes ?? Number.NaN) - (readings[0]?.pssBytes ?? Number.NaN);
    const bytesPerClient = grown / (Math.floor(clients / STEPS) * STEPS);
    return { contestant: id, round, clients, memory: readings, bytesPerClient };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await running?.program.stop();
  }
}

async function hold(bench: Bench, running: Running, step: number): Promise<readonly Memory[]> {
  const { processes, core } = bench.tools;
  const readings = [await steadyMemory(running)];
  const load = processes.start('load-idle', core, [
    join(PROGRAMS, 'load-idle'),
    ...['--to', `127.0.0.1:${running.port}`, '--step', `${step}`, '--steps', `${STEPS}`],
    ...['--body-bytes', `${SMALL_BODY.length}`],
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
    await sleep(200);
    const next = memory(processesOf(running));
    if (Math.abs(next.pssBytes - last.pssBytes) <= STEADY_BYTES) return next;
    last = next;
  }
  return last;
}

function hardDescriptorLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}
