// Runs the load generators and the origin, and makes targets for them that misbehave.
import {
  type ChildProcessWithoutNullStreams,
  execFile,
  execFileSync,
  spawn,
} from 'node:child_process';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const PROGRAMS = join(ROOT, 'build', 'load');

export const SHORT = ['--warmup', '0', '--seconds', '0.2'] as const;

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Its last line; empty when it printed none. */
  readonly json: Readonly<Record<string, number>> & {
    readonly histogram?: readonly (readonly [number, number])[];
  };
}

export function buildPrograms(): void {
  execFileSync('make', ['-s', '-C', join(ROOT, 'native', 'load')], { stdio: 'inherit' });
}

export function runAlone(program: string, ...parameters: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(join(PROGRAMS, program), parameters, (_, stdout, stderr) => {
      const last = stdout.trimEnd().split('\n').at(-1);
      const json = last ? JSON.parse(last) : {};
      resolve({ code: child.exitCode ?? -1, stdout, stderr, json });
    });
    child.stdin?.end();
  });
}

export function run(program: string, port: number, ...parameters: string[]): Promise<Outcome> {
  return runAlone(program, '--to', `127.0.0.1:${port}`, ...parameters);
}

export async function withTcp<T>(
  answer: (socket: Socket) => void,
  use: (port: number) => Promise<T>,
): Promise<T> {
  const sockets = new Set<Socket>();
  const listener: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket.on('error', () => {}));
    answer(socket);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  try {
    return await use((listener.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    listener.close();
  }
}

/** Calls `answer` for each request without a body, with its number from 1 on, across all connections. */
export function withHttp<T>(
  answer: (socket: Socket, request: number) => void,
  use: (port: number) => Promise<T>,
): Promise<T> {
  let requests = 0;
  return withTcp((socket) => {
    let text = '';
    socket.on('end', () => socket.end());
    socket.on('data', (data) => {
      text += data.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        text = text.slice(end + 4);
        requests += 1;
        answer(socket, requests);
      }
    });
  }, use);
}

export async function withUdp<T>(
  answer: (data: Buffer, reply: (data: Buffer) => void) => void,
  use: (port: number) => Promise<T>,
): Promise<T> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  let isOpen = true;
  socket.on('message', (data: Buffer, { port, address }: RemoteInfo) => {
    answer(data, (back) => {
      if (isOpen) socket.send(back, port, address);
    });
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  try {
    return await use(socket.address().port);
  } finally {
    isOpen = false;
    socket.close();
  }
}

export interface Origin {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ports: Readonly<Record<'http' | 'echo' | 'source' | 'sink' | 'udp', number>>;
}

export async function startOrigin(): Promise<Origin> {
  const child = spawn(join(PROGRAMS, 'origin'));
  const [line] = await once(child.stdout, 'data');
  return { child, ports: JSON.parse(String(line)) };
}

/** A copy with one bit of the last byte turned. */
export function spoiled(data: Buffer): Buffer {
  const copy = Buffer.from(data);
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
  return copy;
}

const PERIOD = 262_139;
let period: Buffer | null = null;

/** The beginning of the bytes that generators and origin agree on, after native/load/pattern.h. */
export function pattern(bytes: number): Buffer {
  if (!period) {
    period = Buffer.alloc(PERIOD);
    let state = 0x9e3779b97f4a7c15n;
    for (let i = 0; i < PERIOD; i++) {
      state ^= BigInt.asUintN(64, state << 13n);
      state ^= state >> 7n;
      state ^= BigInt.asUintN(64, state << 17n);
      period[i] = Number(state >> 56n);
    }
  }
  return Buffer.alloc(bytes, period);
}
