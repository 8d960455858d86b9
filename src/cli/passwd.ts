// `sluice passwd FILE NAME`: sets, changes or deletes the password of one user. The file is replaced whole, so that a
// proxy that reads it meets the old or the new one.
import { chmod, chown, open, readFile, realpath, rename, stat, unlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isUserName } from '../config/schema-forward.ts';
import { SluiceError } from '../contract/errors.ts';
import { hashPassword } from '../control/password-hash.ts';
import { withUser } from '../control/users-file.ts';
import { askPassword, type PasswordInput, readPasswordLine } from './password-prompt.ts';

export interface PasswdFlags {
  readonly stdin?: boolean;
  readonly delete?: boolean;
}

const MAX_PASSWORD = 255;
/** Another `sluice passwd` is done by then. */
const LOCK_TRIES = 50;
const LOCK_PAUSE_MS = 100;

/** Throws SluiceError: `config_invalid` for what was given, `storage_unusable` for the file. */
export async function passwd(
  file: string,
  name: string,
  flags: PasswdFlags,
  input: PasswordInput = process.stdin,
): Promise<void> {
  if (!isUserName(name) || name !== name.trim() || name.startsWith('#')) {
    throw refused(
      `${JSON.stringify(name)}: expected the name of a user: up to 255 printable characters without a colon`,
    );
  }
  const hash =
    flags.delete === true ? null : await hashPassword(await newPassword(name, flags, input));
  const path = await realpath(resolve(file)).catch(() => resolve(file));
  await exclusively(path, async (next) => {
    const before = await readOrNothing(path);
    if (before === null && hash === null) throw refused(`${file}: there is no such file`);
    const { text, wasThere } = withUser(before ?? '', name, hash);
    if (hash === null && !wasThere) throw refused(`${file} has no user ${JSON.stringify(name)}`);
    await next(text);
    const done = hash === null ? 'deleted' : wasThere ? 'has a new password' : 'added';
    console.log(`${file}: ${name}: ${done}`);
  });
}

async function newPassword(
  name: string,
  { stdin }: PasswdFlags,
  input: PasswordInput,
): Promise<string> {
  if (stdin !== true && input.isTTY !== true) {
    throw refused('there is no terminal to ask for a password on: give it to --stdin');
  }
  const password =
    stdin === true
      ? await readPasswordLine(input)
      : await askPassword(`Password for ${name}: `, input);
  if (password === '') throw refused('a password cannot be empty');
  if (password.length > MAX_PASSWORD || /\p{Cc}/u.test(password)) {
    throw refused(
      `a password has up to ${MAX_PASSWORD} characters, none of them a control character`,
    );
  }
  if (stdin !== true && (await askPassword('The same again: ', input)) !== password) {
    throw refused('the two passwords differ: nothing was changed');
  }
  return password;
}

/**
 * `work` alone may change the file, by the function that it is given. The new file is the lock: nobody else can create it.
 */
async function exclusively(
  path: string,
  work: (replace: (text: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await lock(temporary);
  let isReplaced = false;
  try {
    await work(async (text) => {
      await handle.writeFile(text);
      await handle.sync();
      await keepOwner(path, temporary);
      await rename(temporary, path);
      isReplaced = true;
    });
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw unusable(path, error);
  } finally {
    await handle.close();
    if (!isReplaced) await unlink(temporary);
  }
}

async function lock(temporary: string): ReturnType<typeof open> {
  for (let i = 1; ; i++) {
    try {
      return await open(temporary, 'wx', 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(temporary, error);
      if (i === LOCK_TRIES) {
        throw new SluiceError(
          'storage_unusable',
          `${temporary} exists: another sluice passwd is at work, or was interrupted; if so, delete it`,
        );
      }
      await wait(LOCK_PAUSE_MS);
    }
  }
}

/** The new file belongs to whom the old one did, as far as we may give it away. */
async function keepOwner(path: string, temporary: string): Promise<void> {
  const before = await stat(path).catch(() => null);
  if (before === null) return;
  await chmod(temporary, before.mode & 0o777);
  await chown(temporary, before.uid, before.gid).catch(() => undefined);
}

async function readOrNothing(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function refused(message: string): SluiceError {
  return new SluiceError('config_invalid', message);
}

function unusable(path: string, cause: unknown): SluiceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new SluiceError('storage_unusable', `cannot write ${path}: ${reason}`, { cause });
}
