// The lines of a response head as uWebSockets.js is given them: it writes what it gets, unseen, between `HTTP/1.1 `
// and a line end, and adds Date and the framing itself. Pure.
import { STATUS_CODES } from 'node:http';
import type { ClientHead } from '../shared/client-side.ts';
import type { Text } from './uwebsockets.d.ts';

/** What uWebSockets.js writes for every response with a body, whether we like it or not. */
const OWN = new Set(['content-length', 'transfer-encoding']);

export interface HeadManner {
  /** Not where uWebSockets.js says so itself. */
  readonly saysClose: boolean;
  readonly hasBody: boolean;
}

/** Status line and fields, without `HTTP/1.1 ` and without the last line end. */
export function headText(
  { status, reason, fields }: ClientHead,
  { saysClose, hasBody }: HeadManner,
): string {
  let text = statusText(status, reason ?? '');
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? '';
    const key = name.toLowerCase();
    if (key === 'date' || (hasBody && OWN.has(key)) || (key === 'connection' && !saysClose))
      continue;
    text += `\r\n${name}: ${fields[i + 1]}`;
  }
  return text;
}

export function statusText(status: number, reason: string): string {
  return `${status} ${reason === '' ? (STATUS_CODES[status] ?? '') : reason}`;
}

/** As it goes over the wire; uWebSockets.js would encode strings as UTF-8. */
export function wireText(text: string): Text {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, 'latin1');
  }
  return text;
}

/**
 * Lines in the form of one field, `name: value`, which is how text gets out once a status has been written. Where
 * there is no field among them, the status's reason takes the colon, which it may hold.
 */
export function asField(lines: string): readonly [Text, Text] {
  const colon = lines.lastIndexOf(': ');
  if (colon < 0)
    return [wireText(lines.replace(/\r\n$/, '')), lines.endsWith('\r\n') ? '\r\n' : ''];
  return [wireText(lines.slice(0, colon)), wireText(lines.slice(colon + 2))];
}
