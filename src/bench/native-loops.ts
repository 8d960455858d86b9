// The C++ loops of native/micro as an object: runs the program, asks and gets answers. Whoever makes one closes it; it
// also ends by itself when this process does, because its standard input ends.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { encodePlan } from '../plan/encode.ts';
import type { Plan } from '../plan/plan.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAST_LINES = 4;

export interface Round {
  /** Nanoseconds for one piece of work. */
  readonly ns: number;
  /** Pieces of work that the round took. */
  readonly ops: number;
}

export interface NativeHead {
  readonly method: string;
  readonly target: string;
  /** name, value, name, value, … as received. */
  readonly fields: readonly string[];
}

interface Answer {
  readonly problem?: string;
}

/**
 * Builds what is not there or older than its sources, by make in native/micro. Throws an Error whose message says what is missing or went wrong, and the remedy where
 * there is one.
 */
export async function makeMicro(...args: readonly string[]): Promise<void> {
  const make = spawn('make', ['-s', '-C', 'native/micro', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  make.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    make.once('close', resolve);
    make.once('error', (cause) =>
      reject(
        new Error(`make does not run (apt-get install make g++): ${cause.message}`, { cause }),
      ),
    );
  });
  if (status === 0) return;
  const words = output.trim().split('\n').slice(-LAST_LINES).join('\n');
  throw new Error(`make -C native/micro failed (apt-get install make g++):\n${words}`);
}

export class NativeLoops {
  readonly #program: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;
  #lastWords = '';

  /** Needs makeMicro() to have been run. */
  constructor() {
    this.#program = spawn(`${ROOT}build/micro/micro`, { stdio: 'pipe' });
    this.#program.on('error', (error) => {
      this.#lastWords += error.message;
    });
    this.#program.stdin.on('error', () => {}); // it has ended; the missing answer tells
    this.#program.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords += text;
    });
    this.#answers = createInterface({ input: this.#program.stdout })[Symbol.asyncIterator]();
  }

  async takePlan(plan: Plan): Promise<void> {
    const bytes = encodePlan(plan);
    await this.#ask(`plan ${bytes.length}`, bytes);
  }

  /** The head stays for parse() and forward(). Needs a plan. */
  takeHead(bytes: Uint8Array): Promise<NativeHead> {
    return this.#ask<NativeHead>(`head ${bytes.length}`, bytes);
  }

  parse(milliseconds: number): Promise<Round> {
    return this.#ask<Round>(`parse ${micros(milliseconds)}`);
  }

  /** `route` is the index within the plan, or -1. */
  route(
    listener: number,
    host: string,
    path: string,
    milliseconds: number,
  ): Promise<Round & { readonly route: number }> {
    return this.#ask(`route ${listener} ${host} ${path} ${micros(milliseconds)}`);
  }

  /** `head` is the request as the target gets it. */
  forward(
    route: number,
    target: number,
    milliseconds: number,
  ): Promise<Round & { readonly head: string }> {
    return this.#ask(`forward ${route} ${target} ${micros(milliseconds)}`);
  }

  /** They stay for lookUp(). Needs a plan. */
  async takeHosts(hosts: readonly string[]): Promise<void> {
    const bytes = Buffer.from(hosts.map((host) => `${host}\n`).join(''), 'latin1');
    await this.#ask(`hosts ${bytes.length}`, bytes);
  }

  /** How many of the hosts are in a list, the sum of their places, and the time of one look-up. */
  lookUp(
    list: number,
    milliseconds: number,
  ): Promise<Round & { readonly found: number; readonly places: number }> {
    return this.#ask(`lookup ${list} ${micros(milliseconds)}`);
  }

  /** Picks of each target, when clients 0, 1, 2, … come and the last `inFlight` of them are being served. */
  async spread(
    pool: number,
    { seed, picks, inFlight }: { seed: number; picks: number; inFlight: number },
  ): Promise<readonly number[]> {
    const { counts } = await this.#ask<{ readonly counts: readonly number[] }>(
      `spread ${pool} ${seed} ${picks} ${inFlight}`,
    );
    return counts;
  }

  /** Under the loads that the last spread() left. */
  pick(pool: number, milliseconds: number): Promise<Round> {
    return this.#ask<Round>(`pick ${pool} ${micros(milliseconds)}`);
  }

  /** Share of clients whose target has another name in the second pool. */
  async moved(before: number, after: number, clients: number): Promise<number> {
    const { moved } = await this.#ask<{ readonly moved: number }>(
      `moved ${before} ${after} ${clients}`,
    );
    return moved;
  }

  async close(): Promise<void> {
    if (this.#program.exitCode !== null || this.#program.signalCode !== null) return;
    if (this.#program.pid === undefined) return;
    const ended = new Promise((resolve) => this.#program.once('close', resolve));
    this.#program.stdin.end();
    await ended;
  }

  async #ask<T extends object>(question: string, bytes?: Uint8Array): Promise<T> {
    this.#program.stdin.write(`${question}\n`);
    if (bytes !== undefined) this.#program.stdin.write(bytes);
    const line = await this.#answers.next();
    if (line.done === true) {
      throw new Error(`build/micro/micro ended at "${question}": ${this.#lastWords}`);
    }
    const answer = JSON.parse(line.value) as T & Answer;
    if (answer.problem !== undefined) throw new Error(`${question}: ${answer.problem}`);
    return answer;
  }
}

function micros(milliseconds: number): number {
  return Math.max(1, Math.round(milliseconds * 1000));
}
