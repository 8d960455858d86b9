// The hash of host-set.ts: of names read backwards, so that one pass over a host hashes everything that it ends with.
// NH of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway, 1999) to 64 bits, of which multiply-shift (Dietzfelbinger, 1997)
// leaves 32: two names, whoever chose them without the key, hardly ever meet. Between the two the upper half is folded
// into the lower one, because a line of numbers stays one in both, and a line may fall upon few places. Pure;
// native/plan/host_set.cc has the same.
//
// Eight bytes at a time are two words, little-endian; the last of them are filled up with zeros, and there are always
// such last ones, if only zeros. Each word has a key word added, both are multiplied, and all products are added up.

/** Two words that make an odd factor, the lower one first, and a word for every four bytes of the longest name. */
export type HashKey = Uint32Array;

export const MAX_NAME = 253;
export const DOT = 0x2e;
const FACTOR_WORDS = 2;
export const KEY_WORDS = FACTOR_WORDS + 2 * (Math.floor(MAX_NAME / 8) + 1);

export function randomKey(): HashKey {
  return toKey(crypto.getRandomValues(new Uint32Array(KEY_WORDS)));
}

/** Of KEY_WORDS words, of which it makes the factor odd. Throws RangeError for fewer or more. */
export function toKey(words: Uint32Array): HashKey {
  if (words.length !== KEY_WORDS) throw new RangeError(`a key has ${KEY_WORDS} words`);
  return words.map((word, i) => (i === 0 ? word | 1 : word));
}

/** Masks have a bit for each depth; the last one stands for all that are deeper. */
export function depthBit(depth: number): number {
  return (1 << Math.min(depth, 31)) >>> 0;
}

/** A mask with every depth in it. */
export const ALL_DEPTHS = 0xffff_ffff;

export function isDepthIn(depths: number, depth: number): boolean {
  return (depths & depthBit(depth)) !== 0;
}

/** Whether there is any depth in it from `depth` on. */
export function isAnyFrom(depths: number, depth: number): boolean {
  return depths >>> Math.min(depth, 31) !== 0;
}

/** By depth: of the last so many labels of what was hashed last. */
export const hashes = new Uint32Array(MAX_NAME + 2);

/**
 * Of the bytes from `to` down to `from`, into `hashes`: of those behind each dot
 * whose depth is in `below`, and of all of them where theirs is in `whole`. Gives
 * the number of labels; where neither has a depth from some point on, that depth.
 */
export function hashBackwards(
  bytes: Uint8Array,
  from: number,
  to: number,
  key: HashKey,
  below: number,
  whole: number,
): number {
  let sumLow = 0;
  let sumHigh = 0;
  let even = 0;
  let odd = 0;
  let depth = 1;
  let at = FACTOR_WORDS;
  for (let i = to - 1, nth = 0; i >= from; i--) {
    const byte = bytes[i] ?? 0;
    if (byte === DOT) {
      if (isDepthIn(below, depth)) hashes[depth] = finish(sumLow, sumHigh, even, odd, key, at);
      depth++;
      if (!isAnyFrom(below | whole, depth)) return depth;
    }
    if (nth < 4) even |= byte << (8 * nth);
    else odd |= byte << (8 * (nth - 4));
    if (++nth < 8) continue;
    const a = (even + (key[at] ?? 0)) | 0;
    const b = (odd + (key[at + 1] ?? 0)) | 0;
    const low = Math.imul(a, b);
    sumLow = (sumLow + low) | 0;
    sumHigh = (sumHigh + highOf(a, b) + carryOf(sumLow, low)) | 0;
    even = 0;
    odd = 0;
    nth = 0;
    at += 2;
  }
  if (isDepthIn(whole, depth)) hashes[depth] = finish(sumLow, sumHigh, even, odd, key, at);
  return depth;
}

/** The upper half of the lower 64 bits of the factor times what the sum is with the last words. */
function finish(
  sumLow: number,
  sumHigh: number,
  even: number,
  odd: number,
  key: HashKey,
  at: number,
): number {
  const a = (even + (key[at] ?? 0)) | 0;
  const b = (odd + (key[at + 1] ?? 0)) | 0;
  const product = Math.imul(a, b);
  const sum = (sumLow + product) | 0;
  const high = (sumHigh + highOf(a, b) + carryOf(sum, product)) | 0;
  const low = sum ^ high;
  const factorLow = (key[0] ?? 0) | 0;
  const factorHigh = (key[1] ?? 0) | 0;
  return highOf(low, factorLow) + Math.imul(high, factorLow) + Math.imul(low, factorHigh);
}

/** Of a sum of words to which one of them was added. */
function carryOf(sum: number, added: number): number {
  return sum >>> 0 < added >>> 0 ? 1 : 0;
}

/** The upper half of the product of two words. */
function highOf(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = (Math.imul(aHigh, bLow) >>> 0) + (Math.imul(aLow, bLow) >>> 16);
  const carried = (Math.imul(aLow, bHigh) >>> 0) + (middle & 0xffff);
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carried >>> 16)) | 0;
}
