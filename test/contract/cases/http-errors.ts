// What a client gets when things go wrong: generated answers, timeouts, limits.
import assert from 'node:assert/strict';
import { ERROR_CODES, type ErrorCode } from '../../../src/contract/codes.ts';
import { eventually, pause, within } from '../../support/deadline.ts';
import { type ClientResponse, fetchOnce, requestBytes } from '../../support/http-client.ts';
import { chunk, ok, response } from '../../support/http-target.ts';
import type { RunningEngine } from '../../support/running-engine.ts';
import { freeAddress } from '../../support/tcp-target.ts';
import type { Case, CaseContext, Feature } from '../case.ts';
import { httpConfig } from '../config.ts';
import { counted } from '../counted.ts';

/** Everything that a generated answer owes. */
function assertGenerated(answer: ClientResponse, code: ErrorCode): void {
  const { status, proxyStatus } = ERROR_CODES[code];
  assert.equal(answer.status, status);
  assert.equal(answer.value('proxy-status')?.replaceAll(' ', ''), `sluice;error=${proxyStatus}`);
  assert.match(answer.value('content-type') ?? '', /^text\/plain/);
  assert.equal(answer.value('content-length'), String(answer.body.length));
  assert.match(answer.text, new RegExp(String(status)));
  assert.ok(Date.parse(answer.value('date') ?? '') > 0, 'a date');
}

/** A request that must fail with `code`, whatever the method. */
async function failsWith(test: CaseContext, engine: RunningEngine, code: ErrorCode): Promise<void> {
  const client = await test.http(engine.port('web'));
  assertGenerated(await client.get('/'), code);
  await counted(engine, code);
}

const answers: Case[] = [
  {
    name: '502 when the target refuses, and the connection stays',
    run: async (test) => {
      const engine = await test.engine(httpConfig([(await freeAddress()).text]));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 3; i++) assertGenerated(await client.get('/'), 'connect_refused');
      const posted = await client.request('POST', '/', {}, 'x'.repeat(1000));
      assertGenerated(posted, 'connect_refused');
    },
  },
  {
    name: '504 when the target does not accept in time',
    run: async (test) => {
      const blackhole = await test.blackhole();
      const engine = await test.engine(
        httpConfig([blackhole.address], { timeouts: { connect: '80ms' } }, { retries: 0 }),
      );
      await failsWith(test, engine, 'connect_timeout');
    },
  },
  {
    name: '502 when the target closes without an answer',
    run: async (test) => {
      const target = await test.httpTarget({ answer: (r) => r.connection.end() });
      const engine = await test.engine(httpConfig([target.address], {}, { retries: 0 }));
      await failsWith(test, engine, 'upstream_closed');
    },
  },
  {
    name: '502 when the target resets without an answer',
    run: async (test) => {
      const target = await test.httpTarget({ answer: (r) => r.connection.reset() });
      const engine = await test.engine(httpConfig([target.address], {}, { retries: 0 }));
      await failsWith(test, engine, 'upstream_reset');
    },
  },
  {
    name: '502 when the target answers with garbage',
    run: async (test) => {
      const target = await test.httpTarget({ answer: () => 'SSH-2.0-OpenSSH_9.2\r\n\r\n' });
      const engine = await test.engine(httpConfig([target.address]));
      await failsWith(test, engine, 'response_malformed');
    },
  },
  {
    name: '504 when the target does not answer in time',
    run: async (test) => {
      const target = await test.httpTarget({ answer: () => undefined });
      const engine = await test.engine(
        httpConfig([target.address], { timeouts: { responseHeader: '80ms' } }),
      );
      await failsWith(test, engine, 'response_timeout');
      await within(target.connections[0]!.ended, 'the end at the target');
    },
  },
  {
    name: '400 for a malformed request, closed, and nothing forwarded',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(
        'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n',
      );
      const answer = await client.response();
      assertGenerated(answer, 'request_malformed');
      assert.equal(answer.value('connection')?.toLowerCase(), 'close');
      await within(client.closed, 'the close');
      assert.equal(client.rest.length, 0);
      await counted(engine, 'request_malformed');
      await fetchOnce(engine.port('web'), 'GET', '/fence');
      assert.equal(target.requests.length, 1);
    },
  },
  {
    name: 'no body after HEAD for a generated answer either',
    run: async (test) => {
      const engine = await test.engine(httpConfig([(await freeAddress()).text]));
      const client = await test.http(engine.port('web'));
      const head = await client.request('HEAD', '/');
      assert.equal(head.status, 502);
      assert.equal((await client.get('/')).status, 502);
    },
  },
];

