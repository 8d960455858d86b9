// How a command ends badly: what a person can act on goes to standard error as it is, a bug with its stack.
import { SluiceError } from '../contract/errors.ts';

export function describeFailure(error: unknown): string {
  if (error instanceof SluiceError) return `sluice: ${error.message}`;
  return `sluice: a bug: ${error instanceof Error ? error.stack : String(error)}`;
}

/** Prints and sets the exit code; what is open decides when the process ends. */
export function reportFailure(error: unknown): void {
  console.error(describeFailure(error));
  process.exitCode = 1;
}
