// Runs one load to its end and turns what it prints into one shape. `work` is everything done from the start
// of the program to its end, because it is divided into CPU time read before the start and after the end.
import { join } from 'node:path';
import { autocannon, wrk } from './http-drivers.ts';
import { ROOT } from './installation.ts';
import type { Processes } from './processes.ts';
import type { HttpDriver, Latency } from './report.ts';
import {
  type Arrival,
  arrivalOf,
  httpPath,
  isForward,
  isPlain,
  type TlsWay,
  type Work,
} from './work.ts';

export interface LoadResult {
  readonly work: number;
  /** Work a second while sampling. */
  readonly rate: number;
  /** Null where single pieces of work have no latency (bulk). */
  readonly latency: Latency | null;
  /** Pieces of work without an answer, and with one that came too late. */
  readonly lost: number;
  readonly late: number;
  /** CPU time of the generator; null when it does not tell. */
  readonly cpuSeconds: number | null;
  /** Why the sample must not be believed; empty when every answer was right. */
  readonly errors: readonly string[];
}

export interface LoadTools {
  readonly processes: Processes;
  readonly cores: readonly number[];
  readonly driver: HttpDriver;
  /** After this long a datagram without an answer counts as lost; others have at least 2 s. */
  readonly patienceSeconds: number;
}

export interface LoadTask {
  readonly work: Work;
  readonly port: number;
  /** Of the origin: a forward proxy has to be told. */
  readonly targetPort: number;
  readonly seconds: number;
}

const PROGRAMS = join(ROOT, 'build', 'load');
/** Of the time of a sample that its generator spends warming up on top. */
const WARMUP_SHARE = 0.1;
/** An answer over TCP that takes longer is an error in a closed loop, and late in an open one. */
const STREAM_PATIENCE_SECONDS = 2;

export type GeneratorName = 'load-http' | 'load-tcp' | 'load-udp' | 'load-idle' | 'origin';

export function generator(name: GeneratorName): string {
  return join(PROGRAMS, name);
}

/** Throws when a generator fails; wrong answers are among `errors`. */
export function runLoad(tools: LoadTools, task: LoadTask): Promise<LoadResult> {
  const { work } = task;
  switch (work.kind) {
    case 'http':
      return http(tools, task, work);
    case 'tcp-bulk':
      return tcpBulk(tools, task, work);
    case 'tcp-echo':
      return tcpEcho(tools, task, work);
    case 'tunnels':
      return tunnels(tools, task, work);
    case 'udp-echo':
      return udpEcho(tools, task, work);
    case 'idle':
      throw new Error('idle clients are no load');
  }
}

interface HttpOutput extends Output {
  readonly requests: number;
  readonly totalRequests: number;
  readonly tls?: { readonly handshakes: number; readonly resumed: number };
}

export const NOT_REUSED: readonly string[] = ['--reuse', 'off'];

export const TLS_PARAMETERS: Readonly<Record<TlsWay, readonly string[]>> = {
  kept: ['--tls'],
  full: ['--tls', ...NOT_REUSED],
  resumed: ['--tls', ...NOT_REUSED, '--resume'],
};
/** Of the sessions that could have been resumed. */
const MOST_RESUMED = 0.95;

/** A proxy that does not resume would be measured at something else. */
function tlsErrors({ tls }: HttpOutput, work: WorkOf<'http'>): readonly string[] {
  if (work.tls !== 'resumed' || tls === undefined) return [];
  const possible = tls.handshakes - work.connections;
  return tls.resumed < MOST_RESUMED * possible
    ? [`sessions not resumed: ${possible - tls.resumed} of ${possible}`]
    : [];
}

type WorkOf<Kind extends Work['kind']> = Extract<Work, { readonly kind: Kind }>;

/** What all our generators print. */
interface Output {
  readonly seconds: number;
  readonly wrong: number;
  readonly closed: number;
  readonly stalled: number;
  readonly connectFailures: number;
  readonly handshakeFailures?: number;
  readonly lost: number;
  readonly late: number;
  readonly cpuSeconds: number;
  readonly latencyUs: Omit<Latency, 'histogram'> | null;
  readonly histogram?: Latency['histogram'];
}

async function http(tools: LoadTools, task: LoadTask, work: WorkOf<'http'>): Promise<LoadResult> {
  // The other drivers have no open loop, no say in what TLS is agreed on, keep their connections, and know of no
  // forward proxy.
  if (work.arrival.kind === 'closed' && isPlain(work) && tools.driver !== 'native') {
    return await (tools.driver === 'wrk' ? wrk : autocannon)(tools, task, work);
  }
  const raw = await run<HttpOutput>(tools, task, 'load-http', [
    ...['--path', httpPath(work.bodyBytes), '--connections', `${work.connections}`],
    ...['--expect-status', '200', '--expect-bytes', `${work.bodyBytes}`],
    ...['--timeout', `${Math.max(STREAM_PATIENCE_SECONDS, tools.patienceSeconds)}`],
    ...(work.tls === undefined ? [] : TLS_PARAMETERS[work.tls]),
    ...(work.isReused === false ? NOT_REUSED : []),
    ...arrivals(work.arrival),
  ]);
  const { errors, ...rest } = result(raw, raw.totalRequests, raw.requests);
  return { ...rest, errors: [...errors, ...tlsErrors(raw, work)] };
}

