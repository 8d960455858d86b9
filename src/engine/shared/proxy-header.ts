// The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): what a proxy says, before anything else, of
// the client that it speaks for. The same in C++ is native/net/proxy_header; test/vectors/proxy-header.txt binds both.
// Pure.
import net from 'node:net';
import { addressBytes } from '../../contract/address.ts';
import type { ProxySend } from '../../contract/codes.ts';
import { type ConnectionEnds, type IpPort, plainHost } from './client-address.ts';

export type ProxyHeader =
  /** It may become a header; it begins otherwise than a header does; it begins like one and is none. */
  | { readonly kind: 'more' | 'absent' | 'bad' }
  | {
      readonly kind: 'header';
      /** What follows belongs to the client. */
      readonly length: number;
      /** null: it speaks for the proxy itself, or of what is not a connection over IP (datagrams: what is not IP). */
      readonly addresses: { readonly source: IpPort; readonly destination: IpPort } | null;
    };

const MORE: ProxyHeader = { kind: 'more' };
const ABSENT: ProxyHeader = { kind: 'absent' };
const BAD: ProxyHeader = { kind: 'bad' };

/** Larger ones are malformed: what is sent along with the addresses (TLVs) is small. */
const MAX_HEADER = 16 * 1024;
const TEXT_START = Buffer.from('PROXY ');
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** With its CRLF. */
const MAX_LINE = 107;
const FIXED = 16;
/** By family: unspecified, IPv4, IPv6, unix. */
const ADDRESS_LENGTHS = [0, 12, 36, 216] as const;
const CRC32C = 0x03;
const STREAM = 1;
const DATAGRAM = 2;

/** `input`: all that has arrived. */
export function readProxyHeader(input: Buffer): ProxyHeader {
  const isText = input[0] === TEXT_START[0];
  const start = isText ? TEXT_START : SIGNATURE;
  const common = Math.min(start.length, input.length);
  if (start.compare(input, 0, common, 0, common) !== 0) return ABSENT;
  if (common < start.length) return MORE;
  return isText ? readText(input) : readBinary(input);
}

/**
 * The header that a datagram begins with; `datagram` is all of it, so there is never more to come. Version 2 alone: the
 * first knows no datagrams. Clients that came over TCP may be spoken for, as where DNS goes on as datagrams.
 */
export function readDatagramHeader(datagram: Buffer): ProxyHeader {
  if (datagram.subarray(0, TEXT_START.length).equals(TEXT_START)) return BAD;
  if (!datagram.subarray(0, SIGNATURE.length).equals(SIGNATURE)) return ABSENT;
  const header = readBinary(datagram, [STREAM, DATAGRAM]);
  return header.kind === 'more' ? BAD : header;
}

function readText(input: Buffer): ProxyHeader {
  const within = input.subarray(0, MAX_LINE);
  const end = within.findIndex((byte, at) => at >= TEXT_START.length && !isVisible(byte));
  if (end < 0 || (end + 1 === within.length && within[end] === 0x0d))
    return input.length < MAX_LINE ? MORE : BAD;
  if (within[end] !== 0x0d || within[end + 1] !== 0x0a) return BAD;
  const [family, ...fields] = within.toString('latin1', TEXT_START.length, end).split(' ');
  if (family === 'UNKNOWN') return { kind: 'header', length: end + 2, addresses: null };
  const isOfFamily = family === 'TCP4' ? net.isIPv4 : family === 'TCP6' ? isPlainIPv6 : null;
  const [from = '', to = '', fromPort = '', toPort = ''] = fields;
  if (isOfFamily === null || fields.length !== 4) return BAD;
  if (!isOfFamily(from) || !isOfFamily(to) || !isPort(fromPort) || !isPort(toPort)) return BAD;
  const source = { host: normalHost(from), port: Number(fromPort) };
  const destination = { host: normalHost(to), port: Number(toPort) };
  return { kind: 'header', length: end + 2, addresses: { source, destination } };
}

const isVisible = (byte: number): boolean => byte >= 0x20 && byte <= 0x7e;
const isPlainIPv6 = (text: string): boolean => net.isIPv6(text) && !text.includes('%');
const isPort = (text: string): boolean => /^(?:0|[1-9][0-9]{0,4})$/.test(text) && +text <= 65535;

/** As the kernel writes it, IPv4-mapped as IPv4. */
function normalHost(host: string): string {
  if (net.isIPv4(host)) return host;
  return plainHost(new net.SocketAddress({ family: 'ipv6', address: host }).address);
}

