// The hash of host-set.ts: HalfSipHash-1-3 (Aumasson, Bernstein) of names read backwards, so that one pass over a host
// hashes everything that it ends with. Pure; native/plan/host_set.cc has the same.

export type HashKey = readonly [number, number];

export const MAX_NAME = 253;
export const DOT = 0x2e;

/** Masks have a bit for each depth; the last one stands for all that are deeper. */
export function depthBit(depth: number): number {
  return (1 << Math.min(depth, 31)) >>> 0;
}

export function isDepthIn(depths: number, depth: number): boolean {
  return (depths & depthBit(depth)) !== 0;
}

/** By depth: of the last so many labels of what was hashed last. */
export const hashes = new Uint32Array(MAX_NAME + 1);

/**
 * Of the bytes from `to` down to `from`: of all of them, and of those behind each
 * dot whose depth is in `depths`, into `hashes`. Gives the number of labels.
 */
export function hashBackwards(
  bytes: Uint8Array,
  from: number,
  to: number,
  [k0, k1]: HashKey,
  depths: number,
): number {
  let v0 = k0 | 0;
  let v1 = k1 | 0;
  let v2 = 0x6c79_6765 ^ k0;
  let v3 = 0x7465_6462 ^ k1;
  /** Bytes that do not make up a word yet. */
  let word = 0;
  let depth = 1;
  for (let i = to - 1; i >= from; i--) {
    const byte = bytes[i] ?? 0;
    const length = to - 1 - i;
    if (byte === DOT) {
      if (isDepthIn(depths, depth)) hashes[depth] = finish(v0, v1, v2, v3, word | (length << 24));
      depth++;
    }
    word |= byte << (8 * (length & 3));
    if ((length & 3) !== 3) continue;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
    word = 0;
  }
  hashes[depth] = finish(v0, v1, v2, v3, word | ((to - from) << 24));
  return depth;
}

function finish(a: number, b: number, c: number, d: number, last: number): number {
  let [v0, v1, v2, v3] = [a, b, c, d ^ last];
  for (let round = 0; round < 4; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (round > 0) continue;
    v0 ^= last;
    v2 ^= 0xff;
  }
  return (v1 ^ v3) >>> 0;
}
