// The command as a process of its own, from the sources.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class RunningCommand {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, script = 'src/cli/main.ts') {
    this.child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.child.emit('output');
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.child.emit('output');
    });
  }

  /** The first match in what has been or will be written; fails when the command ends without it. */
  async match(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this[stream]);
      if (match) return match;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`ended without ${pattern}: ${this.stdout}${this.stderr}`);
      }
      await Promise.race([once(this.child, 'output'), once(this.child, 'close')]);
    }
  }

  /** Resolves when it has ended and everything it wrote has arrived. */
  async end(signal?: NodeJS.Signals): Promise<CommandResult> {
    const closed = once(this.child, 'close');
    if (signal) this.child.kill(signal);
    await closed;
    return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr };
  }
}

export function runCommand(...args: string[]): Promise<CommandResult> {
  return new RunningCommand(args).end();
}
