import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressClass } from '../../../src/plan/address-class.ts';
import { readVectors } from './vectors.ts';

test('addresses have the classes that the shared vectors give', () => {
  const vectors = readVectors('address-class');
  for (const [host = '', expected] of vectors) {
    assert.equal(addressClass(host.includes(':') ? 'ipv6' : 'ipv4', host), expected, host);
  }
  assert.ok(vectors.length > 150);
});
