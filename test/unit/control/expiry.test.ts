import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchExpiry } from '../../../src/control/expiry.ts';
import type { ListedCertificate } from '../../../src/plan/listed-certificates.ts';

const DAY = 86_400_000;
const NOW = Date.parse('2030-06-15T12:00:00Z');

const certificate = (name: string, days: number): ListedCertificate => ({
  listener: 'web',
  name,
  hosts: name === 'bare.pem' ? [] : ['a.test', 'b.test'],
  notAfterMs: NOW + days * DAY,
  keyType: 'ec',
});

test('less than 14 days, and none left, are told once a day', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const warnings: string[] = [];
  let nowMs = NOW;
  let certificates = [
    certificate('fine.pem', 15),
    certificate('soon.pem', 13),
    certificate('bare.pem', -3),
  ];
  const watch = watchExpiry({
    certificates: () => certificates,
    onWarning: (message) => warnings.push(message),
    clock: () => nowMs,
  });
  const pass = (hours: number): string[] => {
    for (let hour = 0; hour < hours; hour++) {
      nowMs += 3_600_000;
      t.mock.timers.tick(3_600_000);
    }
    return warnings.splice(0);
  };
  assert.deepEqual(warnings.splice(0), [
    'listener web: the certificate soon.pem for a.test, b.test expires on 2030-06-28 (in 13 days)',
    'listener web: the certificate bare.pem expired on 2030-06-12 (3 days ago): clients refuse it',
  ]);
  assert.deepEqual(pass(23), []);
  assert.equal(pass(1).length, 2);

  certificates = [certificate('fine.pem', 15), certificate('soon.pem', 90)];
  watch.look();
  assert.deepEqual(warnings, []);
  // By now fine.pem has less than 14 days too.
  const later = pass(24);
  assert.equal(later.length, 1);
  assert.match(later[0] ?? '', /fine\.pem .* \(in 14 days\)$/);

  watch.close();
  assert.deepEqual(pass(48), []);
});
