// Gets the machine and the programs ready, and says what is not as it should be.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { findProgram } from './contestant.ts';
import { sharesCores } from './cores.ts';
import { ROOT } from './installation.ts';
import { generator, lastJson } from './load.ts';
import type { RunOptions } from './options.ts';

const execute = promisify(execFile);
/** Runnable programs on average, above which the machine is not quiet. */
const QUIET_LOAD = 0.5;

/** Builds the generators, unless they are up to date. Throws an Error that names what is missing. */
export async function buildGenerators(): Promise<void> {
  for (const [program, debian] of [
    ['make', 'make'],
    ['g++', 'g++'],
  ] as const) {
    if (!findProgram(program)) {
      throw new Error(
        `the load generators cannot be built: ${program} is not installed (apt-get install ${debian})`,
      );
    }
  }
  try {
    await execute('make', ['-s', '-C', `${ROOT}/native/load`]);
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string };
    throw new Error(`the load generators cannot be built (make -C native/load):\n${stderr.trim()}`);
  }
}

/** The library that load-http speaks TLS with; null when it was built without. */
export async function tlsLibrary(): Promise<string | null> {
  const { stdout } = await execute(generator('load-http'), ['--about']);
  return lastJson<{ readonly tls: string | null }>(stdout).tls;
}

export interface Pinning {
  readonly isPinned: boolean;
  readonly notes: readonly string[];
}

/** Keeps this process itself off the proxies' cores, where that can be done. */
export async function pin({ proxyCores, loadCores }: RunOptions, cores: number): Promise<Pinning> {
  const notes: string[] = [];
  if (cores === 1) {
    notes.push('one core: proxy, load and origin share it; compare costs, not rates or latencies');
  } else if (sharesCores(proxyCores, loadCores)) {
    notes.push('proxies share cores with load and origin; compare costs, not rates or latencies');
  }
  if (!findProgram('taskset')) {
    notes.push('nothing is pinned to cores: taskset is not installed (apt-get install util-linux)');
    return { isPinned: false, notes };
  }
  try {
    await execute('taskset', ['-acp', loadCores.join(','), String(process.pid)]);
    for (const list of [proxyCores, loadCores]) {
      await execute('taskset', ['-c', list.join(','), 'true']);
    }
    return { isPinned: true, notes };
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string };
    notes.push(`nothing is pinned to cores: ${stderr.trim() || 'taskset failed'}`);
    return { isPinned: false, notes };
  }
}

/** What else makes figures worse. */
export function machineNotes(loadAverage: number): readonly string[] {
  const notes: string[] = [];
  if (loadAverage > QUIET_LOAD) {
    notes.push(`the machine was busy before the run: load average ${loadAverage}`);
  }
  const governor = tryRead('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor');
  if (governor !== '' && governor !== 'performance') {
    notes.push(`cores change their frequency (governor ${governor}): costs shift with it`);
  }
  return notes;
}

function tryRead(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
