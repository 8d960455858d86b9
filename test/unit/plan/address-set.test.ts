import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { test } from 'node:test';
import { createRng } from '../../../src/balance/rng.ts';
import { AddressSet, addressSetOf } from '../../../src/plan/address-set.ts';
import type { Cidr } from '../../../src/plan/plan.ts';

function cidrOf(text: string): Cidr {
  const [host = '', bits] = text.split('/');
  return { family: host.includes(':') ? 'ipv6' : 'ipv4', host, bits: Number(bits) };
}

const setOf = (...blocks: string[]): AddressSet => new AddressSet(blocks.map(cidrOf));

test('a set of addresses holds what is in its blocks, to both ends', () => {
  const set = setOf('10.0.0.0/8', '192.0.2.7/32', '2001:db8::/33', '::1/128');
  for (const inside of ['10.0.0.0', '10.255.255.255', '192.0.2.7', '2001:db8::', '::1']) {
    assert.ok(set.has(inside), inside);
  }
  assert.ok(set.has('2001:db8:7fff:ffff:ffff:ffff:ffff:ffff'));
  for (const outside of ['9.255.255.255', '11.0.0.0', '192.0.2.6', '192.0.2.8', '::', '::2']) {
    assert.ok(!set.has(outside), outside);
  }
  assert.ok(!set.has('2001:db8:8000::'));
});

test('an IPv4-mapped address is looked up as IPv4, and other embeddings are not', () => {
  const set = setOf('10.0.0.0/8', '64:ff9b::/96');
  assert.ok(set.has('::ffff:10.1.2.3'));
  assert.ok(!set.has('::10.1.2.3'));
  assert.ok(set.has('64:ff9b::10.1.2.3'));
});

test('everything, nothing, and what is no address', () => {
  assert.ok(setOf('0.0.0.0/0').has('255.255.255.255'));
  assert.ok(!setOf('0.0.0.0/0').has('::1'));
  assert.ok(setOf('::/0').has('ffff::'));
  assert.ok(!setOf().has('10.0.0.1'));
  assert.ok(!setOf('0.0.0.0/0', '::/0').has(''));
});

test('blocks within and beside each other hold what Node says that they hold', () => {
  const random = createRng(7);
  const byte = (): number => (random() >>> 8) & 255;
  const hosts = (isIpv6: boolean): string =>
    isIpv6
      ? `2001:db8:${byte() & 3}:${byte().toString(16)}::`
      : `10.${byte() & 3}.${byte()}.${byte()}`;
  const blocks = Array.from({ length: 300 }, (_, i): Cidr => {
    const isIpv6 = i % 2 === 1;
    const bits = isIpv6 ? 61 + (byte() % 4) : 21 + (byte() % 12);
    return { family: isIpv6 ? 'ipv6' : 'ipv4', host: hosts(isIpv6), bits };
  });
  const list = new BlockList();
  for (const { family, host, bits } of blocks) list.addSubnet(host, bits, family);
  const set = new AddressSet(blocks.map(masked));
  let inside = 0;
  for (let i = 0; i < 3000; i++) {
    const host = hosts(i % 2 === 1);
    const expected = list.check(host, i % 2 === 1 ? 'ipv6' : 'ipv4');
    assert.equal(set.has(host), expected, host);
    inside += expected ? 1 : 0;
  }
  assert.ok(inside > 300 && inside < 2700, String(inside));
});

/** As configurations have them: no bit set beyond the prefix. */
function masked({ family, host, bits }: Cidr): Cidr {
  if (family === 'ipv4') {
    const number = host.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    const kept = Math.floor(number / 2 ** (32 - bits)) * 2 ** (32 - bits);
    const text = [24, 16, 8, 0].map((shift) => Math.floor(kept / 2 ** shift) % 256).join('.');
    return { family, host: text, bits };
  }
  const words =
    host
      .split('::')[0]
      ?.split(':')
      .map((word) => Number.parseInt(word, 16)) ?? [];
  const kept = words.map((word, i) => {
    const missing = Math.min(16, Math.max(0, 16 * (i + 1) - bits));
    return ((word >> missing) << missing).toString(16);
  });
  return { family, host: `${kept.join(':')}::`, bits };
}

test('a set is made once for the blocks of a plan', () => {
  const blocks = [cidrOf('10.0.0.0/8')];
  assert.equal(addressSetOf(blocks), addressSetOf(blocks));
});
