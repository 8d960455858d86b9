// WebSocket (RFC 6455) as far as a demonstration target needs it: text and binary messages come back as they went,
// pings are answered, a close ends it.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** A demonstration needs no more; what is larger is answered with close code 1009. */
const MAX_PAYLOAD_BYTES = 1 << 20;
const OPCODE = { close: 8, ping: 9, pong: 10 } as const;

/** For a server's `upgrade` event. */
export function acceptWebSocket(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.on('error', () => socket.destroy());
  const key = request.headers['sec-websocket-key'];
  if (key === undefined || request.headers['sec-websocket-version'] !== '13') {
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    return;
  }
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let pending = head;
  const onData = (chunk: Buffer): void => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const frame = readFrame(pending);
      if (frame === 'partial') return;
      if (frame === 'bad') {
        socket.end(writeFrame(0x80 | OPCODE.close, Buffer.from([0x03, 0xea]))); // 1002
        return;
      }
      if (frame === 'large') {
        socket.end(writeFrame(0x80 | OPCODE.close, Buffer.from([0x03, 0xf1]))); // 1009
        return;
      }
      pending = pending.subarray(frame.length);
      answer(socket, frame);
    }
  };
  socket.on('data', onData);
  if (head.length > 0) onData(Buffer.alloc(0));
}

interface Frame {
  /** FIN and opcode as they came: fragments are echoed as the fragments that they are. */
  readonly firstByte: number;
  readonly payload: Buffer;
  readonly length: number;
}

function readFrame(bytes: Buffer): Frame | 'partial' | 'bad' | 'large' {
  const [firstByte, lengthByte] = bytes;
  if (firstByte === undefined || lengthByte === undefined) return 'partial';
  // Reserved bits need an extension, and clients must mask (section 5.1).
  if ((firstByte & 0x70) !== 0 || (lengthByte & 0x80) === 0) return 'bad';
  const short = lengthByte & 0x7f;
  const maskAt = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < maskAt + 4) return 'partial';
  const size =
    short === 127
      ? Number(bytes.readBigUInt64BE(2))
      : short === 126
        ? bytes.readUInt16BE(2)
        : short;
  if (size > MAX_PAYLOAD_BYTES) return 'large';
  const length = maskAt + 4 + size;
  if (bytes.length < length) return 'partial';
  const mask = bytes.subarray(maskAt, maskAt + 4);
  const payload = Buffer.from(bytes.subarray(maskAt + 4, length));
  for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return { firstByte, payload, length };
}

function answer(socket: Duplex, { firstByte, payload }: Frame): void {
  switch (firstByte & 0x0f) {
    case OPCODE.close:
      socket.end(writeFrame(firstByte, payload));
      return;
    case OPCODE.ping:
      socket.write(writeFrame(0x80 | OPCODE.pong, payload));
      return;
    case OPCODE.pong:
      return;
    default:
      socket.write(writeFrame(firstByte, payload));
  }
}

function writeFrame(firstByte: number, payload: Buffer): Buffer {
  const size = payload.length;
  if (size < 126) return Buffer.concat([Buffer.from([firstByte, size]), payload]);
  const head = Buffer.alloc(size < 65_536 ? 4 : 10);
  head[0] = firstByte;
  if (size < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(size, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(size), 2);
  }
  return Buffer.concat([head, payload]);
}
