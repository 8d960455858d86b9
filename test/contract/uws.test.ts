import { test } from 'node:test';
import { createUwsEngine } from '../../src/engine/uws/engine.ts';
import { loadUws } from '../../src/engine/uws/load.ts';
import { describeEngine, type EngineUnderTest } from './suite.ts';

// What uWebSockets.js does with connections before the engine gets to see a request, and what its interface lacks.
const under: EngineUnderTest = {
  name: 'uws',
  create: createUwsEngine,
  skip: [
    {
      reason: 'uWebSockets.js answers HTTP/1.0 with 505',
      cases: [
        'http connections: answers an HTTP/1.0 client and closes',
        'http connections: gives an HTTP/1.0 client a chunked response without chunks',
        'http responses: gives no interim response to an HTTP/1.0 client',
        'http upgrade: an Upgrade in HTTP/1.0 is left out',
      ],
    },
    {
      reason: 'uWebSockets.js closes at once, and what the client sends after that resets its side',
      cases: [
        'http connections: the last answer arrives whole, whatever the client sends behind the request',
      ],
    },
    {
      reason: 'uWebSockets.js closes a connection whose next request comes before the response',
      cases: [
        'http connections: answers pipelined requests in order',
        'http connections: answers a thousand pipelined requests, bodies among them',
        'http upgrade: a target that refuses to upgrade answers like any other, and the next bytes are a request',
        'http upgrade: a target that answers 200 to an upgrade gets no tunnel',
        'generated answers: 400 for a malformed request, closed, and nothing forwarded',
      ],
    },
    {
      reason: 'uWebSockets.js takes an empty line before a request for a malformed one',
      cases: ['http connections: tolerates one empty line before a request'],
    },
    {
      reason: 'uWebSockets.js knows neither chunk extensions nor trailers',
      cases: [
        'http bodies: relays a chunked request body',
        'http bodies: relays request trailers',
        'http bodies: relays a chunked response and its trailers',
      ],
    },
    {
      reason: 'uWebSockets.js ends the head of a response with the first of its body',
      cases: ['http bodies: streams both ways at once'],
    },
    {
      reason:
        'uWebSockets.js takes bytes from 0x80 on at the ends of a field value for white space',
      cases: ['http responses: relays field values with obs-text unchanged'],
    },
    {
      reason: 'uWebSockets.js waits for more when a field name has an underscore',
      cases: [
        'hop-by-hop fields: keep hop-by-hop request fields, and those that Connection names, from the target',
      ],
    },
    {
      reason: 'uWebSockets.js switches connections to WebSocket and to nothing else',
      cases: [
        'http upgrade: bytes that come right behind the handshake reach the target after its 101',
        'http upgrade: a tunnel passes half-close on, each way',
        'http upgrade: an idle tunnel is closed after tunnelIdle, not before',
        'reload: a tunnel goes on over reloads, even when its route is gone',
      ],
    },
    {
      reason:
        'uWebSockets.js has timeouts of its own for connections without a request, of ten seconds',
      cases: [
        'http timeouts: a request head that does not end in time: 408 and close, however it trickles',
        'http limits: 431 for a head that never ends, without waiting for its end',
      ],
    },
    {
      reason: 'uWebSockets.js takes the end of what a client sends for the end of the connection',
      cases: ['http aborts: a client that half-closes after its request still gets its response'],
    },
    {
      reason: 'uWebSockets.js does not tell the port of a client',
      cases: ['access log: one record a request, with every field'],
    },
  ],
};

const { uws, reason } = loadUws();
if (uws !== undefined) describeEngine(under);
else test('uws: the contract', { skip: reason }, () => {});
