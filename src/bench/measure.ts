// One case: every contestant is started, must answer right, is warmed up, and is then sampled in rounds that
// go through the contestants forwards and backwards in turn, so that a drift of the machine favours none.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant, ContestantId } from './contestant.ts';
import type { Latencies, LoadTools } from './load.ts';
import type { Origins } from './origin.ts';
import { cpuTime, machineBusySeconds } from './proc.ts';
import { processesOf, type Running, start } from './running.ts';
import type { Scenario } from './scenarios.ts';
import { countSyscalls, type SyscallCount } from './syscalls.ts';

export interface Sample {
  readonly contestant: ContestantId;
  readonly round: number;
  /** Place within its round. */
  readonly position: number;
  readonly work: number;
  readonly cpuSeconds: number;
  readonly userSeconds: number;
  /** CPU time of the whole machine, load and origin included. */
  readonly machineBusySeconds: number;
  readonly wallSeconds: number;
  readonly rate: number;
  readonly latencyUs: Latencies | null;
  /** Datagrams without an answer for each one answered. */
  readonly loss: number;
  /** A sample with errors is reported and not used. */
  readonly errors: readonly string[];
  readonly raw: unknown;
}

export interface CaseResult {
  readonly id: string;
  readonly configurations: Readonly<Partial<Record<ContestantId, string>>>;
  /** Why a contestant has no figures. */
  readonly absent: Readonly<Partial<Record<ContestantId, string>>>;
  readonly samples: readonly Sample[];
  readonly syscalls: readonly SyscallCount[];
}

export interface Bench {
  readonly tools: LoadTools;
  readonly proxyCore: number;
  readonly origins: Origins;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly countsSyscalls: boolean;
  /** Contestants that are installed; the reasons of those that are not. */
  readonly contestants: ReadonlyMap<ContestantId, Contestant>;
  readonly missing: ReadonlyMap<ContestantId, string>;
  readonly say: (line: string) => void;
}

/** Time for a proxy to notice that its clients have gone, so that it is charged to them. */
const SETTLE_MS = 60;

export async function measure(bench: Bench, scenario: Scenario): Promise<CaseResult> {
  const absent: Partial<Record<ContestantId, string>> = {};
  const configurations: Partial<Record<ContestantId, string>> = {};
  const samples: Sample[] = [];
  const syscalls: SyscallCount[] = [];
  const ready = await startAll(bench, scenario, absent);
  try {
    for (const running of ready) {
      configurations[running.contestant.id] = running.configuration;
    }
    for (let round = 0; round < bench.rounds; round++) {
      const order = round % 2 === 0 ? ready : [...ready].reverse();
      for (const [position, running] of order.entries()) {
        const sample = await takeSample(bench, scenario, running, { round, position });
        samples.push(sample);
        for (const error of sample.errors) {
          bench.say(
            `!! ${running.contestant.label}, round ${round + 1}: sample not used: ${error}`,
          );
        }
      }
    }
    for (const running of bench.countsSyscalls ? ready : []) {
      syscalls.push(await countSyscalls(bench.tools, running, scenario));
    }
  } finally {
    await Promise.all(ready.map((running) => running.program.stop()));
  }
  return { id: scenario.id, configurations, absent, samples, syscalls };
}

/** Those that started and answered right, warmed up. The others end up in `absent`, said aloud. */
async function startAll(
  bench: Bench,
  scenario: Scenario,
  absent: Partial<Record<ContestantId, string>>,
): Promise<Running[]> {
  const { tools, proxyCore: core, origins } = bench;
  const ready: Running[] = [];
  for (const id of scenario.contestants) {
    const contestant = bench.contestants.get(id);
    if (!contestant) {
      const reason = bench.missing.get(id);
      if (reason) absent[id] = reason;
      continue;
    }
    let running: Running | null = null;
    try {
      const targetPort = origins.ports[scenario.origin];
      const { protocol } = scenario;
      running = await start(contestant, { processes: tools.processes, core, protocol, targetPort });
      await scenario.check(tools, running.port);
      await scenario.load(tools, running.port, bench.warmupSeconds);
      ready.push(running);
    } catch (error) {
      await running?.program.stop();
      absent[id] = error instanceof Error ? error.message : String(error);
    }
  }
  for (const [id, reason] of Object.entries(absent)) {
    bench.say(`!! ${scenario.id}: NO FIGURE for ${id}: ${reason}`);
  }
  return ready;
}

async function takeSample(
  { tools, seconds }: Bench,
  scenario: Scenario,
  running: Running,
  place: { readonly round: number; readonly position: number },
): Promise<Sample> {
  await sleep(SETTLE_MS);
  const pids = processesOf(running);
  const busyBefore = machineBusySeconds();
  const before = cpuTime(pids);
  const began = performance.now();
  const load = await scenario.load(tools, running.port, seconds).catch((error: unknown) => {
    return { work: 0, rate: 0, latencyUs: null, loss: 0, errors: [String(error)], raw: null };
  });
  await sleep(SETTLE_MS);
  const pidsAfter = processesOf(running);
  const errors = [...load.errors];
  if (pidsAfter.join() !== pids.join()) errors.push('its processes changed under load');
  const after = cpuTime(pidsAfter);
  const userSeconds = after.userSeconds - before.userSeconds;
  return {
    contestant: running.contestant.id,
    ...place,
    work: load.work,
    cpuSeconds: userSeconds + after.systemSeconds - before.systemSeconds,
    userSeconds,
    machineBusySeconds: machineBusySeconds() - busyBefore,
    wallSeconds: (performance.now() - began) / 1_000,
    rate: load.rate,
    latencyUs: load.latencyUs,
    loss: load.loss,
    errors,
    raw: load.raw,
  };
}
