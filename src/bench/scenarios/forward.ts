// The native engine as a forward proxy, beside Squid: plain requests, tunnels set up, bulk through tunnels.
import {
  atMost,
  type Case,
  type Extent,
  GIGABYTE,
  plainCase,
  REQUEST,
  SMALL_BYTES,
  TUNNEL,
} from '../cases.ts';
import { CLOSED } from '../work.ts';

const CLIENTS = 64;
const forward = { scenario: 'forward', protocol: 'forward' } as const;

export function forwardCases({ isQuick }: Extent): readonly Case[] {
  const contestants = ['native', 'squid'];
  const withReference = isQuick ? contestants : [...contestants, 'js'];
  const bulk = (mode: 'pull' | 'push'): Case =>
    plainCase({
      ...forward,
      id: `forward/connect-bulk-${mode}`,
      title: `Bulk through CONNECT, 2 tunnels, towards the ${mode === 'pull' ? 'client' : 'origin'}`,
      unit: GIGABYTE,
      contestants,
      work: { kind: 'tcp-bulk', mode, streams: 2, isForward: true },
      goals: [atMost(0.5, 'squid')],
    });
  return [
    plainCase({
      ...forward,
      id: 'forward/http-small',
      title: `HTTP/1.1 through a forward proxy, keep-alive, ${CLIENTS} clients, 100 B body`,
      unit: REQUEST,
      contestants: withReference,
      work: {
        kind: 'http',
        bodyBytes: SMALL_BYTES,
        connections: CLIENTS,
        arrival: CLOSED,
        isForward: true,
      },
      goals: [atMost(0.5, 'squid')],
    }),
    plainCase({
      ...forward,
      id: 'forward/connect-setup',
      title: `A CONNECT tunnel for each message of 100 B and its echo, ${CLIENTS} clients`,
      unit: TUNNEL,
      contestants: withReference,
      work: { kind: 'tunnels', clients: CLIENTS, bytes: SMALL_BYTES, arrival: CLOSED },
      goals: [atMost(0.7, 'squid')],
    }),
    bulk('pull'),
    bulk('push'),
  ];
}
