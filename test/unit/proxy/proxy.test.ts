import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type ConfigInput,
  createProxy,
  SluiceError,
  type SluiceProxy,
} from '../../../src/index.ts';

let echo: Server;
let echoPort: number;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-proxy-'));
  echo = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  echoPort = await listen(echo);
});

after(async () => {
  rmSync(folder, { recursive: true });
  await new Promise((resolve) => echo.close(resolve));
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** One tcp listener a name, all to the echo target. */
function configOf(
  listeners: Record<string, string>,
  target = `127.0.0.1:${echoPort}`,
): ConfigInput {
  return {
    engine: 'js',
    listeners: Object.fromEntries(
      Object.entries(listeners).map(([name, address]) => [
        name,
        { address, protocol: 'tcp', pool: 'echo' },
      ]),
    ),
    pools: { echo: { targets: [target] } },
  };
}

function portOf(proxy: SluiceProxy, listener: string): number {
  return Number(proxy.addresses[listener]?.split(':').at(-1));
}

async function echoThrough(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(text);
  let answer = '';
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
  return answer;
}

async function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return false;
  } catch {
    return true;
  } finally {
    socket.destroy();
  }
}

test('a proxy starts, relays, counts and closes', async () => {
  const proxy = await createProxy(configOf({ db: '127.0.0.1:0' }));
  assert.deepEqual(proxy.addresses, {});
  const listening = once(proxy, 'listening');
  await proxy.start();
  const port = portOf(proxy, 'db');
  assert.ok(port > 0);
  assert.deepEqual(await listening, [{ addresses: { db: `127.0.0.1:${port}` } }]);

  assert.equal(await echoThrough(port, 'hello'), 'hello');
  const stats = proxy.stats();
  assert.equal(stats.engine, 'js');
  assert.equal(stats.planVersion, 1);
  assert.equal(stats.listeners.db?.counters.connections, 1);
  assert.equal(stats.listeners.db?.counters.bytes_in, 5);
  assert.equal(stats.targets[`echo/127.0.0.1:${echoPort}`]?.counters.connections, 1);
  assert.equal(stats.pools.echo?.counters.connections, 1);

  const closed = once(proxy, 'close');
  await proxy.close();
  await closed;
  await proxy.close();
  assert.equal(await isRefused(port), true);
});

test('names in a configuration are resolved before anything is bound', async () => {
  const proxy = await createProxy(configOf({ db: 'localhost:0' }, `localhost:${echoPort}`));
  await proxy.start();
  assert.equal(await echoThrough(portOf(proxy, 'db'), 'by name'), 'by name');
  assert.deepEqual(Object.keys(proxy.stats().targets), [`echo/localhost:${echoPort}/127.0.0.1`]);
  await proxy.close();
});

test('a wrong configuration is refused with all of its problems', async () => {
  const wrong = { listeners: { a: { address: 'nonsense', protocol: 'tpc' } }, pols: {} };
  await assert.rejects(createProxy(wrong as unknown as ConfigInput), (error) => {
    assert.ok(error instanceof SluiceError);
    assert.equal(error.code, 'config_invalid');
    assert.ok(error.problems.length >= 2, error.message);
    return true;
  });
});

test('a port in use fails the start, by the name of the listener, and leaves nothing open', async () => {
  const proxy = await createProxy(configOf({ free: '127.0.0.1:0', busy: `127.0.0.1:${echoPort}` }));
  let warned = '';
  proxy.on('warning', (message) => {
    warned = message;
  });
  await assert.rejects(proxy.start(), (error) => {
    assert.ok(error instanceof SluiceError);
    assert.equal(error.code, 'listen_failed');
    assert.match(
      error.message,
      new RegExp(`^listener busy: .*127\\.0\\.0\\.1:${echoPort}.*in use`),
    );
    assert.ok(!error.message.includes('\n'));
    return true;
  });
  assert.equal(warned, '');
  assert.deepEqual(proxy.addresses, {});
  assert.equal(proxy.plan, null);
  await proxy.close();
});

test('what needs a started proxy says so, and a closed one stays closed', async () => {
  const proxy = await createProxy(configOf({ db: '127.0.0.1:0' }));
  assert.throws(() => proxy.stats(), {
    code: 'state_invalid',
    message: 'stats: the proxy is not started',
  });
  await assert.rejects(proxy.reload(configOf({ db: '127.0.0.1:0' })), { code: 'state_invalid' });
  await proxy.start();
  await assert.rejects(proxy.start(), { message: 'start: the proxy is started already' });
  await proxy.close();
  await assert.rejects(proxy.start(), { message: 'start: the proxy is closed' });
  assert.throws(() => proxy.stats(), { message: 'stats: the proxy is closed' });
});

test('a reload keeps the sockets of listeners that stay and drops those that go', async () => {
  const proxy = await createProxy(configOf({ stays: '127.0.0.1:0', goes: '127.0.0.1:0' }));
  await proxy.start();
  const stays = portOf(proxy, 'stays');
  const goes = portOf(proxy, 'goes');
  const reloaded = once(proxy, 'reload');
  await proxy.reload(configOf({ stays: '127.0.0.1:0', comes: '127.0.0.1:0' }));
  assert.deepEqual(await reloaded, [{ planVersion: 2, reason: 'reload' }]);
  assert.equal(portOf(proxy, 'stays'), stays);
  assert.equal(await echoThrough(stays, 'a'), 'a');
  assert.equal(await echoThrough(portOf(proxy, 'comes'), 'b'), 'b');
  assert.equal(await isRefused(goes), true);
  assert.deepEqual(Object.keys(proxy.stats().listeners), ['stays', 'comes']);
  await proxy.close();
});

