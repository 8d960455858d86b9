// Reading one file of credentials: what keeps it from being used goes to the report.
import type { FileReport } from './file-report.ts';
import { readInputFile } from './input-file.ts';

/** Larger than any bundle of CAs or revocation list that is meant. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

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
  report: FileReport,
): Promise<ReadFile | null> {
  const read = await readInputFile(file, MAX_FILE_BYTES);
  if (read.ok && read.bytes.length > 0) return read;
  const { reason, hint } = read.ok ? { reason: 'is empty', hint: undefined } : read;
  report.problem(path, expected, `${file}, which ${reason}`, hint);
  return null;
}
