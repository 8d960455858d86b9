// Upgrade: a tunnel only when the client asked for it and the target agreed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';
import { eventually, within } from '../../support/deadline.ts';
import { fetchOnce } from '../../support/http-client.ts';
import { type HttpTarget, ok, type TargetRequest } from '../../support/http-target.ts';
import { fieldValue } from '../../support/strict-http.ts';
import type { Case, CaseContext, Feature } from '../case.ts';
import { httpConfig } from '../config.ts';

const HANDSHAKE =
  'GET /chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: raw\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n';

function upgradeTarget(
  test: CaseContext,
  answer: (r: TargetRequest) => string,
): Promise<HttpTarget> {
  return test.httpTarget({
    answer: (r) => (fieldValue(r.fields, 'upgrade') === undefined ? ok(r.target) : answer(r)),
  });
}

const cases: Case[] = [
  {
    name: 'a WebSocket echoes through, text, binary and a large message, and closes in order',
    run: async (test) => {
      const target = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 1 << 24 });
      await once(target, 'listening');
      test.defer(() => new Promise<void>((resolve) => target.close(() => resolve())));
      target.on('connection', (socket) => {
        socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
      });
      const { port } = target.address() as { port: number };
      const engine = await test.engine(httpConfig([`127.0.0.1:${port}`]));
      const client = new WebSocket(`ws://127.0.0.1:${engine.port('web')}/chat`);
      test.defer(() => client.terminate());
      await within(once(client, 'open'), 'the WebSocket to open');
      for (const message of ['hello', 'x'.repeat(5_000_000)]) {
        client.send(message);
        const [data, isBinary] = await within(once(client, 'message'), 'the echo');
        assert.equal(String(data) === message, true);
        assert.equal(isBinary, false);
      }
      client.send(Buffer.of(0, 1, 255));
      const [data, isBinary] = await within(once(client, 'message'), 'the echo');
      assert.deepEqual([...(data as Buffer)], [0, 1, 255]);
      assert.equal(isBinary, true);
      client.close(4000, 'done');
      const [code] = await within(once(client, 'close'), 'the close');
      assert.equal(code, 4000);
      await eventually('the tunnel to be gone', () => engine.inFlight === 0);
    },
  },
  {
    name: 'bytes that come right behind the handshake reach the target after its 101',
    run: async (test) => {
      const target = await upgradeTarget(test, () => `${SWITCHING}greeting`);
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(`${HANDSHAKE}early bytes`);
      const answer = await client.response();
      assert.equal(answer.status, 101);
      assert.equal(answer.value('upgrade'), 'raw');
      assert.equal(answer.value('connection')?.toLowerCase(), 'upgrade');
      await client.connection.receivedText('greeting');
      const [upstream] = target.connections;
      await upstream!.receivedText('\r\n\r\nearly bytes');
      upstream!.send('pong');
      await client.connection.receivedText('pong');
      client.send('\0\r\n\r\nGET / binary');
      await upstream!.receivedText('\0\r\n\r\nGET / binary');
    },
  },
  {
    name: 'a tunnel passes half-close on, each way',
    run: async (test) => {
      const target = await upgradeTarget(test, () => SWITCHING);
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(HANDSHAKE);
      assert.equal((await client.response()).status, 101);
      const [upstream] = target.connections;
      client.connection.end('last words');
      await within(upstream!.ended, "the client's FIN at the target");
      assert.ok(upstream!.text.endsWith('last words'));
      upstream!.end('answer');
      await within(client.closed, 'the close');
      assert.ok(client.connection.text.endsWith('answer'));
    },
  },
  {
    name: 'an idle tunnel is closed after tunnelIdle, not before',
    run: async (test) => {
      const target = await upgradeTarget(test, () => SWITCHING);
      const engine = await test.engine(
        httpConfig([target.address], {
          timeouts: {
            keepAlive: '1s',
            bodyIdle: '1s',
            requestHeader: '1s',
            tunnelIdle: '3s',
          },
        }),
      );
      const client = await test.http(engine.port('web'));
      const begun = performance.now();
      client.send(HANDSHAKE);
      assert.equal((await client.response()).status, 101);
      await within(client.closed, 'the close');
      assert.ok(performance.now() - begun > 2500, 'a tunnel has no other timeout than its own');
      await within(target.connections[0]!.ended, 'the end at the target');
    },
  },
  {
    name: 'a target that refuses to upgrade answers like any other, and the next bytes are a request',
    run: async (test) => {
      const target = await upgradeTarget(
        test,
        () => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno',
      );
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(`${HANDSHAKE}GET /next HTTP/1.1\r\nHost: test\r\n\r\n`);
      const refused = await client.response();
      assert.equal(refused.status, 403);
      assert.equal(refused.text, 'no');
      assert.equal((await client.response()).text, '/next');
    },
  },
  {
    name: 'a target that answers 200 to an upgrade gets no tunnel',
    run: async (test) => {
      const target = await upgradeTarget(
        test,
        () => 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine',
      );
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(`${HANDSHAKE}GET /smuggled HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`);
      assert.equal((await client.response()).text, 'fine');
      assert.equal((await client.response()).status, 400);
      await within(client.closed, 'the close');
      await fetchOnce(engine.port('web'), 'GET', '/fence');
      assert.deepEqual(
        target.heads.map((h) => h.target),
        ['/chat', '/fence'],
      );
    },
  },
  {
    name: 'a 101 that nobody asked for is a 502',
    run: async (test) => {
      const target = await test.httpTarget({ answer: () => SWITCHING });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      const answer = await client.get('/');
      assert.equal(answer.status, 502);
      assert.match(answer.value('proxy-status') ?? '', /http_upgrade_failed/);
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/')).status, 502);
    },
  },
];

/** Requests that carry Upgrade in a way that does not count: forwarded without it. */
const stripped: Case[] = Object.entries({
  'without Connection: upgrade': 'GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\r\n',
  'in HTTP/1.0':
    'GET / HTTP/1.0\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  'with a body':
    'POST / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbody',
  'with another Sec-WebSocket-Version than 13':
    'GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\n\r\n',
}).map(([how, bytes]) => ({
  name: `an Upgrade ${how} is left out`,
  run: async (test) => {
    const target = await test.httpTarget();
    const engine = await test.engine(httpConfig([target.address]));
    const client = await test.http(engine.port('web'));
    client.send(bytes);
    assert.equal((await client.response()).status, 200);
    const request = await target.next();
    assert.equal(fieldValue(request.fields, 'upgrade'), undefined);
    assert.doesNotMatch(fieldValue(request.fields, 'connection') ?? '', /upgrade/i);
  },
}));

export const httpUpgrade: Feature = { name: 'http upgrade', cases: [...cases, ...stripped] };
