import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renewalAt, retryDelay } from '../../../src/control/acme-schedule.ts';
import { readRetryAfter } from '../../../src/control/acme-transport.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('a certificate is renewed', () => {
  const at = (days: number, renewBeforeDays: number, jitter = 0) =>
    renewalAt({ obtainedMs: 0, notAfterMs: days * DAY }, renewBeforeDays * DAY, jitter) / DAY;

  it('as long before its end as is asked for', () => {
    assert.equal(at(90, 20), 70);
    assert.equal(at(90, 30), 60);
  });

  it('no sooner than its last third begins, however short it lives', () => {
    assert.equal(at(90, 60), 60);
    assert.equal(at(6, 30), 4);
    assert.equal(at(10 / (24 * 60), 30) * 24 * 60, 10 - 10 / 3);
  });

  it('a little later by chance, and before its end whatever chance says', () => {
    for (const [days, before] of [
      [90, 30],
      [6, 30],
      [1 / 1440, 30],
      [90, 1 / 1440],
    ] as const) {
      const [soonest, latest] = [at(days, before), at(days, before, 0.999_999)];
      assert.ok(soonest < latest && latest < days, `${days} ${before}`);
      assert.ok(latest - soonest <= (days - soonest) / 10);
      assert.ok(latest - soonest <= 0.25);
    }
  });
});

describe('what failed is tried again', () => {
  const delay = (failures: number, leftMs = 0, retryAfterMs = 0, jitter = 0) =>
    retryDelay({ failures, retryAfterMs, leftMs, jitter });

  it('after a minute, then ever later, up to six hours', () => {
    const minutes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1000].map((n) => delay(n) / MINUTE);
    assert.deepEqual(minutes, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
  });

  it('while there is time left, in half of it, though not every second', () => {
    assert.equal(delay(10, 4 * HOUR), 2 * HOUR);
    assert.equal(delay(10, 30 * DAY), 6 * HOUR);
    assert.equal(delay(10, 1000), MINUTE);
    assert.equal(delay(10, -DAY), 6 * HOUR);
  });

  it('no sooner than the directory asked, were it for days, but within a week', () => {
    assert.equal(delay(1, 0, 2 * DAY), 2 * DAY);
    assert.equal(delay(10, 4 * HOUR, 3 * HOUR), 3 * HOUR);
    assert.equal(delay(1, 0, 3650 * DAY), 7 * DAY);
  });

  it('later by chance, never sooner', () => {
    assert.equal(delay(1, 0, 2 * HOUR, 0.5), 2.1 * HOUR);
  });
});

it('Retry-After is seconds or a date, and nothing when it is neither', () => {
  const now = Date.UTC(2030, 0, 1);
  const rows: [string | undefined, number][] = [
    ['120', 120_000],
    [' 7 ', 7000],
    [new Date(now + HOUR).toUTCString(), HOUR],
    [new Date(now - HOUR).toUTCString(), 0],
    ['-5', 0],
    ['soon', 0],
    ['', 0],
    [undefined, 0],
  ];
  for (const [value, ms] of rows) assert.equal(readRetryAfter(value, now), ms, value);
});
