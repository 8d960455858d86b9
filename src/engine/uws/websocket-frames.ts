// WebSocket frames (RFC 6455 section 5) as a client writes and reads them: masked out, plain in. Data is handed on as
// it arrives, in pieces, so that no message is ever held whole. No sockets, no policy.
import { randomFillSync } from 'node:crypto';

export const OPCODES = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
} as const;

/** Control frames hold no more (section 5.5). */
export const CONTROL_BYTES = 125;

export interface FrameHandlers {
  /** A piece of a message; empty ones tell of a message's beginning or end only. */
  onData(piece: Buffer, isBinary: boolean, isFirst: boolean, isLast: boolean): void;
  onControl(opcode: number, payload: Buffer): void;
}

const MASK_POOL = Buffer.alloc(4096);
let maskAt = MASK_POOL.length;

function nextMask(): Buffer {
  if (maskAt >= MASK_POOL.length) {
    randomFillSync(MASK_POOL);
    maskAt = 0;
  }
  maskAt += 4;
  return MASK_POOL.subarray(maskAt - 4, maskAt);
}

/** One whole message, or one control frame. */
export function maskedFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const headBytes = 2 + lengthBytes + 4;
  const frame = Buffer.allocUnsafe(headBytes + length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) frame.writeUInt16BE(length, 2);
  else if (lengthBytes === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  const mask = nextMask();
  frame.set(mask, headBytes - 4);
  const [a = 0, b = 0, c = 0, d = 0] = mask;
  const keys = [a, b, c, d];
  for (let i = 0; i < length; i++) {
    frame[headBytes + i] = (payload[i] ?? 0) ^ (keys[i & 3] ?? 0);
  }
  return frame;
}

/** Reads what a server sends. */
export class FrameReader {
  readonly #handlers: FrameHandlers;
  #buffered: Buffer = Buffer.alloc(0);
  /** Of the data frame in progress. */
  #remaining = 0;
  #isFinal = false;
  /** Of the message in progress; null between messages. */
  #message: { readonly isBinary: boolean } | null = null;
  #isFirst = false;

  constructor(handlers: FrameHandlers) {
    this.#handlers = handlers;
  }

  /** False when what came breaks the protocol; nothing may be given to it any more. */
  take(bytes: Buffer): boolean {
    this.#buffered = this.#buffered.length === 0 ? bytes : Buffer.concat([this.#buffered, bytes]);
    for (;;) {
      if (this.#remaining > 0) {
        if (this.#buffered.length === 0) return true;
        this.#handOn(this.#cut(Math.min(this.#remaining, this.#buffered.length)));
        continue;
      }
      const outcome = this.#readHead();
      if (outcome !== 'read') return outcome === 'partial';
    }
  }

  #readHead(): 'read' | 'partial' | 'broken' {
    const bytes = this.#buffered;
    if (bytes.length < 2) return 'partial';
    const first = bytes[0] ?? 0;
    const second = bytes[1] ?? 0;
    const opcode = first & 0x0f;
    const isFinal = (first & 0x80) !== 0;
    // No extension was agreed on, and servers do not mask.
    if ((first & 0x70) !== 0 || (second & 0x80) !== 0) return 'broken';
    const short = second & 0x7f;
    const headBytes = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (opcode >= OPCODES.close) {
      if (!isFinal || short > CONTROL_BYTES || opcode > OPCODES.pong) return 'broken';
      if (bytes.length < 2 + short) return 'partial';
      this.#cut(2);
      this.#handlers.onControl(opcode, this.#cut(short));
      return 'read';
    }
    if (bytes.length < headBytes) return 'partial';
    const length = readLength(bytes, short);
    if (length === null || !this.#beginFrame(opcode)) return 'broken';
    this.#cut(headBytes);
    this.#remaining = length;
    this.#isFinal = isFinal;
    if (length === 0) this.#handOn(Buffer.alloc(0));
    return 'read';
  }

  #beginFrame(opcode: number): boolean {
    if (opcode > OPCODES.binary || (opcode === OPCODES.continuation) !== (this.#message !== null)) {
      return false;
    }
    if (this.#message === null) {
      this.#message = { isBinary: opcode === OPCODES.binary };
      this.#isFirst = true;
    }
    return true;
  }

  #handOn(piece: Buffer): void {
    if (this.#message === null) return;
    const { isBinary } = this.#message;
    const isFirst = this.#isFirst;
    this.#remaining -= piece.length;
    const isLast = this.#isFinal && this.#remaining === 0;
    this.#isFirst = false;
    if (isLast) this.#message = null;
    if (isFirst || isLast || piece.length > 0) {
      this.#handlers.onData(piece, isBinary, isFirst, isLast);
    }
  }

  #cut(length: number): Buffer {
    const cut = this.#buffered.subarray(0, length);
    this.#buffered = this.#buffered.subarray(length);
    return cut;
  }
}

/** null for more than a number can count. */
function readLength(bytes: Buffer, short: number): number | null {
  if (short < 126) return short;
  if (short === 126) return bytes.readUInt16BE(2);
  const length = bytes.readBigUInt64BE(2);
  return length <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(length) : null;
}
