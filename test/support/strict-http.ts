// A strict HTTP/1.1 message parser for judging what engines write: RFC 9112 with every leniency left out. It is
// written apart from the engines on purpose and favours plain sight over speed. Bytes in; complete, partial or
// bad out.

export interface Field {
  readonly name: string;
  readonly value: string;
}

export interface Head {
  readonly startLine: string;
  readonly fields: readonly Field[];
  /** Offset of the first byte after the empty line. */
  readonly end: number;
}

export interface Message {
  readonly fields: readonly Field[];
  readonly body: Buffer;
  readonly trailers: readonly Field[];
  readonly framing: 'none' | 'length' | 'chunked' | 'close';
  /** Offset of the first byte after the message. */
  readonly end: number;
}

export interface StrictRequest extends Message {
  readonly method: string;
  readonly target: string;
  readonly version: string;
}

export interface StrictResponse extends Message {
  readonly status: number;
  readonly reason: string;
  readonly version: string;
}

export type Parsed<T> =
  | { readonly kind: 'complete'; readonly message: T }
  | { readonly kind: 'partial' }
  | { readonly kind: 'bad'; readonly reason: string };

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The values of a field, in order. */
export function fieldValues(fields: readonly Field[], name: string): string[] {
  const wanted = name.toLowerCase();
  return fields.filter((f) => f.name.toLowerCase() === wanted).map((f) => f.value);
}

/** The value of a field that occurs once at most; several are joined as RFC 9110 section 5.3 allows. */
export function fieldValue(fields: readonly Field[], name: string): string | undefined {
  const values = fieldValues(fields, name);
  return values.length === 0 ? undefined : values.join(', ');
}

const ORIGIN_TARGET = /^\/[\x21\x22\x24-\x7e]*$/;
const PROXY_TARGET = /^http:\/\/[a-z0-9.:[\]-]+\/[\x21\x22\x24-\x7e]*$/;
const WHOLE_HOST = /^http:\/\/[a-z0-9.:[\]-]+$/;

/**
 * A request as an origin must get it from a proxy: origin-form, one Host, one framing; or as another `proxy` must: in
 * absolute form.
 */
export function parseRequest(
  bytes: Buffer,
  from = 0,
  by: 'origin' | 'proxy' = 'origin',
): Parsed<StrictRequest> {
  const head = parseHead(bytes, from);
  if (head.kind !== 'complete') return head;
  const line = /^(\S+) (\S+) (HTTP\/1\.[01])$/.exec(head.message.startLine);
  if (!line) return bad(`request line ${JSON.stringify(head.message.startLine)}`);
  const [, method = '', target = '', version = ''] = line;
  if (!TOKEN.test(method)) return bad(`method ${JSON.stringify(method)}`);
  const whole = by === 'proxy' ? WHOLE_HOST : /^\*$/;
  const isStar = method === 'OPTIONS' && whole.test(target);
  const form = by === 'proxy' ? PROXY_TARGET : ORIGIN_TARGET;
  if (!isStar && !form.test(target)) return bad(`target ${JSON.stringify(target)}`);
  const { fields } = head.message;
  const hosts = fieldValues(fields, 'host');
  if (hosts.length > 1 || (version === 'HTTP/1.1' && hosts.length === 0)) {
    return bad(`${hosts.length} Host fields`);
  }
  const framing = framingOf(fields);
  if (typeof framing === 'string') return bad(framing);
  if (framing.kind === 'chunked' && version === 'HTTP/1.0') return bad('chunked in HTTP/1.0');
  const body =
    framing.kind === 'close'
      ? noBody(head.message.end)
      : parseBody(bytes, head.message.end, framing);
  if (body.kind !== 'complete') return body;
  return { kind: 'complete', message: { method, target, version, fields, ...body.message } };
}

/**
 * A response as a client must get it. `method` is that of the request it answers; `hasEnded` says that the
 * connection has ended, which completes a body that is framed by the close.
 */
export function parseResponse(
  bytes: Buffer,
  from: number,
  method: string,
  hasEnded: boolean,
): Parsed<StrictResponse> {
  const head = parseHead(bytes, from);
  if (head.kind !== 'complete') return head;
  const line = /^(HTTP\/1\.[01]) ([1-5]\d\d) ([\t\x20-\x7e\x80-\xff]*)$/.exec(
    head.message.startLine,
  );
  if (!line) return bad(`status line ${JSON.stringify(head.message.startLine)}`);
  const [, version = '', statusText = '', reason = ''] = line;
  const status = Number(statusText);
  const { fields } = head.message;
  const framing = framingOf(fields);
  if (typeof framing === 'string') return bad(framing);
  const isTunnel = method === 'CONNECT' && status >= 200 && status < 300;
  const hasNoBody =
    method === 'HEAD' || status < 200 || status === 204 || status === 304 || isTunnel;
  const start = head.message.end;
  if ((status < 200 || status === 204 || isTunnel) && framing.kind !== 'close') {
    return bad(`${status} with a framing field`);
  }
  if (!hasNoBody && framing.kind === 'close' && !hasEnded) return { kind: 'partial' };
  const body: Parsed<Body> = hasNoBody
    ? noBody(start)
    : framing.kind === 'close'
      ? complete({ body: bytes.subarray(start), trailers: [], framing: 'close', end: bytes.length })
      : parseBody(bytes, start, framing);
  if (body.kind !== 'complete') return body;
  return { kind: 'complete', message: { version, status, reason, fields, ...body.message } };
}

