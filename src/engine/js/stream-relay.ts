// Moves bytes between two connected sockets, both ways, until both directions have ended: backpressure, half-close,
// resets and the idle timeout. It serves tcp listeners, upgraded HTTP connections and the tunnels of forward proxies. It
// owns both sockets from relayStreams() on and says once how it ended; nothing is read from either after that. A client
// may have ended its side before.
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../contract/codes.ts';
import { type Toll, TollGate } from '../shared/toll.ts';
import { abortSocket, isTruncated } from '../shared/wire.ts';

export interface StreamRelayOptions {
  readonly client: Socket;
  readonly upstream: Socket;
  /** What was read from the client already. */
  readonly early?: Buffer;
  readonly idleMs: number;
  /** Bytes from the client, towards the target. */
  readonly onBytesIn: (count: number) => void;
  readonly onBytesOut: (count: number) => void;
  readonly tollIn?: Toll | null;
  readonly tollOut?: Toll | null;
  readonly onEnd: (code: ErrorCode) => void;
}

/** How long the last bytes before a reset may take to leave. */
const FLUSH_MS = 5_000;
const NO_BYTES = Buffer.alloc(0);

export function relayStreams(options: StreamRelayOptions): void {
  const { client, upstream, early = NO_BYTES, idleMs, onBytesIn, onBytesOut, onEnd } = options;
  let isEnded = false;
  const gates: TollGate[] = [];
  const idle = setTimeout(() => {
    // Whoever has to wait for more is not idle.
    if (gates.some(({ isShut }) => isShut)) idle.refresh();
    else finish('idle_timeout');
  }, idleMs);

  const finish = (code: ErrorCode): void => {
    if (isEnded) return;
    isEnded = true;
    clearTimeout(idle);
    for (const gate of gates) gate.stop();
    // An end that was not orderly must not look like one to the other side.
    if (code === 'client_aborted' || code === 'user_quota') resetWhenWritten(upstream);
    else upstream.destroy();
    if (code === 'upstream_reset' || code === 'user_quota') resetWhenWritten(client);
    else client.destroy();
    onEnd(code);
  };

  const pump = (
    from: Socket,
    to: Socket,
    cutCode: ErrorCode,
    { onBytes, toll }: { onBytes: (count: number) => void; toll: Toll | null | undefined },
  ): { readonly take: (chunk: Buffer) => void; readonly end: () => void } => {
    const goOn = (): void => {
      if (isEnded) return;
      idle.refresh();
      if (!gate.isShut && !to.writableNeedDrain) from.resume();
    };
    const gate = new TollGate(toll, goOn);
    gates.push(gate);
    const take = (chunk: Buffer): void => {
      if (isEnded) return;
      if (!gate.pass(chunk.length)) {
        finish('user_quota');
        return;
      }
      onBytes(chunk.length);
      idle.refresh();
      const isFree = to.write(chunk);
      if (!isFree || gate.isShut) from.pause();
    };
    const end = (): void => {
      if (isEnded) return;
      if (isTruncated(from)) finish(cutCode);
      else to.end();
    };
    from.on('data', take).on('end', end);
    to.on('drain', goOn);
    return { take, end };
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

  const fromClient = { onBytes: onBytesIn, toll: options.tollIn };
  const { take, end } = pump(client, upstream, 'client_aborted', fromClient);
  pump(upstream, client, 'upstream_reset', { onBytes: onBytesOut, toll: options.tollOut });
  watch(client, upstream, 'client_aborted');
  watch(upstream, client, 'upstream_reset');
  if (early.length > 0) take(early);
  // Told before there was anybody to pass it on.
  if (client.readableEnded) end();
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
