// What an address is, as far as a forward proxy cares: whatever is not public is refused unless permitted. From IANA's
// registries of special-purpose addresses, and strict where they are lax: what IANA has not given out is reserved.
// Pure; native/policy/address_class does the same, and test/vectors/address-class.txt binds both.
import { addressBytes } from '../contract/address.ts';
import type { AddressClass } from '../contract/codes.ts';

type Row = readonly [first: string, bits: number, what: AddressClass];

/** The first row that holds the address decides. */
const IPV4: readonly Row[] = [
  ['127.0.0.0', 8, 'loopback'],
  ['10.0.0.0', 8, 'private'],
  ['172.16.0.0', 12, 'private'],
  ['192.168.0.0', 16, 'private'],
  ['100.64.0.0', 10, 'private'],
  ['198.18.0.0', 15, 'private'],
  ['169.254.0.0', 16, 'link-local'],
  // Azure answers each of its machines by itself there: what 169.254.169.254 is to others.
  ['168.63.129.16', 32, 'link-local'],
  ['224.0.0.0', 4, 'multicast'],
  ['240.0.0.0', 4, 'reserved'],
  ['0.0.0.0', 8, 'reserved'],
  ['192.0.0.0', 24, 'reserved'],
  ['192.0.2.0', 24, 'reserved'],
  ['198.51.100.0', 24, 'reserved'],
  ['203.0.113.0', 24, 'reserved'],
  ['192.88.99.0', 24, 'reserved'],
];

/** Addresses with an IPv4 address in them: what they lead to is what counts. */
interface Embedding {
  readonly prefix: Row;
  /** Where the IPv4 address begins. */
  readonly at: number;
  /** Every bit of it is turned round. */
  readonly isInverted?: boolean;
}

const IPV6: readonly (Row | Embedding)[] = [
  ['::', 128, 'reserved'],
  ['::1', 128, 'loopback'],
  // IPv4-compatible, IPv4-mapped, IPv4-translated.
  { prefix: ['::', 96, 'reserved'], at: 12 },
  { prefix: ['::ffff:0:0', 96, 'reserved'], at: 12 },
  { prefix: ['::ffff:0:0:0', 96, 'reserved'], at: 12 },
  // NAT64: the well-known prefix, and those of one network.
  { prefix: ['64:ff9b::', 96, 'public'], at: 12 },
  { prefix: ['64:ff9b:1::', 48, 'reserved'], at: 12 },
  // 6to4, and the client of Teredo.
  { prefix: ['2002::', 16, 'reserved'], at: 2 },
  { prefix: ['2001::', 32, 'reserved'], at: 12, isInverted: true },
  ['2001::', 23, 'reserved'],
  ['2001:db8::', 32, 'reserved'],
  ['3fff::', 20, 'reserved'],
  // All that IANA gives out as global unicast.
  ['2000::', 3, 'public'],
  ['fc00::', 7, 'private'],
  ['fe80::', 10, 'link-local'],
  ['fec0::', 10, 'link-local'],
  ['ff00::', 8, 'multicast'],
];

const prefixOf = ([first, bits]: Row): { readonly bytes: Uint8Array; readonly bits: number } => ({
  bytes: addressBytes(first.includes(':') ? 'ipv6' : 'ipv4', first),
  bits,
});
const IPV4_RULES = IPV4.map((row) => ({ ...prefixOf(row), what: row[2] }));
const IPV6_RULES = IPV6.map((row) =>
  'prefix' in row
    ? { ...prefixOf(row.prefix), what: row.prefix[2], embedding: row }
    : { ...prefixOf(row), what: row[2], embedding: null },
);

export function addressClass(family: 'ipv4' | 'ipv6', host: string): AddressClass {
  const bytes = addressBytes(family, host);
  return family === 'ipv4' ? ipv4Class(bytes) : ipv6Class(bytes);
}

function ipv4Class(bytes: Uint8Array): AddressClass {
  return IPV4_RULES.find((rule) => begins(bytes, rule))?.what ?? 'public';
}

function ipv6Class(bytes: Uint8Array): AddressClass {
  const rule = IPV6_RULES.find((one) => begins(bytes, one));
  if (rule === undefined) return 'reserved';
  if (rule.embedding === null) return rule.what;
  const { at, isInverted } = rule.embedding;
  const inside = bytes.slice(at, at + 4);
  const found = ipv4Class(isInverted === true ? inside.map((byte) => byte ^ 255) : inside);
  return found === 'public' ? rule.what : found;
}

function begins(
  address: Uint8Array,
  { bytes, bits }: { readonly bytes: Uint8Array; readonly bits: number },
): boolean {
  for (let i = 0; 8 * i < bits; i++) {
    const mask = (0xff00 >> Math.min(8, bits - 8 * i)) & 255;
    if ((((address[i] ?? 0) ^ (bytes[i] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}
