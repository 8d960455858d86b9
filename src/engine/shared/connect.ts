// Opens one upstream connection with a deadline. Main thread.
import net from 'node:net';
import type { SocketAddress } from '../../contract/address.ts';
import type { ErrorCode } from '../../contract/codes.ts';
import { connectFault } from './faults.ts';

export interface ConnectHandlers {
  readonly onConnected: (upstream: net.Socket) => void;
  readonly onFailed: (code: ErrorCode) => void;
}

/** Calls exactly one handler, or none once the returned function has cancelled it. */
export function connectTo(
  address: SocketAddress,
  timeoutMs: number,
  { onConnected, onFailed }: ConnectHandlers,
): () => void {
  const socket = net.connect({ ...connectOptions(address), allowHalfOpen: true, noDelay: true });
  const settle = (): void => {
    clearTimeout(deadline);
    socket.off('connect', onConnect).off('error', onError);
  };
  const onConnect = (): void => {
    settle();
    onConnected(socket);
  };
  const onError = (error: Error): void => {
    settle();
    socket.on('error', ignore);
    onFailed(connectFault(error));
  };
  const cancel = (): void => {
    settle();
    socket.on('error', ignore);
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
