// How the bytes of a case are cut: whole, in two at every byte, and byte by byte. The pause between two parts
// makes them arrive apart; nothing is concluded from it.
import { pause } from '../support/deadline.ts';
import type { RawConnection } from '../support/raw-connection.ts';
import type { WireBlock } from './read-cases.ts';

/** Beyond this many positions a long message is cut at a spread of them. */
const MOST_CUTS = 100;
const LONGEST_BYTEWISE = 400;

/** Where to cut a message of `length` bytes in two; 0 = not at all. */
export function cutsOf(length: number, focus?: WireBlock['focus']): number[] {
  const cuts = new Set([0]);
  if (focus) {
    const last = Math.min(focus.to + 3, length - 1, focus.from + 40);
    for (let at = Math.max(focus.from - 1, 1); at <= last; at++) cuts.add(at);
  } else if (length <= MOST_CUTS) {
    for (let at = 1; at < length; at++) cuts.add(at);
  } else {
    for (let i = 0; i < MOST_CUTS; i++) cuts.add(Math.round((i * (length - 1)) / MOST_CUTS));
  }
  return [...cuts];
}

/** Sends `bytes` on every connection, each cut at its own place, and one more connection byte by byte. */
export async function sendCut(
  bytes: Buffer,
  connections: readonly RawConnection[],
  cuts: readonly number[],
  bytewise: RawConnection | undefined,
): Promise<void> {
  for (const [i, connection] of connections.entries())
    connection.send(bytes.subarray(0, cuts[i] || bytes.length));
  const trickle = bytewise ? sendBytewise(bytes, bytewise) : undefined;
  await pause(4);
  for (const [i, connection] of connections.entries()) {
    const cut = cuts[i] ?? 0;
    if (cut > 0) connection.send(bytes.subarray(cut));
  }
  await trickle;
}

export function isShortEnough(bytes: Buffer): boolean {
  return bytes.length <= LONGEST_BYTEWISE;
}

async function sendBytewise(bytes: Buffer, connection: RawConnection): Promise<void> {
  for (const byte of bytes) {
    connection.send(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
}
