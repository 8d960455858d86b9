// What the js engine does beyond what the contract suite asks of every engine.
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import fs from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { createJsEngine } from '../../../../src/engine/js/engine.ts';
import { eventually, pause, within } from '../../../support/deadline.ts';
import { type RunningEngine, startEngine } from '../../../support/running-engine.ts';

async function engineWith(t: TestContext, config: unknown): Promise<RunningEngine> {
  const engine = await startEngine(createJsEngine, config);
  t.after(() => engine.close(0));
  return engine;
}

async function target(t: TestContext, serve: (socket: net.Socket) => void): Promise<string> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** Sends `bytes` and resolves with everything received once `isEnough` of it is there. */
function connection(t: TestContext, port: number) {
  const socket = net.connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  return {
    socket,
    text: () => text,
    until: (wanted: string) => eventually(`${wanted} in ${text}`, () => text.includes(wanted)),
  };
}

const web = (targets: readonly string[], listener: object = {}) => ({
  listeners: { web: { address: '127.0.0.1:0', protocol: 'http', pool: 'all', ...listener } },
  pools: { all: { targets } },
});

test('a body that nobody wanted is passed over and the connection goes on', async (t) => {
  const address = await target(t, (socket) => {
    socket.on('data', () => socket.write('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno'));
  });
  const engine = await engineWith(t, web([address]));
  const client = connection(t, engine.port('web'));
  client.socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50005\r\n\r\nhalf ');
  await client.until('403');
  client.socket.write('x'.repeat(30_000));
  await pause(30);
  client.socket.write('x'.repeat(20_000));
  client.socket.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually('the second answer', () => client.text().split('HTTP/1.1 403').length === 3);
});

test('a client that sends requests without reading answers is not read endlessly', async (t) => {
  const address = await target(t, () => {});
  const engine = await engineWith(t, web([address]));
  const client = connection(t, engine.port('web'));
  const block = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1000));
  let sent = 0;
  const pour = (): void => {
    while (sent < 64 * 1024 * 1024 && client.socket.write(block)) sent += block.length;
  };
  client.socket.on('drain', pour);
  pour();
  let last = -1;
  await eventually('the flood to be held back', async () => {
    const before = last;
    last = client.socket.bytesWritten;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return before === last && client.socket.writableLength > 0;
  });
  assert.ok(client.socket.bytesWritten < 32 * 1024 * 1024);
});

test('all listeners are bound or none', async (t) => {
  const holder = net.createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  t.after(() => holder.close());
  const { port: taken } = holder.address() as net.AddressInfo;
  const free = net.createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as net.AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const listener = (p: number) => ({ address: `127.0.0.1:${p}`, protocol: 'tcp', pool: 'all' });
  const config = {
    listeners: { first: listener(port), second: listener(taken) },
    pools: { all: { targets: ['127.0.0.1:9'] } },
  };
  await assert.rejects(startEngine(createJsEngine, config), {
    code: 'listen_failed',
    message: `listener second: cannot listen on 127.0.0.1:${taken}: port in use; stop whoever holds it or choose another port`,
  });
  const again = net.createServer().listen(port, '127.0.0.1');
  await once(again, 'listening');
  again.close();
});

test('a socket file that nobody listens on is taken over, a live one is not', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'x.sock');
  const config = {
    listeners: { local: { address: `unix:${file}`, protocol: 'tcp', pool: 'all' } },
    pools: { all: { targets: ['127.0.0.1:9'] } },
  };
  const live = net.createServer().listen(file);
  await once(live, 'listening');
  await assert.rejects(startEngine(createJsEngine, config), { code: 'listen_failed' });
  fs.renameSync(file, `${file}.kept`);
  await new Promise((resolve) => live.close(resolve));
  fs.renameSync(`${file}.kept`, file);
  const engine = await startEngine(createJsEngine, config);
  await engine.close(0);
  assert.equal(fs.existsSync(file), false);
});

test('a file at the address that is no socket is left alone', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'precious');
  fs.writeFileSync(file, 'data');
  const config = {
    listeners: { local: { address: `unix:${file}`, protocol: 'tcp', pool: 'all' } },
    pools: { all: { targets: ['127.0.0.1:9'] } },
  };
  await assert.rejects(startEngine(createJsEngine, config), { code: 'listen_failed' });
  assert.equal(fs.readFileSync(file, 'utf8'), 'data');
});

test('a listener may change its name over a reload and keeps its connections', async (t) => {
  const address = await target(t, (socket) => socket.on('data', (bytes) => socket.write(bytes)));
  const config = (name: string, port: number) => ({
    listeners: { [name]: { address: `127.0.0.1:${port}`, protocol: 'tcp', pool: 'all' } },
    pools: { all: { targets: [address] } },
  });
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as net.AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const engine = await engineWith(t, config('old', port));
  const client = connection(t, engine.port('old'));
  client.socket.write('before');
  await client.until('before');
  await engine.apply(config('new', port));
  client.socket.write(' after');
  await client.until('after');
  assert.equal(engine.stats().listener('new').connections, 0);
});

test('a udp listener that comes back while its sessions live takes them up again', async (t) => {
  const echo = dgram.createSocket('udp4');
  echo.on('message', (bytes, from) => echo.send(bytes, from.port, from.address));
  await new Promise<void>((resolve) => echo.bind(0, '127.0.0.1', resolve));
  t.after(() => echo.close());
  const probe = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => probe.bind(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise<void>((resolve) => probe.close(resolve));
  const media = { address: `127.0.0.1:${port}`, protocol: 'udp', pool: 'all' };
  const pools = { all: { targets: [`127.0.0.1:${echo.address().port}`] } };
  const other = { address: '127.0.0.1:0', protocol: 'udp', pool: 'all' };
  const engine = await engineWith(t, { listeners: { media, other }, pools });
  const client = dgram.createSocket('udp4');
  t.after(() => client.close());
  const ask = async (text: string) => {
    const reply = once(client, 'message');
    client.send(text, port, '127.0.0.1');
    const [bytes] = await within(reply, `an echo of ${text}`);
    assert.equal(String(bytes), text);
  };
  await ask('one');
  await engine.apply({ listeners: { other }, pools });
  await ask('the session goes on');
  await engine.apply({ listeners: { media, other }, pools });
  await ask('two');
  assert.equal(engine.stats().pool('all').connections, 1);
});

test('connections that were drained close, and a second close waits for the same end', async (t) => {
  const address = await target(t, (socket) => {
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha');
      setTimeout(() => socket.write('lf'), 60);
    });
  });
  const engine = await startEngine(createJsEngine, web([address]));
  const client = connection(t, engine.port('web'));
  client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until('ha');
  await Promise.all([engine.close(5000), engine.close(5000)]);
  assert.ok(client.text().endsWith('half'));
  await assert.rejects(engine.apply(web([address])), { code: 'state_invalid' });
});
