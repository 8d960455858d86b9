// bcrypt on a thread of its own: it is computed in JavaScript, for which the main thread has no time. The thread begins
// with the first hash, and keeps the process alive only while it computes.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

/** Given as text: a thread does not load TypeScript, which this file is where it is run from its sources. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { hashSync } = require(require.resolve('bcryptjs', { paths: [workerData] }));
parentPort.on('message', ({ id, password, salt }) => {
  parentPort.postMessage({ id, hash: hashSync(password, salt) });
});`;

interface Answer {
  readonly id: number;
  readonly hash: string;
}

interface Asked {
  readonly resolve: (hash: string) => void;
  readonly reject: (error: Error) => void;
}

export class BcryptThread {
  readonly #asked = new Map<number, Asked>();
  #thread: Worker | null = null;
  #last = 0;

  /** Rejects when the thread ends meanwhile. */
  hash(password: string, salt: string): Promise<string> {
    const thread = this.#running();
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      thread.ref();
      thread.postMessage({ id, password, salt });
    });
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  #running(): Worker {
    if (this.#thread !== null) return this.#thread;
    const workerData = fileURLToPath(new URL('.', import.meta.url));
    const thread = new Worker(THREAD, { eval: true, workerData });
    this.#thread = thread;
    thread.on('message', ({ id, hash }: Answer) => {
      this.#asked.get(id)?.resolve(hash);
      this.#asked.delete(id);
      if (this.#asked.size === 0) thread.unref();
    });
    thread.on('error', (error) => this.#end(thread, error));
    thread.on('exit', () => this.#end(thread, new Error('the thread ended')));
    return thread;
  }

  /** After an error comes the exit: by then another thread may be running. */
  #end(thread: Worker, error: Error): void {
    if (thread !== this.#thread) return;
    this.#thread = null;
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
  }
}
