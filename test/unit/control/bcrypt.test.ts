import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { BcryptThread } from '../../../src/control/bcrypt.ts';

const SALT = '$2a$04$CCCCCCCCCCCCCCCCCCCCC.';
/** On which the thread ends with an error. */
const NO_SALT = 'none';

describe('the thread for bcrypt', () => {
  let thread: BcryptThread;

  beforeEach(() => {
    thread = new BcryptThread();
  });
  afterEach(() => thread.close());

  it('fails what was asked of it when it ends, and what is asked afterwards is answered by another', async () => {
    const first = await thread.hash('U*U', SALT);
    assert.ok(first.startsWith(SALT));
    for (let i = 0; i < 3; i++) {
      const asked = [thread.hash('U*U', NO_SALT), thread.hash('U*U', SALT)];
      // At once, before the old thread has told of its exit.
      const again = asked.map((one) => one.catch(() => thread.hash('U*U', SALT)));
      for (const { status } of await Promise.allSettled(asked)) assert.equal(status, 'rejected');
      assert.deepEqual(await Promise.all(again), [first, first]);
    }
  });
});
