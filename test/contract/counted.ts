// Failures are counted after whoever caused them has been told: a case that was told waits for the number.
import type { ErrorCode } from '../../src/contract/codes.ts';
import { eventually } from '../support/deadline.ts';
import type { RunningEngine } from '../support/running-engine.ts';

export async function counted(
  engine: RunningEngine,
  code: ErrorCode,
  times = 1,
  listener = 'web',
): Promise<void> {
  await eventually(
    `${times} of ${code} to be counted`,
    () => engine.stats().listener(listener).errors[code] === times,
  );
}
