// A million names in one piece of memory, which both engines read in place; native/plan/host_set is the reader in C++ and
// test/vectors/host-set.txt binds both. Little-endian:
//
//   0  magic              12  depths of names         20  zeros
//   4  names                  that stand for          56  the key of the hash: KEY_WORDS words
//   8  blocks                 themselves             320  blocks of BLOCK bytes
//                         16  of names that stand
//                             for what is below
//
// A block says how many names it has (a byte), of which classes names went on (a bit each in the next byte), and has a
// mark of each name, then the length of each, then the names, one behind the other. A mark is bits of a name's hash above
// two bits of flags; its class is three others. A name's block is (hash * blocks) >> 32; where that has no more room the
// name goes on to the next block, after the last one to the first. So a look-up mostly reads one place in memory.
//
// The key is drawn anew for every set, so that nobody can write a list whose names collide. Bit n of the depths: there is
// a name of n labels, bit 31: of more than 30.

import {
  ALL_DEPTHS,
  DOT,
  depthBit,
  type HashKey,
  hashBackwards,
  hashes,
  isDepthIn,
  KEY_WORDS,
  MAX_NAME,
  randomKey,
  toKey,
} from './host-hash.ts';

const MAGIC = 0x3353_4853;
const KEY = 56;
const HEADER = KEY + 4 * KEY_WORDS;
/** Five lines of a cache, into which one name fits whatever its length. */
const BLOCK = 320;
/** Where marks begin in a block. */
const MARKS = 2;
const MAX_RECORD_BYTES = 2 ** 30;
const EXACT = 1;
const SUBDOMAINS = 2;
/** The bits of a mark that are of the hash. */
const TAG = 0xfc;
/** How full blocks are in the mean, of 1, if that leaves no more than MOST_GO_ON of them without room for a name. */
const FILL = 0.7;
const MOST_GO_ON = 0.25;
/** A name lies in its first block or in one of the next, so many in all. */
const MOST_TRIES = 32;

export interface HostSetEntry {
  /** A name in the form of parseDestinationHost(). */
  readonly host: string;
  /** It stands for itself. */
  readonly exact: boolean;
  /** It stands for everything below it. */
  readonly subdomains: boolean;
}

/** Throws RangeError for what is no name, and for more than a set can hold. */
export function buildHostSet(
  entries: Iterable<HostSetEntry>,
  key: HashKey = randomKey(),
): Uint8Array {
  const builder = new HostSetBuilder(key);
  for (const entry of entries) builder.add(entry);
  return builder.finish();
}

/** The key with which a set was built. */
export function keyOf(bytes: Uint8Array): HashKey {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length === 0 ? 0 : KEY_WORDS }, (_, i) =>
    view.getUint32(KEY + 4 * i, true),
  );
}

