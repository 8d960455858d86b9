import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { type DemoTargets, startDemoTargets } from '../../../src/cli/demo-targets.ts';

const ANY = { one: 0, two: 0, echo: 0, streamA: 0, streamB: 0 };
let targets: DemoTargets;

before(async () => {
  targets = await startDemoTargets(ANY);
});
after(() => targets.close());

test('the HTTP targets tell who they are and what arrived', async () => {
  for (const name of ['one', 'two'] as const) {
    const sent = request({
      port: targets.ports[name],
      method: 'POST',
      path: '/a?b',
      headers: { 'X-Test': 'yes' },
    });
    sent.end('12345');
    const [response] = await once(sent, 'response');
    let body = '';
    for await (const chunk of response) body += chunk;
    const { target, method, path, headers, bodyBytes } = JSON.parse(body);
    assert.deepEqual([target, method, path, bodyBytes], [name, 'POST', '/a?b', 5]);
    assert.equal(headers['x-test'], 'yes');
  }
});

test('the HTTP targets echo WebSocket messages of every size and kind', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${targets.ports.one}/`);
  await once(socket, 'open');
  for (const size of [0, 5, 125, 126, 65_535, 65_536, 300_000]) {
    const message = Buffer.alloc(size, 'x');
    socket.send(message, { binary: size % 2 === 0 });
    const [answer, isBinary] = await once(socket, 'message');
    assert.ok(message.equals(answer), String(size));
    assert.equal(isBinary, size % 2 === 0);
  }
  const pong = once(socket, 'pong');
  socket.ping('are you there');
  assert.equal(String((await pong)[0]), 'are you there');
  const closed = once(socket, 'close');
  socket.close(1000, 'bye');
  assert.equal((await closed)[0], 1000);
});

test('a WebSocket message that is too large is refused, not held', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${targets.ports.one}/`);
  await once(socket, 'open');
  const closed = once(socket, 'close');
  socket.send(Buffer.alloc((1 << 20) + 1));
  assert.equal((await closed)[0], 1009);
});

test('the TCP target echoes to the end', async () => {
  const socket = connect(targets.ports.echo, '127.0.0.1');
  socket.end('hello');
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  assert.equal(answer, 'hello');
});

test('the UDP targets name themselves and stream on demand', async () => {
  const socket = createSocket('udp4');
  socket.send('hello\n', targets.ports.streamB, '127.0.0.1');
  assert.equal(String((await once(socket, 'message'))[0]), 'streamB: hello\n');
  socket.send('stream 2', targets.ports.streamA, '127.0.0.1');
  assert.equal(String((await once(socket, 'message'))[0]), 'streamA: 1 of 2\n');
  assert.equal(String((await once(socket, 'message'))[0]), 'streamA: 2 of 2\n');
  socket.close();
});

test('a port in use starts none of them and names the target', async () => {
  await assert.rejects(startDemoTargets({ ...ANY, echo: targets.ports.one }), {
    code: 'listen_failed',
    message: new RegExp(
      `^demonstration target echo: cannot listen on 127\\.0\\.0\\.1:${targets.ports.one}: EADDRINUSE: `,
    ),
  });
});
