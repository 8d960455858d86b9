// Moves bytes between two connected sockets, both ways, until both directions have ended: backpressure, half-close,
// resets and the idle timeout. It serves tcp listeners and upgraded HTTP connections. It owns both sockets from
// relayStreams() on and says once how it ended; nothing is read from either after that.
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../contract/codes.ts';
import { abortSocket, isTruncated } from '../shared/wire.ts';

export interface StreamRelayOptions {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly idleMs: number;
  /** Bytes from the client, towards the target. */
  readonly onBytesIn: (count: number) => void;
  readonly onBytesOut: (count: number) => void;
  readonly onEnd: (code: ErrorCode) => void;
}

/** How long the last bytes before a reset may take to leave. */
const FLUSH_MS = 5_000;

export function relayStreams(options: StreamRelayOptions): void {
  const { client, upstream, idleMs, onBytesIn, onBytesOut, onEnd } = options;
  let isEnded = false;
  const idle = setTimeout(() => finish('idle_timeout'), idleMs);

  const finish = (code: ErrorCode): void => {
    if (isEnded) return;
    isEnded = true;
    clearTimeout(idle);
    // An end that was not orderly must not look like one to the other side.
    if (code === 'client_aborted') resetWhenWritten(upstream);
    else upstream.destroy();
    if (code === 'upstream_reset') resetWhenWritten(client);
    else client.destroy();
    onEnd(code);
  };

  const pump = (
    from: Socket,
    to: Socket,
    cutCode: ErrorCode,
    onBytes: (count: number) => void,
  ): void => {
    from.on('data', (chunk: Buffer) => {
      if (isEnded) return;
      onBytes(chunk.length);
      idle.refresh();
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (isEnded) return;
      idle.refresh();
      from.resume();
    });
    from.on('end', () => {
      if (isTruncated(from)) finish(cutCode);
      else to.end();
    });
  };

  const watch = (socket: Socket, other: Socket, resetCode: ErrorCode): void => {
    socket.on('error', () => finish(resetCode));
    // Closed without an error: both of its directions have ended. What it sent last may still be on its way out.
    socket.on('close', () => {
      if (other.destroyed || other.writableFinished) finish('none');
      else other.once('finish', () => finish('none'));
    });
    if (socket.destroyed) finish(resetCode);
  };

  pump(client, upstream, 'client_aborted', onBytesIn);
  pump(upstream, client, 'upstream_reset', onBytesOut);
  watch(client, upstream, 'client_aborted');
  watch(upstream, client, 'upstream_reset');
}

/** Resets a connection once what was written to it has left, which nobody waits for. */
function resetWhenWritten(socket: Socket): void {
  if (socket.writableLength === 0) {
    abortSocket(socket);
    return;
  }
  socket.unref();
  socket.setTimeout(FLUSH_MS, () => socket.destroy());
  if (socket.writableEnded) socket.once('finish', () => socket.destroy());
  else socket.write('', () => abortSocket(socket));
}
