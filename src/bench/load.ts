// Runs one load to its end and turns what it prints into one shape. `work` is everything done from the start
// of the program to its end, because it is divided into CPU time read before the start and after the end.
import { join } from 'node:path';
import type { Processes } from './processes.ts';

export interface Latencies {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p99_9: number;
  readonly max: number;
}

export interface LoadResult {
  readonly work: number;
  /** Work a second while sampling. */
  readonly rate: number;
  /** Null where single pieces of work have no latency (bulk). */
  readonly latencyUs: Latencies | null;
  /** Datagrams without an answer for each one answered; 0 where nothing may get lost. */
  readonly loss: number;
  /** Why the sample must not be believed; empty when every answer was right. */
  readonly errors: readonly string[];
  /** What the generator printed. */
  readonly raw: unknown;
}

export interface LoadTools {
  readonly processes: Processes;
  readonly core: number;
  /** After this long a datagram without an answer counts as lost; others have at least 2 s. */
  readonly patienceSeconds: number;
}

export type Load = (tools: LoadTools, port: number, seconds: number) => Promise<LoadResult>;

export const PROGRAMS = join(import.meta.dirname, '..', '..', 'build', 'load');
const REPORT = join(import.meta.dirname, '..', '..', 'native', 'load', 'report.lua');
/** Of the time of a sample that its generator spends warming up on top. */
const WARMUP_SHARE = 0.1;
/** An answer that takes longer is an error. */
const WRK_PATIENCE_SECONDS = 2;

interface WrkOutput {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly errors: Readonly<Record<string, number>>;
  readonly latencyUs: Latencies;
}

export function wrk(path: string, clients: number, bodyBytes: number): Load {
  return async ({ processes, core, patienceSeconds }, port, seconds) => {
    const timeout = Math.max(WRK_PATIENCE_SECONDS, Math.ceil(patienceSeconds));
    const command = [
      ...['wrk', '-t1', `-c${clients}`, `-d${Math.ceil(seconds)}s`],
      ...['--timeout', `${timeout}s`, '-s', REPORT],
    ];
    const output = await processes.run('wrk', core, [
      ...command,
      `http://127.0.0.1:${port}${path}`,
    ]);
    const raw = lastJson<WrkOutput>(output);
    const errors = Object.entries(raw.errors)
      .filter(([, count]) => count > 0)
      .map(([kind, count]) => `${count} ${kind} errors`);
    if (raw.requests === 0) errors.push('not one answer');
    if (raw.bytes < raw.requests * bodyBytes) errors.push('bodies shorter than the origin sent');
    const rate = raw.requests / raw.seconds;
    return { work: raw.requests, rate, latencyUs: raw.latencyUs, loss: 0, errors, raw };
  };
}

interface TcpOutput {
  readonly seconds: number;
  readonly bytes: number;
  readonly messages: number;
  readonly totalBytes: number;
  readonly totalMessages: number;
  readonly latencyUs: Latencies;
}

/** Work is counted in GB (10^9 bytes). Ends with an error when a byte is wrong. */
export function tcpBulk(mode: 'pull' | 'push', streams: number): Load {
  return async (tools, port, seconds) => {
    const raw = await tcp(tools, port, seconds, ['--mode', mode, '--connections', `${streams}`]);
    const rate = raw.bytes / 1e9 / raw.seconds;
    return { work: raw.totalBytes / 1e9, rate, latencyUs: null, loss: 0, errors: [], raw };
  };
}

/** Work is counted in messages that came back. */
export function tcpPingpong(connections: number, size: number): Load {
  return async (tools, port, seconds) => {
    const parameters = [
      '--mode',
      'pingpong',
      '--connections',
      `${connections}`,
      '--size',
      `${size}`,
    ];
    const raw = await tcp(tools, port, seconds, parameters);
    const rate = raw.messages / raw.seconds;
    return { work: raw.totalMessages, rate, latencyUs: raw.latencyUs, loss: 0, errors: [], raw };
  };
}

async function tcp(
  { processes, core }: LoadTools,
  port: number,
  seconds: number,
  parameters: readonly string[],
): Promise<TcpOutput> {
  const command = [join(PROGRAMS, 'load-tcp'), ...common(port, seconds), ...parameters];
  return lastJson<TcpOutput>(await processes.run('load-tcp', core, command));
}

interface UdpOutput {
  readonly seconds: number;
  readonly echoed: number;
  readonly totalEchoed: number;
  readonly lost: number;
  readonly latencyUs: Latencies;
}

/** Work is counted in datagrams that went there and came back. */
export function udpEcho(flows: number, outstanding: number, size: number): Load {
  return async ({ processes, core, patienceSeconds }, port, seconds) => {
    const shape = [
      ...['--flows', `${flows}`, '--outstanding', `${outstanding}`, '--size', `${size}`],
      ...['--timeout', `${patienceSeconds}`],
    ];
    const command = [join(PROGRAMS, 'load-udp'), ...common(port, seconds), ...shape];
    const raw = lastJson<UdpOutput>(await processes.run('load-udp', core, command));
    const loss = raw.lost / Math.max(1, raw.totalEchoed);
    const errors = raw.totalEchoed === 0 ? ['not one answer'] : [];
    const rate = raw.echoed / raw.seconds;
    return { work: raw.totalEchoed, rate, latencyUs: raw.latencyUs, loss, errors, raw };
  };
}

function common(port: number, seconds: number): readonly string[] {
  const warmup = (seconds * WARMUP_SHARE).toFixed(2);
  return ['--to', `127.0.0.1:${port}`, '--seconds', `${seconds}`, '--warmup', warmup];
}

/** Our own generators' output is trusted to have the shape they print. */
function lastJson<Shape>(output: string): Shape {
  const line = output.trimEnd().split('\n').at(-1) ?? '';
  return JSON.parse(line) as Shape;
}
