// The native engine beside other proxies, and the goals that it is held to.
import {
  atMost,
  type Case,
  CLIENT,
  DATAGRAM,
  type Extent,
  GIGABYTE,
  MESSAGE,
  MIB,
  plainCase,
  REQUEST,
  SMALL_BYTES,
} from '../cases.ts';
import { CLOSED } from '../work.ts';

const HTTP = ['native', 'nginx', 'haproxy', 'http-proxy', 'fastify-http-proxy'];
const HTTP_BULK = [
  'native',
  'nginx',
  'haproxy',
  'haproxy-splice',
  'http-proxy',
  'fastify-http-proxy',
];
const IDLE_QUICK = ['native', 'nginx', 'haproxy'];
const TCP = ['native', 'nginx', 'haproxy'];
const TCP_BULK = ['native', 'nginx', 'haproxy', 'haproxy-splice'];
const UDP = ['native', 'nginx'];

export function rivalCases({ isQuick }: Extent): readonly Case[] {
  return [
    ...httpCases(isQuick),
    ...tcpCases(),
    ...udpCases(),
    idleMemory(isQuick),
    ...latency(isQuick),
  ];
}

function httpCases(isQuick: boolean): readonly Case[] {
  const http = { scenario: 'rivals', protocol: 'http', unit: REQUEST } as const;
  return [
    plainCase({
      ...http,
      id: 'rivals/http-small-64',
      title: 'HTTP/1.1 keep-alive, 64 clients, 100 B body',
      contestants: [...HTTP, 'native-epoll'],
      work: { kind: 'http', bodyBytes: SMALL_BYTES, connections: 64, arrival: CLOSED },
      goals: [
        atMost(0.75, 'nginx'),
        atMost(0.65, 'haproxy'),
        { metric: 'user', of: 'native', to: null, most: 2 },
      ],
    }),
    ...(isQuick ? [] : [manyClients, notKept]),
    plainCase({
      ...http,
      id: 'rivals/http-1mib',
      title: 'HTTP/1.1 keep-alive, 16 clients, 1 MiB body',
      contestants: HTTP_BULK,
      work: { kind: 'http', bodyBytes: MIB, connections: 16, arrival: CLOSED },
      goals: [atMost(0.42, 'nginx'), atMost(1, 'haproxy-splice')],
    }),
  ];
}

const manyClients = plainCase({
  id: 'rivals/http-small-256',
  scenario: 'rivals',
  title: 'HTTP/1.1 keep-alive, 256 clients, 100 B body',
  protocol: 'http',
  unit: REQUEST,
  // The node proxies stand beside 64 clients, and on the curves.
  contestants: ['native', 'nginx', 'haproxy', 'native-epoll'],
  work: { kind: 'http', bodyBytes: SMALL_BYTES, connections: 256, arrival: CLOSED },
});

const notKept: Case = plainCase({
  id: 'rivals/http-connect-64',
  scenario: 'rivals',
  title: 'HTTP/1.1, a connection for each request, 64 clients, 100 B body',
  protocol: 'http',
  unit: REQUEST,
  contestants: ['native', 'nginx', 'haproxy', 'native-epoll'],
  work: {
    kind: 'http',
    bodyBytes: SMALL_BYTES,
    connections: 64,
    arrival: CLOSED,
    isReused: false,
  },
});

function tcpCases(): readonly Case[] {
  const tcp = { scenario: 'rivals', protocol: 'tcp' } as const;
  const bulk = (mode: 'pull' | 'push'): Case =>
    plainCase({
      ...tcp,
      id: `rivals/tcp-bulk-${mode}`,
      title: `TCP bulk, 2 streams towards the ${mode === 'pull' ? 'client' : 'target'}`,
      unit: GIGABYTE,
      contestants: TCP_BULK,
      work: { kind: 'tcp-bulk', mode, streams: 2 },
      goals: [atMost(0.4, 'nginx'), atMost(0.95, 'haproxy-splice')],
    });
  return [
    bulk('pull'),
    bulk('push'),
    plainCase({
      ...tcp,
      id: 'rivals/tcp-small',
      title: 'TCP, 64 connections, 100 B messages echoed',
      unit: MESSAGE,
      contestants: [...TCP, 'native-epoll'],
      work: { kind: 'tcp-echo', connections: 64, bytes: SMALL_BYTES, arrival: CLOSED },
      goals: [atMost(0.9, 'nginx'), atMost(0.9, 'haproxy')],
    }),
    plainCase({
      ...tcp,
      id: 'rivals/tcp-http',
      title: 'HTTP/1.1 relayed as TCP, 64 clients, 100 B body',
      unit: REQUEST,
      contestants: TCP,
      work: { kind: 'http', bodyBytes: SMALL_BYTES, connections: 64, arrival: CLOSED },
      goals: [atMost(0.9, 'nginx'), atMost(0.9, 'haproxy')],
    }),
  ];
}

function udpCases(): readonly Case[] {
  const udp = { scenario: 'rivals', protocol: 'udp', unit: DATAGRAM, contestants: UDP } as const;
  return [
    plainCase({
      ...udp,
      id: 'rivals/udp-64x4',
      title: 'UDP echo, 64 flows × 4 outstanding × 64 B',
      work: { kind: 'udp-echo', flows: 64, outstanding: 4, bytes: 64, arrival: CLOSED },
      goals: [atMost(0.65, 'nginx')],
    }),
    plainCase({
      ...udp,
      id: 'rivals/udp-512x1',
      title: 'UDP echo, 512 flows × 1 outstanding × 200 B',
      work: { kind: 'udp-echo', flows: 512, outstanding: 1, bytes: 200, arrival: CLOSED },
    }),
  ];
}

function idleMemory(isQuick: boolean): Case {
  const clients = isQuick ? 2_000 : 10_000;
  return plainCase({
    id: 'rivals/idle-memory',
    scenario: 'rivals',
    title: `Memory of the proxy for each of ${clients} idle keep-alive clients`,
    protocol: 'http',
    unit: CLIENT,
    contestants: isQuick ? IDLE_QUICK : [...HTTP, 'native-epoll'],
    work: { kind: 'idle', clients },
    goals: [{ metric: 'memory', of: 'native', to: null, most: 2_048 }],
  });
}

/** Open loop: requests come when they come, and latency counts from when they should have been sent. */
function latency(isQuick: boolean): readonly Case[] {
  const shares = isQuick ? [0.5, 0.9] : [0.25, 0.5, 0.75, 0.9];
  return shares.map((share) => {
    const percent = Math.round(share * 100);
    return plainCase({
      id: `rivals/latency-http-small-${percent}`,
      scenario: 'rivals',
      title: `HTTP/1.1, 64 connections, 100 B body, at ${percent} % of nginx's peak rate`,
      protocol: 'http',
      unit: REQUEST,
      contestants: HTTP,
      work: { kind: 'http', bodyBytes: SMALL_BYTES, connections: 64, arrival: CLOSED },
      peakShare: { of: 'nginx', share },
      series: {
        name: 'latency-http-small',
        title: 'Latency of small HTTP/1.1 requests that arrive at random, over their rate',
        axis: 'requests/s',
        value: share,
        show: 'latency',
        isLogarithmic: false,
      },
      goals: share === 0.5 ? [atMost(1, 'nginx', 'p99')] : [],
    });
  });
}
