// `sluice bench`: see bench/README.md for the method and how to read what it prints.
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { wordsOf } from './contestant.ts';
import { enterNetwork, onOutsideGone } from './network.ts';
import { type BenchCommand, HELP, parseCommand, type RunOptions } from './options.ts';
import { processTree } from './proc.ts';
import { Processes, ramFolder } from './processes.ts';
import { clock, Progress } from './progress.ts';
import { run } from './run.ts';

/** A run that a signal stopped, as shells tell it. */
const INTERRUPTED = 130;
const STOP_PATIENCE_MS = 5_000;

/** Does what the parameters ask for; returns the exit code. */
export async function runBenchCommand(parameters: readonly string[]): Promise<number> {
  try {
    return await carryOut(parseCommand(parameters), parameters);
  } catch (error) {
    console.error(`bench: ${wordsOf(error)}`);
    return 1;
  }
}

async function carryOut(command: BenchCommand, parameters: readonly string[]): Promise<number> {
  switch (command.kind) {
    case 'help':
      process.stdout.write(HELP);
      return 0;
    case 'run':
      return await measureHere(command.options, parameters);
    case 'compare': {
      const { compareReports } = await import('./compare.ts');
      const { readReport } = await import('./read-report.ts');
      const text = compareReports(readReport(command.before), readReport(command.after));
      process.stdout.write(`${text.trimEnd()}\n`);
      return 0;
    }
    case 'assert': {
      const { assertReport } = await import('./assert.ts');
      const { readReport } = await import('./read-report.ts');
      const { file, expression, caseId, isStrict } = command;
      const settings = { isStrict, ...(caseId === null ? {} : { caseId }) };
      const { holds, text } = assertReport(readReport(file), expression, settings);
      process.stdout.write(`${text.trimEnd()}\n`);
      return holds ? 0 : 1;
    }
  }
}

/** In this process, or in one that it starts in a network of its own. */
async function measureHere(options: RunOptions, parameters: readonly string[]): Promise<number> {
  if (process.platform !== 'linux') throw new Error('the bench reads /proc: it needs Linux');
  if (options.out !== null) await mkdir(options.out, { recursive: true });
  const network = await enterNetwork(options.network, parameters);
  if (typeof network === 'number') return network;
  // Before anything is measured: what shows it must not be missing afterwards.
  const { renderReport } = await import('./html/report.ts');
  const progress = new Progress(process.stdout);
  let processes: Processes | null = null;
  const close = async (): Promise<void> => await processes?.close();
  stopOnSignal(close);
  try {
    const report = await run(options, {
      network,
      progress,
      open: async (isPinned) => {
        processes = new Processes(ramFolder(existsSync), isPinned);
        await processes.open();
        return processes;
      },
    });
    progress.say(`took ${clock(progress.elapsedSeconds)} min`);
    if (options.out !== null) {
      const json = join(options.out, 'report.json');
      await writeFile(json, `${JSON.stringify(report, null, 1)}\n`);
      progress.say(`everything that was measured: ${json}`);
      const html = join(options.out, 'report.html');
      await writeFile(html, renderReport(report));
      progress.say(`to look at: ${html}`);
    }
    return 0;
  } finally {
    progress.end();
    await close();
  }
}

/** Whatever the run is at, it ends with all its programs. */
function stopOnSignal(close: () => Promise<void>): void {
  let isStopping = false;
  const stop = (why: string): void => {
    if (isStopping) return;
    isStopping = true;
    if (process.stdout.isTTY) process.stdout.write('\n');
    console.error(`bench: stopped by ${why}`);
    const end = (): void => {
      // Compilers and the like, which are no programs of the run.
      for (const pid of processTree(process.pid)) {
        if (pid !== process.pid) kill(pid);
      }
      process.exit(INTERRUPTED);
    };
    setTimeout(end, STOP_PATIENCE_MS);
    close().then(end, end);
  };
  process.on('SIGINT', stop).on('SIGTERM', stop).on('SIGHUP', stop);
  onOutsideGone(() => stop('the end of the process that started it'));
  // Whoever read it is gone, as head(1) is once it has seen enough.
  process.stdout.on('error', () => stop('the end of its output'));
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}
