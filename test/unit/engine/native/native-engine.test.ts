import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../../src/config/parse.ts';
import type { NativeAddon } from '../../../../src/engine/native/addon.d.ts';
import { createNativeEngine } from '../../../../src/engine/native/native-engine.ts';
import { compile } from '../../../../src/plan/compile.ts';

const listeners = { web: { address: '127.0.0.1:0', protocol: 'http', routes: [{ respond: {} }] } };
const plan = compile(parseConfig({ listeners }), new Map(), 1);

/** An addon that takes every plan and has `problem` with its loop; `loops` is what it was asked for. */
function addonWith(problem: string) {
  const loops: (string | undefined)[] = [];
  const addon: NativeAddon = {
    abi: '',
    createEngine(_workers, loop) {
      loops.push(loop);
      return {
        apply: () => [8080],
        loopProblem: () => problem,
        settled: () => true,
        snapshot: () => 0,
        targetStates: () => 0,
        drain: () => {},
        open: () => 0,
        close: () => {},
      };
    },
  };
  return { addon, loops };
}

test('a loop that the kernel refuses is warned of once, with the reason, and traffic is served', async () => {
  const { addon, loops } = addonWith('io_uring_setup: Operation not permitted');
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const engine = createNativeEngine({ workers: 2, loop: 'io_uring', onWarning }, addon);
  assert.deepEqual(warnings, []);
  assert.equal((await engine.apply(plan))[0]?.port, 8080);
  await engine.apply(plan);
  assert.deepEqual(loops, ['io_uring']);
  assert.deepEqual(warnings, [
    'loop: io_uring is not available here: io_uring_setup: Operation not permitted; epoll is used',
  ]);
  await engine.close(0);
});

test('a loop that is what was asked for is not spoken of', async () => {
  const { addon, loops } = addonWith('');
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const engine = createNativeEngine({ workers: 1, onWarning }, addon);
  await engine.apply(plan);
  assert.deepEqual(loops, [undefined]);
  assert.deepEqual(warnings, []);
  await engine.close(0);
});
