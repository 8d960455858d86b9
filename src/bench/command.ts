// `sluice bench`: see bench/README.md for the method and how to read what it prints.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { type Contestant, type ContestantId, findProgram } from './contestant.ts';
import { haproxy, haproxySplice } from './haproxy.ts';
import { type IdleResult, measureIdle } from './idle.ts';
import { describeMachine } from './machine.ts';
import { type Bench, type CaseResult, measure } from './measure.ts';
import { findNginx, nginx } from './nginx.ts';
import { HELP, type Options, parseOptions } from './options.ts';
import { startOrigins } from './origin.ts';
import { Processes, ramFolder } from './processes.ts';
import { IDLE_ID, SCENARIOS } from './scenarios.ts';
import { findStaleBuilds, js, native } from './sluice.ts';
import { type IdleSummary, type Summary, summarise, summariseIdle } from './summary.ts';
import { caseReport, heading, idleReport } from './text.ts';

const CONTESTANTS: readonly Contestant[] = [native, js, nginx, haproxy, haproxySplice];
const LOAD_SOURCES = join(import.meta.dirname, '..', '..', 'native', 'load');

/** Runs what the parameters ask for; returns the exit code. */
export async function runBenchCommand(parameters: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(parameters);
    if (!options) {
      say(HELP);
      return 0;
    }
    await prepareMachine(options);
    return await compare(options);
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

async function compare(options: Options): Promise<number> {
  const processes = new Processes(ramFolder(existsSync));
  let interrupted: NodeJS.Signals | null = null;
  const stop = (signal: NodeJS.Signals): void => {
    interrupted = signal;
    void processes.close();
  };
  process.once('SIGINT', stop).once('SIGTERM', stop).once('SIGHUP', stop);
  try {
    await processes.open();
    await runCases(options, processes);
    return 0;
  } catch (error) {
    if (!interrupted) throw error;
    console.error(`bench: stopped by ${interrupted}`);
    return 130;
  } finally {
    await processes.close();
  }
}

async function runCases(options: Options, processes: Processes): Promise<void> {
  const machine = describeMachine();
  const { contestants, versions, missing } = await findContestants(options);
  say(heading(machine, options, versions));
  for (const reason of new Set(missing.values())) say(`!! MISSING: ${reason}`);
  const stale = contestants.has('native') || contestants.has('js') ? findStaleBuilds() : [];
  for (const reason of stale) say(`!! STALE: ${reason}`);
  const origins = await startOrigins(processes, options.loadCore);
  const bench: Bench = {
    ...options,
    tools: { processes, core: options.loadCore, patienceSeconds: 0.2 },
    origins,
    contestants,
    missing,
    say,
  };
  const results: (CaseResult | IdleResult)[] = [];
  const summaries: (Summary | IdleSummary)[] = [];
  for (const scenario of SCENARIOS.filter(({ id }) => options.cases.includes(id))) {
    const result = await measure(bench, scenario);
    const summary = summarise(scenario, result);
    results.push(result);
    summaries.push(summary);
    say(caseReport(scenario, summary, result.syscalls));
  }
  if (options.cases.includes(IDLE_ID)) {
    const result = await measureIdle(bench);
    const summary = summariseIdle(result);
    results.push(result);
    summaries.push(summary);
    say(idleReport(result, summary));
  }
  if (options.json !== null) {
    const record = {
      format: 1,
      at: new Date().toISOString(),
      machine,
      options,
      versions: Object.fromEntries(versions),
      missing: Object.fromEntries(missing),
      stale,
      originConfiguration: origins.configuration,
      summaries,
      results,
    };
    await writeFile(options.json, `${JSON.stringify(record, null, 1)}\n`);
    say(`\nraw samples and configurations: ${options.json}`);
  }
}

async function findContestants(options: Options): Promise<{
  readonly contestants: Map<ContestantId, Contestant>;
  readonly versions: Map<ContestantId, string>;
  readonly missing: Map<ContestantId, string>;
}> {
  const contestants = new Map<ContestantId, Contestant>();
  const versions = new Map<ContestantId, string>();
  const missing = new Map<ContestantId, string>();
  for (const contestant of CONTESTANTS) {
    if (!options.contestants.includes(contestant.id)) continue;
    const found = await contestant.find();
    if ('missing' in found) {
      missing.set(contestant.id, found.missing);
    } else {
      contestants.set(contestant.id, contestant);
      versions.set(contestant.id, found.version);
    }
  }
  return { contestants, versions, missing };
}

/** Builds the generators, and keeps this process itself off the proxies' core. */
async function prepareMachine({ proxyCore, loadCore }: Options): Promise<void> {
  const cores = cpus().length;
  if (proxyCore >= cores || loadCore >= cores) {
    throw new Error(
      `proxies on core ${proxyCore} and load on core ${loadCore}: there are ${cores} cores`,
    );
  }
  for (const [program, debian] of [
    ['taskset', 'util-linux'],
    ['wrk', 'wrk'],
    ['make', 'make'],
  ] as const) {
    if (!findProgram(program)) throw new Error(`${program} not found (apt-get install ${debian})`);
  }
  const origin = await findNginx();
  if ('missing' in origin) throw new Error(`no HTTP origin: ${origin.missing}`);
  execFileSync('make', ['-s', '-C', LOAD_SOURCES], { stdio: 'inherit' });
  execFileSync('taskset', ['-acp', String(loadCore), String(process.pid)], { stdio: 'ignore' });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
