// What TLS costs that ends at the proxy: kept connections, handshakes in full and resumed, large bodies; TLS 1.3, ECDSA
// on P-256, the same cipher and curve for all. Targets are spoken to plainly, over kept connections.
import {
  atMost,
  type Case,
  type Extent,
  HANDSHAKE,
  MIB,
  plainCase,
  REQUEST,
  SMALL_BYTES,
} from '../cases.ts';
import { CLOSED, type TlsWay, type Work } from '../work.ts';

const CLIENTS = 64;
const tls = { scenario: 'tls', protocol: 'http' } as const;

export function tlsCases({ isQuick, cores }: Extent): readonly Case[] {
  const contestants = ['native', 'nginx', 'haproxy', ...(isQuick ? [] : ['js'])];
  return [
    plainCase({
      ...tls,
      id: 'tls/keep-alive-small',
      title: `HTTP/1.1 over TLS 1.3, keep-alive, ${CLIENTS} clients, 100 B body`,
      unit: REQUEST,
      contestants,
      work: work('kept', CLIENTS, SMALL_BYTES),
      goals: [atMost(0.8, 'nginx'), atMost(0.8, 'haproxy')],
    }),
    plainCase({
      ...tls,
      id: 'tls/body-1mib',
      title: 'HTTP/1.1 over TLS 1.3, keep-alive, 16 clients, 1 MiB body',
      unit: REQUEST,
      contestants,
      work: work('kept', 16, MIB),
      goals: [atMost(0.9, 'nginx')],
    }),
    plainCase({
      ...tls,
      id: 'tls/handshake-full',
      title: `A full handshake (TLS 1.3, ECDSA P-256) for each request, ${CLIENTS} clients, 100 B body`,
      unit: HANDSHAKE,
      contestants,
      work: work('full', CLIENTS, SMALL_BYTES),
      goals: [atMost(1, 'nginx')],
    }),
    plainCase({
      ...tls,
      id: 'tls/handshake-resumed',
      title: `A resumed session (TLS 1.3) for each request, ${CLIENTS} clients, 100 B body`,
      unit: HANDSHAKE,
      contestants,
      work: work('resumed', CLIENTS, SMALL_BYTES),
      goals: [atMost(1, 'nginx')],
    }),
    ...[1, 2].filter((count) => count <= cores).map(handshakesOf),
  ];
}

/** As many workers, as many handshakes: no lock stands between them. */
function handshakesOf(workers: number): Case {
  return plainCase({
    ...tls,
    id: `tls/handshake-workers-${workers}`,
    title: `A full handshake for each request, ${CLIENTS} clients, ${workers === 1 ? '1 worker' : `${workers} workers`}`,
    unit: HANDSHAKE,
    contestants: ['native', 'nginx', 'haproxy'],
    work: work('full', CLIENTS, SMALL_BYTES),
    workers,
    series: {
      name: 'handshake-workers',
      title: 'Cost of a full TLS handshake over worker threads',
      axis: 'workers',
      value: workers,
      show: 'cost',
      isLogarithmic: false,
    },
  });
}

function work(way: TlsWay, connections: number, bodyBytes: number): Work {
  return { kind: 'http', bodyBytes, connections, arrival: CLOSED, tls: way };
}
