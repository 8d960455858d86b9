// A response head, judged like a request head, and the fields that a client gets of it. Pure.
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { ErrorCode } from '../../contract/codes.ts';
import type { HeaderEdit, PlanLimits } from '../../plan/plan.ts';
import { applyEdits, editedAway, endsInResponse, type FlatFields } from './field-rules.ts';
import { readCoding, readConnection, readLength } from './request-head.ts';

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly fields: FlatFields;
  readonly nominated: ReadonlySet<string>;
  /** null when the body ends with a last chunk or with the connection. */
  readonly length: number | null;
  readonly isChunked: boolean;
  /** Whether a body follows: not after HEAD, 204 and 304. */
  readonly hasBody: boolean;
}

export type ResponseOutcome =
  | { readonly head: ResponseHead }
  | { readonly code: Exclude<ErrorCode, 'none'> };

/** Responses get at least this much, whatever limits requests have. */
const RESPONSE_HEAD_BYTES = 64 * 1024;
const MAX_FIELDS = 256;

export function responseHeadLimit({ headBytes }: PlanLimits): number {
  return Math.max(headBytes, RESPONSE_HEAD_BYTES);
}

export function readResponseHead(response: IncomingMessage, method: string): ResponseOutcome {
  const { statusCode: status = 0, rawHeaders, httpVersionMajor, httpVersionMinor } = response;
  if (httpVersionMajor !== 1 || status < 100 || status > 599) return { code: 'response_malformed' };
  if (rawHeaders.length / 2 > MAX_FIELDS) return { code: 'response_head_too_large' };

  const lengths: string[] = [];
  const codings: string[] = [];
  const connections: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const value = rawHeaders[i + 1] ?? '';
    const name = rawHeaders[i]?.toLowerCase();
    if (name === 'content-length') lengths.push(value);
    else if (name === 'transfer-encoding') codings.push(value);
    else if (name === 'connection') connections.push(value);
  }
  // Judged even where there can be no body: somebody further on would believe it.
  const length = lengths.length === 0 ? null : readLength(lengths);
  const isLengthBad = lengths.length > 0 && length === null;
  const isCodingBad =
    codings.length > 0 &&
    (lengths.length > 0 || httpVersionMinor === 0 || readCoding(codings) !== 'chunked');
  const connection = readConnection(connections);
  if (isLengthBad || isCodingBad || connection === null) return { code: 'response_malformed' };
  return {
    head: {
      status,
      reason: response.statusMessage ?? '',
      fields: rawHeaders,
      nominated: connection.nominated,
      length,
      isChunked: codings.length > 0,
      hasBody: method !== 'HEAD' && status >= 200 && status !== 204 && status !== 304,
    },
  };
}

/** The client's fields, but for framing and Connection, which are the exchange's to say. */
export function responseFields(head: ResponseHead, edits: readonly HeaderEdit[]): string[] {
  const edited = editedAway(edits);
  const fields: string[] = [];
  for (let i = 0; i + 1 < head.fields.length; i += 2) {
    const name = head.fields[i] ?? '';
    const key = name.toLowerCase();
    if (key === 'content-length' || endsInResponse(key)) continue;
    if (!head.nominated.has(key) && !edited.has(key)) fields.push(name, head.fields[i + 1] ?? '');
  }
  applyEdits(fields, edits);
  return fields;
}

/** A 1xx response as it goes over the wire; a 101 says what the connection is switched to. */
export function interimBytes(
  status: number,
  reason: string,
  rawHeaders: FlatFields,
  upgrade: string | null,
): string {
  const fields: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const key = name.toLowerCase();
    if (key !== 'content-length' && !endsInResponse(key))
      fields.push(name, rawHeaders[i + 1] ?? '');
  }
  if (upgrade !== null) fields.push('Connection', 'upgrade', 'Upgrade', upgrade);
  return headBytes(status, reason, fields);
}

export function headBytes(status: number, reason: string, fields: FlatFields): string {
  const text = reason === '' ? (STATUS_CODES[status] ?? '') : reason;
  let head = `HTTP/1.1 ${status} ${text}\r\n`;
  for (let i = 0; i + 1 < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return `${head}\r\n`;
}
