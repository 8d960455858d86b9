// Every program that a bench run starts, each in a process group of its own and pinned to its cores, and the
// folder for their files. Owned by the run; whatever way it ends, `close` or, when this process was killed, the
// guard, a shell that waits for the end of a pipe, ends every group and removes the folder.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Descriptors that a proxy needs for the largest case, with room to spare. */
const DESCRIPTORS = 65_536;
/** Raises the hard limit of open files where that is permitted, and the soft one to it. */
const RAISE = `[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -ge ${DESCRIPTORS} ] ||
  ulimit -Hn ${DESCRIPTORS} 2>/dev/null
ulimit -Sn "$(ulimit -Hn)"`;
/** Pins where cores are named, and becomes the program itself. */
const PIN = `${RAISE}
[ -z "$0" ] && exec "$@"
exec taskset -c "$0" "$@"`;
/** Reads `+ GROUP` and `- GROUP`; at the end of its input kills the groups that are left and removes the folder. */
const GUARD = `trap '' INT TERM HUP
groups=
while read -r sign group; do
  kept=
  for one in $groups; do [ "$one" = "$group" ] || kept="$kept $one"; done
  groups=$kept
  [ "$sign" = + ] && groups="$groups $group"
done
for one in $groups; do kill -s KILL -- "-$one" 2>/dev/null; done
rm -rf -- "$0"`;
const TAIL_CHARACTERS = 4_000;
const STOP_PATIENCE_MS = 3_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Program {
  readonly name: string;
  readonly pid: number;
  readonly ended: Promise<Ended>;
  #child: ChildProcess;
  #hasEnded = false;
  #output = '';
  #stderr = '';

  /** Runs on any core when none is named. */
  constructor(name: string, cores: readonly number[], command: readonly string[]) {
    this.name = name;
    this.#child = spawn('/bin/sh', ['-c', PIN, cores.join(','), ...command], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NODE_ENV: 'production' },
    });
    this.pid = this.#child.pid ?? 0;
    this.#child.stdin?.on('error', () => {}); // the program may be gone already; `ended` tells
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      this.#child.emit('output');
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-TAIL_CHARACTERS);
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        this.#hasEnded = true;
        this.#child.emit('output');
        resolve({ code, signal });
      });
    });
    this.ended.catch(() => {}); // observed by whoever awaits it
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get output(): string {
    return this.#output;
  }

  /** The last lines that the program wrote, for a message about its failure. */
  get lastWords(): string {
    const words = this.#stderr.trim() || this.#output.slice(-TAIL_CHARACTERS).trim();
    return words.split('\n').slice(-6).join('\n');
  }

  /** The next whole line of standard output. */
  async readLine(): Promise<string> {
    for (;;) {
      const end = this.#output.indexOf('\n');
      if (end >= 0) {
        const line = this.#output.slice(0, end);
        this.#output = this.#output.slice(end + 1);
        return line;
      }
      if (this.#hasEnded) throw new Error(`${this.name} ended early: ${this.lastWords}`);
      await new Promise((resolve) => this.#child.once('output', resolve));
    }
  }

  writeLine(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Signals the program's whole group; false when nothing is left of it. */
  signal(signal: NodeJS.Signals): boolean {
    if (this.pid === 0) return false;
    try {
      return process.kill(-this.pid, signal);
    } catch {
      return false;
    }
  }

  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_PATIENCE_MS);
    await this.ended.catch(() => {});
    clearTimeout(timer);
    this.signal('SIGKILL'); // children that outlived it
  }
}

export class Processes {
  readonly folder: string;
  #programs = new Set<Program>();
  readonly #guard: ChildProcess;
  readonly #isPinned: boolean;
  #isClosed = false;

  /** `parent` should be on a RAM disk: nothing that is measured shall wait for a disk. */
  constructor(parent: string, isPinned: boolean) {
    this.folder = mkdtempSync(join(parent, 'sluice-bench-'));
    this.#isPinned = isPinned;
    this.#guard = spawn('/bin/sh', ['-c', GUARD, this.folder], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#guard.on('error', () => {}); // without it `close` and the exit hook still clean up
    this.#guard.stdin?.on('error', () => {});
    this.#guard.unref();
    process.once('exit', () => this.#abandon());
  }

  /** Lets programs that give up root read the folder. */
  async open(): Promise<void> {
    await chmod(this.folder, 0o755);
  }

  start(name: string, cores: readonly number[], command: readonly string[]): Program {
    if (this.#isClosed) throw new Error('the bench is being stopped');
    const program = new Program(name, this.#isPinned ? cores : [], command);
    this.#programs.add(program);
    this.#guard.stdin?.write(`+ ${program.pid}\n`);
    const forget = (): void => {
      this.#programs.delete(program);
      this.#guard.stdin?.write(`- ${program.pid}\n`);
    };
    program.ended.then(forget, forget);
    return program;
  }

  /** Runs a program to its end and returns what it wrote on standard output. */
  async run(name: string, cores: readonly number[], command: readonly string[]): Promise<string> {
    const program = this.start(name, cores, command);
    const { code, signal } = await program.ended;
    if (code !== 0) {
      throw new Error(`${name} failed (${signal ?? `exit ${code}`}): ${program.lastWords}`);
    }
    return program.output;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#programs].map((program) => program.stop()));
    this.#guard.stdin?.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #abandon(): void {
    for (const program of this.#programs) program.signal('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Files that a program of the run may have open at once. */
export function mostDescriptors(): number {
  const limit = execFileSync('/bin/sh', ['-c', `${RAISE}\nulimit -Hn`], {
    encoding: 'utf8',
  }).trim();
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
}

export function ramFolder(exists: (path: string) => boolean): string {
  return exists('/dev/shm') ? '/dev/shm' : tmpdir();
}
