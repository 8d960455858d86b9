import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type EjectionPolicy,
  type EjectionState,
  isEjected,
  onFailure,
  onSuccess,
} from '../../../src/balance/ejection.ts';
import { readVectors } from './vectors.ts';

test('ejections are those of the shared vectors', () => {
  let policy: EjectionPolicy = { ejectAfter: 0, ejectMs: 0, maxEjectMs: 0 };
  let state: EjectionState = { failures: 0, ejections: 0, ejectedUntilMs: 0 };
  const vectors = readVectors('ejection');
  assert.ok(vectors.length > 20);
  for (const { line, words } of vectors) {
    const [a = 0, b = 0, c = 0] = words.slice(1).map(Number);
    if (words[0] === 'policy') {
      policy = { ejectAfter: a, ejectMs: b, maxEjectMs: c };
      state = { failures: 0, ejections: 0, ejectedUntilMs: 0 };
      continue;
    }
    if (words[0] === 'fail') assert.equal(onFailure(policy, state, a), b === 1, line);
    else if (words[0] === 'ok') onSuccess(state);
    else assert.fail(`unknown vector: ${line}`);
    const expected = words.slice(-3).map(Number);
    assert.deepEqual([state.failures, state.ejections, state.ejectedUntilMs], expected, line);
  }
});

test('an ejection ends at its time, by itself', () => {
  const state = { failures: 0, ejections: 0, ejectedUntilMs: 0 };
  onFailure({ ejectAfter: 1, ejectMs: 100, maxEjectMs: 1000 }, state, 50);
  assert.equal(isEjected(state, 149), true);
  assert.equal(isEjected(state, 150), false);
});
