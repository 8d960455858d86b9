// System calls of a contestant for a piece of work, by name, counted by `strace -c -f`. Tracing slows the
// proxy many times, so the counts say how it works and nothing about its speed, and come after the rounds.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ContestantId, findProgram } from './contestant.ts';
import type { LoadTools } from './load.ts';
import { isTraced } from './proc.ts';
import { processesOf, type Running } from './running.ts';
import type { Scenario } from './scenarios.ts';

export interface SyscallCount {
  readonly contestant: ContestantId;
  readonly work: number;
  readonly calls: Readonly<Record<string, number>>;
  /** Why there are no counts; null when there are. */
  readonly problem: string | null;
}

const RECEIVES = ['read', 'readv', 'recvfrom', 'recvmsg', 'recvmmsg'];
const SENDS = ['write', 'writev', 'sendto', 'sendmsg', 'sendmmsg', 'sendfile'];
const WAITS = ['epoll_wait', 'epoll_pwait', 'epoll_pwait2'];
/** What timers and the odd new upstream connection add, spread over the requests. */
const ROUNDING = 0.05;
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
  scenario: Scenario,
): Promise<SyscallCount> {
  const contestant = running.contestant.id;
  try {
    if (!findProgram('strace')) throw new Error('strace not found (apt-get install strace)');
    const short = await trace(tools, running, scenario, SHORT_SECONDS);
    const long = await trace(tools, running, scenario, LONG_SECONDS);
    return { contestant, ...difference(long, short), problem: null };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { contestant, work: 0, calls: {}, problem };
  }
}

interface Traced {
  readonly work: number;
  readonly calls: Readonly<Record<string, number>>;
}

async function trace(
  tools: LoadTools,
  running: Running,
  scenario: Scenario,
  seconds: number,
): Promise<Traced> {
  const pids = processesOf(running);
  const file = join(tools.processes.folder, 'strace');
  const strace = tools.processes.start('strace', tools.core, [
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
    const { work, errors } = await scenario.load(patient, running.port, seconds);
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

export interface SyscallGoal {
  readonly text: string;
  readonly perWork: number;
  readonly most: number;
  readonly isMet: boolean;
}

/** At most two receives, two sends and a share of one wait for a proxied request, and next to nothing else. */
export function syscallGoals({ calls, work }: SyscallCount): readonly SyscallGoal[] {
  const perWork = (names: readonly string[]): number =>
    names.reduce((sum, name) => sum + (calls[name] ?? 0), 0) / work;
  const named = [...RECEIVES, ...SENDS, ...WAITS];
  const others = Object.keys(calls).filter((name) => !named.includes(name));
  return [
    { text: 'receives ≤ 2', perWork: perWork(RECEIVES), most: 2 },
    { text: 'sends ≤ 2', perWork: perWork(SENDS), most: 2 },
    { text: 'waits ≤ 1', perWork: perWork(WAITS), most: 1 },
    { text: 'others 0', perWork: perWork(others), most: 0 },
  ].map((goal) => ({ ...goal, isMet: goal.perWork <= goal.most + ROUNDING }));
}
