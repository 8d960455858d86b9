// Blocks of addresses, found by binary search: lists have a hundred thousand of them. Pure; native/plan/address_set is
// its like.
import { addressBytes, clientKeyBytes } from '../contract/address.ts';
import type { Cidr } from './plan.ts';

/** Both ends included. IPv4 as numbers, IPv6 as 32 digits, which compare as they should. */
type Range<T> = readonly [first: T, last: T];

export class AddressSet {
  readonly #ipv4: readonly Range<number>[];
  readonly #ipv6: readonly Range<string>[];

  constructor(blocks: readonly Cidr[]) {
    const ranges = blocks.map((block) => ({ block, range: rangeOf(block) }));
    const of = (family: Cidr['family']) =>
      ranges.filter(({ block }) => block.family === family).map(({ range }) => range);
    this.#ipv4 = joined(of('ipv4').map(([a, b]): Range<number> => [numberOf(a), numberOf(b)]));
    this.#ipv6 = joined(of('ipv6').map(([a, b]): Range<string> => [digitsOf(a), digitsOf(b)]));
  }

  /** `host` is the text of an address; an IPv4-mapped one counts as IPv4. False for what is none. */
  has(host: string): boolean {
    const bytes = clientKeyBytes(host);
    if (bytes.length === 4) return holds(this.#ipv4, numberOf(bytes));
    return bytes.length === 16 && holds(this.#ipv6, digitsOf(bytes));
  }
}

const known = new WeakMap<readonly Cidr[], AddressSet>();

/** The set of blocks of a plan, made when it is first asked for. */
export function addressSetOf(blocks: readonly Cidr[]): AddressSet {
  const found = known.get(blocks);
  if (found !== undefined) return found;
  const made = new AddressSet(blocks);
  known.set(blocks, made);
  return made;
}

function rangeOf({ family, host, bits }: Cidr): Range<Uint8Array> {
  const first = addressBytes(family, host);
  const last = first.map((byte, i) => byte | (0xff >> Math.min(8, Math.max(0, bits - 8 * i))));
  return [first, last];
}

const numberOf = (bytes: Uint8Array): number =>
  bytes.reduce((number, byte) => number * 256 + byte, 0);

const digitsOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** In order, and none reaches into the next. */
function joined<T extends number | string>(ranges: readonly Range<T>[]): readonly Range<T>[] {
  const sorted = ranges.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const out: Range<T>[] = [];
  for (const range of sorted) {
    const before = out.at(-1);
    if (before === undefined || before[1] < range[0]) out.push(range);
    else if (before[1] < range[1]) out[out.length - 1] = [before[0], range[1]];
  }
  return out;
}

function holds<T extends number | string>(ranges: readonly Range<T>[], address: T): boolean {
  let low = 0;
  let high = ranges.length;
  // The first range that begins beyond the address.
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle];
    if (range !== undefined && range[0] <= address) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low - 1];
  return range !== undefined && address <= range[1];
}
