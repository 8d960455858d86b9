// Programs as users run them: looked up, run to their end, or started and stopped again. One that is missing is a test
// that is left out loudly.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/deadline.ts';
import { connectRaw } from '../support/raw-connection.ts';
import type { Scope } from '../support/scope.ts';

const FOLDERS = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
const RUN_MS = 60_000;

export function pathOf(...names: readonly string[]): string | null {
  const candidates = names.flatMap((name) => FOLDERS.map((folder) => join(folder, name)));
  return candidates.find((path) => existsSync(path)) ?? null;
}

const told = new Set<string>();

/** For node:test's `skip`: why tests that need the program are left out, or false. */
export function missing(program: string, ...others: readonly string[]): string | false {
  if (pathOf(program, ...others) !== null) return false;
  const reason = `NOT CHECKED: ${program} is not installed (apt-get install ${program})`;
  if (!told.has(reason)) console.error(`!! ${reason}`);
  told.add(reason);
  return reason;
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, as they came. */
  readonly output: string;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  /** Text to write once the pattern is in the output; input does not end. */
  readonly reply?: { readonly to: RegExp; readonly text: string };
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

/** Runs a program to its end. One that does not end is killed and an error. */
export async function runProgram(
  name: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const { timeoutMs = RUN_MS, reply, input } = options;
  const child = spawn(pathOf(name) ?? name, args, {
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const written = { stdout: '', stderr: '', output: '' };
  let isAnswered = false;
  for (const from of ['stdout', 'stderr'] as const) {
    child[from].setEncoding('utf8').on('data', (text: string) => {
      written[from] += text;
      written.output += text;
      if (reply === undefined || isAnswered || !reply.to.test(written.output)) return;
      isAnswered = true;
      child.stdin.write(reply.text);
    });
  }
  // It may end before it has read everything.
  child.stdin.on('error', () => {});
  if (reply === undefined) child.stdin.end(input);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  if (isLate) throw new Error(`${name} ${args.join(' ')} did not end: ${written.output}`);
  return { code, ...written };
}

/** Starts a program that listens on a port; stopped when the scope ends. */
export async function startListening(
  scope: Scope,
  name: string,
  args: readonly string[],
  ports: readonly number[],
): Promise<void> {
  const child = spawn(pathOf(name) ?? name, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (text: Buffer) => {
    output += text;
  });
  child.stderr.on('data', (text: Buffer) => {
    output += text;
  });
  scope.defer(() => stopped(child));
  for (const port of ports) {
    await eventually(`${name} to listen`, async () => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${output}`);
      return connectRaw(port).then(
        (connection) => {
          connection.close();
          return true;
        },
        () => false,
      );
    });
  }
}

export async function stopped(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}
