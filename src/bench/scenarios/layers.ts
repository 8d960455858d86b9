// What each layer of the native engine costs for the same work, and what the work costs without a proxy.
import { type Case, DATAGRAM, MIB, plainCase, REQUEST, SMALL_BYTES } from '../cases.ts';
import { CLOSED } from '../work.ts';

const STREAMS = ['direct', 'native-tcp-copy', 'native-tcp-splice', 'native-http'];
const DATAGRAMS = ['direct', 'native-udp'];
/** What even a slow machine can take, so that waiting in line is no part of the latency. */
const CALM_RATE = 4_000;

export function layerCases(): readonly Case[] {
  const http = {
    scenario: 'layers',
    protocol: 'http',
    unit: REQUEST,
    contestants: STREAMS,
  } as const;
  const udp = {
    scenario: 'layers',
    protocol: 'udp',
    unit: DATAGRAM,
    contestants: DATAGRAMS,
  } as const;
  return [
    plainCase({
      ...http,
      id: 'layers/small',
      title: 'HTTP requests, 64 clients, 100 B body, relayed by each layer',
      work: { kind: 'http', bodyBytes: SMALL_BYTES, connections: 64, arrival: CLOSED },
    }),
    plainCase({
      ...http,
      id: 'layers/bulk',
      title: 'HTTP requests, 16 clients, 1 MiB body, relayed by each layer',
      work: { kind: 'http', bodyBytes: MIB, connections: 16, arrival: CLOSED },
    }),
    plainCase({
      ...http,
      id: 'layers/latency',
      title: `HTTP requests at ${CALM_RATE} a second, 100 B body, relayed by each layer`,
      work: {
        kind: 'http',
        bodyBytes: SMALL_BYTES,
        connections: 64,
        arrival: { kind: 'fixed', perSecond: CALM_RATE },
      },
    }),
    plainCase({
      ...udp,
      id: 'layers/udp',
      title: 'UDP echo, 64 flows × 1 outstanding × 100 B',
      work: { kind: 'udp-echo', flows: 64, outstanding: 1, bytes: SMALL_BYTES, arrival: CLOSED },
    }),
    plainCase({
      ...udp,
      id: 'layers/udp-latency',
      title: `UDP echo at ${CALM_RATE} datagrams a second, 64 flows, 100 B`,
      work: {
        kind: 'udp-echo',
        flows: 64,
        outstanding: 4,
        bytes: SMALL_BYTES,
        arrival: { kind: 'fixed', perSecond: CALM_RATE },
      },
    }),
  ];
}