async function tcpBulk(
  tools: LoadTools,
  task: LoadTask,
  { mode, streams }: WorkOf<'tcp-bulk'>,
): Promise<LoadResult> {
  const raw = await run<Output & { readonly bytes: number; readonly totalBytes: number }>(
    tools,
    task,
    'load-tcp',
    ['--mode', mode, '--connections', `${streams}`],
  );
  return result(raw, raw.totalBytes / 1e9, raw.bytes / 1e9);
}

async function tcpEcho(
  tools: LoadTools,
  task: LoadTask,
  { connections, bytes, arrival }: WorkOf<'tcp-echo'>,
): Promise<LoadResult> {
  const raw = await run<Output & { readonly messages: number; readonly totalMessages: number }>(
    tools,
    task,
    'load-tcp',
    [
      ...['--mode', 'pingpong', '--connections', `${connections}`, '--size', `${bytes}`],
      ...arrivals(arrival),
    ],
  );
  return result(raw, raw.totalMessages, raw.messages);
}

async function tunnels(
  tools: LoadTools,
  task: LoadTask,
  { clients, bytes, arrival }: WorkOf<'tunnels'>,
): Promise<LoadResult> {
  const raw = await run<Output & { readonly messages: number; readonly totalMessages: number }>(
    tools,
    task,
    'load-tcp',
    [
      ...['--mode', 'connect', '--connections', `${clients}`, '--size', `${bytes}`],
      ...arrivals(arrival),
    ],
  );
  return result(raw, raw.totalMessages, raw.messages);
}

async function udpEcho(
  tools: LoadTools,
  task: LoadTask,
  { flows, outstanding, bytes, arrival }: WorkOf<'udp-echo'>,
): Promise<LoadResult> {
  const raw = await run<Output & { readonly echoed: number; readonly totalEchoed: number }>(
    tools,
    task,
    'load-udp',
    [
      ...['--flows', `${flows}`, '--outstanding', `${outstanding}`, '--size', `${bytes}`],
      ...['--timeout', `${tools.patienceSeconds}`],
      ...arrivals(arrival),
    ],
  );
  return result(raw, raw.totalEchoed, raw.echoed);
}

function arrivals(arrival: Arrival): readonly string[] {
  if (arrival.kind === 'closed') return [];
  return ['--arrival', arrival.kind, '--rate', arrival.perSecond.toFixed(0)];
}

async function run<Shape extends Output>(
  { processes, cores }: LoadTools,
  { work, port, targetPort, seconds }: LoadTask,
  name: GeneratorName,
  parameters: readonly string[],
): Promise<Shape> {
  const isOpen = arrivalOf(work).kind !== 'closed';
  const program = processes.start(name, cores, [
    generator(name),
    ...['--to', `127.0.0.1:${port}`, '--seconds', seconds.toFixed(3)],
    ...(isForward(work) ? ['--origin', `127.0.0.1:${targetPort}`] : []),
    ...['--warmup', (seconds * WARMUP_SHARE).toFixed(3)],
    ...(isOpen ? ['--histogram'] : []),
    ...parameters,
  ]);
  const { code, signal } = await program.ended;
  // The last word of a generator that came to its end, also when it found faults, is its count of them.
  if (signal === null && program.output.includes('{')) return lastJson<Shape>(program.output);
  throw new Error(`${name} failed (${signal ?? `exit ${code}`}): ${program.lastWords}`);
}

function result(raw: Output, work: number, sampled: number): LoadResult {
  const { wrong, closed, stalled, connectFailures, latencyUs, histogram = [] } = raw;
  const { handshakeFailures = 0 } = raw;
  const errors = Object.entries({
    'wrong answers': wrong,
    'connections closed early': closed,
    'never answered': stalled,
    'connections not made': connectFailures,
    'handshakes or tunnels that failed': handshakeFailures,
  })
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${kind}: ${count}`);
  if (work === 0) errors.push('not one answer');
  return {
    work,
    rate: sampled / raw.seconds,
    latency: latencyUs === null ? null : { ...latencyUs, histogram },
    lost: raw.lost,
    late: raw.late,
    cpuSeconds: raw.cpuSeconds,
    errors,
  };
}

/** A generator's last line; its programs are trusted to print the shape they print. */
export function lastJson<Shape>(output: string): Shape {
  const line = output.trimEnd().split('\n').at(-1) ?? '';
  return JSON.parse(line) as Shape;
}
