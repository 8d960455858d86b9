// What is measured: each case is one kind of work through one listener, who takes part, and the goals.
import { createHash } from 'node:crypto';
import { Agent, get } from 'node:http';
import type { ContestantId, Protocol } from './contestant.ts';
import { type Load, type LoadTools, tcpBulk, tcpPingpong, udpEcho, wrk } from './load.ts';

export interface Unit {
  readonly name: string;
  readonly cost: string;
  /** CPU seconds to `cost`. */
  readonly scale: number;
  readonly rate: string;
}

const REQUEST: Unit = { name: 'request', cost: 'µs', scale: 1e6, rate: 'requests/s' };
const MESSAGE: Unit = { name: 'message and its echo', cost: 'µs', scale: 1e6, rate: 'messages/s' };
const DATAGRAM: Unit = {
  name: 'datagram and its echo',
  cost: 'µs',
  scale: 1e6,
  rate: 'datagrams/s',
};
const GIGABYTE: Unit = { name: 'GB', cost: 's', scale: 1, rate: 'GB/s' };

export type Goal =
  /** Our median cost over theirs, at most. */
  | {
      readonly kind: 'ratio';
      readonly to: ContestantId;
      readonly most: number;
      readonly text: string;
    }
  /** User-mode CPU time of the native process for a piece of work, in the unit's cost, at most. */
  | { readonly kind: 'user'; readonly most: number; readonly text: string };

/** Which port of the origin a case needs. */
export type OriginPort = 'http' | 'echo' | 'source' | 'sink' | 'udp';

export interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly protocol: Protocol;
  readonly origin: OriginPort;
  readonly unit: Unit;
  readonly contestants: readonly ContestantId[];
  readonly goals: readonly Goal[];
  /** Whether the issue bounds the system calls of a piece of work (see syscalls.ts). */
  readonly hasSyscallGoal: boolean;
  readonly load: Load;
  /** Throws when what comes through the proxy is not, to the byte, what the origin sends. */
  readonly check: (tools: LoadTools, port: number) => Promise<void>;
}

export const IDLE_ID = 'idle';
export const SMALL_BODY = 'sluice-bench '.repeat(8).slice(0, 100);
export const LARGE_BYTES = 1024 * 1024;
/** The same bytes in every run, and none of a kind that compresses or repeats at a block's size. */
export const LARGE_BODY = Buffer.concat(
  Array.from({ length: LARGE_BYTES / 32 }, (_, i) => createHash('sha256').update(`${i}`).digest()),
);

const SIX_TIMES = 1 / 6;
const TWO_AND_A_HALF_TIMES = 1 / 2.5;
const atMost = (most: number, to: ContestantId): Goal => {
  return { kind: 'ratio', to, most, text: `≤ ${most.toFixed(2)}` };
};
const cheaper = (times: number, share: number, to: ContestantId): Goal => {
  return { kind: 'ratio', to, most: share, text: `≤ 1/${times}` };
};

const http = {
  protocol: 'http',
  origin: 'http',
  unit: REQUEST,
  hasSyscallGoal: true,
  check: (_: LoadTools, port: number) => checkHttp(port),
} as const;
const tcp = { protocol: 'tcp', hasSyscallGoal: false } as const;
const udp = { protocol: 'udp', origin: 'udp', unit: DATAGRAM, hasSyscallGoal: false } as const;

