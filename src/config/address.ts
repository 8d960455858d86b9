// Addresses as people write them: where a listener listens, where a target is, whom to trust.

import { isIPv4, isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import { addressBytes, formatAddress, type SocketAddress } from '../contract/address.ts';
import { canonicalIpv6, isHostName } from './host.ts';
import { type Parsed, parsed, refused } from './parsed.ts';

/** An address, or a name that the control plane resolves to addresses. */
export type Address = (
  | { readonly kind: 'socket'; readonly text: string; readonly socket: SocketAddress }
  | { readonly kind: 'name'; readonly text: string; readonly host: string; readonly port: number }
) & {
  /** A target's, written https:// or tls://. */
  readonly isTls?: boolean;
};

/** What fits into sockaddr_un.sun_path with its closing NUL. */
const MAX_UNIX_PATH = 107;

export interface AddressContext {
  /** Relative unix socket paths are relative to this folder. */
  readonly baseFolder: string;
}

const LISTEN =
  'an address to listen on, such as 127.0.0.1:8080, [::1]:8080, :8080 or unix:/run/sluice.sock';
const TARGET =
  "a target's address, such as 127.0.0.1:3000, [::1]:3000, app.internal:3000 or unix:/run/app.sock";

/** Reads a listener's address. Port 0 takes any free port; `:8080` listens on every IPv4 interface. */
export function parseListenAddress(text: string, context: AddressContext): Parsed<Address> {
  if (text.includes('://'))
    return refused(LISTEN, 'the protocol has a key of its own: leave it out here');
  if (text.startsWith('unix:')) return parseUnix(text, LISTEN, context);
  if (/^:[0-9]+$/.test(text)) return parseHostPort(`0.0.0.0${text}`, LISTEN, 0);
  if (/^[0-9]+$/.test(text))
    return refused(LISTEN, `for port ${text} on every interface write ":${text}"`);
  if (text.startsWith('*:')) return refused(LISTEN, `for every interface write "${text.slice(1)}"`);
  return parseHostPort(text, LISTEN, 0);
}

const SCHEME_PORTS: Readonly<Record<string, string | undefined>> = { http: '80', https: '443' };

/** Reads a target's address; `http://host:port`, `https://host:port` and `tls://host:port` are taken too. */
export function parseTargetAddress(text: string, context: AddressContext): Parsed<Address> {
  if (text.startsWith('unix:')) return parseUnix(text, TARGET, context);
  const url = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/.exec(text);
  if (url !== null) {
    const [, scheme = '', authority = '', rest = ''] = url;
    const lower = scheme.toLowerCase();
    const hint = hintForUrl(lower, authority, rest);
    if (hint !== null) return refused(TARGET, hint);
    const port = SCHEME_PORTS[lower];
    const hasPort = /:[0-9]+$/.test(authority) || port === undefined;
    const address = parseHostPort(hasPort ? authority : `${authority}:${port}`, TARGET, 1);
    return address.ok && lower !== 'http' ? parsed({ ...address.value, isTls: true }) : address;
  }
  if (/^:?[0-9]+$/.test(text)) {
    return refused(TARGET, `say on which host: 127.0.0.1:${text.replace(':', '')}`);
  }
  return parseHostPort(text, TARGET, 1);
}

function hintForUrl(scheme: string, authority: string, rest: string): string | null {
  if (!['http', 'https', 'tls'].includes(scheme)) return `write the address alone: ${authority}`;
  if (authority.includes('@'))
    return 'user and password cannot be given here; set an Authorization header with requestHeaders';
  if (rest !== '' && rest !== '/')
    return `a target is an address alone; put ${rest} into addPrefix of the route`;
  return null;
}

function parseHostPort(text: string, expected: string, minPort: number): Parsed<Address> {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text);
  if (match === null) return refused(expected, hintForHostPort(text));
  const [, ipv6, plain = '', digits = ''] = match;
  const port = Number(digits);
  if (port < minPort || port > 65535) return refused(expected, `ports go from ${minPort} to 65535`);
  if (ipv6 !== undefined) {
    if (ipv6.includes('%'))
      return refused(expected, 'zone ids (%) are not supported: use an address without one');
    if (!isIPv6(ipv6)) return refused(expected, `${ipv6} is not an IPv6 address`);
    return socket({ family: 'ipv6', host: canonicalIpv6(ipv6), port });
  }
  if (isIPv4(plain)) return socket({ family: 'ipv4', host: plain, port });
  if (!isHostName(plain))
    return refused(expected, `${plain} is neither an IPv4 address nor a host name`);
  const host = plain.toLowerCase();
  return parsed({ kind: 'name', text: `${host}:${port}`, host, port });
}

