// `sluice run FILE`.
import type { EngineName } from '../engine/engine.ts';
import { createProxy } from '../proxy.ts';
import { createLog } from './log.ts';
import { serve } from './serve.ts';

export interface RunFlags {
  readonly engine?: 'auto' | EngineName;
  readonly workers?: 'auto' | number;
}

/** Resolves when a signal has ended it; throws what kept it from starting. */
export async function run(file: string, flags: RunFlags): Promise<void> {
  const log = await createLog();
  const proxy = await createProxy(file, { ...flags, logger: log });
  await proxy.start();
  await serve({ proxy, log, file });
}