export const SCENARIOS: readonly Scenario[] = [
  {
    ...http,
    id: 'http-small/64',
    title: 'HTTP/1.1 keep-alive, 64 clients, 100 B body',
    contestants: ['native', 'nginx', 'haproxy', 'js'],
    goals: [
      atMost(0.85, 'nginx'),
      atMost(0.75, 'haproxy'),
      cheaper(6, SIX_TIMES, 'js'),
      { kind: 'user', most: 2, text: '≤ 2 µs' },
    ],
    load: wrk('/', 64, SMALL_BODY.length),
  },
  {
    ...http,
    id: 'http-small/256',
    title: 'HTTP/1.1 keep-alive, 256 clients, 100 B body',
    contestants: ['native', 'nginx', 'haproxy', 'js'],
    goals: [],
    load: wrk('/', 256, SMALL_BODY.length),
  },
  {
    ...http,
    id: 'http-1mib',
    title: 'HTTP/1.1 keep-alive, 16 clients, 1 MiB body',
    contestants: ['native', 'nginx', 'haproxy', 'haproxy-splice', 'js'],
    goals: [atMost(0.5, 'nginx'), atMost(1.1, 'haproxy-splice')],
    hasSyscallGoal: false,
    load: wrk('/large', 16, LARGE_BYTES),
  },
  {
    ...tcp,
    id: 'tcp-bulk/pull',
    title: 'TCP bulk, 2 streams towards the client',
    origin: 'source',
    unit: GIGABYTE,
    contestants: ['native', 'nginx', 'haproxy', 'haproxy-splice', 'js'],
    goals: [atMost(0.5, 'nginx'), atMost(1.1, 'haproxy-splice')],
    load: tcpBulk('pull', 2),
    check: loadAsCheck(tcpBulk('pull', 2)),
  },
  {
    ...tcp,
    id: 'tcp-bulk/push',
    title: 'TCP bulk, 2 streams towards the target',
    origin: 'sink',
    unit: GIGABYTE,
    contestants: ['native', 'nginx', 'haproxy', 'haproxy-splice', 'js'],
    goals: [atMost(0.5, 'nginx'), atMost(1.1, 'haproxy-splice')],
    load: tcpBulk('push', 2),
    check: loadAsCheck(tcpBulk('push', 2)),
  },
  {
    ...tcp,
    id: 'tcp-small/pingpong',
    title: 'TCP, 64 connections, 100 B messages echoed',
    origin: 'echo',
    unit: MESSAGE,
    contestants: ['native', 'nginx', 'haproxy', 'js'],
    goals: [atMost(1, 'nginx'), atMost(1, 'haproxy')],
    load: tcpPingpong(64, 100),
    check: loadAsCheck(tcpPingpong(4, 4_096)),
  },
  {
    ...http,
    protocol: 'tcp',
    id: 'tcp-small/http',
    title: 'HTTP/1.1 relayed as TCP, 64 clients, 100 B body',
    contestants: ['native', 'nginx', 'haproxy', 'js'],
    goals: [atMost(1, 'nginx'), atMost(1, 'haproxy')],
    hasSyscallGoal: false,
    load: wrk('/', 64, SMALL_BODY.length),
  },
  {
    ...udp,
    id: 'udp/64x4',
    title: 'UDP echo, 64 flows × 4 outstanding × 64 B',
    contestants: ['native', 'nginx', 'js'],
    goals: [atMost(0.72, 'nginx'), cheaper(2.5, TWO_AND_A_HALF_TIMES, 'js')],
    load: udpEcho(64, 4, 64),
    check: loadAsCheck(udpEcho(4, 2, 1_400)),
  },
  {
    ...udp,
    id: 'udp/512x1',
    title: 'UDP echo, 512 flows × 1 outstanding × 200 B',
    contestants: ['native', 'nginx', 'js'],
    goals: [],
    load: udpEcho(512, 1, 200),
    check: loadAsCheck(udpEcho(4, 2, 1_400)),
  },
];

/** Our own generators verify every byte of a first exchange, and end with an error when one is wrong. */
function loadAsCheck(load: Load): Scenario['check'] {
  return async (tools, port) => {
    const { errors } = await load(tools, port, 0.2);
    if (errors.length > 0) throw new Error(errors.join(', '));
  };
}

/** Both bodies, twice on one kept-alive connection. */
async function checkHttp(port: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    for (const [path, body] of [
      ['/', Buffer.from(SMALL_BODY)],
      ['/large', LARGE_BODY],
      ['/', Buffer.from(SMALL_BODY)],
      ['/large', LARGE_BODY],
    ] as const) {
      const answer = await fetchBytes(port, path, agent);
      if (answer.status !== 200) throw new Error(`${path} was answered with ${answer.status}`);
      if (!answer.body.equals(body)) throw new Error(`${path} came with the wrong body`);
    }
  } finally {
    agent.destroy();
  }
}

function fetchBytes(
  port: number,
  path: string,
  agent: Agent,
): Promise<{ readonly status: number | undefined; readonly body: Buffer }> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, agent, timeout: 5_000 };
    const request = get(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        resolve({ status: response.statusCode, body: Buffer.concat(chunks) });
      });
    });
    request.once('timeout', () => request.destroy(new Error(`${path} was not answered in 5 s`)));
    request.once('error', reject);
  });
}
