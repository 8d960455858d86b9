// One password as a users file keeps it: scrypt in the PHC string format, as `sluice passwd` writes it, or bcrypt, as
// `htpasswd -B` does. Computing either takes a thread other than the main one, and comparing takes the same time always.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { BcryptThread } from './bcrypt.ts';

export type PasswordHash =
  | {
      readonly kind: 'scrypt';
      /** Binary logarithm of the cost. */
      readonly logCost: number;
      readonly blockSize: number;
      readonly parallel: number;
      readonly salt: Buffer;
      readonly hash: Buffer;
    }
  | {
      readonly kind: 'bcrypt';
      /** Version, cost and salt. */
      readonly salt: string;
      readonly hash: string;
    };

export type ReadHash =
  | { readonly ok: true; readonly value: PasswordHash }
  | {
      readonly ok: false;
      /** What was there instead. */
      readonly found: string;
    };

/** Of what `sluice passwd` writes: 32 MiB and some tenths of a second. */
const OWN = { logCost: 15, blockSize: 8, parallel: 1, saltBytes: 16, hashBytes: 32 } as const;

/** What one check of a password may take, so that a file cannot exhaust the machine. */
const MAX_MEMORY = 256 * 1024 * 1024;
const MAX_BCRYPT_COST = 16;

const SCRYPT =
  /^\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;
const BCRYPT = /^(\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/;

/** How hashes begin that are too easily guessed from, or that nothing here can compute. */
const OTHERS: readonly (readonly [RegExp, string])[] = [
  [/^\$apr1\$|^\$1\$/, 'MD5'],
  [/^\{S?SHA\}/i, 'SHA-1'],
  [/^\$5\$/, 'SHA-256 crypt'],
  [/^\$6\$/, 'SHA-512 crypt'],
  [/^\$argon2/, 'Argon2'],
  [/^\$y\$|^\$7\$/, 'yescrypt'],
  [/^\$pbkdf2/, 'PBKDF2'],
  [/^\$scrypt\$/, 'scrypt with other terms, or damaged'],
  [/^\$2/, 'bcrypt of another version or cost, or damaged'],
  [/^[./A-Za-z0-9]{13}$/, 'something that may be DES crypt'],
];

/** What is refused is described and never quoted: it may be a password. */
export function parsePasswordHash(text: string): ReadHash {
  const scrypted = SCRYPT.exec(text);
  if (scrypted !== null) {
    const [, logCost = '', blockSize = '', parallel = '', salt = '', hash = ''] = scrypted;
    const terms = {
      logCost: Number(logCost),
      blockSize: Number(blockSize),
      parallel: Number(parallel),
    };
    if (isAffordable(terms)) {
      const bytes = { salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
      return { ok: true, value: { kind: 'scrypt', ...terms, ...bytes } };
    }
  }
  const bcrypted = BCRYPT.exec(text);
  const cost = Number(bcrypted?.[2] ?? 0);
  if (bcrypted !== null && cost >= 4 && cost <= MAX_BCRYPT_COST) {
    return { ok: true, value: { kind: 'bcrypt', salt: bcrypted[1] ?? '', hash: text } };
  }
  if (text === '') return { ok: false, found: 'nothing' };
  const other = OTHERS.find(([begins]) => begins.test(text))?.[1];
  return { ok: false, found: other ?? 'something else, maybe a password, which is not shown,' };
}

interface ScryptTerms {
  readonly logCost: number;
  readonly blockSize: number;
  readonly parallel: number;
}

function isAffordable({ logCost, blockSize, parallel }: ScryptTerms): boolean {
  return (
    logCost >= 10 &&
    logCost <= 20 &&
    blockSize >= 1 &&
    parallel >= 1 &&
    parallel <= 16 &&
    memoryOf({ logCost, blockSize }) <= MAX_MEMORY
  );
}

function memoryOf({ logCost, blockSize }: Pick<ScryptTerms, 'logCost' | 'blockSize'>): number {
  return 128 * 2 ** logCost * blockSize;
}

export function formatPasswordHash(hash: PasswordHash): string {
  if (hash.kind === 'bcrypt') return hash.hash;
  const { logCost, blockSize, parallel, salt } = hash;
  const [saltText, hashText] = [salt, hash.hash].map((bytes) =>
    bytes.toString('base64').replace(/=+$/, ''),
  );
  return `$scrypt$ln=${logCost},r=${blockSize},p=${parallel}$${saltText}$${hashText}`;
}

export async function hashPassword(password: string): Promise<PasswordHash> {
  const { logCost, blockSize, parallel, saltBytes, hashBytes } = OWN;
  const salt = randomBytes(saltBytes);
  const terms = { logCost, blockSize, parallel };
  return { kind: 'scrypt', ...terms, salt, hash: await compute(password, terms, salt, hashBytes) };
}

/** No password's, and as much work to check as `model`. */
export function dummyLike(model: PasswordHash | undefined): PasswordHash {
  if (model?.kind === 'bcrypt') return model;
  const { logCost, blockSize, parallel } = model ?? OWN;
  const saltBytes = model?.salt.length ?? OWN.saltBytes;
  const hashBytes = model?.hash.length ?? OWN.hashBytes;
  return {
    kind: 'scrypt',
    logCost,
    blockSize,
    parallel,
    salt: randomBytes(saltBytes),
    hash: randomBytes(hashBytes),
  };
}

export async function matches(
  password: string,
  expected: PasswordHash,
  bcrypt: BcryptThread,
): Promise<boolean> {
  if (expected.kind === 'scrypt') {
    const { salt, hash } = expected;
    return timingSafeEqual(await compute(password, expected, salt, hash.length), hash);
  }
  const found = Buffer.from(await bcrypt.hash(password, expected.salt));
  const wanted = Buffer.from(expected.hash);
  return found.length === wanted.length && timingSafeEqual(found, wanted);
}

function compute(
  password: string,
  { logCost, blockSize, parallel }: ScryptTerms,
  salt: Buffer,
  length: number,
): Promise<Buffer> {
  const memory = memoryOf({ logCost, blockSize });
  const options = {
    cost: 2 ** logCost,
    blockSize,
    parallelization: parallel,
    maxmem: 2 * memory + 1024 * 1024,
  };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, options, (error, hash) => {
      if (error) reject(error);
      else resolve(hash);
    });
  });
}
