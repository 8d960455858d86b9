// System calls of a contestant for a piece of work, by name, counted by `strace -c -f`. Tracing slows the
// proxy many times, so the counts say how it works and nothing about its speed, and come after the rounds.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Case } from './cases.ts';
import { findProgram, wordsOf } from './contestant.ts';
import { type LoadTools, runLoad } from './load.ts';
import { isTraced } from './proc.ts';
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
    if (!findProgram('strace')) throw new Error('strace not found (apt-get install strace)');
    const short = await trace(tools, running, item, SHORT_SECONDS);
    const long = await trace(tools, running, item, LONG_SECONDS);
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

async function trace(
  tools: LoadTools,
  running: Running,
  item: Case,
  seconds: number,
): Promise<Traced> {
  const pids = processesOf(running);
  const file = join(tools.processes.folder, 'strace');
  const strace = tools.processes.start('strace', tools.cores, [
    ...['strace', '-c', '-f', '-q', '-U', 'calls,name', '-o', file],
    ...pids.flatMap((pid) => ['-p', String(pid)]),
  ]);
  try {
    const deadline = Date.now() + ATTACH_PATIENCE_MS;
    while (!pids.every(isTraced)) {
      if (strace.hasEnded || Date.now() > deadline) {
        throw new Error(`strace did not attach: ${strace.lastWords}`);
      }
      await sleep(20);
    }
    const patient = { ...tools, patienceSeconds: TRACED_PATIENCE_SECONDS };
    const { work, errors } = await runLoad(patient, {
      work: item.work,
      port: running.port,
      seconds,
    });
    if (errors.length > 0) throw new Error(errors.join(', '));
    strace.signal('SIGINT');
    await strace.ended;
    return { work, calls: parseStrace(readFileSync(file, 'utf8')) };
  } finally {
    await strace.stop();
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
