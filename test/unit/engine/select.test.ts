import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/parse.ts';
import { loadAddon } from '../../../src/engine/native/load.ts';
import {
  CAPABILITIES,
  checkCapabilities,
  type EngineWish,
  selectEngine,
} from '../../../src/engine/select.ts';
import { loadUws } from '../../../src/engine/uws/load.ts';
import { compile } from '../../../src/plan/compile.ts';

function planOf(listener: object) {
  return compile(
    parseConfig({
      listeners: { front: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'p', ...listener } },
      pools: { p: { targets: ['127.0.0.1:9'] } },
    }),
    new Map(),
    1,
  );
}

const plain = planOf({});
const hasAddon = loadAddon().addon !== undefined;

function select(wish: Partial<EngineWish>, plan = plain) {
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const selection = selectEngine(
    { engine: 'auto', workers: 'auto', loop: 'auto', onWarning, ...wish },
    plan,
  );
  return { ...selection, warnings };
}

test('auto takes native where the addon is, else js, and says why', async () => {
  const { engine, reason } = select({});
  assert.equal(engine.name, hasAddon ? 'native' : 'js');
  assert.match(reason, /^auto: /);
  await engine.close(0);
});

test('native has a worker a core, or as many as asked for', { skip: !hasAddon }, async () => {
  for (const [workers, expected] of [
    ['auto', availableParallelism()],
    [3, 3],
  ] as const) {
    const { engine } = select({ engine: 'native', workers });
    assert.equal(engine.workers, expected);
    await engine.close(0);
  }
});

test('every engine is what the table says of it', async () => {
  const names = hasAddon ? (['native', 'js'] as const) : (['js'] as const);
  for (const name of names) {
    const { engine, reason } = select({ engine: name });
    assert.equal(engine.name, name);
    assert.equal(reason, 'as configured');
    assert.deepEqual(engine.capabilities, CAPABILITIES[name]);
    await engine.close(0);
  }
});

test('what the engine cannot do is refused, naming the option and who can', () => {
  assert.throws(() => select({ engine: 'js' }, planOf({ splice: 'always' })), {
    code: 'engine_unsupported',
    message: 'listeners.front.splice: always: engine js does not offer it: use engine native',
  });
  assert.throws(() => select({ engine: 'js', workers: 4 }), {
    code: 'engine_unsupported',
    message: 'workers: 4: engine js does not offer it: use engine native',
  });
  assert.throws(() => select({ engine: 'js', loop: 'io_uring' }), {
    code: 'engine_unsupported',
    message: 'loop: io_uring: engine js does not offer it: use engine native',
  });
});

test('uws serves http, refuses what it does not, and says how to install it where it is not', async () => {
  const web = planOf({ protocol: 'http' });
  const { uws } = loadUws();
  if (uws === undefined) {
    assert.throws(() => select({ engine: 'uws' }, web), {
      code: 'engine_unavailable',
      message: /^engine uws is not available: .*npm install uWebSockets\.js@github:/,
    });
  } else {
    const { engine, reason } = select({ engine: 'uws' }, web);
    assert.equal(engine.name, 'uws');
    assert.equal(reason, 'as configured');
    assert.deepEqual(engine.capabilities, CAPABILITIES.uws);
    await engine.close(0);
  }
  assert.throws(() => select({ engine: 'uws' }), {
    code: 'engine_unsupported',
    message: 'listeners.front.protocol: tcp: engine uws does not offer it: use engine native or js',
  });
});

test('what an engine without TLS is asked for is refused, by the option', () => {
  const listening = {
    ...plain,
    listeners: plain.listeners.map((one) => ({ ...one, protocol: 'http' as const, serverTls: 0 })),
  };
  const connecting = {
    ...plain,
    listeners: plain.listeners.map((one) => ({ ...one, protocol: 'http' as const })),
    targets: plain.targets.map((one) => ({ ...one, clientTls: 0 })),
  };
  const uws = { name: 'uws', capabilities: CAPABILITIES.uws } as const;
  assert.throws(
    () => checkCapabilities(uws, listening),
    /^SluiceError: listeners\.front\.tls: engine uws does not offer it: use engine native or js$/,
  );
  assert.throws(
    () => checkCapabilities(uws, connecting),
    /pools\.p: TLS to target 127\.0\.0\.1:9: engine uws does not offer it/,
  );
  checkCapabilities({ name: 'js', capabilities: CAPABILITIES.js }, listening);
});

test('names the PROXY headers that an engine does not offer', () => {
  const plain = planOf({});
  const listening = {
    ...plain,
    listeners: plain.listeners.map((one) => ({
      ...one,
      protocol: 'http' as const,
      proxyProtocol: 'required' as const,
    })),
  };
  const telling = {
    ...plain,
    listeners: plain.listeners.map((one) => ({ ...one, protocol: 'http' as const })),
    pools: plain.pools.map((one) => ({ ...one, proxyProtocol: 'v2' as const })),
  };
  const uws = { name: 'uws', capabilities: CAPABILITIES.uws } as const;
  assert.throws(
    () => checkCapabilities(uws, listening),
    /^SluiceError: listeners\.front\.proxyProtocol: required: engine uws does not offer it: use engine native or js$/,
  );
  assert.throws(
    () => checkCapabilities(uws, telling),
    /^SluiceError: pools\.p\.proxyProtocol: v2: engine uws does not offer it/,
  );
  for (const plan of [listening, telling]) {
    checkCapabilities({ name: 'js', capabilities: CAPABILITIES.js }, plan);
  }
});
