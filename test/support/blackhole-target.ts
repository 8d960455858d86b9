// A target that neither accepts nor refuses: its listener's backlog is full and its thread never accepts, so
// that the kernel drops every further SYN, as a machine does that has vanished.
import net from 'node:net';
import { Worker } from 'node:worker_threads';
import { pause } from './deadline.ts';

const LISTEN_AND_BLOCK = `
  const { parentPort } = require('node:worker_threads');
  const listener = require('node:net').createServer();
  listener.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(listener.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });
`;

export class BlackholeTarget {
  readonly port: number;
  readonly #worker: Worker;
  readonly #fillers: net.Socket[];

  constructor(port: number, worker: Worker, fillers: net.Socket[]) {
    this.port = port;
    this.#worker = worker;
    this.#fillers = fillers;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#fillers) socket.destroy();
    await this.#worker.terminate();
  }
}

export async function startBlackholeTarget(): Promise<BlackholeTarget> {
  const worker = new Worker(LISTEN_AND_BLOCK, { eval: true });
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  worker.unref();
  const fillers: net.Socket[] = [];
  // The backlog is full once a connection is not established at once.
  for (let isOpen = true; isOpen; ) {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.unref();
    fillers.push(socket);
    const established = new Promise<true>((resolve) => socket.once('connect', () => resolve(true)));
    isOpen = await Promise.race([established, pause(100).then(() => false)]);
    // On a busy machine 'at once' may be later.
    if (!isOpen) isOpen = await Promise.race([established, pause(200).then(() => false)]);
    if (fillers.length > 16) throw new Error('the backlog does not fill');
  }
  return new BlackholeTarget(port, worker, fillers);
}
