// A TLS ClientHello as it comes over the wire (RFC 8446, section 4.1.2), read far enough to know what the client asks
// for. It may lie across records, and they across packets. native/tls/client_hello judges names alike. Pure.

export interface ClientHello {
  /** Lower-case, without a trailing dot; '' when the client asks for none. */
  readonly serverName: string;
  /** The protocols that it offers (ALPN), as latin1 text; empty when it offers none. */
  readonly alpn: readonly string[];
}

/**
 * `more`: what there is begins like one. `alien`: it is no TLS handshake. `bad`: it is one, but not well-formed, or
 * longer than anybody needs.
 */
export type HelloOutcome = 'more' | 'alien' | 'bad' | ClientHello;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const RECORD_HEADER = 5;
const MESSAGE_HEADER = 4;
const MAX_RECORD = 16_384;
/** The longest ClientHello that is looked at, its records' headers not counted. */
const MAX_HELLO = 16_384;
const SERVER_NAME = 0;
const ALPN = 16;
const NAME = /^[a-z0-9\-._]{1,255}$/;

export function readClientHello(bytes: Buffer): HelloOutcome {
  const message = joinRecords(bytes);
  if (typeof message === 'string') return message;
  try {
    return readMessage(message);
  } catch (error) {
    if (error instanceof RangeError) return 'bad';
    throw error;
  }
}

/** The handshake message, without its header, out of the records that carry it. */
function joinRecords(bytes: Buffer): Buffer | Extract<HelloOutcome, string> {
  const parts: Buffer[] = [];
  let have = 0;
  let at = 0;
  for (;;) {
    if (bytes.length > at && bytes[at] !== HANDSHAKE_RECORD) return at === 0 ? 'alien' : 'bad';
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return at === 0 ? 'alien' : 'bad';
    if (bytes.length < at + RECORD_HEADER) return 'more';
    const size = bytes.readUInt16BE(at + 3);
    if (size === 0 || size > MAX_RECORD) return 'bad';
    const part = bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + size);
    parts.push(part);
    have += part.length;
    const message = parts.length === 1 ? part : Buffer.concat(parts);
    if (message.length > 0 && message[0] !== CLIENT_HELLO) return 'bad';
    if (message.length >= MESSAGE_HEADER) {
      const whole = message.readUIntBE(1, 3);
      if (whole > MAX_HELLO) return 'bad';
      if (have >= MESSAGE_HEADER + whole) {
        return message.subarray(MESSAGE_HEADER, MESSAGE_HEADER + whole);
      }
    }
    if (part.length < size) return 'more';
    at += RECORD_HEADER + size;
  }
}

/** Throws RangeError where a length leads out of what holds it. */
function readMessage(message: Buffer): HelloOutcome {
  const reader = new Reader(message);
  // Version and random.
  reader.take(34);
  reader.take(reader.size(1));
  reader.take(reader.size(2));
  reader.take(reader.size(1));
  let serverName = '';
  let alpn: string[] = [];
  if (reader.isAtEnd) return { serverName, alpn };
  const extensions = new Reader(reader.take(reader.size(2)));
  if (!reader.isAtEnd) return 'bad';
  while (!extensions.isAtEnd) {
    const type = extensions.size(2);
    const content = extensions.take(extensions.size(2));
    if (type === SERVER_NAME) serverName = readServerName(content);
    else if (type === ALPN) alpn = readProtocols(content);
  }
  return { serverName, alpn };
}

/** RFC 6066, section 3: a list of one entry, a host name. */
function readServerName(content: Buffer): string {
  const list = new Reader(content);
  const entry = new Reader(list.take(list.size(2)));
  const type = entry.size(1);
  const text = entry.take(entry.size(2)).toString('latin1').toLowerCase();
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  const isGood = list.isAtEnd && entry.isAtEnd && type === 0 && NAME.test(name);
  if (!isGood) throw new RangeError('a server name that is none');
  return name;
}

/** RFC 7301, section 3.1. */
function readProtocols(content: Buffer): string[] {
  const outer = new Reader(content);
  const list = new Reader(outer.take(outer.size(2)));
  const protocols: string[] = [];
  while (!list.isAtEnd) {
    const name = list.take(list.size(1));
    if (name.length === 0) throw new RangeError('a protocol without a name');
    protocols.push(name.toString('latin1'));
  }
  if (!outer.isAtEnd || protocols.length === 0) throw new RangeError('a list that is none');
  return protocols;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** An unsigned number of so many bytes. */
  size(bytes: number): number {
    return this.take(bytes).readUIntBE(0, bytes);
  }

  take(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw new RangeError('a length that leads too far');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
