import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseConfig } from '../../../../src/config/parse.ts';
import { errorCodeNumber, QUESTIONS } from '../../../../src/contract/codes.ts';
import type { NameAnswer, Oracle } from '../../../../src/engine/engine.ts';
import type { NativeAddon, NativeEngine } from '../../../../src/engine/native/addon.d.ts';
import { loadAddon } from '../../../../src/engine/native/load.ts';
import { createNativeEngine } from '../../../../src/engine/native/native-engine.ts';
import { answerQuestions } from '../../../../src/engine/native/questions.ts';
import { compile } from '../../../../src/plan/compile.ts';
import { eventually, pause } from '../../../support/deadline.ts';

type Ask = Parameters<NativeEngine['onQuestions']>[0];
type Told = readonly [question: number, ...answer: unknown[]];

/** What an addon that asks each of these is told, in the order of the questions. */
async function toldOf(oracle: Oracle, asked: readonly Parameters<Ask>[]): Promise<readonly Told[]> {
  const told: Told[] = [];
  const native: Pick<NativeEngine, 'onQuestions' | 'answerName' | 'answerPassword'> = {
    onQuestions: (ask) => {
      for (const question of asked) ask(...question);
    },
    answerName: (question, error, ttlMs, addresses) => {
      told.push([question, error, ttlMs, [...addresses]]);
    },
    answerPassword: (question, isRight) => {
      told.push([question, isRight]);
    },
  };
  answerQuestions(native as NativeEngine, oracle);
  await eventually('every answer', () => told.length === asked.length);
  return told.toSorted(([a], [b]) => a - b);
}

const NAME = QUESTIONS.indexOf('addresses');
const PASSWORD = QUESTIONS.indexOf('password');
const found = (host: string): NameAnswer => ({
  addresses: [{ family: 'ipv4', host }],
  ttlMs: 1500.7,
  error: 'none',
});

test('addresses are packed, with whole milliseconds that fit', async () => {
  const oracle: Oracle = {
    addressesOf: async (name) => ({
      ...found('192.0.2.7'),
      ttlMs: name === 'long' ? 1e15 : 1500.7,
    }),
    isPassword: async (file, name, password) => `${file} ${name} ${password}` === 'f ann secret',
  };
  const told = await toldOf(oracle, [
    [1, NAME, 'short', '', ''],
    [2, NAME, 'long', '', ''],
    [3, PASSWORD, 'f', 'ann', 'secret'],
    [4, PASSWORD, 'f', 'ann', 'wrong'],
  ]);
  assert.deepEqual(told[0]?.slice(0, 3), [1, errorCodeNumber('none'), 1500]);
  assert.deepEqual((told[0]?.[3] as number[] | undefined)?.slice(1, 5), [192, 0, 2, 7]);
  assert.equal(told[1]?.[2], 0xffff_ffff);
  assert.deepEqual(told.slice(2), [
    [3, true],
    [4, false],
  ]);
});

test('every question is answered, even when the oracle throws or rejects', async () => {
  const thrown = () => {
    throw new Error('at once');
  };
  const timeout = errorCodeNumber('name_timeout');
  for (const oracle of [
    { addressesOf: thrown, isPassword: thrown },
    {
      addressesOf: () => Promise.reject(new Error('later')),
      isPassword: () => Promise.reject(new Error('later')),
    },
  ] satisfies Oracle[]) {
    const told = await toldOf(oracle, [
      [1, NAME, 'site.test', '', ''],
      [2, PASSWORD, 'f', 'ann', 'secret'],
    ]);
    assert.deepEqual(told, [
      [1, timeout, 0, []],
      [2, false],
    ]);
  }
});

/** A native engine that has served a plan and is closed. */
async function useOnce(addon: NativeAddon): Promise<WeakRef<NativeEngine>> {
  let made: WeakRef<NativeEngine> | undefined;
  const noting: NativeAddon = {
    abi: addon.abi,
    createEngine: (...options) => {
      const native = addon.createEngine(...options);
      made = new WeakRef(native);
      return native;
    },
  };
  const listeners = { egress: { address: '127.0.0.1:0', protocol: 'forward' } };
  const engine = createNativeEngine({ workers: 1, onWarning: () => {} }, noting);
  await engine.apply(compile(parseConfig({ listeners }), new Map(), 1));
  await engine.close(0);
  assert.ok(made);
  return made;
}

test('an engine that was closed is collected, with its plan', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { addon, reason } = loadAddon();
  assert.ok(addon, reason);
  const engines: WeakRef<NativeEngine>[] = [];
  for (let i = 0; i < 3; i++) engines.push(await useOnce(addon));
  await eventually('the engines to be collected', async () => {
    collect();
    await pause(10);
    return engines.every((engine) => engine.deref() === undefined);
  });
});