function hintForHostPort(text: string): string | undefined {
  if (/\s/.test(text)) return 'leave out the space';
  if (isIPv6(text)) return `put IPv6 addresses in brackets and add a port: [${text}]:8080`;
  const lastColon = text.lastIndexOf(':');
  const head = text.slice(0, lastColon);
  if (isIPv6(head)) return `put IPv6 addresses in brackets: [${head}]${text.slice(lastColon)}`;
  if (isIPv4(text) || isHostName(text) || /^\[.*\]$/.test(text)) return `add a port: ${text}:8080`;
  if (text.startsWith('/')) return `for a unix socket write unix:${text}`;
  return undefined;
}

function parseUnix(text: string, expected: string, context: AddressContext): Parsed<Address> {
  const path = text.slice('unix:'.length);
  if (path === '' || path.includes('\0'))
    return refused(expected, 'add the path of the socket file: unix:/run/app.sock');
  if (path.startsWith('@'))
    return refused(expected, 'abstract sockets are not supported: use a socket file');
  const host = resolve(context.baseFolder, path);
  const length = Buffer.byteLength(host);
  if (length > MAX_UNIX_PATH)
    return refused(
      expected,
      `socket paths hold at most ${MAX_UNIX_PATH} bytes, this has ${length}`,
    );
  return socket({ family: 'unix', host, port: 0 });
}

function socket(address: SocketAddress): Parsed<Address> {
  return parsed({ kind: 'socket', text: formatAddress(address), socket: address });
}

export interface AddressRange {
  readonly family: 'ipv4' | 'ipv6';
  readonly host: string;
  readonly bits: number;
}

/** Reads an address or a CIDR block, `10.0.0.0/8`. */
export function parseAddressRange(text: string): Parsed<AddressRange> {
  const expected = 'an address or a block such as 10.0.0.0/8 or fd00::/8';
  const match = /^([^/]+)(?:\/([0-9]{1,3}))?$/.exec(text);
  const written = (match?.[1] ?? '').replace(/^\[(.*)\]$/, '$1');
  const family = isIPv4(written)
    ? 'ipv4'
    : isIPv6(written) && !written.includes('%')
      ? 'ipv6'
      : null;
  if (family === null)
    return refused(expected, isHostName(written) ? 'names are not looked up here' : undefined);
  const host = family === 'ipv4' ? written : canonicalIpv6(written);
  const width = family === 'ipv4' ? 32 : 128;
  const bits = Number(match?.[2] ?? width);
  if (bits > width)
    return refused(
      expected,
      `an ${family === 'ipv4' ? 'IPv4' : 'IPv6'} block has at most ${width} bits`,
    );
  const first = maskedHost(family, host, bits);
  if (first !== host)
    return refused(expected, `the block that holds this address is ${first}/${bits}`);
  return parsed({ family, host, bits });
}

/** The first address of the block. */
function maskedHost(family: 'ipv4' | 'ipv6', host: string, bits: number): string {
  const bytes = addressBytes(family, host).map((byte, i) => {
    const kept = Math.min(8, Math.max(0, bits - 8 * i));
    return byte & (0xff00 >> kept) & 0xff;
  });
  if (family === 'ipv4') return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  return canonicalIpv6(words.join(':'));
}