test('a reload that fails leaves the old configuration in force', async () => {
  const proxy = await createProxy(configOf({ db: '127.0.0.1:0' }));
  await proxy.start();
  const { addresses, plan, config } = proxy;
  const invalid = { listeners: {} } as ConfigInput;
  await assert.rejects(proxy.reload(invalid), { code: 'config_invalid' });
  const busy = configOf({ db: '127.0.0.1:0', busy: `127.0.0.1:${echoPort}` });
  await assert.rejects(proxy.reload(busy), { code: 'listen_failed' });
  await assert.rejects(proxy.reload(join(folder, 'missing.yaml')), { code: 'config_unreadable' });
  assert.deepEqual(proxy.addresses, addresses);
  assert.equal(proxy.plan, plan);
  assert.equal(proxy.config, config);
  assert.equal(await echoThrough(portOf(proxy, 'db'), 'still here'), 'still here');
  assert.equal(proxy.stats().listeners.db?.counters.connections, 1);
  await proxy.close();
});

test('statistics can be read while a reload is under way', async () => {
  const proxy = await createProxy(configOf({ db: '127.0.0.1:0' }));
  await proxy.start();
  await echoThrough(portOf(proxy, 'db'), 'x');
  const reload = proxy.reload(configOf({ other: '127.0.0.1:0', db: '127.0.0.1:0' }));
  let isDone = false;
  const done = reload.then(() => {
    isDone = true;
  });
  for (let turn = 0; !isDone; turn++) {
    assert.equal(proxy.stats().listeners.db?.counters.connections, 1);
    await new Promise<void>(turn % 2 === 0 ? process.nextTick : setImmediate);
  }
  await done;
  assert.equal(proxy.stats().listeners.db?.counters.connections, 1);
  await proxy.close();
});

test('a configuration file is read by its name, at start and at reload', async () => {
  const file = join(folder, 'sluice.json');
  writeFileSync(file, JSON.stringify(configOf({ one: '127.0.0.1:0' })));
  const proxy = await createProxy(file);
  await proxy.start();
  writeFileSync(file, JSON.stringify(configOf({ two: '127.0.0.1:0' })));
  await proxy.reload(file);
  assert.deepEqual(Object.keys(proxy.addresses), ['two']);
  await proxy.close();
});

test('warnings of the configuration are events; a change of engine waits for the next start', async () => {
  const config = configOf({ db: '127.0.0.1:0' });
  const warnings: string[] = [];
  const proxy = await createProxy({
    ...config,
    pools: { ...config.pools, unused: { targets: ['127.0.0.1:9'] } },
  });
  proxy.on('warning', (message) => warnings.push(message));
  await proxy.start();
  assert.match(warnings.join(), /^pools\.unused: /);
  warnings.length = 0;
  await proxy.reload({ ...config, engine: 'auto' });
  assert.deepEqual(warnings, ['engine, workers and loop stay as they are until the next start']);
  await proxy.close();
});

test('a target that refuses is told as an event, and again when it is back', async () => {
  const refusing = createServer();
  const port = await listen(refusing);
  await new Promise((resolve) => refusing.close(resolve));
  const config = configOf({ db: '127.0.0.1:0' });
  const proxy = await createProxy({
    ...config,
    pools: { echo: { targets: [`127.0.0.1:${port}`], eject: { after: 1, for: '2s' } } },
  });
  await proxy.start();
  const ejected = once(proxy, 'targetEjected');
  const restored = once(proxy, 'targetRestored');
  await echoThrough(portOf(proxy, 'db'), 'x').catch(() => '');
  const [news] = await ejected;
  assert.deepEqual({ ...news, forMs: 0 }, { pool: 'echo', target: `127.0.0.1:${port}`, forMs: 0 });
  assert.ok(news.forMs > 0 && news.forMs <= 2000);
  assert.deepEqual(await restored, [{ pool: 'echo', target: `127.0.0.1:${port}` }]);
  await proxy.close();
});

test('close waits for work in flight; graceMs 0 cuts it, also while a first close waits', async () => {
  for (const isPatient of [true, false]) {
    const proxy = await createProxy(configOf({ db: '127.0.0.1:0' }));
    await proxy.start();
    const socket = connect(portOf(proxy, 'db'), '127.0.0.1');
    socket.on('error', () => {});
    socket.write('begun');
    await once(socket, 'data');
    const gone = once(socket, 'close');
    const closing = proxy.close({ graceMs: 60_000 });
    if (isPatient) {
      socket.write('goes on');
      const [answer] = await once(socket, 'data');
      assert.equal(String(answer), 'goes on');
      socket.end();
    } else {
      await proxy.close({ graceMs: 0 });
    }
    await closing;
    await gone;
  }
});

test('a proxy is disposable', async () => {
  const proxy = await createProxy(configOf({ db: '127.0.0.1:0' }));
  await proxy.start();
  const port = portOf(proxy, 'db');
  await proxy[Symbol.asyncDispose]();
  assert.equal(await isRefused(port), true);
});