const timeouts: Case[] = [
  {
    name: 'a request head that does not end in time: 408 and close, however it trickles',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([target.address], { timeouts: { requestHeader: '1s', keepAlive: '5s' } }),
      );
      const client = await test.http(engine.port('web'));
      client.send('GET / HTTP/1.1\r\nHost: test\r\n');
      const drip = setInterval(() => client.send('X: y\r\n'), 50);
      test.defer(() => clearInterval(drip));
      const answer = await client.response();
      assertGenerated(answer, 'request_timeout');
      clearInterval(drip);
      await within(client.closed, 'the close');
      assert.equal(target.requests.length, 0);
      await counted(engine, 'request_timeout');
    },
  },
  {
    name: 'an idle client connection is closed without a word',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([target.address], { timeouts: { keepAlive: '80ms' } }),
      );
      const client = await test.http(engine.port('web'));
      await client.get('/');
      assert.equal(await within(client.closed, 'the close'), 'fin');
      assert.equal(client.rest.length, 0);
      assert.equal(engine.stats().listener('web').errorTotal, 0);
    },
  },
  {
    name: 'a client that sends nothing at all is closed',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([target.address], { timeouts: { keepAlive: '80ms', requestHeader: '120ms' } }),
      );
      const client = await test.http(engine.port('web'));
      await within(client.closed, 'the close');
    },
  },
  {
    name: 'a request body that stalls: 408, and the target sees no complete request',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([target.address], { timeouts: { bodyIdle: '100ms' } }),
      );
      const client = await test.http(engine.port('web'));
      client.send('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf');
      const answer = await client.response('POST');
      assertGenerated(answer, 'request_body_timeout');
      await within(client.closed, 'the close');
      await target.receivedHeads(1);
      await within(target.connections[0]!.ended, 'the end at the target');
      assert.equal(target.requests.length, 0);
      await counted(engine, 'request_body_timeout');
    },
  },
  {
    name: 'a response body that stalls is cut short for the client to see',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: () => 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf',
      });
      const engine = await test.engine(
        httpConfig([target.address], { timeouts: { bodyIdle: '100ms' } }),
      );
      const client = await test.http(engine.port('web'));
      client.send(requestBytes('GET', '/'));
      await client.connection.receivedText('half');
      await within(client.closed, 'the close');
      assert.ok(client.connection.text.endsWith('\r\n\r\nhalf'));
      await within(target.connections[0]!.ended, 'the end at the target');
      await counted(engine, 'response_body_timeout');
    },
  },
  {
    name: 'a client that stops reading its response is given up',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) => {
          r.connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${64 * 1024 * 1024}\r\n\r\n`);
          r.connection.send(Buffer.alloc(64 * 1024 * 1024));
        },
      });
      const engine = await test.engine(
        httpConfig([target.address], { timeouts: { bodyIdle: '150ms' } }),
      );
      const client = await test.connect(engine.port('web'));
      client.socket.pause();
      client.send(requestBytes('GET', '/'));
      await target.received(1);
      await within(target.connections[0]!.ended, 'the end at the target');
      await eventually('nothing to be active', () => engine.stats().listener('web').active === 0);
    },
  },
];

const limits: Case[] = [
  {
    name: '431 for a head beyond limits.head',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { limits: { head: '4KiB' } }));
      const fits = await fetchOnce(engine.port('web'), 'GET', '/', { 'X-Long': 'x'.repeat(3000) });
      assert.equal(fits.status, 200);
      const client = await test.http(engine.port('web'));
      assertGenerated(
        await client.get('/', { 'X-Long': 'x'.repeat(5000) }),
        'request_head_too_large',
      );
      await within(client.closed, 'the close');
      assert.equal(target.requests.length, 1);
      await counted(engine, 'request_head_too_large');
    },
  },
  {
    name: '431 for a head that never ends, without waiting for its end',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { limits: { head: '4KiB' } }));
      const client = await test.http(engine.port('web'));
      client.send(`GET / HTTP/1.1\r\nHost: test\r\nX-Long: ${'x'.repeat(20_000)}`);
      assertGenerated(await client.response(), 'request_head_too_large');
      await within(client.closed, 'the close');
    },
  },
  {
    name: '431 for more fields than limits.headerCount',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([target.address], { limits: { headerCount: 20 } }),
      );
      const many = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, i) => [`X-${i}`, 'y']));
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/', many(19))).status, 200);
      const client = await test.http(engine.port('web'));
      assertGenerated(await client.get('/', many(20)), 'request_head_too_large');
      await within(client.closed, 'the close');
      assert.equal(target.requests.length, 1);
    },
  },
  {
    name: '414 for a target beyond limits.target',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([target.address], { limits: { target: '1KiB' } }),
      );
      assert.equal(
        (await fetchOnce(engine.port('web'), 'GET', `/${'x'.repeat(1023)}`)).status,
        200,
      );
      const client = await test.http(engine.port('web'));
      assertGenerated(await client.get(`/${'x'.repeat(1024)}`), 'request_target_too_long');
      await within(client.closed, 'the close');
      await counted(engine, 'request_target_too_long');
    },
  },
  {
    name: '413 for a declared body beyond limits.body, and nothing forwarded',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { limits: { body: '1KiB' } }));
      const fits = await fetchOnce(engine.port('web'), 'POST', '/', {}, 'x'.repeat(1024));
      assert.equal(fits.status, 200);
      const client = await test.http(engine.port('web'));
      client.send('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1025\r\n\r\n');
      assertGenerated(await client.response('POST'), 'request_body_too_large');
      await within(client.closed, 'the close');
      assert.equal(target.heads.length, 1);
      await counted(engine, 'request_body_too_large');
    },
  },
  {
    name: '413 reaches a client that goes on sending all the same',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { limits: { body: '1KiB' } }));
      const client = await test.http(engine.port('web'));
      client.send('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 200000\r\n\r\n');
      for (let i = 0; i < 20; i++) {
        client.send('x'.repeat(10_000));
        await pause(1);
      }
      assertGenerated(await client.response('POST'), 'request_body_too_large');
      assert.equal(await within(client.closed, 'the close'), 'fin');
      assert.equal(target.heads.length, 0);
    },
  },
  {
    name: '413 for a chunked body that grows beyond limits.body, and no complete request at the target',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { limits: { body: '1KiB' } }));
      const client = await test.http(engine.port('web'));
      client.send('POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n');
      client.send(chunk('x'.repeat(700)));
      client.send(chunk('x'.repeat(700)));
      client.send('0\r\n\r\n');
      assertGenerated(await client.response('POST'), 'request_body_too_large');
      await within(client.closed, 'the close');
      await fetchOnce(engine.port('web'), 'GET', '/fence');
      assert.deepEqual(
        target.requests.map((r) => r.target),
        ['/fence'],
      );
    },
  },
  {
    name: '502 for a response head beyond the limits, with bounded memory',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) =>
          r.target === '/' ? ok('', { 'X-Long': 'x'.repeat(200_000) }) : response(200, {}, 'fine'),
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      assertGenerated(await client.get('/'), 'response_head_too_large');
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/fine')).text, 'fine');
    },
  },
  {
    name: '503 beyond maxConnections, closed',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { maxConnections: 1 }));
      const first = await test.http(engine.port('web'));
      assert.equal((await first.get('/')).status, 200);
      const second = await test.http(engine.port('web'));
      await within(second.connection.ended, 'the refusal');
      assert.equal(engine.stats().listener('web').errors.connection_limit, 1);
      first.close();
      await eventually('the first to be gone', () => engine.stats().listener('web').active === 0);
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/')).status, 200);
    },
  },
];

export const generatedAnswers: Feature = { name: 'generated answers', cases: answers };
export const httpTimeouts: Feature = { name: 'http timeouts', cases: timeouts };
export const httpLimits: Feature = { name: 'http limits', cases: limits };
