// The addon's contract (src/engine/native/addon.d.ts) kept by native/test/host.cc: each engine in a process of its
// own, so that it can run under a sanitizer. Every call is a request over a FIFO that waits for its answer. When
// an engine is closed its host must end well: a sanitizer's report, a leak, or anything that the host says on
// standard error fails the test file; the case in whose midst a host ends fails too.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after } from 'node:test';
import type {
  NativeAddon,
  NativeEngine,
  NativeFailure,
  NativeLoop,
} from '../../src/engine/native/addon.d.ts';

/** In the order of worker::FailureKind; the first is none. */
const FAILURES = ['none', 'plan', 'listen', 'log', 'resource', 'tls'] as const;

const QUESTIONS_EVERY_MS = 2;

/** Asks for as many doubles as there are. */
const ALL = 0xffff_ffff;

/** The host inherits the pipes; the answers end only when the shell has noted how the host did. */
const SCRIPT = '"$0" "$1" "$2"; echo $? >"$3"';

export function hostAddon(path: string): NativeAddon {
  const program = resolve(path);
  const abi = execFileSync(program, ['--abi'], { encoding: 'utf8' }).trim();
  after(() => {
    for (const host of living) host.finish();
    assert.deepEqual(badEnds, [], 'every native host must end well');
  });
  return {
    abi,
    createEngine: (workers, loop) => new HostedEngine(() => new Host(program, workers, loop)),
  };
}

const living = new Set<Host>();
/** How hosts ended that did not end well. */
const badEnds: string[] = [];

/** One host process and the two pipes to it. */
class Host {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-host-'));
  readonly #requests: number;
  readonly #answers: number;
  #isEnding = false;
  /** Set when the host ended without having been asked to; every later call says so again. */
  #failure: Error | undefined;

