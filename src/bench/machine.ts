// Facts about the machine and the checkout that a figure is worthless without.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, hostname, release, totalmem } from 'node:os';

export interface Machine {
  readonly host: string;
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly distribution: string;
  readonly nodeVersion: string;
  readonly commit: string;
  /** Whether files differ from the commit. */
  readonly isModified: boolean;
  /** Runnable load before the bench began: a busy machine gives poor figures. */
  readonly loadAverage: number;
}

export function describeMachine(): Machine {
  const status = git('status', '--porcelain', '--untracked-files=no');
  return {
    host: hostname(),
    kernel: release(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    distribution: /^PRETTY_NAME="(.*)"$/m.exec(tryRead('/etc/os-release'))?.[1] ?? 'unknown',
    nodeVersion: process.version,
    commit: git('rev-parse', 'HEAD') || 'unknown',
    isModified: status !== '',
    loadAverage: Number(tryRead('/proc/loadavg').split(' ')[0]),
  };
}

function git(...parameters: string[]): string {
  try {
    return execFileSync('git', parameters, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return ''; // not a checkout, or no git
  }
}

function tryRead(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