/** `transports`: those whose clients are told; of others nothing is known. */
function readBinary(input: Buffer, transports: readonly number[] = [STREAM]): ProxyHeader {
  const versionAndCommand = input[12] ?? 0x20;
  const command = versionAndCommand & 0xf;
  if (versionAndCommand >> 4 !== 2 || command > 1) return BAD;
  if (input.length < FIXED) return MORE;
  const family = input.readUInt8(13) >> 4;
  const transport = input.readUInt8(13) & 0xf;
  const length = FIXED + input.readUInt16BE(14);
  const addressLength = ADDRESS_LENGTHS[family];
  const isFine =
    addressLength !== undefined && transport <= DATAGRAM && length >= FIXED + addressLength;
  // What a header says that speaks for nobody is skipped unread.
  if ((command === 1 && !isFine) || length > MAX_HEADER) return BAD;
  if (input.length < length) return MORE;
  if (command === 0 || family === 0 || addressLength === undefined)
    return { kind: 'header', length, addresses: null };
  const header = input.subarray(0, length);
  if (!checkTlvs(header, FIXED + addressLength)) return BAD;
  const isKnown = transports.includes(transport) && family <= 2;
  return { kind: 'header', length, addresses: isKnown ? readAddresses(header, family) : null };
}

function readAddresses(header: Buffer, family: number) {
  const size = family === 1 ? 4 : 16;
  const ports = FIXED + 2 * size;
  return {
    source: { host: hostAt(header, FIXED, size), port: header.readUInt16BE(ports) },
    destination: { host: hostAt(header, FIXED + size, size), port: header.readUInt16BE(ports + 2) },
  };
}

function hostAt(header: Buffer, at: number, size: number): string {
  const bytes = header.subarray(at, at + size);
  if (size === 4) return [...bytes].join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return normalHost(groups.join(':'));
}

/** What comes behind the addresses fills the header exactly, and its checksum, if any, is right. */
function checkTlvs(header: Buffer, start: number): boolean {
  let at = start;
  while (at < header.length) {
    if (header.length - at < 3) return false;
    const type = header.readUInt8(at);
    const size = header.readUInt16BE(at + 1);
    at += 3;
    if (header.length - at < size) return false;
    if (type === CRC32C && (size !== 4 || header.readUInt32BE(at) !== crc32c(header, at)))
      return false;
    at += size;
  }
  return true;
}

/** RFC 9260, appendix A: the polynomial with its bits turned round. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let value = i;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** As if the four bytes at `zeroed` were zero. */
function crc32c(bytes: Buffer, zeroed: number): number {
  let crc = 0xffffffff;
  bytes.forEach((byte, at) => {
    const seen = at >= zeroed && at < zeroed + 4 ? 0 : byte;
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ seen) & 0xff] ?? 0);
  });
  return ~crc >>> 0;
}

/** What connections to the targets of a pool begin with; null: nothing. */
export function proxyPreface(version: ProxySend, ends: () => ConnectionEnds): Buffer | null {
  if (version === 'off') return null;
  const { source, destination } = ends();
  return writeProxyHeader(version, source, destination);
}

/** null for an address: nothing is known, as of a unix socket; the header then speaks for nobody. */
export function writeProxyHeader(
  version: Exclude<ProxySend, 'off'>,
  source: IpPort | null,
  destination: IpPort | null,
): Buffer {
  if (version === 'v2') return writeBinary(STREAM, source, destination);
  if (source === null || destination === null) return Buffer.from('PROXY UNKNOWN\r\n');
  const { isV4, from, to } = inOneFamily(source, destination);
  const family = isV4 ? 'TCP4' : 'TCP6';
  return Buffer.from(`PROXY ${family} ${from} ${to} ${source.port} ${destination.port}\r\n`);
}

/** What a datagram begins with, in version 2. */
export function writeDatagramHeader(source: IpPort | null, destination: IpPort | null): Buffer {
  return writeBinary(DATAGRAM, source, destination);
}

/** One header has one family. */
function inOneFamily(source: IpPort, destination: IpPort) {
  const isV4 = net.isIPv4(source.host) && net.isIPv4(destination.host);
  return isV4
    ? { isV4, from: source.host, to: destination.host }
    : { isV4, from: mapped(source.host), to: mapped(destination.host) };
}

function writeBinary(transport: number, source: IpPort | null, destination: IpPort | null): Buffer {
  if (source === null || destination === null)
    return Buffer.concat([SIGNATURE, Uint8Array.of(0x20, 0, 0, 0)]);
  const { isV4, from, to } = inOneFamily(source, destination);
  const family = isV4 ? 'ipv4' : 'ipv6';
  const rest = Buffer.alloc(4);
  rest.writeUInt16BE(isV4 ? 12 : 36, 2);
  rest.set([0x21, (isV4 ? 0x10 : 0x20) | transport]);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  return Buffer.concat([
    SIGNATURE,
    rest,
    addressBytes(family, from),
    addressBytes(family, to),
    ports,
  ]);
}

const mapped = (host: string): string => (net.isIPv4(host) ? `::ffff:${host}` : host);
