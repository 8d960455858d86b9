// murmur3 x86_32 (Austin Appleby, public domain): what address-keyed strategies hash with. native/balance/hash.h
// is its twin. It spreads keys; it does not resist someone who chooses addresses to collide.

/** Hash of a client's address, given as clientKeyBytes() has it. */
export function hashKey(bytes: Uint8Array): number {
  return murmur3(bytes, 0);
}

/** 32 bits, unsigned. */
export function murmur3(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.length & ~3;
  let hash = seed >>> 0;
  for (let i = 0; i < whole; i += 4) {
    hash ^= scramble(view.getUint32(i, true));
    hash = (Math.imul(rotateLeft(hash, 13), 5) + 0xe6546b64) >>> 0;
  }
  let rest = 0;
  for (let i = bytes.length - 1; i >= whole; i--) rest = (rest << 8) | (bytes[i] ?? 0);
  if (whole < bytes.length) hash ^= scramble(rest);
  return finish(hash ^ bytes.length);
}

/** Another key for the same client: the attempt-th after its first. */
export function rehash(key: number, attempt: number): number {
  return finish((key + Math.imul(attempt, 0x9e3779b9)) >>> 0);
}

function scramble(word: number): number {
  return Math.imul(rotateLeft(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
}

function finish(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
