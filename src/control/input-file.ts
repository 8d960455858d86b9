// Reading one file that a configuration names. Every way in which that fails is a sentence.
import { readFile, stat } from 'node:fs/promises';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: permission denied',
  EISDIR: 'is a folder',
  ENOTDIR: 'does not exist: a part of its path is not a folder',
  ELOOP: 'cannot be read: its symbolic links go in circles',
};

export type InputFile =
  | {
      readonly ok: true;
      readonly bytes: Buffer;
      /** Permission bits. */
      readonly mode: number;
    }
  | {
      readonly ok: false;
      /** Follows `file, which`. */
      readonly reason: string;
      readonly hint?: string;
    };

export async function readInputFile(file: string, maxBytes: number): Promise<InputFile> {
  try {
    const { mode, size } = await stat(file);
    if (size > maxBytes) {
      const kib = maxBytes / 1024;
      const limit = kib < 1024 ? `${kib}KiB` : `${kib / 1024}MiB`;
      return { ok: false, reason: `is larger than ${limit}` };
    }
    return { ok: true, bytes: await readFile(file), mode: mode & 0o777 };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const reason = REASONS[code] ?? `cannot be read: ${code || String(error)}`;
    return /^(EACCES|EPERM)$/.test(code)
      ? { ok: false, reason, hint: readableBy() }
      : { ok: false, reason };
  }
}

function readableBy(): string {
  const uid = process.getuid?.();
  return uid === undefined
    ? 'let whoever runs sluice read it'
    : `let user ${uid}, who runs this, read it and pass through its folders`;
}
