// The messages of SOCKS: version 5 (RFC 1928), its login by name and password (RFC 1929), version 4 with its 4a, and the
// headers of relayed datagrams. Both sides of each: what clients of a forward proxy send, and what parents answer. The
// same in C++ is native/socks/messages; test/vectors/socks.txt binds both. Pure.
import net from 'node:net';
import { addressBytes } from '../../contract/address.ts';
import { plainHost } from './client-address.ts';

/** `more`: too little has come to tell. `length`: what follows belongs to something else. */
export type SocksRead<T> =
  | { readonly kind: 'more' | 'bad' }
  | { readonly kind: 'done'; readonly length: number; readonly message: T };

/** A host as it came: an address as text, IPv4-mapped as IPv4, or bytes that are to be a name, as latin1. */
export interface SocksAddress {
  /** `unknown`: of a type that has no meaning to us, and so no length. */
  readonly type: 'ipv4' | 'ipv6' | 'name' | 'unknown';
  readonly host: string;
  readonly port: number;
}

export interface SocksRequest {
  readonly command: number;
  readonly address: SocksAddress;
}

export interface Socks4Request extends SocksRequest {
  /** The user that the client says it is, unproven. */
  readonly user: Buffer;
}

export interface SocksLogin {
  readonly name: Buffer;
  readonly password: Buffer;
}

export const SOCKS5 = 5;
export const SOCKS4 = 4;
export const SOCKS_COMMANDS = { connect: 1, bind: 2, associate: 3 } as const;
export const SOCKS_METHODS = { none: 0x00, login: 0x02, unacceptable: 0xff } as const;
/** RFC 1928, section 6. */
export const SOCKS_REPLIES = {
  succeeded: 0,
  failed: 1,
  denied: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  refused: 5,
  commandUnsupported: 7,
  addressTypeUnsupported: 8,
} as const;
export const SOCKS4_REPLIES = { granted: 90, rejected: 91, unidentified: 93 } as const;

const LOGIN_VERSION = 1;
const TYPES = { ipv4: 1, name: 3, ipv6: 4 } as const;
/** Of the user in a request of version 4, which has no length. */
const MAX_USER = 512;
/** Of the name behind it. */
const MAX_NAME = 255;

const MORE = { kind: 'more' } as const;
const BAD = { kind: 'bad' } as const;

function done<T>(length: number, message: T): SocksRead<T> {
  return { kind: 'done', length, message };
}

/** The methods that the client offers. */
export function readGreeting(input: Buffer): SocksRead<Buffer> {
  if ((input[0] ?? SOCKS5) !== SOCKS5) return BAD;
  const length = 2 + (input[1] ?? Number.POSITIVE_INFINITY);
  return input.length < length ? MORE : done(length, input.subarray(2, length));
}

/** The method that a parent chose. */
export function readMethod(input: Buffer): SocksRead<number> {
  if ((input[0] ?? SOCKS5) !== SOCKS5) return BAD;
  const method = input[1];
  return method === undefined ? MORE : done(2, method);
}

export function readLogin(input: Buffer): SocksRead<SocksLogin> {
  if ((input[0] ?? LOGIN_VERSION) !== LOGIN_VERSION) return BAD;
  const name = 2 + (input[1] ?? Number.POSITIVE_INFINITY);
  const length = name + 1 + (input[name] ?? Number.POSITIVE_INFINITY);
  if (input.length < length) return MORE;
  return done(length, {
    name: input.subarray(2, name),
    password: input.subarray(name + 1, length),
  });
}

/** What a parent says of a login: 0 is welcome. */
export function readLoginReply(input: Buffer): SocksRead<number> {
  if ((input[0] ?? LOGIN_VERSION) !== LOGIN_VERSION) return BAD;
  const status = input[1];
  return status === undefined ? MORE : done(2, status);
}

export function readRequest(input: Buffer): SocksRead<SocksRequest> {
  if ((input[0] ?? SOCKS5) !== SOCKS5 || (input[2] ?? 0) !== 0) return BAD;
  const read = readAddress(input, 3);
  const command = input[1];
  if (read === null || command === undefined) return MORE;
  return done(read.end, { command, address: read.address });
}

/** A parent's answer to a request: 0 is success. What it reserves is not looked at. */
export function readReply(input: Buffer): SocksRead<{
  readonly code: number;
  readonly bound: SocksAddress;
}> {
  if ((input[0] ?? SOCKS5) !== SOCKS5) return BAD;
  const read = readAddress(input, 3);
  const code = input[1];
  if (read === null || code === undefined) return MORE;
  if (read.address.type === 'unknown') return BAD;
  return done(read.end, { code, bound: read.address });
}