/** Reads what buildHostSet() wrote; no bytes at all are the empty set. Throws RangeError for what cannot be one. */
export class HostSet {
  readonly #bytes: Uint8Array;
  readonly #blocks: number;
  readonly #key: HashKey;
  readonly #exactDepths: number;
  readonly #subdomainDepths: number;
  /** Names. */
  readonly size: number;

  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const word = (at: number): number => (bytes.length === 0 ? 0 : view.getUint32(at, true));
    if (bytes.length > 0 && (bytes.length < HEADER || word(0) !== MAGIC)) {
      throw new RangeError('a list out of shape');
    }
    this.#bytes = bytes;
    this.size = word(4);
    this.#blocks = word(8);
    this.#exactDepths = word(12);
    this.#subdomainDepths = word(16);
    this.#key = keyOf(bytes);
  }

  /** Whether `host`, or something that it is below, is in the set. */
  has(host: string): boolean {
    const { length } = host;
    if (this.size === 0 || length === 0 || length > MAX_NAME) return false;
    for (let i = 0; i < length; i++) asked[i] = host.charCodeAt(i);
    const depth = hashBackwards(
      asked,
      0,
      length,
      this.#key,
      this.#subdomainDepths,
      this.#exactDepths,
    );
    let at = length;
    for (let below = 1; below < depth; below++) {
      at = asked.lastIndexOf(DOT, at - 1);
      if (!isDepthIn(this.#subdomainDepths, below)) continue;
      if (this.#holds(at + 1, length, hashes[below] ?? 0, SUBDOMAINS)) return true;
    }
    return isDepthIn(this.#exactDepths, depth) && this.#holds(0, length, hashes[depth] ?? 0, EXACT);
  }

  /** The name is what was asked for, from `from` to `to`. */
  #holds(from: number, to: number, hash: number, flag: number): boolean {
    for (let block = firstBlock(hash, this.#blocks); ; block = (block + 1) % this.#blocks) {
      const at = blockAt(block);
      const count = this.#bytes[at] ?? 0;
      const lengths = at + MARKS + count;
      let name = lengths + count;
      for (let i = 0; i < count; i++) {
        const mark = this.#bytes[at + MARKS + i] ?? 0;
        const length = this.#bytes[lengths + i] ?? 0;
        const isTagged = ((mark ^ markOf(hash, 0)) & TAG) === 0 && length === to - from;
        if (isTagged && isSameName(this.#bytes, name, asked, from, to)) return (mark & flag) !== 0;
        name += length;
      }
      if (((this.#bytes[at + 1] ?? 0) & classOf(hash)) === 0) return false;
    }
  }
}

const known = new WeakMap<Uint8Array, HostSet>();

/** The reader of a plan's list, made when it is first asked for. */
export function hostSetOf(bytes: Uint8Array): HostSet {
  const found = known.get(bytes);
  if (found !== undefined) return found;
  const made = new HostSet(bytes);
  known.set(bytes, made);
  return made;
}

/** Where a set's names are to lie. */
interface Shelving {
  /** The classes of which names went on, of each block. Of one at least there are none: there every look-up ends. */
  readonly wentOn: Uint8Array;
  /** The block of each name. */
  readonly places: Uint32Array;
}

/** Gathers records, each name once, in a table that doubles; lays them out in blocks at the end. */
export class HostSetBuilder {
  readonly #key: HashKey;
  #records = new Uint8Array(1 << 16);
  #used = 0;
  #count = 0;
  /** Of each name. */
  #hashes = new Uint32Array(1 << 10);
  #offsets = new Uint32Array(1 << 10);
  /** 0, or 1 + the number of a name. */
  #table = new Uint32Array(1 << 11);
  #exactDepths = 0;
  #subdomainDepths = 0;

  constructor(key: HashKey = randomKey()) {
    this.#key = toKey(key);
  }

  /** Throws RangeError for what is no name, and for more than a set can hold. */
  add({ host, exact, subdomains }: HostSetEntry): void {
    const flags = (exact ? EXACT : 0) | (subdomains ? SUBDOMAINS : 0);
    const { length } = host;
    if (length === 0 || length > MAX_NAME)
      throw new RangeError(`${host} is not the name of a host`);
    if (this.#used + 2 + length > this.#records.length) this.#growRecords();
    // Written where the next record would begin, and kept there only if it is new.
    const record = this.#used;
    const name = record + 2;
    for (let i = 0; i < length; i++) {
      const code = host.charCodeAt(i);
      if (code <= 0x20 || code > 0x7e) throw new RangeError(`${host} is not the name of a host`);
      this.#records[name + i] = code;
    }
    const depth = hashBackwards(this.#records, name, name + length, this.#key, 0, ALL_DEPTHS);
    const hash = hashes[depth] ?? 0;
    if ((flags & EXACT) !== 0) this.#exactDepths |= depthBit(depth);
    if ((flags & SUBDOMAINS) !== 0) this.#subdomainDepths |= depthBit(depth);
    const at = this.#find(hash, name, name + length);
    const found = this.#table[at] ?? 0;
    if (found !== 0) {
      const its = this.#offsets[found - 1] ?? 0;
      this.#records[its] = (this.#records[its] ?? 0) | flags;
      return;
    }
    this.#records[record] = markOf(hash, flags);
    this.#records[record + 1] = length;
    this.#used += 2 + length;
    if (this.#count === this.#hashes.length) this.#growNames();
    this.#hashes[this.#count] = hash;
    this.#offsets[this.#count] = record;
    this.#count++;
    this.#table[at] = this.#count;
    if (2 * this.#count > this.#table.length) this.#growTable();
  }

  finish(): Uint8Array {
    const least = Math.ceil(this.#used / (FILL * BLOCK)) + 1;
    for (let blocks = least; ; blocks += Math.ceil(blocks / 8)) {
      const shelving = this.#shelve(blocks);
      if (shelving !== undefined) return this.#layOut(shelving);
    }
  }

  /** Undefined when so many blocks are too few. */
  #shelve(blocks: number): Shelving | undefined {
    const room = new Uint16Array(blocks).fill(BLOCK - MARKS);
    const wentOn = new Uint8Array(blocks);
    const places = new Uint32Array(this.#count);
    for (let i = 0; i < this.#count; i++) {
      const bytes = 2 + this.#lengthOf(i);
      const hash = this.#hashes[i] ?? 0;
      let block = firstBlock(hash, blocks);
      for (let tries = 1; bytes > (room[block] ?? 0); tries++) {
        if (tries === MOST_TRIES) return undefined;
        wentOn[block] = (wentOn[block] ?? 0) | classOf(hash);
        block = (block + 1) % blocks;
      }
      room[block] = (room[block] ?? 0) - bytes;
      places[i] = block;
    }
    const going = wentOn.reduce((sum, classes) => sum + (classes === 0 ? 0 : 1), 0);
    return going <= MOST_GO_ON * blocks ? { wentOn, places } : undefined;
  }

  #layOut({ wentOn, places }: Shelving): Uint8Array {
    const blocks = wentOn.length;
    const out = new Uint8Array(HEADER + BLOCK * blocks);
    const view = new DataView(out.buffer);
    const header = [MAGIC, this.#count, blocks, this.#exactDepths, this.#subdomainDepths];
    for (const [i, word] of header.entries()) view.setUint32(4 * i, word, true);
    for (const [i, word] of this.#key.entries()) view.setUint32(KEY + 4 * i, word, true);
    // Counts first: where lengths and names begin depends on them.
    for (const [block, classes] of wentOn.entries()) out[blockAt(block) + 1] = classes;
    for (const place of places) out[blockAt(place)] = (out[blockAt(place)] ?? 0) + 1;
    // How many names each block has got, and how long they are together.
    const counts = new Uint8Array(blocks);
    const used = new Uint16Array(blocks);
    for (const [i, place] of places.entries()) {
      const [count = 0, before = 0] = [counts[place], used[place]];
      const record = this.#offsets[i] ?? 0;
      const length = this.#lengthOf(i);
      const marks = blockAt(place) + MARKS;
      const lengths = marks + (out[blockAt(place)] ?? 0);
      const names = lengths + (out[blockAt(place)] ?? 0);
      out[marks + count] = this.#records[record] ?? 0;
      out[lengths + count] = length;
      out.set(this.#records.subarray(record + 2, record + 2 + length), names + before);
      counts[place] = count + 1;
      used[place] = before + length;
    }
    return out;
  }

  #lengthOf(number: number): number {
    return this.#records[(this.#offsets[number] ?? 0) + 1] ?? 0;
  }

  /** Where a name is in the table, or is to be. */
  #find(hash: number, from: number, to: number): number {
    const mask = this.#table.length - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const number = this.#table[i] ?? 0;
      if (number === 0) return i;
      if (this.#hashes[number - 1] !== hash) continue;
      const name = (this.#offsets[number - 1] ?? 0) + 2;
      const isAsLong = this.#lengthOf(number - 1) === to - from;
      if (isAsLong && isSameName(this.#records, name, this.#records, from, to)) return i;
    }
  }

  #growRecords(): void {
    if (this.#records.length >= MAX_RECORD_BYTES) throw new RangeError('too many names for a list');
    const bigger = new Uint8Array(2 * this.#records.length);
    bigger.set(this.#records);
    this.#records = bigger;
  }

  #growNames(): void {
    const [hashes, offsets] = [this.#hashes, this.#offsets];
    this.#hashes = new Uint32Array(2 * hashes.length);
    this.#hashes.set(hashes);
    this.#offsets = new Uint32Array(2 * offsets.length);
    this.#offsets.set(offsets);
  }

  #growTable(): void {
    const table = new Uint32Array(2 * this.#table.length);
    const mask = table.length - 1;
    for (let i = 0; i < this.#count; i++) {
      let at = (this.#hashes[i] ?? 0) & mask;
      while (table[at] !== 0) at = (at + 1) & mask;
      table[at] = i + 1;
    }
    this.#table = table;
  }
}

/** floor(hash * blocks / 2^32), in parts that a double holds exactly. */
function firstBlock(hash: number, blocks: number): number {
  const low = Math.floor(((hash & 0xffff) * blocks) / 0x1_0000);
  return Math.floor(((hash >>> 16) * blocks + low) / 0x1_0000);
}

/** Where a block begins in the bytes of a set. */
function blockAt(block: number): number {
  return HEADER + BLOCK * block;
}

/** The lowest bits of the hash, of which its block says the least, above the flags. */
function markOf(hash: number, flags: number): number {
  return ((hash << 2) & TAG) | flags;
}

/** One of eight bits, by bits of the hash that are not in its mark. */
function classOf(hash: number): number {
  return 1 << ((hash >>> 6) & 7);
}

/** Whether the name at `name` among `names` is that of `bytes` from `from` to `to`, which is as long. */
function isSameName(
  names: Uint8Array,
  name: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): boolean {
  for (let i = from, at = name; i < to; i++, at++) {
    if (names[at] !== bytes[i]) return false;
  }
  return true;
}

/** The host that is being looked for. */
const asked = new Uint8Array(MAX_NAME);
