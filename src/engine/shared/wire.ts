// What TLS runs over: a socket whose bytes node:tls gets by way of JavaScript instead of taking them from the kernel
// itself. That costs a little and lets us tell what node:tls does not: whether the other side said that it was
// done (close_notify) before its connection ended, or was cut off. Main thread; owned by the TLS socket over it.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

const BUFFER_BYTES = 64 * 1024;
/** How long a closed connection is still read, so that the kernel does not throw our last words away. */
const LINGER_MS = 1_000;

const wires = new WeakMap<Socket, Wire>();

export class Wire extends Duplex {
  readonly raw: Socket;
  /** The connection ended without close_notify. */
  isTruncated = false;
  /** What was said last is to arrive: an alert. */
  lingers = false;
  #hasGoodbye = false;

  /** `raw` is connected and nobody else reads it. */
  constructor(raw: Socket) {
    super({
      allowHalfOpen: true,
      readableHighWaterMark: BUFFER_BYTES,
      writableHighWaterMark: BUFFER_BYTES,
    });
    this.raw = raw;
    raw.pause();
    raw.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) raw.pause();
    });
    raw.on('end', () => this.push(null));
    raw.on('error', (error) => this.destroy(error));
    raw.on('close', () => this.destroy());
    // Before node:tls hears of it: everything that was received is deciphered by now.
    this.on('end', () => {
      this.isTruncated = !this.#hasGoodbye;
    });
    this.on('error', ignore);
  }

  /** Takes note of the TLS socket that was made over this wire. */
  carry(secure: TLSSocket): void {
    wires.set(secure, this);
    const push = secure.push;
    secure.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (chunk === null) this.#hasGoodbye = true;
      return push.call(secure, chunk, encoding);
    };
    // node:tls tells of a close below it, and not why.
    this.once('error', (error) => secure.destroy(error));
  }

  override _read(): void {
    this.raw.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void) {
    this.raw.write(chunk, done);
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this.raw.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.raw.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.lingers && error === null) lingerAndClose(this.raw);
    else this.raw.destroy();
    done(error);
  }
}

/** The socket that carries `socket`: itself unless it is a TLS socket over a wire. */
export function rawOf(socket: Socket): Socket {
  return wires.get(socket)?.raw ?? socket;
}

/** Whether what `socket` received was cut off where TLS says so; plain connections cannot tell. */
export function isTruncated(socket: Socket): boolean {
  return wires.get(socket)?.isTruncated === true;
}

/** Ends our side and reads on for a while: a close with unread bytes would take back what was said last. */
export function lingerAndClose(socket: Socket): void {
  socket.end();
  socket.resume();
  const deadline = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(deadline));
}

/** Closes so that the other side notices: with a reset where the protocol has one. */
export function abortSocket(socket: Socket): void {
  const raw = rawOf(socket);
  if (!raw.destroyed) {
    // Unix sockets and sockets that are gone already have no remote address. One whose FIN is still on its way must
    // not be reset: node would neither do it nor let go of the socket.
    const isResettable = !raw.connecting && !raw.writableEnded && raw.remoteAddress;
    if (isResettable) raw.resetAndDestroy();
    else raw.destroy();
  }
  socket.destroy();
}

function ignore(): void {}
