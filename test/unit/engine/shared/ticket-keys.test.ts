import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TicketKeys } from '../../../../src/engine/shared/ticket-keys.ts';

const NO_NAME = Buffer.alloc(16);

function nameOf(answer: readonly (number | Buffer)[]): Buffer {
  const name = answer[3];
  assert.ok(Buffer.isBuffer(name));
  return name;
}

describe('TicketKeys', () => {
  it('opens what it sealed, and knows no other key', () => {
    const keys = new TicketKeys(60, () => 0);
    const sealed = keys.answer(NO_NAME, true);
    assert.equal(sealed[0], 1);
    assert.deepEqual(keys.answer(nameOf(sealed), false), [1, sealed[1], sealed[2]]);
    assert.equal(keys.answer(NO_NAME, false)[0], 0);
  });

  it('never seals two tickets with one vector', () => {
    const keys = new TicketKeys(60, () => 0);
    assert.notDeepEqual(keys.answer(NO_NAME, true)[4], keys.answer(NO_NAME, true)[4]);
  });

  it('changes keys every period, and opens and renews what the period before sealed', () => {
    let now = 0;
    const keys = new TicketKeys(60, () => now);
    const first = keys.answer(NO_NAME, true);
    now = 60_000;
    const second = keys.answer(NO_NAME, true);
    assert.notDeepEqual(nameOf(second), nameOf(first));
    assert.deepEqual(keys.answer(nameOf(first), false), [2, first[1], first[2]]);
    assert.equal(keys.answer(nameOf(second), false)[0], 1);
    now = 120_000;
    assert.equal(keys.answer(nameOf(first), false)[0], 0);
    assert.equal(keys.answer(nameOf(second), false)[0], 2);
  });

  it('keeps nothing over a period in which nobody came', () => {
    let now = 0;
    const keys = new TicketKeys(60, () => now);
    const first = keys.answer(NO_NAME, true);
    now = 150_000;
    assert.equal(keys.answer(nameOf(first), false)[0], 0);
  });
});
