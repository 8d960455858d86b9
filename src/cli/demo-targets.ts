// The targets of the examples, in this process: two HTTP, one TCP echo, two UDP. The examples' configurations name
// their ports, so those are fixed; tests ask for free ones.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { SluiceError } from '../contract/errors.ts';
import { acceptWebSocket } from './demo-websocket.ts';

/** On 127.0.0.1; what examples/ says. */
export const DEMO_PORTS = {
  one: 5001,
  two: 5002,
  echo: 5003,
  streamA: 5004,
  streamB: 5005,
} as const;
export type DemoTargetName = keyof typeof DEMO_PORTS;

export interface DemoTargets {
  readonly ports: Readonly<Record<DemoTargetName, number>>;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const STREAM_INTERVAL_MS = 100;
const MAX_STREAM_LENGTH = 100;

/** Starts all of them or none. Throws SluiceError `listen_failed`. */
export async function startDemoTargets(
  wanted: Readonly<Record<DemoTargetName, number>> = DEMO_PORTS,
): Promise<DemoTargets> {
  const open: Opened[] = [];
  const start = async (name: DemoTargetName, make: OpenTarget): Promise<number> => {
    try {
      const opened = await make(name, wanted[name]);
      open.push(opened);
      return opened.port;
    } catch (cause) {
      await closeAll(open);
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
      throw new SluiceError(
        'listen_failed',
        `demonstration target ${name}: cannot listen on ${HOST}:${wanted[name]}: ${code}: stop what listens there (ss -ltnup shows it)`,
        { cause },
      );
    }
  };
  const ports = {
    one: await start('one', openHttp),
    two: await start('two', openHttp),
    echo: await start('echo', openEcho),
    streamA: await start('streamA', openUdp),
    streamB: await start('streamB', openUdp),
  };
  return { ports, close: () => closeAll(open) };
}

interface Opened {
  readonly port: number;
  close(): Promise<void>;
}

type OpenTarget = (name: DemoTargetName, port: number) => Promise<Opened>;

async function closeAll(open: readonly Opened[]): Promise<void> {
  await Promise.all(open.map((one) => one.close()));
}

/** Answers every request with JSON that tells who answered and what arrived; speaks WebSocket, as an echo. */
const openHttp: OpenTarget = (name, port) => {
  const target = createHttpServer((request, response) => answerHttp(name, request, response));
  target.on('upgrade', acceptWebSocket);
  target.on('clientError', (_, socket) => socket.destroy());
  return listenStream(target, port);
};

function answerHttp(name: string, request: IncomingMessage, response: ServerResponse): void {
  let bodyBytes = 0;
  request.on('data', (chunk: Buffer) => {
    bodyBytes += chunk.length;
  });
  request.on('end', () => {
    const { method, url: path, headers } = request;
    const body = `${JSON.stringify({ target: name, method, path, headers, bodyBytes }, null, 2)}\n`;
    response.setHeader('Content-Type', 'application/json');
    response.setHeader('Content-Length', Buffer.byteLength(body));
    response.end(body);
  });
  request.on('error', () => response.destroy());
}

const openEcho: OpenTarget = (_, port) =>
  listenStream(
    createTcpServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => socket.destroy());
      socket.pipe(socket);
    }),
    port,
  );

async function listenStream(target: Server, port: number): Promise<Opened> {
  const sockets = new Set<Socket>();
  target.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    target.once('error', reject);
    target.listen(port, HOST, () => {
      target.off('error', reject);
      resolve();
    });
  });
  return {
    port: (target.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        target.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Answers `stream N` with N numbered datagrams, a tenth of a second apart, anything else with one that names it. */
const openUdp: OpenTarget = async (name, port) => {
  const socket = createSocket('udp4');
  const timers = new Set<NodeJS.Timeout>();
  socket.on('message', (message, client) => {
    const text = message.toString('utf8').trim();
    const count = Math.min(MAX_STREAM_LENGTH, Number(/^stream (\d+)$/.exec(text)?.[1] ?? 0));
    const reply = (line: string): void => {
      // A datagram that cannot be sent is lost, as datagrams may be.
      socket.send(`${line}\n`, client.port, client.address, () => {});
    };
    if (count === 0) return reply(`${name}: ${text}`);
    let sent = 0;
    const timer = setInterval(() => {
      reply(`${name}: ${++sent} of ${count}`);
      if (sent < count) return;
      clearInterval(timer);
      timers.delete(timer);
    }, STREAM_INTERVAL_MS);
    timers.add(timer);
  });
  await bind(socket, port);
  socket.on('error', () => {});
  return {
    port: socket.address().port,
    close: () =>
      new Promise((resolve) => {
        for (const timer of timers) clearInterval(timer);
        socket.close(() => resolve());
      }),
  };
};

function bind(socket: UdpSocket, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, HOST, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}
