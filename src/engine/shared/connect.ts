// Opens one upstream connection, its TLS included, with a deadline. Main thread.
import net from 'node:net';
import type { SocketAddress } from '../../contract/address.ts';
import type { ErrorCode } from '../../contract/codes.ts';
import { secureUpstream, type TargetTls } from './client-tls.ts';
import { connectFault } from './faults.ts';

export interface ConnectHandlers {
  readonly onConnected: (upstream: net.Socket) => void;
  readonly onFailed: (code: ErrorCode) => void;
}

export interface ConnectOptions {
  readonly address: SocketAddress;
  /** null: in plain. */
  readonly tls: TargetTls | null;
  readonly timeoutMs: number;
  /** What the connection begins with, ahead of TLS. */
  readonly preface: Buffer | null;
  /** The address that it goes out from; left out or null: the kernel chooses. */
  readonly source?: string | null;
}

/** Calls exactly one handler, or none once the returned function has cancelled it. */
export function connectTo(
  { address, tls, timeoutMs, preface, source = null }: ConnectOptions,
  { onConnected, onFailed }: ConnectHandlers,
): () => void {
  const socket = net.connect({
    ...connectOptions(address),
    ...(source === null ? {} : { localAddress: source }),
    allowHalfOpen: true,
    noDelay: true,
  });
  let cancelTls = ignore;
  const settle = (): void => {
    clearTimeout(deadline);
    socket.off('connect', onConnect).off('error', onError);
  };
  const onConnect = (): void => {
    socket.off('error', onError);
    if (preface !== null) socket.write(preface);
    if (tls === null) {
      settle();
      onConnected(socket);
      return;
    }
    cancelTls = secureUpstream(socket, tls, {
      onSecure: (secure) => {
        settle();
        onConnected(secure);
      },
      onFailed: (code) => {
        settle();
        onFailed(code);
      },
    });
  };
  const onError = (error: Error): void => {
    settle();
    socket.on('error', ignore);
    onFailed(connectFault(error));
  };
  const cancel = (): void => {
    settle();
    socket.on('error', ignore);
    cancelTls();
    socket.destroy();
  };
  const deadline = setTimeout(() => {
    cancel();
    onFailed('connect_timeout');
  }, timeoutMs);
  socket.once('connect', onConnect).once('error', onError);
  return cancel;
}

/** How node:net and node:http are told an address. */
export function connectOptions({ family, host, port }: SocketAddress):
  | {
      readonly path: string;
    }
  | { readonly host: string; readonly port: number; readonly autoSelectFamily: false } {
  return family === 'unix' ? { path: host } : { host, port, autoSelectFamily: false };
}

function ignore(): void {}
