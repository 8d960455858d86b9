// A TCP target: accepts on a port of its own (or a unix socket) and records every connection.
import net from 'node:net';
import tls from 'node:tls';
import { DEADLINE_MS, within } from './deadline.ts';
import { RawConnection } from './raw-connection.ts';

export interface TcpTargetOptions {
  readonly host?: string;
  /** A port that is known to be free, for targets that come back. */
  readonly port?: number;
  readonly unixPath?: string;
  readonly record?: boolean;
  /** Speaks TLS; connections count once their handshake is done. */
  readonly tls?: TlsTargetOptions;
  readonly onConnection?: (connection: RawConnection, target: TcpTarget) => void;
}

export interface TlsTargetOptions extends tls.SecureContextOptions {
  readonly requestCert?: boolean;
  /** Of clients without a good certificate, when they are asked for one. */
  readonly rejectUnauthorized?: boolean;
}

export class TcpTarget {
  readonly connections: RawConnection[] = [];
  /** Connections accepted, whatever became of their handshakes. */
  accepts = 0;
  /** Codes of handshakes that failed. */
  readonly failures: string[] = [];
  readonly #context: tls.SecureContext | null;
  /** Connections whose handshake is not done. */
  readonly #handshakes = new Set<net.Socket>();
  readonly #listener: net.Server;
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(options: TcpTargetOptions) {
    this.#context = options.tls === undefined ? null : tls.createSecureContext(options.tls);
    this.#listener = net.createServer({ allowHalfOpen: true }, (raw) => {
      this.accepts++;
      if (this.#context === null) this.#begin(raw, raw, options);
      else this.#handshake(raw, this.#context, options);
    });
  }

  #handshake(raw: net.Socket, secureContext: tls.SecureContext, options: TcpTargetOptions): void {
    const { requestCert = false, rejectUnauthorized = false } = options.tls ?? {};
    raw.on('error', () => {});
    this.#handshakes.add(raw);
    raw.once('close', () => this.#handshakes.delete(raw));
    const secure = new tls.TLSSocket(raw, {
      isServer: true,
      secureContext,
      requestCert,
      rejectUnauthorized,
    });
    secure.once('secure', () => {
      this.#handshakes.delete(raw);
      this.#begin(secure, raw, options);
    });
    secure.on('error', (error) => {
      this.failures.push((error as NodeJS.ErrnoException).code ?? error.message);
    });
  }

  #begin(socket: net.Socket, raw: net.Socket, options: TcpTargetOptions): void {
    const { record } = options;
    const connection = new RawConnection(socket, record === undefined ? { raw } : { raw, record });
    this.connections.push(connection);
    options.onConnection?.(connection, this);
    for (const wake of [...this.#waiting]) wake();
  }

  get port(): number {
    return (this.#listener.address() as net.AddressInfo).port;
  }

  /** As a configuration names it. */
  get address(): string {
    const bound = this.#listener.address();
    if (typeof bound === 'string') return `unix:${bound}`;
    if (bound === null) throw new Error('the target is closed');
    return bound.family === 'IPv6'
      ? `[${bound.address}]:${bound.port}`
      : `${bound.address}:${bound.port}`;
  }

  get open(): number {
    return this.connections.filter((c) => !c.isClosed).length;
  }

  listen(options: TcpTargetOptions): Promise<void> {
    const where: net.ListenOptions = options.unixPath
      ? { path: options.unixPath }
      : { port: options.port ?? 0, host: options.host ?? '127.0.0.1' };
    return new Promise((resolve, reject) => {
      this.#listener.once('error', reject);
      this.#listener.listen(where, resolve);
    });
  }

  /** The next connection that no call before this one was given. */
  async next(ms = DEADLINE_MS): Promise<RawConnection> {
    const turn = this.#taken++;
    await this.accepted(turn + 1, ms);
    return this.connections[turn]!;
  }

  /** Resolves once `count` connections were accepted in all. */
  async accepted(count: number, ms = DEADLINE_MS): Promise<void> {
    let wake: (() => void) | undefined;
    const reached = new Promise<void>((resolve) => {
      wake = () => {
        if (this.connections.length >= count) resolve();
      };
      this.#waiting.add(wake);
      wake();
    });
    try {
      await within(reached, `connection ${count} at the target`, ms);
    } finally {
      if (wake) this.#waiting.delete(wake);
    }
  }

  /** Stops listening and cuts every connection: what a killed process does. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    for (const raw of this.#handshakes) raw.destroy();
    for (const connection of this.connections) {
      if (!connection.isClosed) connection.reset();
      connection.raw.destroy();
    }
    await closed;
  }
}

export async function startTcpTarget(options: TcpTargetOptions = {}): Promise<TcpTarget> {
  const target = new TcpTarget(options);
  await target.listen(options);
  return target;
}

/** Sends back what arrives, half-close included. */
export function startEchoTarget(options: TcpTargetOptions = {}): Promise<TcpTarget> {
  return startTcpTarget({
    ...options,
    record: false,
    onConnection: ({ socket }) => socket.pipe(socket),
  });
}

/** An address that nothing listens on. */
export interface FreeAddress {
  readonly host: string;
  readonly port: number;
  /** As a configuration names it. */
  readonly text: string;
}

let freeHosts = 0;

/**
 * Every call has a loopback address of its own (127.77.x.y), so that nothing which takes a port elsewhere can
 * come to sit on it.
 */
export async function freeAddress(): Promise<FreeAddress> {
  freeHosts++;
  const host = `127.77.${freeHosts >> 8}.${freeHosts & 255}`;
  const target = await startTcpTarget({ host });
  const { port } = target;
  await target.close();
  return { host, port, text: `${host}:${port}` };
}
