import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKey, murmur3, rehash } from '../../../src/balance/hash.ts';
import { below, createRng } from '../../../src/balance/rng.ts';
import { clientKeyBytes } from '../../../src/contract/address.ts';
import { readVectors } from './vectors.ts';

test('hashes and random numbers are those of the shared vectors', () => {
  const vectors = readVectors('hash');
  assert.ok(vectors.length > 20);
  for (const { line, words } of vectors) {
    const [kind, ...rest] = words;
    if (kind === 'hash') {
      const bytes = Buffer.from(rest[0] === '-' ? '' : rest[0]!, 'hex');
      assert.equal(murmur3(bytes, Number(rest[1])), Number(rest[2]), line);
    } else if (kind === 'rehash') {
      assert.equal(rehash(Number(rest[0]), Number(rest[1])), Number(rest[2]), line);
    } else if (kind === 'rng') {
      const rng = createRng(Number(rest[0]));
      assert.deepEqual(rest.slice(1).map(rng), rest.slice(1).map(Number), line);
    } else {
      assert.fail(`unknown vector: ${line}`);
    }
  }
});

test('a hash sees only the bytes of its view', () => {
  const bytes = Uint8Array.of(9, 127, 0, 0, 1, 9);
  assert.equal(hashKey(bytes.subarray(1, 5)), hashKey(Uint8Array.of(127, 0, 0, 1)));
});

test('an IPv4 client hashes alike on an IPv4 and on a dual-stack listener', () => {
  assert.equal(hashKey(clientKeyBytes('::ffff:10.1.2.3')), hashKey(clientKeyBytes('10.1.2.3')));
  assert.notEqual(hashKey(clientKeyBytes('::10.1.2.3')), hashKey(clientKeyBytes('10.1.2.3')));
});

test('random bits become every number below the limit and never the limit', () => {
  assert.equal(below(0xffff_ffff, 65_537), 65_536);
  assert.equal(below(0, 65_537), 0);
  const rng = createRng(1);
  const seen = new Set(Array.from({ length: 200 }, () => below(rng(), 7)));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5, 6]);
});
