// What a client asks for in the first message of a TLS handshake, read without taking part in it (RFC 8446, sections
// 4.1.2, 4.2 and 5.1; RFC 6066, section 3; RFC 7301). Of an encrypted ClientHello (ECH) this is the outer one. The same
// in C++ is native/tls/client_hello, but for what chooses among certificates, which OpenSSL does there;
// test/vectors/client-hello.txt binds both. Pure.

export interface ClientHello {
  /** Lower-case, without trailing dot; '' when no name is asked for. */
  readonly serverName: string;
  /** Protocols in the order of preference, as latin1 text; empty when none is offered. */
  readonly alpn: readonly string[];
  /** By their numbers (IANA): what the client can do, in its order; what is malformed is left out. */
  readonly cipherSuites: readonly number[];
  readonly signatureSchemes: readonly number[];
  /** Those of the extension: TLS 1.3 is nowhere else. */
  readonly versions: readonly number[];
}

/** `more`: it may become a ClientHello. `alien`: it begins with no record of a handshake. `bad`: it is malformed. */
export type HelloOutcome = 'more' | 'alien' | 'bad' | ClientHello;

/** The longest message that is taken, and the most that its records may take on the wire: it may come in many. */
const MAX_MESSAGE = 16 * 1024;
const MAX_WIRE = 18 * 1024;
const MAX_RECORD = 16 * 1024;
const RECORD_HEADER = 5;
const HANDSHAKE_RECORD = 22;
const MAJOR_VERSION = 3;
const MESSAGE_HEADER = 4;
const CLIENT_HELLO = 1;
const RANDOM = 32;
const MAX_SESSION_ID = 32;
const MAX_SERVER_NAME = 255;
const SERVER_NAME_EXTENSION = 0;
const SIGNATURES_EXTENSION = 13;
const ALPN_EXTENSION = 16;
const VERSIONS_EXTENSION = 43;

/** `input`: all that the client has sent. */
export function readClientHello(input: Buffer): HelloOutcome {
  const [type = HANDSHAKE_RECORD, major = MAJOR_VERSION] = input;
  if (type !== HANDSHAKE_RECORD || major !== MAJOR_VERSION) return 'alien';
  const fragments: Buffer[] = [];
  let gathered = 0;
  /** The length of the message, once its header has come. */
  let whole = MAX_MESSAGE;
  let at = 0;
  while (input.length - at >= RECORD_HEADER) {
    const size = input.readUInt16BE(at + 3);
    const isHandshake = input[at] === HANDSHAKE_RECORD && input[at + 1] === MAJOR_VERSION;
    if (!isHandshake || size === 0 || size > MAX_RECORD) return 'bad';
    const fragment = input.subarray(at + RECORD_HEADER, at + RECORD_HEADER + size);
    const hadHeader = gathered >= MESSAGE_HEADER;
    fragments.push(fragment);
    gathered += fragment.length;
    if (gathered > MAX_MESSAGE) return 'bad';
    if (gathered > 0 && fragments[0]?.[0] !== CLIENT_HELLO) return 'bad';
    if (!hadHeader && gathered >= MESSAGE_HEADER) {
      whole = MESSAGE_HEADER + Buffer.concat(fragments, MESSAGE_HEADER).readUIntBE(1, 3);
      if (whole > MAX_MESSAGE) return 'bad';
    }
    if (gathered >= MESSAGE_HEADER && gathered >= whole)
      return readBody(Buffer.concat(fragments, whole).subarray(MESSAGE_HEADER)) ?? 'bad';
    if (fragment.length < size) break;
    at += RECORD_HEADER + size;
  }
  return input.length < MAX_WIRE ? 'more' : 'bad';
}

/** Takes fields from the front of what is left; `isShort` when there was too little. */
class Fields {
  isShort = false;
  #rest: Buffer;

  constructor(bytes: Buffer) {
    this.#rest = bytes;
  }

  get isEmpty(): boolean {
    return this.#rest.length === 0;
  }