  constructor(program: string, workers: number, loop: string) {
    execFileSync('mkfifo', ['requests', 'answers'], { cwd: this.#folder });
    const requests = this.#pipe('requests');
    const answers = this.#pipe('answers');
    const errors = openSync(join(this.#folder, 'stderr'), 'w');
    const child = spawn(
      '/bin/sh',
      ['-c', SCRIPT, program, String(workers), loop, join(this.#folder, 'status')],
      { stdio: ['ignore', 'inherit', errors, requests.read, answers.write] },
    );
    // Looking for leaks takes the host a while, which the other tests need not wait for.
    child.once('exit', () => this.finish());
    child.unref();
    for (const fd of [requests.read, answers.write, errors]) closeSync(fd);
    this.#requests = requests.write;
    this.#answers = answers.read;
    living.add(this);
  }

  ask(verb: string, payload: Uint8Array = new Uint8Array(0)): Buffer {
    if (this.#failure) throw this.#failure;
    const head = Buffer.alloc(5);
    head.write(verb, 'latin1');
    head.writeUInt32LE(payload.length, 1);
    try {
      writeAll(this.#requests, Buffer.concat([head, payload]));
    } catch {
      // Nobody reads any more; the missing answer tells.
    }
    const length = readExactly(this.#answers, 4);
    const answer = length && readExactly(this.#answers, length.readUInt32LE());
    if (answer) return answer;
    this.#failure = new Error(`the host ended at verb ${verb}: ${this.finish() || 'too early'}`);
    throw this.#failure;
  }

  /** Ends the requests, and with them the host. */
  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    closeSync(this.#requests);
  }

  /** Waits for the host to end; '' when it ended well, else what is known, which fails the test file. */
  finish(): string {
    if (!living.delete(this)) return '';
    this.end();
    const extra = readExactly(this.#answers, 1);
    closeSync(this.#answers);
    const status = this.#file('status').trim();
    const errors = this.#file('stderr');
    rmSync(this.#folder, { recursive: true });
    if (status === '0' && errors === '' && !extra) return '';
    const outcome = `exit status ${status || 'unknown'}\n${errors}`;
    badEnds.push(outcome);
    return outcome;
  }

  #file(name: string): string {
    const path = join(this.#folder, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** A FIFO, opened so that no open waits for the other side. */
  #pipe(name: string): { readonly read: number; readonly write: number } {
    const path = join(this.#folder, name);
    const both = openSync(path, 'r+');
    const ends = { read: openSync(path, 'r'), write: openSync(path, 'w') };
    closeSync(both);
    return ends;
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** Undefined when the other side ends before `length` bytes. */
function readExactly(fd: number, length: number): Buffer | undefined {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const got = readSync(fd, bytes, at, length - at, null);
    if (got === 0) return undefined;
    at += got;
  }
  return bytes;
}

/** Like the engine within the addon it holds nothing before a plan has been taken: its host lives from then on. */
class HostedEngine implements NativeEngine {
  readonly #start: () => Host;
  #host: Host | undefined;
  #isClosed = false;
  /** What the engine had to say last, kept for after its host has ended. */
  #lastFacts: { readonly stats: Float64Array; readonly targets: Float64Array } | undefined;

  constructor(start: () => Host) {
    this.#start = start;
  }

  apply(encodedPlan: Uint8Array): readonly number[] | NativeFailure {
    if (this.#isClosed) {
      return { kind: 'resource', listener: -1, errno: '', detail: 'the engine is closed' };
    }
    const host = this.#host ?? this.#start();
    const applied = readApplied(host.ask('a', encodedPlan));
    if (!('kind' in applied)) this.#host = host;
    // Refused its first plan: nothing may be open, which the host checks as it ends.
    else if (this.#host === undefined) host.end();
    return applied;
  }

  loop(): NativeLoop {
    const answer = this.#ask('l');
    const name = answer?.readUInt8(0) === 1 ? 'io_uring' : 'epoll';
    return { name, problem: answer?.toString('utf8', 5) ?? '' };
  }

  kernelTlsProblem(): string {
    return this.#ask('k')?.toString('utf8', 4) ?? '';
  }

  settled(): boolean {
    return this.#ask('s')?.readUInt8(0) !== 0;
  }

  snapshot(into: Float64Array): number {
    return copy(this.#lastFacts?.stats ?? this.#facts('n', into.length), into);
  }

  targetStates(into: Float64Array): number {
    return copy(this.#lastFacts?.targets ?? this.#facts('t', into.length), into);
  }

  userStates(into: Float64Array): number {
    return copy(this.#facts('u', into.length), into);
  }

  /** The host cannot call: it is asked for questions again and again, as long as it lives. */
  onQuestions(ask: Parameters<NativeEngine['onQuestions']>[0]): void {
    const timer = setInterval(() => {
      if (this.#isClosed) {
        clearInterval(timer);
        return;
      }
      for (const question of readQuestions(this.#ask('q') ?? Buffer.alloc(0))) ask(...question);
    }, QUESTIONS_EVERY_MS);
    timer.unref();
  }

  answerName(question: number, error: number, ttlMs: number, addresses: Uint8Array): void {
    const head = Buffer.alloc(13);
    head.writeBigUInt64LE(BigInt(question));
    head.writeUInt8(error, 8);
    head.writeUInt32LE(ttlMs, 9);
    if (!this.#isClosed) this.#ask('N', Buffer.concat([head, addresses]));
  }

  answerPassword(question: number, isRight: boolean): void {
    const payload = Buffer.alloc(9);
    payload.writeBigUInt64LE(BigInt(question));
    payload.writeUInt8(isRight ? 1 : 0, 8);
    if (!this.#isClosed) this.#ask('P', payload);
  }

  drain(): void {
    this.#ask('d');
  }

  open(): number {
    return this.#ask('o')?.readUInt32LE(0) ?? 0;
  }

  close(): void {
    this.#isClosed = true;
    const host = this.#host;
    if (host === undefined) return;
    host.ask('c');
    this.#lastFacts = { stats: this.#facts('n', ALL), targets: this.#facts('t', ALL) };
    this.#host = undefined;
    host.end();
  }

  #ask(verb: string, payload?: Uint8Array): Buffer | undefined {
    return this.#host?.ask(verb, payload);
  }

  #facts(verb: string, length: number): Float64Array {
    const wanted = Buffer.alloc(4);
    wanted.writeUInt32LE(length);
    const answer = this.#ask(verb, wanted) ?? Buffer.alloc(0);
    return new Float64Array(answer.length / 8).map((_, i) => answer.readDoubleLE(8 * i));
  }
}

function readApplied(answer: Buffer): readonly number[] | NativeFailure {
  const kind = FAILURES[answer.readUInt8(0)];
  if (kind === undefined) throw new Error('the host answered with an unknown failure');
  if (kind === 'none') {
    const count = (answer.length - 1) / 2;
    return Array.from({ length: count }, (_, i) => answer.readUInt16LE(1 + 2 * i));
  }
  const listener = answer.readInt32LE(1);
  const errnoEnd = 9 + answer.readUInt32LE(5);
  const errno = answer.toString('utf8', 9, errnoEnd);
  return { kind, listener, errno, detail: answer.toString('utf8', errnoEnd + 4) };
}

type Question = Parameters<Parameters<NativeEngine['onQuestions']>[0]>;

function readQuestions(answer: Buffer): Question[] {
  const questions: Question[] = [];
  let at = 0;
  const text = (): string => {
    const end = at + 4 + answer.readUInt32LE(at);
    const value = answer.toString('utf8', at + 4, end);
    at = end;
    return value;
  };
  while (at < answer.length) {
    const id = Number(answer.readBigUInt64LE(at));
    const kind = answer.readUInt8(at + 8);
    at += 9;
    questions.push([id, kind, text(), text(), text()]);
  }
  return questions;
}

function copy(facts: Float64Array, into: Float64Array): number {
  if (facts.length > into.length) return 0;
  into.set(facts);
  return facts.length;
}
