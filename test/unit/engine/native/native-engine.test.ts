import assert from 'node:assert/strict';
import { release } from 'node:os';
import { test } from 'node:test';
import { parseConfig } from '../../../../src/config/parse.ts';
import type { LoopName } from '../../../../src/engine/engine.ts';
import type { NativeAddon, NativeLoop } from '../../../../src/engine/native/addon.d.ts';
import { createNativeEngine } from '../../../../src/engine/native/native-engine.ts';
import { compile } from '../../../../src/plan/compile.ts';
import { loopOf, NATIVE, nativeOn } from '../../../support/native-under-test.ts';

const listeners = { web: { address: '127.0.0.1:0', protocol: 'http', routes: [{ respond: {} }] } };
const plan = compile(parseConfig({ listeners }), new Map(), 1);

/** An addon that takes every plan and waits on what `loop` says; `loops` is what it was asked for. */
function addonOn(loop: NativeLoop) {
  const loops: string[] = [];
  const addon: NativeAddon = {
    abi: '',
    createEngine(_workers, wanted) {
      loops.push(wanted);
      return {
        apply: () => [8080],
        loop: () => loop,
        kernelTlsProblem: () => '',
        settled: () => true,
        snapshot: () => 0,
        targetStates: () => 0,
        userStates: () => 0,
        onQuestions: () => {},
        answerName: () => {},
        answerPassword: () => {},
        drain: () => {},
        open: () => 0,
        close: () => {},
      };
    },
  };
  return { addon, loops };
}

/** What an engine that was asked for `wanted` and got `got` says. */
async function warningsOf(got: NativeLoop, wanted?: 'auto' | LoopName) {
  const { addon, loops } = addonOn(got);
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const engine = createNativeEngine(
    { workers: 2, onWarning, ...(wanted && { loop: wanted }) },
    addon,
  );
  assert.deepEqual([warnings, engine.loop], [[], null]);
  assert.equal((await engine.apply(plan))[0]?.port, 8080);
  await engine.apply(plan);
  assert.deepEqual(loops, [wanted ?? 'auto']);
  assert.deepEqual(engine.loop, { name: got.name, reason: got.problem });
  await engine.close(0);
  return warnings;
}

const FORBIDDEN = 'io_uring_setup: Operation not permitted';

test('a loop that was asked for and is refused is warned of once, with the reason, and traffic is served', async () => {
  assert.deepEqual(await warningsOf({ name: 'epoll', problem: FORBIDDEN }, 'io_uring'), [
    `loop: io_uring is not available here: ${FORBIDDEN}; epoll is used`,
  ]);
});

test('a loop that was asked for and has a fault is used and warned of', async () => {
  const problem = 'this kernel loses the end of a stream';
  assert.deepEqual(await warningsOf({ name: 'io_uring', problem }, 'io_uring'), [
    `loop: io_uring is used as configured, but ${problem}; auto would use epoll`,
  ]);
});

test('a choice that was left to the engine is no reason to warn, whichever way it fell', async () => {
  for (const wanted of [undefined, 'auto'] as const) {
    assert.deepEqual(await warningsOf({ name: 'epoll', problem: FORBIDDEN }, wanted), []);
    assert.deepEqual(await warningsOf({ name: 'io_uring', problem: '' }, wanted), []);
  }
  assert.deepEqual(await warningsOf({ name: 'io_uring', problem: '' }, 'io_uring'), []);
  assert.deepEqual(await warningsOf({ name: 'epoll', problem: '' }, 'epoll'), []);
});

test('auto takes io_uring on Linux 6.12 and later where the kernel grants a sound one, else epoll and says why', async (t) => {
  const asked = await loopOf(nativeOn('io_uring'));
  const chosen = await loopOf(NATIVE);
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const isOld = major < 6 || (major === 6 && minor < 12);
  t.diagnostic(`Linux ${release()}: ${asked.name}; auto: ${chosen.name} ${chosen.reason}`);
  if (isOld) {
    assert.deepEqual(chosen, {
      name: 'epoll',
      reason: `Linux ${release()} is older than 6.12`,
    });
  } else {
    const isSound = asked.name === 'io_uring' && asked.reason === '';
    assert.deepEqual(chosen, { name: isSound ? 'io_uring' : 'epoll', reason: asked.reason });
  }
  assert.deepEqual(await loopOf(nativeOn('epoll')), { name: 'epoll', reason: '' });
});
