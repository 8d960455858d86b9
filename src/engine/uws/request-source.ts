// A request as uWebSockets.js has parsed it: copied out of memory that is gone when the handler returns. Its body, if
// any, becomes a stream. Main thread; owned by its HttpClient.
import { Readable } from 'node:stream';
import type { RawRequest, RequestSource } from '../shared/client-side.ts';
import type { FlatFields } from '../shared/field-rules.ts';
import type { UwsRequest } from './uwebsockets.d.ts';

const NON_ASCII = /[^\0-\x7f]/;
const REPLACED = '\ufffd';

/** A request with bytes that nobody can tell us any more gets version 0, which nobody serves. */
export function readRawRequest(request: UwsRequest): RawRequest {
  const rawHeaders: string[] = [];
  let isLost = false;
  request.forEach((name, value) => {
    // uWebSockets.js tells the client to go on by itself, at once; the target need not be asked.
    if (name === 'expect' && value === '100-continue') return;
    let text = value;
    if (NON_ASCII.test(value)) {
      const bytes = originalBytes(name, value, request, rawHeaders);
      if (bytes === null) isLost = true;
      else text = bytes;
    }
    rawHeaders.push(name, text);
  });
  const query = request.getQuery();
  return {
    method: request.getCaseSensitiveMethod(),
    url: query === undefined ? request.getUrl() : `${request.getUrl()}?${query}`,
    httpVersionMajor: isLost ? 0 : 1,
    httpVersionMinor: 1,
    rawHeaders,
  };
}

/** Values are decoded as UTF-8 on their way here; only the first of a name can be had as it was. */
function originalBytes(
  name: string,
  value: string,
  request: UwsRequest,
  before: FlatFields,
): string | null {
  if (!value.includes(REPLACED)) return Buffer.from(value, 'utf8').toString('latin1');
  for (let i = 0; i < before.length; i += 2) if (before[i] === name) return null;
  return request.getHeader(name);
}

export function mayHaveBody({ rawHeaders }: RawRequest): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i] === 'transfer-encoding') return true;
    if (rawHeaders[i] === 'content-length' && rawHeaders[i + 1] !== '0') return true;
  }
  return false;
}

/** A request that ended with its head. */
export class BodylessRequest implements RequestSource {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  readonly rawHeaders: FlatFields;
  readonly complete = true;
  readonly readableEnded = true;
  readonly rawTrailers: FlatFields = [];

  constructor(raw: RawRequest) {
    this.method = raw.method;
    this.url = raw.url;
    this.httpVersionMajor = raw.httpVersionMajor;
    this.httpVersionMinor = raw.httpVersionMinor;
    this.rawHeaders = raw.rawHeaders;
  }

  on(): void {}
  off(): void {}
  pause(): void {}
  resume(): void {}
}

const HIGH_WATER_MARK = 64 * 1024;

/** A request with a body, which `receive` is given as it arrives. */
export class StreamedRequest extends Readable implements RequestSource {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  readonly rawHeaders: FlatFields;
  /** uWebSockets.js knows no trailers. */
  readonly rawTrailers: FlatFields = [];
  complete = false;
  readonly #onWanted: () => void;

  /** `onWanted` says that there is room again. */
  constructor(raw: RawRequest, onWanted: () => void) {
    super({ highWaterMark: HIGH_WATER_MARK });
    this.method = raw.method;
    this.url = raw.url;
    this.httpVersionMajor = raw.httpVersionMajor;
    this.httpVersionMinor = raw.httpVersionMinor;
    this.rawHeaders = raw.rawHeaders;
    this.#onWanted = onWanted;
  }

  override _read(): void {
    this.#onWanted();
  }

  /** False when there is no room for more. */
  receive(chunk: ArrayBuffer, isLast: boolean): boolean {
    // A copy: the memory is only lent.
    const hasRoom = chunk.byteLength === 0 || this.push(Buffer.from(new Uint8Array(chunk)));
    if (isLast) {
      this.complete = true;
      this.push(null);
    }
    return hasRoom;
  }
}
