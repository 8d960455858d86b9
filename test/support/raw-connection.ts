// One side of a TCP connection with all that arrived on it on record: the client's side or the target's side
// of a test. Reading is by predicate over the recorded bytes; the end of the connection is an event of its own.
import net from 'node:net';
import { ByteStore, bytesOf } from './byte-store.ts';
import { DEADLINE_MS, deferred, within } from './deadline.ts';

/** How the other side ended: in order (FIN), by reset, or not at all because we closed first. */
export type EndKind = 'fin' | 'reset' | 'local';

export class RawConnection {
  readonly socket: net.Socket;
  /** What carries it: the same, or the socket below TLS. */
  readonly raw: net.Socket;
  /** Resolves when the other side's FIN, or the end of the connection, was seen. */
  readonly ended: Promise<void>;
  /** Resolves when both directions are done with. */
  readonly closed: Promise<EndKind>;
  readonly #store = new ByteStore();
  readonly #watchers = new Set<() => void>();
  #end: EndKind = 'local';
  #hasEnded = false;
  #isClosed = false;

  constructor(
    socket: net.Socket,
    options: { readonly record?: boolean; readonly raw?: net.Socket } = {},
  ) {
    this.socket = socket;
    this.raw = options.raw ?? socket;
    this.raw.setNoDelay(true);
    const ended = deferred<void>();
    const closed = deferred<EndKind>();
    this.ended = ended.promise;
    this.closed = closed.promise;
    if (options.record !== false) {
      socket.on('data', (bytes: Buffer) => {
        this.#store.append(bytes);
        this.#notify();
      });
    }
    socket.on('error', () => {
      this.#end = 'reset';
    });
    socket.on('end', () => {
      this.#hasEnded = true;
      if (this.#end === 'local') this.#end = 'fin';
      ended.resolve();
      this.#notify();
    });
    socket.on('close', () => {
      this.#hasEnded = true;
      this.#isClosed = true;
      ended.resolve();
      closed.resolve(this.#end);
      this.#notify();
    });
  }

  /** Everything received so far. */
  get received(): Buffer {
    return this.#store.view;
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  forget(): void {
    this.#store.clear();
  }

  send(bytes: string | Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytesOf(bytes));
  }

  /** Resolves once the kernel has taken the bytes. */
  sent(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(bytesOf(bytes), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Half-closes: nothing more from this side. */
  end(bytes?: string | Uint8Array): void {
    if (bytes === undefined) this.socket.end();
    else this.socket.end(bytesOf(bytes));
  }

  /**
   * RST, or a plain close on a unix socket, which has none. Node 20 leaves the handle open when it is told to reset
   * after end() was called.
   */
  reset(): void {
    const canReset = this.raw.remoteAddress !== undefined && !this.raw.writableEnded;
    if (canReset) this.raw.resetAndDestroy();
    else this.raw.destroy();
    this.socket.destroy();
  }

  /** Ends the connection below TLS, without a word of it (close_notify): a truncation. */
  cut(): void {
    this.raw.end();
  }

  close(): void {
    this.socket.destroy();
  }

  /**
   * Resolves with the first value other than undefined that `look` makes of the bytes. Rejects when the
   * connection ends first or the deadline passes; the rejection shows what had arrived.
   */
  async until<T>(
    what: string,
    look: (bytes: Buffer, hasEnded: boolean) => T | undefined,
    ms = DEADLINE_MS,
  ): Promise<T> {
    let watcher: (() => void) | undefined;
    const found = new Promise<T>((resolve, reject) => {
      watcher = () => {
        try {
          const value = look(this.received, this.#hasEnded);
          if (value !== undefined) resolve(value);
          else if (this.#hasEnded) reject(new Error(`the connection ended before ${what}`));
        } catch (error) {
          reject(error);
        }
      };
      this.#watchers.add(watcher);
      watcher();
    });
    try {
      return await within(found, what, ms);
    } catch (error) {
      throw new Error(`${(error as Error).message}; received ${preview(this.received)}`);
    } finally {
      if (watcher) this.#watchers.delete(watcher);
    }
  }

  receivedLength(length: number, ms = DEADLINE_MS): Promise<Buffer> {
    return this.until(`${length} bytes`, (b) => (b.length >= length ? b : undefined), ms);
  }

  receivedText(text: string): Promise<Buffer> {
    const wanted = bytesOf(text);
    return this.until(JSON.stringify(text), (b) => (b.includes(wanted) ? b : undefined));
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

export interface ConnectOptions {
  readonly host?: string;
  readonly localAddress?: string;
  readonly record?: boolean;
  /** Whether our side stays open when the other has ended; HTTP clients say false. */
  readonly allowHalfOpen?: boolean;
}

/** Opens a connection; `where` is a port on 127.0.0.1 (or options.host), or the path of a unix socket. */
export async function connectRaw(
  where: number | string,
  options: ConnectOptions = {},
): Promise<RawConnection> {
  const allowHalfOpen = options.allowHalfOpen ?? true;
  const target: net.NetConnectOpts =
    typeof where === 'string'
      ? { path: where, allowHalfOpen }
      : {
          port: where,
          host: options.host ?? '127.0.0.1',
          allowHalfOpen,
          ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
        };
  const socket = net.connect(target);
  const connection = new RawConnection(socket, options);
  const opened = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  await within(opened, `a connection to ${where}`);
  return connection;
}

/** The first bytes in a form that fits a message. */
export function preview(bytes: Buffer): string {
  const text = JSON.stringify(bytes.subarray(0, 300).toString('latin1'));
  return bytes.length > 300 ? `${text} and ${bytes.length - 300} bytes more` : text;
}
