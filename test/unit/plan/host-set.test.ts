import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashBackwards, hashes } from '../../../src/plan/host-hash.ts';
import {
  buildHostSet,
  HostSet,
  HostSetBuilder,
  type HostSetEntry,
  hostSetOf,
} from '../../../src/plan/host-set.ts';
import { readVectors } from './vectors.ts';

function entryOf(text: string): HostSetEntry {
  if (text.startsWith('*.')) return { host: text.slice(2), exact: false, subdomains: true };
  if (text.startsWith('.')) return { host: text.slice(1), exact: true, subdomains: true };
  return { host: text, exact: true, subdomains: false };
}

const entriesOf = (text: string): HostSetEntry[] => text.split(' ').filter(Boolean).map(entryOf);

test('sets have the bytes and hold the hosts that the shared vectors say', () => {
  let set = new HostSet(new Uint8Array(0));
  let [sets, asked] = [0, 0];
  for (const [what, first = '', ...rest] of readVectors('host-set')) {
    if (what === 'set') {
      const [key0, key1, entries = '', hex] = rest;
      const bytes = buildHostSet(entriesOf(entries), [Number(key0), Number(key1)]);
      assert.equal(Buffer.from(bytes).toString('hex'), hex, first);
      set = new HostSet(bytes);
      sets++;
    } else {
      assert.equal(set.has(first), rest[0] === 'yes', first);
      asked++;
    }
  }
  assert.ok(sets > 7 && asked > 150);
});

test('the hash is HalfSipHash-1-3 of the name read backwards', () => {
  // Of Linux, lib/tests/siphash_kunit.c: key 00 01 … 07, of no byte, of 00, of 00 01, and so on.
  const expected = [
    ...[0x5814c896, 0xe7e864ca, 0xbc4b0e30, 0x01539939, 0x7e059ea6, 0x88e3d89b, 0xa0080b65],
    ...[0x9d38d9d6, 0x577999b1, 0xc839caed, 0xe4fa32cf, 0x959246ee, 0x6b28096c, 0x66dd9cd6],
    ...[0x16658a7c, 0xd0257b04],
  ];
  for (const [length, value] of expected.entries()) {
    const bytes = Uint8Array.from({ length }, (_, i) => length - 1 - i);
    const depth = hashBackwards(bytes, 0, length, [0x03020100, 0x07060504], 0);
    assert.equal(depth, 1);
    assert.equal(hashes[depth], value, `of ${length} bytes`);
  }
});

test('a set holds what plain maps hold, whatever its key', () => {
  const labels = ['a', 'b', 'ads', 'example', 'com', 'x-y', '_z'];
  const words = (n: number): string => {
    const parts: string[] = [];
    for (let rest = n; rest > 0; rest = Math.floor(rest / labels.length)) {
      parts.push(labels[rest % labels.length] ?? '');
    }
    return parts.join('.');
  };
  const entries = Array.from({ length: 400 }, (_, i): HostSetEntry => {
    return { host: words(i * 7 + 1), exact: i % 3 !== 0, subdomains: i % 2 === 0 };
  }).filter(({ exact, subdomains }) => exact || subdomains);
  const exact = new Set(entries.filter((one) => one.exact).map(({ host }) => host));
  const below = new Set(entries.filter((one) => one.subdomains).map(({ host }) => host));
  const isHeld = (host: string): boolean => {
    const parts = host.split('.');
    return exact.has(host) || parts.some((_, i) => i > 0 && below.has(parts.slice(i).join('.')));
  };
  for (let round = 0; round < 5; round++) {
    const set = new HostSet(buildHostSet(entries));
    assert.equal(set.size, new Set(entries.map(({ host }) => host)).size);
    for (let i = 1; i < 3000; i++) assert.equal(set.has(words(i)), isHeld(words(i)), words(i));
  }
});

test('names so long that a block has room for one take as many blocks as they need', () => {
  const entries = Array.from({ length: 300 }, (_, i) => {
    return {
      host: `${'l'.repeat(63)}.${'m'.repeat(63)}.h${i}.example`,
      exact: true,
      subdomains: false,
    };
  });
  const set = new HostSet(buildHostSet(entries));
  for (const { host } of entries) {
    assert.equal(set.has(host), true);
    assert.equal(set.has(host.slice(1)), false);
  }
});

test('every set has a key of its own', () => {
  const entries = entriesOf('a.example b.example c.example');
  assert.notDeepEqual(buildHostSet(entries), buildHostSet(entries));
});

test('a reader is made once a list', () => {
  const bytes = buildHostSet(entriesOf('a.example'));
  assert.equal(hostSetOf(bytes), hostSetOf(bytes));
});

test('what is no name is refused when a set is built', () => {
  for (const host of ['', 'a b', 'b\u00fccher', 'a\n', 'a'.repeat(254)]) {
    const builder = new HostSetBuilder();
    assert.throws(() => builder.add({ host, exact: true, subdomains: false }), RangeError);
  }
});

test('bytes that are no set are refused', () => {
  assert.throws(() => new HostSet(new Uint8Array(20)), /a list out of shape/);
  assert.throws(() => new HostSet(new Uint8Array(400)), /a list out of shape/);
});

test('a million names take at most 40 bytes each, all included', () => {
  const count = 1_000_000;
  const builder = new HostSetBuilder();
  const hostAt = (i: number): string =>
    `${((i * 2_654_435_761) % 4_294_967_296).toString(36)}.${i % 3 === 0 ? 'ads.' : ''}s${i % 4099}.example`;
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    const host = hostAt(i);
    bytes += host.length;
    builder.add({ host, exact: true, subdomains: i % 2 === 0 });
  }
  const built = builder.finish();
  const set = new HostSet(built);
  assert.equal(set.size, count);
  assert.ok(bytes / count > 20, 'names as long as those of lists that people use');
  assert.ok(built.length <= 40 * count, `${built.length / count} bytes a name`);
  for (let i = 0; i < count; i += 997) {
    assert.equal(set.has(hostAt(i)), true);
    assert.equal(set.has(`www.${hostAt(i)}`), i % 2 === 0);
    assert.equal(set.has(`x${hostAt(i)}`), false);
  }
});
