import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/parse.ts';
import { watchTargets } from '../../../src/control/target-watch.ts';
import type { Engine, TargetState } from '../../../src/engine/engine.ts';
import { compile } from '../../../src/plan/compile.ts';

const plan = compile(
  parseConfig({
    listeners: { db: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'db' } },
    pools: { db: { targets: ['127.0.0.1:1001', '127.0.0.1:1002'] } },
  }),
  new Map(),
  1,
);
const inUse: TargetState = { isEjected: false, ejectedForMs: 0, inFlight: 0 };
const ejected: TargetState = { isEjected: true, ejectedForMs: 2000, inFlight: 0 };

test('each ejection and each return is told once', async () => {
  let states = [inUse, ejected];
  const engine = { targetStates: () => states } as unknown as Engine;
  const news = new EventEmitter();
  const told: unknown[] = [];
  const watch = watchTargets({
    engine,
    currentPlan: () => plan,
    intervalMs: 1,
    onEjected: (target) => {
      told.push(target);
      news.emit('ejected');
    },
    onRestored: (target) => {
      told.push(target);
      news.emit('restored');
    },
  });
  await once(news, 'ejected');
  const restored = once(news, 'restored');
  states = [inUse, inUse];
  await restored;
  watch.close();
  assert.deepEqual(told, [
    { pool: 'db', target: '127.0.0.1:1002', forMs: 2000 },
    { pool: 'db', target: '127.0.0.1:1002' },
  ]);
});

test('an engine that takes a new plan over is not looked at', async () => {
  let looks = 0;
  const watch = watchTargets({
    engine: { targetStates: () => assert.fail('looked at') } as unknown as Engine,
    currentPlan: () => {
      looks++;
      return null;
    },
    intervalMs: 1,
    onEjected: () => assert.fail('told'),
    onRestored: () => assert.fail('told'),
  });
  while (looks < 3) await new Promise(setImmediate);
  watch.close();
});