export function readSocks4Request(input: Buffer): SocksRead<Socks4Request> {
  if ((input[0] ?? SOCKS4) !== SOCKS4) return BAD;
  if (input.length < 9) return MORE;
  const userEnd = terminated(input, 8, MAX_USER);
  if (typeof userEnd === 'object') return userEnd;
  const command = input.readUInt8(1);
  const port = input.readUInt16BE(2);
  const user = input.subarray(8, userEnd);
  const isNamed = input.readUInt32BE(4) >>> 8 === 0 && input[7] !== 0;
  if (!isNamed) {
    const host = hostOf(input.subarray(4, 8));
    return done(userEnd + 1, { command, user, address: { type: 'ipv4', host, port } });
  }
  const nameEnd = terminated(input, userEnd + 1, MAX_NAME);
  if (typeof nameEnd === 'object') return nameEnd;
  const host = input.toString('latin1', userEnd + 1, nameEnd);
  return done(nameEnd + 1, { command, user, address: { type: 'name', host, port } });
}

/** Where the NUL is that ends the text at `start`. */
function terminated(input: Buffer, start: number, most: number): number | typeof MORE | typeof BAD {
  const length = input.subarray(start, start + most + 1).indexOf(0);
  if (length >= 0) return start + length;
  return input.length > start + most ? BAD : MORE;
}

/** The header of a datagram, which is whole or bad: fragments are. Its payload follows. */
export function readDatagram(input: Buffer): SocksRead<SocksAddress> {
  const isWhole = input.length >= 4 && input.readUIntBE(0, 3) === 0;
  const read = isWhole ? readAddress(input, 3) : null;
  return read === null || read.address.type === 'unknown' ? BAD : done(read.end, read.address);
}

/** null: not all of it is there. */
function readAddress(
  input: Buffer,
  at: number,
): { readonly address: SocksAddress; readonly end: number } | null {
  const code = input[at];
  let start = at + 1;
  let size: number;
  switch (code) {
    case undefined:
      return null;
    case TYPES.ipv4:
      size = 4;
      break;
    case TYPES.ipv6:
      size = 16;
      break;
    case TYPES.name:
      size = input[start++] ?? Number.POSITIVE_INFINITY;
      break;
    default:
      return { address: { type: 'unknown', host: '', port: 0 }, end: at + 1 };
  }
  const end = start + size + 2;
  if (input.length < end) return null;
  const bytes = input.subarray(start, end - 2);
  const port = input.readUInt16BE(end - 2);
  if (code === TYPES.name) {
    return { address: { type: 'name', host: bytes.toString('latin1'), port }, end };
  }
  const host = hostOf(bytes);
  return { address: { type: net.isIPv4(host) ? 'ipv4' : 'ipv6', host, port }, end };
}

function hostOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return plainHost(new net.SocketAddress({ family: 'ipv6', address: groups.join(':') }).address);
}

// --- what is answered ----------------------------------------------------------------------------

export const writeMethod = (method: number): Buffer => Buffer.of(SOCKS5, method);

export const writeLoginReply = (isWelcome: boolean): Buffer =>
  Buffer.of(LOGIN_VERSION, isWelcome ? 0 : 1);

/** `bound`: an address; null where there is none to tell. */
export function writeReply(code: number, bound: SocksAddress | null): Buffer {
  const address = bound ?? { type: 'ipv4', host: '0.0.0.0', port: 0 };
  return Buffer.concat([Buffer.of(SOCKS5, code, 0), addressField(address)]);
}

/** Nobody looks at the address in an answer to CONNECT. */
export const writeSocks4Reply = (code: number): Buffer => Buffer.of(0, code, 0, 0, 0, 0, 0, 0);

/** Goes ahead of a datagram that came from `source`. */
export const writeDatagramHeader = (source: SocksAddress): Buffer =>
  Buffer.concat([Buffer.alloc(3), addressField(source)]);

// --- what parents are asked ----------------------------------------------------------------------

/** Offers no more than is meant. */
export const writeGreeting = (hasLogin: boolean): Buffer =>
  Buffer.of(SOCKS5, 1, hasLogin ? SOCKS_METHODS.login : SOCKS_METHODS.none);

/** Both of up to 255 bytes. */
export function writeLogin(name: Uint8Array, password: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.of(LOGIN_VERSION, name.length),
    name,
    Buffer.of(password.length),
    password,
  ]);
}

export const writeRequest = (command: number, to: SocksAddress): Buffer =>
  Buffer.concat([Buffer.of(SOCKS5, command, 0), addressField(to)]);

function addressField({ type, host, port }: SocksAddress): Buffer {
  const tail = Buffer.alloc(2);
  tail.writeUInt16BE(port);
  switch (type) {
    case 'ipv4':
    case 'ipv6':
      return Buffer.concat([Buffer.of(TYPES[type]), addressBytes(type, host), tail]);
    case 'name':
      return Buffer.concat([Buffer.of(TYPES.name, host.length), Buffer.from(host, 'latin1'), tail]);
    case 'unknown':
      throw new RangeError('an address of an unknown type cannot be written');
  }
}
