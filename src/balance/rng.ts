// sfc32 (Chris Doty-Humphrey, public domain): small, fast, seedable, and the same numbers as Rng of
// native/balance/rng.h from the same seed. Not for secrets.

/** A source of 32 random bits, unsigned. */
export function createRng(seed: number): () => number {
  let a = 0;
  let b = seed | 0;
  let c = 0;
  let counter = 1;
  const next = (): number => {
    const out = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + out) | 0;
    return out >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** Random bits to a number in [0, limit), limit <= 2^20. */
export function below(bits: number, limit: number): number {
  return Math.floor((bits * limit) / 2 ** 32);
}
