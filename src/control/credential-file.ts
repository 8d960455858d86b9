// Reading one file of credentials. Every way in which that fails is a sentence.
import { readFile, stat } from 'node:fs/promises';
import type { CredentialReport } from './credential-report.ts';

/** Larger than any bundle of CAs or revocation list that is meant. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: permission denied',
  EISDIR: 'is a folder',
  ENOTDIR: 'does not exist: a part of its path is not a folder',
  ELOOP: 'cannot be read: its symbolic links go in circles',
};

export interface ReadFile {
  readonly bytes: Buffer;
  /** Permission bits. */
  readonly mode: number;
}

/** null when it cannot be read, which is in the report then. */
export async function readCredentialFile(
  path: string,
  file: string,
  expected: string,
  report: CredentialReport,
): Promise<ReadFile | null> {
  const refuse = (reason: string, hint?: string): null => {
    report.problem(path, expected, `${file}, which ${reason}`, hint);
    return null;
  };
  try {
    const { mode, size } = await stat(file);
    if (size > MAX_FILE_BYTES) return refuse('is larger than 64MiB');
    const bytes = await readFile(file);
    return bytes.length === 0 ? refuse('is empty') : { bytes, mode: mode & 0o777 };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const hint = code.startsWith('E') && /^(EACCES|EPERM)$/.test(code) ? readableBy() : undefined;
    return refuse(REASONS[code] ?? `cannot be read: ${code || String(error)}`, hint);
  }
}

function readableBy(): string {
  const uid = process.getuid?.();
  return uid === undefined
    ? 'let whoever runs sluice read it'
    : `let user ${uid}, who runs this, read it and pass through its folders`;
}
