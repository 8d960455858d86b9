// An engine in a process of its own: for tests that limit the process, look at its memory or may end it.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { DEADLINE_MS, within } from './deadline.ts';
import type { EntityStats } from './stats-view.ts';

const PAGE_BYTES = 4096;

export type ChildOrder =
  | {
      readonly kind: 'apply';
      readonly engine: string;
      readonly workers: number;
      readonly config: unknown;
    }
  | { readonly kind: 'facts' }
  | { readonly kind: 'close'; readonly graceMs: number };

/** What the process says of itself. */
export interface ChildCounts {
  readonly cpuMs: number;
  readonly inFlight: number;
  readonly warnings: readonly string[];
  readonly listeners: Readonly<Record<string, Omit<EntityStats, 'histogram'>>>;
}

export interface ProcessFacts extends ChildCounts {
  readonly descriptors: number;
  /** How many of them are ends of pipes. */
  readonly pipeEnds: number;
  /** Resident memory after a garbage collection. */
  readonly rssBytes: number;
}

export interface ChildReport {
  readonly ports?: Readonly<Record<string, number>>;
  readonly counts?: ChildCounts;
}

export interface ProcessOptions {
  readonly workers?: number;
  /** `ulimit -n` of the process. */
  readonly descriptors?: number;
}

export class EngineProcess {
  readonly #child: ChildProcess;
  readonly #engine: string;
  readonly #workers: number;
  readonly #waiting = new Map<
    number,
    { resolve(report: ChildReport): void; reject(error: Error): void }
  >();
  #ports: Readonly<Record<string, number>> = {};
  #next = 0;
  #ending = '';

  constructor(engine: string, options: ProcessOptions) {
    this.#engine = engine;
    this.#workers = options.workers ?? 2;
    const limit = options.descriptors === undefined ? '' : `ulimit -n ${options.descriptors}; `;
    const entry = new URL('engine-child.ts', import.meta.url).pathname;
    const command = [process.execPath, '--expose-gc', '--import', 'tsx', entry];
    this.#child = spawn('/bin/sh', ['-c', `${limit}exec "$@"`, 'sh', ...command], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message) => this.#settle(message));
    this.#child.on('exit', (code, signal) => {
      this.#ending = `the engine's process ended with ${signal ?? code}`;
      for (const { reject } of this.#waiting.values()) reject(new Error(this.#ending));
    });
  }

  async apply(config: unknown): Promise<void> {
    const order = { kind: 'apply', engine: this.#engine, workers: this.#workers, config } as const;
    this.#ports = (await this.#order(order)).ports ?? {};
  }

  port(listener: string): number {
    return this.#ports[listener]!;
  }

  async facts(): Promise<ProcessFacts> {
    const { counts } = await this.#order({ kind: 'facts' });
    const folder = `/proc/${this.#child.pid}`;
    const residentPages = Number(readFileSync(`${folder}/statm`, 'utf8').split(' ')[1]);
    return {
      ...counts!,
      ...countDescriptors(`${folder}/fd`),
      rssBytes: residentPages * PAGE_BYTES,
    };
  }

  /** Closes the engine; the process lives on. */
  async stop(graceMs = 0): Promise<void> {
    await this.#order({ kind: 'close', graceMs });
  }

  /** Ends the process, which must have lived until now. */
  async close(): Promise<void> {
    if (this.#ending !== '') throw new Error(this.#ending);
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.disconnect();
    await within(ended, "the engine's process to end");
  }

  #order(order: ChildOrder): Promise<ChildReport> {
    if (this.#ending !== '') return Promise.reject(new Error(this.#ending));
    const id = this.#next++;
    const report = new Promise<ChildReport>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    this.#child.send({ id, order });
    return within(report, `${order.kind} in the engine's process`, 2 * DEADLINE_MS).finally(() =>
      this.#waiting.delete(id),
    );
  }

  #settle(message: unknown): void {
    const { id, report, error } = message as { id: number; report: ChildReport; error?: string };
    if (error === undefined) this.#waiting.get(id)?.resolve(report);
    else this.#waiting.get(id)?.reject(new Error(error));
  }
}

export async function startEngineProcess(
  engine: string,
  config: unknown,
  options: ProcessOptions = {},
): Promise<EngineProcess> {
  const child = new EngineProcess(engine, options);
  await child.apply(config);
  return child;
}

/** Opens and closes by itself while it is read: one that is gone by the time it is looked at is no pipe. */
function countDescriptors(folder: string): { descriptors: number; pipeEnds: number } {
  const names = readdirSync(folder);
  const isPipe = (name: string): boolean => {
    try {
      return readlinkSync(`${folder}/${name}`).startsWith('pipe:');
    } catch {
      return false;
    }
  };
  return { descriptors: names.length, pipeEnds: names.filter(isPipe).length };
}
