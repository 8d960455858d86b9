// Our engines beside each other, with the same configuration.
import {
  atMost,
  type Case,
  DATAGRAM,
  MESSAGE,
  MIB,
  plainCase,
  REQUEST,
  SMALL_BYTES,
} from '../cases.ts';
import { CLOSED } from '../work.ts';

export function engineCases(): readonly Case[] {
  return [
    plainCase({
      id: 'engines/http-small',
      scenario: 'engines',
      title: 'HTTP/1.1 keep-alive, 64 clients, 100 B body',
      protocol: 'http',
      unit: REQUEST,
      contestants: ['native', 'native-epoll', 'uws', 'js'],
      work: { kind: 'http', bodyBytes: SMALL_BYTES, connections: 64, arrival: CLOSED },
      goals: [atMost(1 / 6, 'js')],
    }),
    plainCase({
      id: 'engines/http-1mib',
      scenario: 'engines',
      title: 'HTTP/1.1 keep-alive, 16 clients, 1 MiB body',
      protocol: 'http',
      unit: REQUEST,
      contestants: ['native', 'native-epoll', 'uws', 'js'],
      work: { kind: 'http', bodyBytes: MIB, connections: 16, arrival: CLOSED },
    }),
    plainCase({
      id: 'engines/tcp',
      scenario: 'engines',
      title: 'TCP, 64 connections, 100 B messages echoed',
      protocol: 'tcp',
      unit: MESSAGE,
      contestants: ['native', 'native-epoll', 'js'],
      work: { kind: 'tcp-echo', connections: 64, bytes: SMALL_BYTES, arrival: CLOSED },
    }),
    plainCase({
      id: 'engines/udp',
      scenario: 'engines',
      title: 'UDP echo, 64 flows × 4 outstanding × 64 B',
      protocol: 'udp',
      unit: DATAGRAM,
      contestants: ['native', 'native-epoll', 'js'],
      work: { kind: 'udp-echo', flows: 64, outstanding: 4, bytes: 64, arrival: CLOSED },
      goals: [atMost(1 / 2.5, 'js')],
    }),
  ];
}
