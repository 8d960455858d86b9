// What there is to know about the handshake of a WebSocket between a client, whose side uWebSockets.js answers, and a
// target (RFC 6455 section 4). Extensions are not offered to targets: frames are taken apart here. Pure.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FlatFields } from '../shared/field-rules.ts';
import { interimBytes } from '../shared/response-head.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** Fields of a 101 that uWebSockets.js writes itself, or that this end would have to keep. */
const NOT_PASSED_ON = new Set([
  'date',
  'sec-websocket-accept',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
]);

export function isWebSocket(protocol: string): boolean {
  return protocol.toLowerCase() === 'websocket';
}

export function fieldOf(fields: FlatFields, name: string): string {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() === name) return fields[i + 1] ?? '';
  }
  return '';
}

/** Whether a target's 101 answers the key, agrees to no extension and takes a protocol that was offered. */
export function acceptsHandshake(request: FlatFields, { headers }: IncomingMessage): boolean {
  const key = fieldOf(request, 'sec-websocket-key');
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  if (headers['sec-websocket-accept'] !== accept) return false;
  if (headers['sec-websocket-extensions'] !== undefined) return false;
  const chosen = headers['sec-websocket-protocol'];
  if (chosen === undefined) return true;
  const offered = fieldOf(request, 'sec-websocket-protocol').split(',');
  return offered.some((protocol) => protocol.trim() === chosen);
}

/** The lines of a 101 as uWebSockets.js is to be given them. */
export function switchingLines({ statusMessage, rawHeaders }: IncomingMessage): string {
  const fields: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!NOT_PASSED_ON.has(name.toLowerCase())) fields.push(name, rawHeaders[i + 1] ?? '');
  }
  const text = interimBytes(101, statusMessage ?? '', fields, null);
  return text.slice('HTTP/1.1 '.length, -'\r\n\r\n'.length);
}
