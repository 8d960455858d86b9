// A million names in one piece of memory, which both engines read in place; native/plan/host_set is the reader in C++ and
// test/vectors/host-set.txt binds both. Little-endian:
//
//   0  magic            16  key, two words        32  depths of names that stand for what is below them
//   4  names            24  bytes of records      36  0
//   8  slots            28  depths of names that stand for themselves
//   12 offset bits      40  slots, then records, then PADDING zero bytes
//
// A record is a length, flags, and the name. A slot is 0, or 1 + the offset of a record in its lower `offset bits` and
// bits of the name's hash in those above. A name's first slot is (hash * slots) >> 32; it lies there or in one of the
// slots that follow without a gap, round the end. The hash is HalfSipHash-1-3 of the name read backwards, so that one
// pass over a host hashes everything that it ends with; its key is drawn anew for every set, so that nobody can write a
// list whose names collide. Bit n of the depths: there is a name of n labels, bit 31: of more than 30.

import {
  DOT,
  depthBit,
  type HashKey,
  hashBackwards,
  hashes,
  isDepthIn,
  MAX_NAME,
} from './host-hash.ts';

const MAGIC = 0x3153_4853;
const HEADER = 40;
/** Whatever a slot says, a record is read within the set. */
const PADDING = 256;
const MAX_RECORD_BYTES = 2 ** 30;
const EXACT = 1;
const SUBDOMAINS = 2;
/** Half of the slots are empty, so that a name that is not there is missed after two or three. */
const SLOTS_PER_NAME = 2;

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

/** Reads what buildHostSet() wrote; no bytes at all are the empty set. Throws RangeError for other bytes. */
export class HostSet {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #slots: number;
  readonly #offsetBits: number;
  readonly #records: number;
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
    this.#view = view;
    this.size = word(4);
    this.#slots = word(8);
    this.#offsetBits = word(12);
    this.#key = [word(16), word(20)];
    this.#exactDepths = word(28);
    this.#subdomainDepths = word(32);
    this.#records = HEADER + 4 * this.#slots;
  }

  /** Whether `host`, or something that it is below, is in the set. */
  has(host: string): boolean {
    const { length } = host;
    if (this.size === 0 || length === 0 || length > MAX_NAME) return false;
    for (let i = 0; i < length; i++) asked[i] = host.charCodeAt(i);
    const depth = hashBackwards(asked, 0, length, this.#key, this.#subdomainDepths);
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
    const tag = tagOf(hash, this.#offsetBits);
    let at = firstSlot(hash, this.#slots);
    for (;;) {
      const slot = this.#view.getUint32(HEADER + 4 * at, true);
      if (slot === 0) return false;
      if (slot >>> this.#offsetBits === tag) {
        const record = this.#records + (slot & (2 ** this.#offsetBits - 1)) - 1;
        if (isSameName(this.#bytes, record, asked, from, to)) {
          return ((this.#bytes[record + 1] ?? 0) & flag) !== 0;
        }
      }
      at = at + 1 === this.#slots ? 0 : at + 1;
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

/** Gathers records, each name once, in a table that doubles; lays the slots out at the end. */
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
    this.#key = key;
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
    const depth = hashBackwards(this.#records, name, name + length, this.#key, 0);
    const hash = hashes[depth] ?? 0;
    if ((flags & EXACT) !== 0) this.#exactDepths |= depthBit(depth);
    if ((flags & SUBDOMAINS) !== 0) this.#subdomainDepths |= depthBit(depth);
    const at = this.#find(hash, name, name + length);
    const found = this.#table[at] ?? 0;
    if (found !== 0) {
      const its = this.#offsets[found - 1] ?? 0;
      this.#records[its + 1] = (this.#records[its + 1] ?? 0) | flags;
      return;
    }
    this.#records[record] = length;
    this.#records[record + 1] = flags;
    this.#used += 2 + length;
    if (this.#count === this.#hashes.length) this.#growNames();
    this.#hashes[this.#count] = hash;
    this.#offsets[this.#count] = record;
    this.#count++;
    this.#table[at] = this.#count;
    if (2 * this.#count > this.#table.length) this.#growTable();
  }

  finish(): Uint8Array {
    const slots = Math.max(2, SLOTS_PER_NAME * this.#count);
    const offsetBits = 32 - Math.clz32(Math.max(1, this.#used));
    const records = HEADER + 4 * slots;
    const out = new Uint8Array(records + this.#used + PADDING);
    const view = new DataView(out.buffer);
    const header = [
      ...[MAGIC, this.#count, slots, offsetBits, ...this.#key, this.#used],
      ...[this.#exactDepths, this.#subdomainDepths],
    ];
    for (const [i, word] of header.entries()) view.setUint32(4 * i, word, true);
    for (let i = 0; i < this.#count; i++) {
      const hash = this.#hashes[i] ?? 0;
      let at = firstSlot(hash, slots);
      while (view.getUint32(HEADER + 4 * at, true) !== 0) at = at + 1 === slots ? 0 : at + 1;
      const slot = ((hash << offsetBits) | ((this.#offsets[i] ?? 0) + 1)) >>> 0;
      view.setUint32(HEADER + 4 * at, slot, true);
    }
    out.set(this.#records.subarray(0, this.#used), records);
    return out;
  }

  /** Where a name is in the table, or is to be. */
  #find(hash: number, from: number, to: number): number {
    const mask = this.#table.length - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const number = this.#table[i] ?? 0;
      if (number === 0) return i;
      if (this.#hashes[number - 1] !== hash) continue;
      const record = this.#offsets[number - 1] ?? 0;
      if (isSameName(this.#records, record, this.#records, from, to)) return i;
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

/** floor(hash * slots / 2^32), in parts that a double holds exactly. */
function firstSlot(hash: number, slots: number): number {
  const low = Math.floor(((hash & 0xffff) * slots) / 0x1_0000);
  return Math.floor(((hash >>> 16) * slots + low) / 0x1_0000);
}

/** The lower bits of a hash, as many as a slot has room for. */
function tagOf(hash: number, offsetBits: number): number {
  return (hash << offsetBits) >>> offsetBits;
}

function isSameName(
  records: Uint8Array,
  record: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): boolean {
  if (records[record] !== to - from) return false;
  for (let i = from, at = record + 2; i < to; i++, at++) {
    if (records[at] !== bytes[i]) return false;
  }
  return true;
}

function randomKey(): HashKey {
  const [a = 0, b = 0] = crypto.getRandomValues(new Uint32Array(2));
  return [a, b];
}

/** The host that is being looked for. */
const asked = new Uint8Array(MAX_NAME);
