// HTTP load by programs that are not ours, which only know the closed loop and whole seconds.
import { join } from 'node:path';
import { askProgram, findProgram } from './contestant.ts';
import { ROOT, sluiceVersion } from './installation.ts';
import { type LoadResult, type LoadTask, type LoadTools, lastJson } from './load.ts';
import { packageFile, packageVersion } from './package-proxies.ts';
import type { HttpDriver, Latency } from './report.ts';
import { httpPath, type Work } from './work.ts';

type HttpWork = Extract<Work, { readonly kind: 'http' }>;

const REPORT = join(ROOT, 'native', 'load', 'report.lua');
/** An answer that takes longer is an error. */
const PATIENCE_SECONDS = 2;

/** What makes the load and its version. Throws when it is not there. */
export async function driverVersion(driver: HttpDriver): Promise<string> {
  if (driver === 'native') return `load-http ${sluiceVersion()}`;
  if (driver === 'autocannon') {
    const version = packageVersion('autocannon');
    if (version === null) throw new Error('autocannon is not installed (npm install)');
    return `autocannon ${version}`;
  }
  const path = findProgram('wrk');
  if (!path) throw new Error('wrk is not installed (apt-get install wrk)');
  // Prints its version and its usage, and ends with an error.
  const words = await askProgram(path, '-v').catch((error: unknown) => {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return stdout + stderr;
  });
  return `wrk ${/wrk (?:debian\/)?(\S+)/.exec(words)?.[1] ?? 'unknown'}`;
}

interface WrkOutput {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly latencyUs: Omit<Latency, 'histogram'>;
}

export async function wrk(
  { processes, cores, patienceSeconds }: LoadTools,
  { port, seconds }: LoadTask,
  { connections, bodyBytes }: HttpWork,
): Promise<LoadResult> {
  const timeout = Math.max(PATIENCE_SECONDS, Math.ceil(patienceSeconds));
  const output = await processes.run('wrk', cores, [
    ...['wrk', '-t1', `-c${connections}`, `-d${Math.ceil(seconds)}s`],
    ...['--timeout', `${timeout}s`, '-s', REPORT],
    `http://127.0.0.1:${port}${httpPath(bodyBytes)}`,
  ]);
  const raw = lastJson<WrkOutput>(output);
  const errors = Object.entries(raw.errors)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind} errors`);
  if (raw.bytes < raw.requests * bodyBytes) errors.push('bodies shorter than the origin sent');
  return {
    ...done(raw.requests, errors),
    rate: raw.requests / raw.seconds,
    latency: { ...raw.latencyUs, histogram: [] },
  };
}

interface AutocannonOutput {
  readonly duration: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly non2xx: number;
  readonly '2xx': number;
  readonly requests: { readonly total: number };
  readonly throughput: { readonly total: number };
  /** In milliseconds. */
  readonly latency: Readonly<Record<'p50' | 'p90' | 'p99' | 'p99_9' | 'max', number>>;
}

export async function autocannon(
  { processes, cores, patienceSeconds }: LoadTools,
  { port, seconds }: LoadTask,
  { connections, bodyBytes }: HttpWork,
): Promise<LoadResult> {
  const timeout = Math.max(PATIENCE_SECONDS, Math.ceil(patienceSeconds));
  const output = await processes.run('autocannon', cores, [
    ...[process.execPath, packageFile('autocannon'), '--json', '--no-progress'],
    ...['-c', `${connections}`, '-d', `${Math.ceil(seconds)}`, '-t', `${timeout}`],
    `http://127.0.0.1:${port}${httpPath(bodyBytes)}`,
  ]);
  const raw = lastJson<AutocannonOutput>(output);
  const errors = Object.entries({
    failed: raw.errors,
    'timed out': raw.timeouts,
    'not 2xx': raw.non2xx,
  })
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`);
  if (raw.throughput.total < raw['2xx'] * bodyBytes) {
    errors.push('bodies shorter than the origin sent');
  }
  const us = (name: keyof AutocannonOutput['latency']): number => raw.latency[name] * 1_000;
  return {
    ...done(raw['2xx'], errors),
    rate: raw['2xx'] / raw.duration,
    latency: {
      p50: us('p50'),
      p90: us('p90'),
      p99: us('p99'),
      p999: us('p99_9'),
      max: us('max'),
      histogram: [],
    },
  };
}

function done(work: number, errors: readonly string[]): Omit<LoadResult, 'rate' | 'latency'> {
  const all = work === 0 ? [...errors, 'not one answer'] : errors;
  return { work, lost: 0, late: 0, cpuSeconds: null, errors: all };
}
