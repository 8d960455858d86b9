// What the kernel says that processes used: CPU time, memory, children, and the machine's busy time.
// Reads /proc only; pure parsers are exported for their tests.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

export interface CpuTime {
  /** All of it, as fine as the kernel tells. */
  readonly seconds: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
}

export interface Memory {
  /** Shared pages counted once over the processes that share them. */
  readonly pssBytes: number;
  readonly privateBytes: number;
  readonly rssBytes: number;
}

interface Stat {
  readonly parent: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly childrenSeconds: number;
}

/** /proc/PID/stat. The command name, in parentheses, may itself hold spaces and parentheses. */
export function parseStat(text: string, ticksPerSecond = TICKS_PER_SECOND): Stat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    parent: Number(fields[1]),
    userSeconds: Number(fields[11]) / ticksPerSecond,
    systemSeconds: Number(fields[12]) / ticksPerSecond,
    childrenSeconds: (Number(fields[13]) + Number(fields[14])) / ticksPerSecond,
  };
}

/** A line of /proc/stat: user nice system idle iowait irq softirq steal … */
export function parseBusy(text: string, ticksPerSecond = TICKS_PER_SECOND): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (text.split('\n', 1)[0] ?? '')
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) / ticksPerSecond;
}

/** /proc/PID/smaps_rollup, in which sizes are in KiB. */
export function parseSmaps(text: string): Memory {
  const bytes = (key: string): number =>
    1024 * Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN);
  return {
    pssBytes: bytes('Pss'),
    privateBytes: bytes('Private_Clean') + bytes('Private_Dirty'),
    rssBytes: bytes('Rss'),
  };
}

/** `root` and everything that descends from it, by process id. */
export function processTree(root: number): readonly number[] {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = tryReadStat(Number(name))?.parent;
    if (parent === undefined) continue;
    const siblings = childrenOf.get(parent);
    if (siblings) siblings.push(Number(name));
    else childrenOf.set(parent, [Number(name)]);
  }
  const tree: number[] = [];
  for (let next = [root]; next.length > 0; ) {
    tree.push(...next);
    next = next.flatMap((pid) => childrenOf.get(pid) ?? []);
  }
  return tree.sort((a, b) => a - b);
}

/**
 * CPU time of whole processes, all their threads. The total is the scheduler's own sum, in nanoseconds, where the
 * kernel tells it; ticks alone would be too coarse for short samples. Throws when one of them is gone.
 */
export function cpuTime(pids: readonly number[]): CpuTime {
  let seconds = 0;
  let userSeconds = 0;
  let systemSeconds = 0;
  for (const pid of pids) {
    const stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    userSeconds += stat.userSeconds;
    systemSeconds += stat.systemSeconds;
    seconds += scheduledSeconds(pid) ?? stat.userSeconds + stat.systemSeconds;
  }
  return { seconds, userSeconds, systemSeconds };
}

/** CPU time between two readings. Ticks only apportion the total between user and kernel mode. */
export function cpuBetween(
  before: CpuTime,
  after: CpuTime,
): { readonly cpuSeconds: number; readonly userSeconds: number } {
  const cpuSeconds = after.seconds - before.seconds;
  const user = after.userSeconds - before.userSeconds;
  const ticked = user + after.systemSeconds - before.systemSeconds;
  return { cpuSeconds, userSeconds: ticked > 0 ? (cpuSeconds * user) / ticked : 0 };
}

/** /proc/PID/task/TID/schedstat: nanoseconds on a core, nanoseconds waiting, times run. */
export function parseSchedstat(text: string): number {
  return Number(text.split(' ', 1)[0]) / 1e9;
}

/** Null where the kernel keeps no such statistics. Time of threads that have ended is missing. */
function scheduledSeconds(pid: number): number | null {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'))
      .reduce((sum, text) => sum + parseSchedstat(text), 0);
  } catch {
    return null;
  }
}

/** CPU time of children of this process that have ended and were waited for, and of theirs. */
export function endedChildrenSeconds(): number {
  return parseStat(readFileSync('/proc/self/stat', 'utf8')).childrenSeconds;
}

/** Seconds that each of these cores was busy since the machine started. */
export function coresBusySeconds(cores: readonly number[]): number {
  const lines = readFileSync('/proc/stat', 'utf8').split('\n');
  return cores.reduce((sum, core) => {
    const line = lines.find((candidate) => candidate.startsWith(`cpu${core} `));
    return sum + (line === undefined ? Number.NaN : parseBusy(line));
  }, 0);
}

/** Seconds of CPU time that the whole machine has spent on anything since it started. */
export function machineBusySeconds(): number {
  return parseBusy(readFileSync('/proc/stat', 'utf8'));
}

export function memory(pids: readonly number[]): Memory {
  const all = pids.map((pid) => parseSmaps(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')));
  const sum = (of: (one: Memory) => number): number =>
    all.reduce((total, one) => total + of(one), 0);
  return {
    pssBytes: sum((one) => one.pssBytes),
    privateBytes: sum((one) => one.privateBytes),
    rssBytes: sum((one) => one.rssBytes),
  };
}

/** Whether a tracer is attached to every thread of the process. */
export function isTraced(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) =>
    /^TracerPid:\s+[1-9]/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')),
  );
}

/** Whether the process has counters of the kernel's events open, as perf has once it is attached. */
export function countsEvents(pid: number): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((fd) => readlinkSync(join(folder, fd)).includes('perf_event'));
  } catch {
    return false; // it ended, or closed a descriptor while we looked
  }
}

function tryReadStat(pid: number): Stat | null {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return null; // it ended while we looked
  }
}
