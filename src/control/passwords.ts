// Whether a password is a user's: what Oracle.isPassword() answers, on the main thread. A name that nobody has costs as
// much as one that somebody has, and a flood of guesses waits, or is refused, and stops nothing else.
import { createHmac, randomBytes } from 'node:crypto';
import { BcryptThread } from './bcrypt.ts';
import { dummyLike, matches, type PasswordHash } from './password-hash.ts';
import { Turns } from './turns.ts';
import type { UsersFile } from './users-file.ts';

export interface PasswordsOptions {
  readonly onWarning: (message: string) => void;
  readonly nowMs?: () => number;
}

/** The pool of Node has four threads, which names and files need too. */
const LIMITS = { atATime: 2, waiting: 64 };
const MAX_NAME = 255;
const MAX_PASSWORD_BYTES = 1024;
/** At most one warning about refusals in this time. */
const WARN_EVERY_MS = 60_000;

export class Passwords {
  readonly #onWarning: (message: string) => void;
  readonly #nowMs: () => number;
  readonly #turns = new Turns(LIMITS);
  readonly #bcrypt = new BcryptThread();
  /** Equal questions are asked once. Forgotten as soon as they are answered. */
  readonly #pending = new Map<string, Promise<boolean>>();
  readonly #secret = randomBytes(32);
  #files: ReadonlyMap<string, UsersFile> = new Map();
  #models: ReadonlyMap<string, readonly PasswordHash[]> = new Map();
  #refused = 0;
  #warnedAtMs = Number.NEGATIVE_INFINITY;

  constructor({ onWarning, nowMs = () => performance.now() }: PasswordsOptions) {
    this.#onWarning = onWarning;
    this.#nowMs = nowMs;
  }

  /** How many were answered with false because too many were being checked. */
  get refused(): number {
    return this.#refused;
  }

  /** The files in force, by name. */
  use(files: ReadonlyMap<string, UsersFile>): void {
    this.#files = files;
    this.#models = new Map([...files].map(([file, { users }]) => [file, [...users.values()]]));
  }

  /** Never rejects. */
  async isPassword(file: string, name: string, password: string): Promise<boolean> {
    if (name.length > MAX_NAME || Buffer.byteLength(password) > MAX_PASSWORD_BYTES) return false;
    const digest = this.#files.get(file)?.digest ?? '';
    const key = JSON.stringify([file, digest, name, password]);
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const known = this.#files.get(file)?.users.get(name);
    const hash = known ?? this.#dummyFor(file, name);
    const asked = this.#turns.take(() => matches(password, hash, this.#bcrypt));
    if (asked === null) {
      this.#refuse();
      return false;
    }
    const verdict = asked.then(
      (isRight) => isRight && known !== undefined,
      (error: unknown) => {
        this.#onWarning(`a password could not be checked: ${String(error)}`);
        return false;
      },
    );
    this.#pending.set(key, verdict);
    void verdict.then(() => this.#pending.delete(key));
    return verdict;
  }

  async close(): Promise<void> {
    await this.#bcrypt.close();
  }

  /** Like one of the file's own, and always the same one for a name. */
  #dummyFor(file: string, name: string): PasswordHash {
    const models = this.#models.get(file) ?? [];
    const drawn = createHmac('sha256', this.#secret).update(name).digest().readUInt32BE(0);
    return dummyLike(models[drawn % Math.max(1, models.length)]);
  }

  #refuse(): void {
    this.#refused++;
    const nowMs = this.#nowMs();
    if (nowMs - this.#warnedAtMs < WARN_EVERY_MS) return;
    this.#warnedAtMs = nowMs;
    this.#onWarning(
      `more passwords arrive than can be checked: ${this.#refused} were refused unseen so far; somebody may be guessing`,
    );
  }
}
