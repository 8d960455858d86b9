// System calls of a contestant for a piece of work, by name, counted by strace, else by perf. Tracing slows the
// proxy many times, so the counts say how it works and nothing about its speed, and come after the rounds.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Case } from './cases.ts';
import { findProgram, wordsOf } from './contestant.ts';
import { type LoadTools, runLoad } from './load.ts';
import { countsEvents, isTraced } from './proc.ts';
import type { Program } from './processes.ts';
import type { SyscallRecord } from './report.ts';
import { processesOf, type Running } from './running.ts';

/** Calls rarer than this for a piece of work are not listed. */
const RARE = 0.005;
const ATTACH_PATIENCE_MS = 5_000;
/** A traced proxy is slow: that is no loss. */
const TRACED_PATIENCE_SECONDS = 5;
const SHORT_SECONDS = 1;
const LONG_SECONDS = 3;

/**
 * Traces a short load and a longer one and takes the difference, in which opening and closing the load's own
 * connections, the same in both, is gone.
 */
export async function countSyscalls(
  tools: LoadTools,
  running: Running,
  item: Case,
): Promise<SyscallRecord> {
  const contestant = running.contestant.id;
  try {
    const tracer = TRACERS.find(({ name }) => findProgram(name) !== null);
    if (!tracer) throw new Error('neither strace nor perf found (apt-get install strace)');
    const short = await trace(tools, running, item, { tracer, seconds: SHORT_SECONDS });
    const long = await trace(tools, running, item, { tracer, seconds: LONG_SECONDS });
    const { work, calls } = difference(long, short);
    const perWork = Object.entries(calls)
      .map(([name, count]) => [name, count / work] as const)
      .filter(([, count]) => count >= RARE)
      .sort(([, a], [, b]) => b - a);
    return { contestant, perWork: Object.fromEntries(perWork), problem: null };
  } catch (error) {
    return { contestant, perWork: {}, problem: wordsOf(error) };
  }
}

interface Traced {
  readonly work: number;
  readonly calls: Readonly<Record<string, number>>;
}

interface Tracer {
  readonly name: 'strace' | 'perf';
  command(pids: readonly number[], file: string): readonly string[];
  hasAttached(tracer: Program, pids: readonly number[]): boolean;
  parse(text: string): Record<string, number>;
}

const TRACERS: readonly Tracer[] = [
  {
    name: 'strace',
    command: (pids, file) => [
      ...['strace', '-c', '-f', '-q', '-U', 'calls,name', '-o', file],
      ...pids.flatMap((pid) => ['-p', String(pid)]),
    ],
    hasAttached: (_, pids) => pids.every(isTraced),
    parse: parseStrace,
  },
  {
    name: 'perf',
    command: (pids, file) => ['perf', 'trace', '-s', '-o', file, '-p', pids.join(',')],
    hasAttached: ({ pid }) => countsEvents(pid),
    parse: parsePerf,
  },
];

async function trace(
  tools: LoadTools,
  running: Running,
  item: Case,
  { tracer, seconds }: { readonly tracer: Tracer; readonly seconds: number },
): Promise<Traced> {
  const pids = processesOf(running);
  const file = join(tools.processes.folder, tracer.name);
  const program = tools.processes.start(tracer.name, tools.cores, tracer.command(pids, file));
  try {
    const deadline = Date.now() + ATTACH_PATIENCE_MS;
    while (!tracer.hasAttached(program, pids)) {
      if (program.hasEnded || Date.now() > deadline) {
        throw new Error(`${tracer.name} did not attach: ${program.lastWords}`);
      }
      await sleep(20);
    }
    const patient = { ...tools, patienceSeconds: TRACED_PATIENCE_SECONDS };
    const { work, errors } = await runLoad(patient, {
      work: item.work,
      port: running.port,
      targetPort: running.targetPort,
      seconds,
    });
    if (errors.length > 0) throw new Error(errors.join(', '));
    program.signal('SIGINT');
    await program.ended;
    return { work, calls: tracer.parse(readFileSync(file, 'utf8')) };
  } finally {
    await program.stop();
  }
}

export function difference(long: Traced, short: Traced): Traced {
  const work = long.work - short.work;
  if (work <= 0) throw new Error('the longer trace saw no more work than the shorter');
  const calls = Object.entries(long.calls).map(([name, count]) => {
    return [name, Math.max(0, count - (short.calls[name] ?? 0))] as const;
  });
  return { work, calls: Object.fromEntries(calls) };
}

/** The table of `strace -c -U calls,name`: two columns between rules of dashes, then a total. */
export function parseStrace(text: string): Record<string, number> {
  const calls: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const [, count, name] = /^\s*(\d+)\s+(\w+)$/.exec(line) ?? [];
    if (count && name && name !== 'total') calls[name] = Number(count);
  }
  return calls;
}

/** The tables of `perf trace -s`, one a thread: name, calls, errors, times. */
export function parsePerf(text: string): Record<string, number> {
  if (/\bLOST\b/.test(text)) throw new Error('perf lost events');
  const calls: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const [, name, count] = /^\s+(\w+)\s+(\d+)\s+\d+\s+[\d.]+\s/.exec(line) ?? [];
    if (count && name) calls[name] = (calls[name] ?? 0) + Number(count);
  }
  return calls;
}
