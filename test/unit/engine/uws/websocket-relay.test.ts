// WebSockets through the engine beyond what the contract asks of every engine: negotiation, pings, fragments, ends.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { createUwsEngine } from '../../../../src/engine/uws/engine.ts';
import { loadUws } from '../../../../src/engine/uws/load.ts';
import { eventually, within } from '../../../support/deadline.ts';
import { type RunningEngine, startEngine } from '../../../support/running-engine.ts';

const skip = loadUws().uws === undefined ? 'uWebSockets.js is not installed' : false;
const opened: { close(): unknown }[] = [];
after(async () => {
  for (const one of opened.reverse()) await one.close();
});

interface Pair {
  readonly engine: RunningEngine;
  readonly client: WebSocket;
  readonly target: WebSocket;
}

async function connect(protocols: string[] = [], chosen?: string): Promise<Pair> {
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    ...(chosen === undefined ? {} : { handleProtocols: () => chosen }),
  });
  opened.push({
    close: () => {
      for (const socket of server.clients) socket.terminate();
      return new Promise((resolve) => server.close(resolve));
    },
  });
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const engine = await startEngine(createUwsEngine, {
    listeners: { web: { address: '127.0.0.1:0', protocol: 'http', pool: 'all' } },
    pools: { all: { targets: [`127.0.0.1:${port}`] } },
  });
  opened.push({ close: () => engine.close(0) });
  const arrival = once(server, 'connection');
  const client = new WebSocket(`ws://127.0.0.1:${engine.port('web')}/`, protocols);
  opened.push({ close: () => client.terminate() });
  const [[target]] = await within(Promise.all([arrival, once(client, 'open')]), 'both to be open');
  return { engine, client, target: target as WebSocket };
}

test('the subprotocol that the target chose reaches the client', { skip }, async () => {
  const { client, target } = await connect(['a', 'b'], 'b');
  assert.equal(client.protocol, 'b');
  assert.equal(target.protocol, 'b');
  assert.equal(client.extensions, '');
});

test('a ping of the target reaches the client and its pong comes back', { skip }, async () => {
  const { client, target } = await connect();
  const pinged = once(client, 'ping');
  const answered = once(target, 'pong');
  target.ping('there?');
  assert.equal(String((await within(pinged, 'the ping'))[0]), 'there?');
  assert.equal(String((await within(answered, 'the pong'))[0]), 'there?');
});

test('a message in fragments is one message on the other side, each way', { skip }, async () => {
  const { client, target } = await connect();
  for (const [from, to] of [
    [target, client],
    [client, target],
  ] as const) {
    const received = once(to, 'message');
    from.send('one ', { fin: false });
    from.send('two ', { fin: false });
    from.send('three', { fin: true });
    const [data, isBinary] = await within(received, 'the message');
    assert.equal(String(data), 'one two three');
    assert.equal(isBinary, false);
  }
});

test('a client that does not read holds the target back', { skip }, async () => {
  const { client, target } = await connect();
  client.pause();
  const message = Buffer.alloc(1 << 20);
  const total = 48;
  let received = 0;
  client.on('message', () => received++);
  for (let i = 0; i < total; i++) target.send(message);
  await eventually('the target to be held back', () => target.bufferedAmount > 0);
  client.resume();
  await eventually('every message', () => received === total);
});

test("the target's close reaches the client with its code and reason", { skip }, async () => {
  const { engine, client, target } = await connect();
  const closed = once(client, 'close');
  target.close(4321, 'enough');
  const [code, reason] = await within(closed, 'the close');
  assert.equal(code, 4321);
  assert.equal(String(reason), 'enough');
  await eventually('the relay to be gone', () => engine.inFlight === 0);
});

test('a client that breaks off takes the connection to the target with it', { skip }, async () => {
  const { engine, client, target } = await connect();
  const closed = once(target, 'close');
  client.terminate();
  assert.equal((await within(closed, 'the close'))[0], 1006);
  await eventually('the relay to be gone', () => engine.inFlight === 0);
  await eventually('nothing to be active', () => engine.stats().listener('web').active === 0);
});