  take(size: number): Buffer {
    if (size > this.#rest.length) this.isShort = true;
    const field = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(size);
    return field;
  }

  number(size: 1 | 2): number {
    const field = this.take(size);
    return this.isShort ? 0 : field.readUIntBE(0, size);
  }
}

/** `body`: the message behind its header. null: it is malformed. */
function readBody(body: Buffer): ClientHello | null {
  const fields = new Fields(body);
  const version = fields.number(2);
  fields.take(RANDOM);
  const sessionId = fields.take(fields.number(1));
  const ciphers = fields.take(fields.number(2));
  const compressions = fields.take(fields.number(1));
  const isFine =
    version >> 8 === MAJOR_VERSION &&
    sessionId.length <= MAX_SESSION_ID &&
    ciphers.length > 0 &&
    ciphers.length % 2 === 0 &&
    compressions.length > 0;
  if (fields.isShort || !isFine) return null;
  // Before TLS 1.3 a client may say nothing more.
  const cipherSuites = numbersIn(ciphers);
  if (fields.isEmpty)
    return { serverName: '', alpn: [], cipherSuites, signatureSchemes: [], versions: [] };
  const extensions = fields.take(fields.number(2));
  const read = fields.isShort || !fields.isEmpty ? null : readExtensions(extensions);
  return read === null ? null : { ...read, cipherSuites };
}

function readExtensions(extensions: Buffer): Omit<ClientHello, 'cipherSuites'> | null {
  const fields = new Fields(extensions);
  let serverName: string | null = null;
  let alpn: string[] | null = null;
  let signatureSchemes: number[] = [];
  let versions: number[] = [];
  while (!fields.isEmpty) {
    const type = fields.number(2);
    const extension = fields.take(fields.number(2));
    if (fields.isShort) return null;
    if (type === SERVER_NAME_EXTENSION) {
      if (serverName !== null) return null;
      serverName = readServerName(extension);
      if (serverName === null) return null;
    } else if (type === ALPN_EXTENSION) {
      if (alpn !== null) return null;
      alpn = readProtocols(extension);
      if (alpn === null) return null;
    } else if (type === SIGNATURES_EXTENSION) {
      signatureSchemes = readNumbers(extension, 2);
    } else if (type === VERSIONS_EXTENSION) {
      versions = readNumbers(extension, 1);
    }
  }
  return { serverName: serverName ?? '', alpn: alpn ?? [], signatureSchemes, versions };
}

/** A list of numbers of two bytes, its length in front in `size` bytes. */
function readNumbers(extension: Buffer, size: 1 | 2): number[] {
  const outer = new Fields(extension);
  const list = outer.take(outer.number(size));
  return outer.isShort || !outer.isEmpty ? [] : numbersIn(list);
}

function numbersIn(list: Buffer): number[] {
  return Array.from({ length: Math.floor(list.length / 2) }, (_, i) => list.readUInt16BE(2 * i));
}

/** A list of one host name. null: it is malformed, or no host name. */
function readServerName(extension: Buffer): string | null {
  const outer = new Fields(extension);
  const list = new Fields(outer.take(outer.number(2)));
  const type = list.number(1);
  const name = list.take(list.number(2)).toString('latin1').toLowerCase().replace(/\.$/, '');
  const isWhole = !outer.isShort && outer.isEmpty && !list.isShort && list.isEmpty;
  const isName = name.length <= MAX_SERVER_NAME && /^[a-z0-9._-]+$/.test(name);
  return isWhole && type === 0 && isName ? name : null;
}

/** A list of protocols, none of them empty. null: it is malformed. */
function readProtocols(extension: Buffer): string[] | null {
  const outer = new Fields(extension);
  const list = new Fields(outer.take(outer.number(2)));
  if (outer.isShort || !outer.isEmpty || list.isEmpty) return null;
  const names: string[] = [];
  while (!list.isEmpty) {
    const name = list.take(list.number(1)).toString('latin1');
    if (list.isShort || name === '') return null;
    names.push(name);
  }
  return names;
}
