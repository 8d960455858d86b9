// `sluice demo`, which `npm start` runs: the demonstration targets and, in front of them, an example. An example is a
// folder of examples/ with a sluice.yaml, or with a main.ts, which is a program of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SluiceError } from '../contract/errors.ts';
import { createProxy } from '../proxy.ts';
import { startDemoTargets } from './demo-targets.ts';
import { describeProxy } from './describe.ts';
import { createLog } from './log.ts';
import { serve } from './serve.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));

export function listExamples(): string[] {
  return readdirSync(EXAMPLES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** Resolves when a signal has ended it; throws what kept it from starting. */
export async function demo(name: string): Promise<void> {
  if (!listExamples().includes(name)) {
    throw new SluiceError(
      'config_unreadable',
      `no example ${name}: there are ${listExamples().join(', ')}`,
    );
  }
  const targets = await startDemoTargets();
  try {
    const program = join(EXAMPLES, name, 'main.ts');
    if (existsSync(program)) await runProgram(program);
    else await runConfig(join(EXAMPLES, name, 'sluice.yaml'));
  } finally {
    await targets.close();
  }
}

async function runConfig(file: string): Promise<void> {
  const log = await createLog();
  const proxy = await createProxy(file, { logger: log });
  await proxy.start();
  console.log(
    `\n${describeProxy(proxy)}\n\nConfiguration: ${relative('.', file)}. Ctrl-C stops.\n`,
  );
  await serve({ proxy, log, file });
}

async function runProgram(file: string): Promise<void> {
  const loader = import.meta.resolve('tsx');
  const program = spawn(process.execPath, ['--import', loader, file], { stdio: 'inherit' });
  process.on('SIGINT', () => {
    // Ctrl-C reaches the program by itself, since a terminal signals the whole process group.
    if (!process.stdin.isTTY) program.kill('SIGINT');
  });
  process.on('SIGTERM', () => program.kill('SIGTERM'));
  const [code] = (await once(program, 'exit')) as [number | null];
  if (code !== 0) process.exitCode = code ?? 1;
}
