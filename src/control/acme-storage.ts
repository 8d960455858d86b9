// Accounts and certificates on disk: a folder for each directory, one JSON file for an account and for a certificate
// with its key, so that the two always belong together. A file is replaced by rename, never written in place; what is
// damaged is named in a warning and counts as absent. Several processes may share a folder: a lock file keeps them
// from ordering the same certificate at once.
import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { SluiceError } from '../contract/errors.ts';
import { Secret } from '../contract/secret.ts';
import type { LoadedCertificate } from '../plan/credentials.ts';
import { loadIssued } from './acme-certificates.ts';
import { messageOf } from './acme-error.ts';

/** Longer than any attempt to obtain a certificate. */
const STALE_LOCK_MS = 30 * 60_000;

export interface StoredAccount {
  readonly key: Secret;
  /** null until the directory has given it one. */
  readonly url: string | null;
  readonly email: string | null;
}

export interface StoredCertificate {
  readonly certificate: LoadedCertificate;
  readonly obtainedMs: number;
}

export interface AcmeStorageOptions {
  readonly folder: string;
  /** The address of the directory: accounts and certificates of several lie side by side. */
  readonly directory: string;
  readonly onWarning: (message: string) => void;
}

const accountFile = z.object({
  key: z.string().startsWith('-----BEGIN PRIVATE KEY-----'),
  url: z.string().startsWith('https://').nullable(),
  email: z.string().nullable(),
});

const certificateFile = z.object({
  obtained: z.iso.datetime(),
  chain: z.string(),
  key: z.string(),
});

/** Locks that this process holds, over all of its proxies. */
const held = new Set<string>();

export class AcmeStorage {
  readonly #folder: string;
  readonly #onWarning: (message: string) => void;

  /** Use openAcmeStorage(). */
  constructor(folder: string, onWarning: (message: string) => void) {
    this.#folder = folder;
    this.#onWarning = onWarning;
  }

  async readAccount(): Promise<StoredAccount | null> {
    return this.#read(this.#accountPath(), 'account', (data) => {
      const { key, url, email } = accountFile.parse(data);
      return { key: new Secret(key), url, email };
    });
  }

  async writeAccount({ key, url, email }: StoredAccount): Promise<void> {
    await this.#write(this.#accountPath(), { key: key.reveal(), url, email });
  }

  async readCertificate(names: readonly string[]): Promise<StoredCertificate | null> {
    return this.#read(this.#certificatePath(names), 'certificate', (data) => {
      const { obtained, chain, key } = certificateFile.parse(data);
      return {
        certificate: loadIssued(names, chain, new Secret(key)),
        obtainedMs: Date.parse(obtained),
      };
    });
  }

  async writeCertificate(names: readonly string[], stored: StoredCertificate): Promise<void> {
    const { chain, key } = stored.certificate;
    const obtained = new Date(stored.obtainedMs).toISOString();
    await this.#write(this.#certificatePath(names), { names, obtained, chain, key: key.reveal() });
  }

  /** null when somebody else is obtaining this certificate; else what ends the lock. */
  async lock(names: readonly string[]): Promise<(() => Promise<void>) | null> {
    return this.#lock(`${this.#certificatePath(names)}.lock`);
  }

  /** For the account: there shall be one, whoever comes first. */
  async lockAccount(): Promise<(() => Promise<void>) | null> {
    return this.#lock(`${this.#accountPath()}.lock`);
  }

  #accountPath(): string {
    return join(this.#folder, 'account.json');
  }

  #certificatePath(names: readonly string[]): string {
    const first = names[0] ?? '';
    return join(this.#folder, `${first.slice(0, 100)}-${digest([...names].sort().join(' '))}.json`);
  }

  async #read<T>(path: string, what: string, make: (data: unknown) => T): Promise<T | null> {
    try {
      return make(JSON.parse(await readFile(path, 'utf8')));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      this.#onWarning(
        `${path}: the stored ${what} is damaged (${reasonOf(error)}) and counts as absent`,
      );
      return null;
    }
  }

  async #write(path: string, data: object): Promise<void> {
    const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(`${JSON.stringify(data, null, 2)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw error;
    }
  }

  async #lock(path: string): Promise<(() => Promise<void>) | null> {
    if (held.has(path)) return null;
    held.add(path);
    const release = async () => {
      held.delete(path);
      await unlink(path).catch(() => undefined);
    };
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        const file = await open(path, 'wx', 0o600);
        await file.writeFile(owner()).finally(() => file.close());
        return release;
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') {
          held.delete(path);
          throw error;
        }
        if (!(await isStale(path))) break;
        // Renamed first: of several that find it stale, one takes it away.
        const aside = `${path}.${randomBytes(4).toString('hex')}.tmp`;
        await rename(path, aside)
          .then(() => unlink(aside))
          .catch(() => undefined);
      }
    }
    held.delete(path);
    return null;
  }
}

/** Makes the folder where it is missing. Throws SluiceError `storage_unusable`. */
export async function openAcmeStorage(options: AcmeStorageOptions): Promise<AcmeStorage> {
  const { folder, directory, onWarning } = options;
  const own = join(folder, `${new URL(directory).hostname}-${digest(directory)}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await mkdir(own, { recursive: true, mode: 0o700 });
    await chmod(own, 0o700);
    const { mode } = await stat(folder);
    if ((mode & 0o077) !== 0) {
      onWarning(`acme.storage: others may look into ${folder}: chmod 700 it`);
    }
    await removeRests(own);
    const probe = join(own, `.${randomBytes(4).toString('hex')}.tmp`);
    await (await open(probe, 'wx', 0o600)).close();
    await unlink(probe);
  } catch (cause) {
    throw new SluiceError(
      'storage_unusable',
      `acme.storage: cannot write to ${folder} (${reasonOf(cause)}): choose a folder that this user owns`,
      { cause },
    );
  }
  return new AcmeStorage(own, onWarning);
}

/** What was being written when a process ended. */
async function removeRests(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.tmp')) continue;
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > STALE_LOCK_MS) await unlink(path).catch(() => undefined);
  }
}

const owner = () => `${hostname()} ${process.pid}\n`;

/** Its process is gone, or it has been there for longer than anything takes. */
async function isStale(path: string): Promise<boolean> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    if (Date.now() - mtimeMs > STALE_LOCK_MS) return true;
    // Ours by name, yet not held: left by a process that had our number, as in a container that starts again.
    if (text === owner()) return true;
    const [, host, pid] = /^(\S+) (\d+)\n$/.exec(text) ?? [];
    return host === hostname() && !isAlive(Number(pid));
  } catch (error) {
    return codeOf(error) === 'ENOENT';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12);

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException | null)?.code;

/** Never with what is in the file: there are keys in it. */
function reasonOf(error: unknown): string {
  if (error instanceof SyntaxError) return 'no JSON';
  if (error instanceof z.ZodError) {
    return `${error.issues.map(({ path }) => path.join('.') || 'all').join(', ')} missing or wrong`;
  }
  return codeOf(error) ?? messageOf(error);
}
