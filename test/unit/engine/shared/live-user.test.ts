import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Account, LiveUser } from '../../../../src/engine/shared/live-user.ts';

const user = (limits: object, account = new Account()): LiveUser =>
  new LiveUser(
    { name: 'ann', bytesPerSecond: 0, connections: 0, bytesPerDay: 0, ...limits },
    account,
  );

test('without limits nothing ends and nothing waits', () => {
  const ann = user({});
  for (let i = 0; i < 10; i++) assert.equal(ann.begin(), 'none');
  assert.equal(ann.chargeIn(2 ** 40), 0);
  assert.equal(ann.chargeOut(2 ** 40), 0);
  assert.deepEqual(ann.account.state, {
    active: 10,
    requests: 10,
    bytesIn: 2 ** 40,
    bytesOut: 2 ** 40,
    bytesToday: 2 ** 41,
  });
});

test('what is refused has not begun', () => {
  const ann = user({ connections: 2 });
  assert.deepEqual([ann.begin(), ann.begin(), ann.begin()], ['none', 'none', 'user_limit']);
  ann.end();
  assert.equal(ann.begin(), 'none');
  assert.deepEqual([ann.account.active, ann.account.requests], [2, 3]);
});

test('a quota may be used to its last byte, and not beyond', () => {
  const ann = user({ bytesPerDay: 100 });
  assert.equal(ann.begin(), 'none');
  assert.equal(ann.chargeIn(60), 0);
  assert.equal(ann.chargeOut(40), 0);
  assert.equal(ann.begin(), 'user_quota');
  assert.equal(ann.chargeOut(1), -1);
});

test('a quota is counted anew on another day, by local time', (t) => {
  const noon = new Date(2026, 2, 31, 12).getTime();
  t.mock.timers.enable({ apis: ['Date'], now: noon });
  const ann = user({ bytesPerDay: 100 });
  ann.chargeIn(100);
  t.mock.timers.setTime(new Date(2026, 2, 31, 23, 59, 59).getTime());
  assert.equal(ann.begin(), 'user_quota');
  t.mock.timers.setTime(new Date(2026, 3, 1, 0, 0, 0).getTime());
  assert.equal(ann.begin(), 'none');
  assert.equal(ann.account.state.bytesToday, 0);
  assert.equal(ann.account.state.bytesIn, 100);
});

test('bandwidth is what is left to wait for, over everything that the user moves', () => {
  const account = new Account();
  const [one, other] = [user({ bytesPerSecond: 1000 }, account), user({}, account)];
  assert.equal(Math.round(one.chargeIn(500)), 500);
  // As much as that takes, and at most what was left before.
  const second = Math.round(one.chargeOut(3_600_000));
  assert.ok(second >= 3_600_000 && second <= 3_600_500, String(second));
  // Limits are of a listener; what was used is the user's.
  assert.equal(other.chargeIn(1000), 0);
});
