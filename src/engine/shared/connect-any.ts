// Connects to whichever of several addresses answers first (RFC 8305): families in turn, one more attempt whenever one
// has failed or has been silent for a while. Which addresses may be connected to was decided before. Main thread.
import type { Socket } from 'node:net';
import type { SocketAddress } from '../../contract/address.ts';
import type { ErrorCode } from '../../contract/codes.ts';
import { type ConnectHandlers, connectTo } from './connect.ts';

export interface ConnectAnyOptions {
  /** At least one, in the order in which they were found. */
  readonly addresses: readonly SocketAddress[];
  /** Where a connection to such an address goes out from; null: the kernel chooses. */
  readonly sourceOf: (family: SocketAddress['family']) => string | null;
  /** For all attempts together. */
  readonly timeoutMs: number;
}

/** RFC 8305, section 5: the Connection Attempt Delay. */
const NEXT_ATTEMPT_MS = 250;

/** Calls exactly one handler, or none once the returned function has cancelled it. */
export function connectToAny(
  { addresses, sourceOf, timeoutMs }: ConnectAnyOptions,
  { onConnected, onFailed }: ConnectHandlers,
): () => void {
  const waiting = inTurn(addresses);
  const attempts = new Map<SocketAddress, () => void>();
  let isOver = false;
  let next: NodeJS.Timeout | undefined;

  const settle = (): void => {
    isOver = true;
    clearTimeout(next);
    clearTimeout(deadline);
    for (const cancel of attempts.values()) cancel();
    attempts.clear();
  };
  const fail = (code: ErrorCode): void => {
    settle();
    onFailed(code);
  };
  const win = (address: SocketAddress, socket: Socket): void => {
    attempts.delete(address);
    settle();
    onConnected(socket);
  };
  const tryNext = (): void => {
    clearTimeout(next);
    const address = waiting.shift();
    if (address === undefined) return;
    if (waiting.length > 0) next = setTimeout(tryNext, NEXT_ATTEMPT_MS);
    const source = sourceOf(address.family);
    const cancel = connectTo(
      { address, tls: null, timeoutMs, preface: null, source },
      {
        onConnected: (socket) => win(address, socket),
        onFailed: (code) => {
          attempts.delete(address);
          if (isOver) return;
          if (waiting.length > 0) tryNext();
          else if (attempts.size === 0) fail(code);
        },
      },
    );
    attempts.set(address, cancel);
  };

  const deadline = setTimeout(() => fail('connect_timeout'), timeoutMs);
  tryNext();
  return settle;
}

/** RFC 8305, section 4: the families alternate, beginning with that of the first. */
function inTurn(addresses: readonly SocketAddress[]): SocketAddress[] {
  const first = addresses.filter(({ family }) => family === addresses[0]?.family);
  const second = addresses.filter(({ family }) => family !== addresses[0]?.family);
  const length = Math.max(first.length, second.length);
  return Array.from({ length }, (_, i) => [first[i], second[i]])
    .flat()
    .filter((address) => address !== undefined);
}
