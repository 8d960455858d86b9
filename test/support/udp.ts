// UDP at both ends: a socket that records every datagram with where it came from.
import dgram from 'node:dgram';
import { once } from 'node:events';
import { DEADLINE_MS, deferred, within } from './deadline.ts';

export interface Datagram {
  readonly bytes: Buffer;
  readonly from: dgram.RemoteInfo;
}

export type OnDatagram = (datagram: Datagram, socket: UdpSocket) => void;

export class UdpSocket {
  readonly datagrams: Datagram[] = [];
  readonly errors: Error[] = [];
  readonly #socket: dgram.Socket;
  readonly #waiting = new Set<() => void>();
  #taken = 0;
  #isClosed = false;

  constructor(socket: dgram.Socket, onDatagram?: OnDatagram) {
    this.#socket = socket;
    socket.on('error', (error) => this.errors.push(error));
    socket.on('message', (bytes, from) => {
      const datagram = { bytes, from };
      this.datagrams.push(datagram);
      onDatagram?.(datagram, this);
      for (const wake of [...this.#waiting]) wake();
    });
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get address(): string {
    const { address, port, family } = this.#socket.address();
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  send(bytes: string | Uint8Array, port: number, host = '127.0.0.1'): void {
    this.#socket.send(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, port, host);
  }

  reply(datagram: Datagram, bytes: string | Uint8Array): void {
    if (!this.#isClosed) this.send(bytes, datagram.from.port, datagram.from.address);
  }

  /** The next datagram that no call before this one was given. */
  async next(ms = DEADLINE_MS): Promise<Datagram> {
    const turn = this.#taken++;
    await this.received(turn + 1, ms);
    return this.datagrams[turn]!;
  }

  /** The next datagram as text. */
  async text(): Promise<string> {
    return (await this.next()).bytes.toString('latin1');
  }

  /** Resolves once `count` datagrams have come in all. */
  async received(count: number, ms = DEADLINE_MS): Promise<void> {
    const reached = deferred<void>();
    const wake = () => {
      if (this.datagrams.length >= count) reached.resolve();
    };
    this.#waiting.add(wake);
    wake();
    try {
      await within(reached.promise, `datagram ${count}`, ms);
    } finally {
      this.#waiting.delete(wake);
    }
  }

  /** The different ports that datagrams came from. */
  get sources(): Set<number> {
    return new Set(this.datagrams.map((d) => d.from.port));
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}

export interface UdpOptions {
  readonly host?: string;
  readonly port?: number;
  readonly onDatagram?: OnDatagram;
}

/** Binds; `onDatagram` makes a target of it. */
export async function openUdp(options: UdpOptions = {}): Promise<UdpSocket> {
  const host = options.host ?? '127.0.0.1';
  const socket = dgram.createSocket({
    type: host.includes(':') ? 'udp6' : 'udp4',
    recvBufferSize: 4 * 1024 * 1024,
  });
  socket.bind(options.port ?? 0, host);
  await once(socket, 'listening');
  return new UdpSocket(socket, options.onDatagram);
}

/** A target that answers every datagram with its name and the datagram. */
export function openUdpTarget(name: string, options: UdpOptions = {}): Promise<UdpSocket> {
  return openUdp({
    ...options,
    onDatagram: (d, socket) => socket.reply(d, Buffer.concat([Buffer.from(name), d.bytes])),
  });
}