/** Start line and fields, every line ended by CRLF. */
export function parseHead(bytes: Buffer, from: number): Parsed<Head> {
  const first = lineAt(bytes, from);
  if (first.kind !== 'complete') return first;
  const fields = parseFields(bytes, first.message.next);
  if (fields.kind !== 'complete') return fields;
  return complete({
    startLine: first.message.text,
    fields: fields.message.fields,
    end: fields.message.end,
  });
}

type Body = Pick<Message, 'body' | 'trailers' | 'framing' | 'end'>;
type Framing =
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' | 'close' };

function complete<T>(message: T): Parsed<T> {
  return { kind: 'complete', message };
}

function bad(reason: string): { readonly kind: 'bad'; readonly reason: string } {
  return { kind: 'bad', reason };
}

function noBody(end: number): Parsed<Body> {
  return complete({ body: Buffer.alloc(0), trailers: [], framing: 'none', end });
}

function lineAt(
  bytes: Buffer,
  from: number,
): Parsed<{ readonly text: string; readonly next: number }> {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0x0a) return bad('a bare LF');
    if (byte !== 0x0d) continue;
    if (at + 1 === bytes.length) return { kind: 'partial' };
    if (bytes[at + 1] !== 0x0a) return bad('a bare CR');
    return complete({ text: bytes.toString('latin1', from, at), next: at + 2 });
  }
  return { kind: 'partial' };
}

function parseFields(
  bytes: Buffer,
  from: number,
): Parsed<{ readonly fields: readonly Field[]; readonly end: number }> {
  const fields: Field[] = [];
  for (let at = from; ; ) {
    const line = lineAt(bytes, at);
    if (line.kind !== 'complete') return line;
    at = line.message.next;
    const { text } = line.message;
    if (text === '') return complete({ fields, end: at });
    const colon = text.indexOf(':');
    const name = text.slice(0, Math.max(colon, 0));
    const value = text.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    if (!TOKEN.test(name) || !VALUE.test(value)) return bad(`field line ${JSON.stringify(text)}`);
    fields.push({ name, value });
  }
}

function framingOf(fields: readonly Field[]): Framing | string {
  const lengths = fieldValues(fields, 'content-length');
  const codings = fieldValues(fields, 'transfer-encoding');
  if (lengths.length + codings.length > 1) return 'more than one framing field';
  const [length] = lengths;
  if (length !== undefined) {
    return /^(0|[1-9]\d{0,14})$/.test(length)
      ? { kind: 'length', length: Number(length) }
      : `Content-Length ${JSON.stringify(length)}`;
  }
  const [coding] = codings;
  if (coding === undefined) return { kind: 'close' };
  return coding.toLowerCase() === 'chunked'
    ? { kind: 'chunked' }
    : `Transfer-Encoding ${JSON.stringify(coding)}`;
}

function parseBody(bytes: Buffer, from: number, framing: Framing): Parsed<Body> {
  if (framing.kind === 'chunked') return parseChunked(bytes, from);
  const length = framing.kind === 'length' ? framing.length : 0;
  if (bytes.length < from + length) return { kind: 'partial' };
  return complete({
    body: bytes.subarray(from, from + length),
    trailers: [],
    framing: 'length',
    end: from + length,
  });
}

function parseChunked(bytes: Buffer, from: number): Parsed<Body> {
  const chunks: Buffer[] = [];
  for (let at = from; ; ) {
    const line = lineAt(bytes, at);
    if (line.kind !== 'complete') return line;
    const { text, next } = line.message;
    if (!/^[0-9A-Fa-f]{1,12}$/.test(text)) return bad(`chunk size ${JSON.stringify(text)}`);
    const size = Number.parseInt(text, 16);
    if (size === 0) {
      const trailers = parseFields(bytes, next);
      if (trailers.kind !== 'complete') return trailers;
      const { fields, end } = trailers.message;
      return complete({ body: Buffer.concat(chunks), trailers: fields, framing: 'chunked', end });
    }
    if (bytes.length < next + size + 2) return { kind: 'partial' };
    if (bytes.toString('latin1', next + size, next + size + 2) !== '\r\n') {
      return bad('no CRLF after the chunk');
    }
    chunks.push(bytes.subarray(next, next + size));
    at = next + size + 2;
  }
}
