// nginx and HAProxy themselves, where they are installed: to judge what is exported, and to run it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../../../src/config/parse.ts';
import type { Exported, ExportSettings } from '../../../src/export/exported.ts';
import { exportHaproxy } from '../../../src/export/haproxy.ts';
import { exportNginx } from '../../../src/export/nginx.ts';
import { eventually } from '../../support/deadline.ts';
import { connectRaw } from '../../support/raw-connection.ts';

export type ProgramName = 'nginx' | 'haproxy';
export const PROGRAMS: readonly ProgramName[] = ['nginx', 'haproxy'];
export const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

const FOLDERS = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];

/** Why tests that need the program are skipped, or false: for node:test's `skip`. */
export function missing(program: ProgramName): string | false {
  if (pathOf(program) !== null) return false;
  return `${program} IS NOT INSTALLED: what is exported for it has not been tried`;
}

export function missingStream(): string | false {
  return existsSync(STREAM_MODULE) ? false : `NGINX HAS NO STREAM MODULE at ${STREAM_MODULE}`;
}

function pathOf(program: ProgramName): string | null {
  return FOLDERS.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? null;
}

export function exportFor(
  program: ProgramName,
  input: unknown,
  settings: Partial<ExportSettings> = {},
): Exported {
  const all = { workers: 1, connections: 1000, ...settings };
  return program === 'nginx'
    ? exportNginx(parseConfig(input), all)
    : exportHaproxy(parseConfig(input), all);
}

/** A folder for what a program writes. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-export-'));

  /** Settings for a program that is started in here by whoever runs the tests. */
  get settings(): Partial<ExportSettings> {
    const user = process.getuid?.() === 0 ? { user: userInfo().username } : {};
    return { folder: this.folder, ...user };
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What the program says against a configuration; null when it would start. */
export function complaint(program: ProgramName, text: string): string | null {
  const place = new Workplace();
  try {
    const file = join(place.folder, 'configuration');
    writeFileSync(file, text);
    const command = pathOf(program) ?? program;
    const args =
      program === 'nginx'
        ? ['-t', '-q', '-e', 'stderr', '-p', place.folder, '-c', file]
        : ['-c', '-f', file];
    // nginx opens /dev/stdout by its name, which a socket has not.
    const nowhere = openSync('/dev/null', 'w');
    const { status, stderr } = spawnSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', nowhere, 'pipe'],
    });
    closeSync(nowhere);
    return status === 0 && !/\[(warn|alert|emerg|WARNING|ALERT)\]/.test(stderr) ? null : stderr;
  } finally {
    place.close();
  }
}

export class RunningProgram {
  readonly port: number;
  readonly warnings: readonly string[];
  readonly #child: ChildProcess;
  readonly #place: Workplace;
  /** What it wrote to standard output. */
  output = '';
  #errors = '';

  constructor(child: ChildProcess, port: number, warnings: readonly string[], place: Workplace) {
    this.#child = child;
    this.port = port;
    this.warnings = warnings;
    this.#place = place;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
  }

  async ready(): Promise<void> {
    await eventually('the program to listen', async () => {
      if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.#errors}`);
      try {
        (await connectRaw(this.port)).close();
        return true;
      } catch {
        return false;
      }
    });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await ended;
    }
    this.#place.close();
  }
}

/** Starts the program with the export of what `make` returns for an address to listen on. */
export async function startProgram(
  program: ProgramName,
  make: (address: string) => unknown,
  settings: Partial<ExportSettings> = {},
): Promise<RunningProgram> {
  for (let attempt = 1; ; attempt++) {
    const place = new Workplace();
    const port = await freePort();
    const made = exportFor(program, make(`127.0.0.1:${port}`), { ...place.settings, ...settings });
    const file = join(place.folder, 'configuration');
    writeFileSync(file, made.text);
    const args =
      program === 'nginx' ? ['-e', 'stderr', '-p', place.folder, '-c', file] : ['-db', '-f', file];
    const child = spawn(pathOf(program) ?? program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const running = new RunningProgram(child, port, made.warnings, place);
    try {
      await running.ready();
      return running;
    } catch (error) {
      await running.close();
      // Somebody else may have taken the port in between.
      if (attempt === 3) throw error;
    }
  }
}

async function freePort(): Promise<number> {
  const listener = createServer();
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  listener.close();
  await once(listener, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
