// The cores that this process's main thread runs on, and with it the programs that it starts. For work that is measured
// inside this process.
import { spawnSync } from 'node:child_process';

export interface Pinned {
  /** Why the thread could not be pinned; null when it is. */
  readonly problem: string | null;
  /** Lets the thread run where it ran before. */
  restore(): void;
}

/** No cores: as it is. */
export function pinOwnThread(cores: readonly number[]): Pinned {
  if (cores.length === 0) return { problem: 'no cores were named', restore: () => {} };
  const before = taskset();
  const allowed = /list:\s*(\S+)/.exec(before.output)?.[1];
  const pinned = allowed === undefined ? before : taskset(cores.join(','));
  if (pinned.status !== 0 || allowed === undefined) {
    return { problem: pinned.output.trim() || 'taskset is not installed', restore: () => {} };
  }
  return { problem: null, restore: () => void taskset(allowed) };
}

/** Of one thread: the main one has the id of the process. */
function taskset(...cores: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(
    'taskset',
    ['-p', '-c', ...cores, String(process.pid)],
    { encoding: 'utf8' },
  );
  return { status, output: `${stdout ?? ''}${stderr ?? ''}` };
}
