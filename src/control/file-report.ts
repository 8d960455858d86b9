// What is wrong with the files that a configuration names: problems keep it from being used, warnings do not.
import { formatProblem } from '../config/problems.ts';
import { type Problem, SluiceError } from '../contract/errors.ts';

export interface FileWarning {
  /** Where the file is named: `listeners.web.tls.certificates[0].cert`. */
  readonly path: string;
  readonly message: string;
}

export class FileReport {
  readonly problems: Problem[] = [];
  readonly warnings: FileWarning[] = [];

  problem(path: string, expected: string, received: string, hint?: string): void {
    this.problems.push({ path, expected, received, ...(hint === undefined ? {} : { hint }) });
  }

  warn(path: string, message: string): void {
    this.warnings.push({ path, message });
  }
}

/** `credentials_invalid` with all of them. */
export function credentialsError(problems: readonly Problem[]): SluiceError {
  const message = sentenceOf('certificates and keys', problems);
  return new SluiceError('credentials_invalid', message, { problems });
}

/** `files_invalid` with all of them. */
export function filesError(problems: readonly Problem[]): SluiceError {
  const message = sentenceOf('lists, users and pages', problems);
  return new SluiceError('files_invalid', message, { problems });
}

function sentenceOf(what: string, problems: readonly Problem[]): string {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  const lines = problems.map((problem) => `  ${formatProblem(problem)}`);
  return `${what} have ${count}:\n${lines.join('\n')}`;
}

/** `2026-12-05`, and how far off that is: `2026-12-05 (in 13 days)`. */
export function formatDay(ms: number, nowMs: number): string {
  const day = new Date(ms).toISOString().slice(0, 10);
  const days = Math.round(Math.abs(ms - nowMs) / 86_400_000);
  const count = days === 1 ? '1 day' : `${days} days`;
  return `${day} (${ms > nowMs ? `in ${count}` : `${count} ago`})`;
}
