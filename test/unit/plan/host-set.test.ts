import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ALL_DEPTHS,
  hashBackwards,
  hashes,
  KEY_WORDS,
  randomKey,
  toKey,
} from '../../../src/plan/host-hash.ts';
import {
  buildHostSet,
  HostSet,
  HostSetBuilder,
  type HostSetEntry,
  hostSetOf,
  keyOf,
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
      const [entries = '', hex = ''] = rest;
      const bytes = buildHostSet(entriesOf(entries), keyOf(Buffer.from(hex, 'hex')));
      assert.equal(Buffer.from(bytes).toString('hex'), hex, first);
      set = new HostSet(bytes);
      sets++;
    } else {
      assert.equal(set.has(first), rest[0] === 'yes', first);
      asked++;
    }
  }
  assert.ok(sets > 12 && asked > 700);
});

/** As the papers write it, of a name read backwards. */
function hashOf(name: string, key: Uint32Array): number {
  const bytes = Buffer.from(name, 'latin1').reverse();
  const padded = Buffer.alloc(8 * (Math.floor(bytes.length / 8) + 1));
  bytes.copy(padded);
  const words = Array.from(key, BigInt);
  let sum = 0n;
  for (let at = 0; at < padded.length; at += 8) {
    const [even = 0n, odd = 0n] = words.slice(2 + at / 4);
    const low = BigInt.asUintN(32, BigInt(padded.readUInt32LE(at)) + even);
    const high = BigInt.asUintN(32, BigInt(padded.readUInt32LE(at + 4)) + odd);
    sum = BigInt.asUintN(64, sum + low * high);
  }
  sum ^= sum >> 32n;
  const factor = (words[0] ?? 0n) | ((words[1] ?? 0n) << 32n);
  return Number(BigInt.asUintN(64, sum * factor) >> 32n);
}

test('the hash is multiply-shift of folded NH of the name read backwards', () => {
  const text = 'a.bc.~~~.xn--bcher-kva.example'.repeat(9).slice(0, 253);
  const most = toKey(new Uint32Array(KEY_WORDS).fill(0xffff_ffff));
  const least = toKey(new Uint32Array(KEY_WORDS));
  for (const key of [most, least, randomKey(), randomKey(), randomKey()]) {
    for (let length = 1; length <= text.length; length++) {
      const name = text.slice(0, length);
      const depth = hashBackwards(
        Buffer.from(name, 'latin1'),
        0,
        length,
        key,
        ALL_DEPTHS,
        ALL_DEPTHS,
      );
      const labels = name.split('.');
      assert.equal(depth, labels.length);
      for (let last = 1; last <= depth; last++) {
        const suffix = labels.slice(-last).join('.');
        if (suffix !== '') assert.equal(hashes[last], hashOf(suffix, key), `${suffix} of ${name}`);
      }
    }
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
      host: `${'l'.repeat(63)}.${'m'.repeat(63)}.${'n'.repeat(63)}.h${i}.example`,
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

test('names that count up are spread as evenly as others, whatever the key', () => {
  const digits = (i: number): string => String(i).padStart(4, '0');
  for (const nameAt of [
    (i: number) => `host-${digits(i)}.example.com`,
    (i: number) => `${digits(i)}.example`,
    (i: number) => `a${i.toString(26).padStart(3, 'z')}.example.com`,
  ]) {
    let largest = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 60; round++) {
      const builder = new HostSetBuilder();
      for (let i = 0; i < 5000; i++) {
        builder.add({ host: nameAt(i), exact: true, subdomains: false });
      }
      const { length } = builder.finish();
      largest = Math.max(largest, length);
      least = Math.min(least, length);
    }
    assert.equal(largest, least, `with some keys ${nameAt(7)} and its like take more room`);
  }
});

test('a key of another length is refused', () => {
  assert.throws(() => buildHostSet([], new Uint32Array(2)), RangeError);
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
