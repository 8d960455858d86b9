// Facts about the machine and the checkout that a figure is worthless without.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, hostname, release, totalmem } from 'node:os';
import type { Machine } from './report.ts';

export function describeMachine(network: Machine['network']): Machine {
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
    network,
    congestionControl: congestionControl(),
  };
}

/** That of the network namespace this process is in. */
export function congestionControl(): string {
  return tryRead('/proc/sys/net/ipv4/tcp_congestion_control').trim() || 'unknown';
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
