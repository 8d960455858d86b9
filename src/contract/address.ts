// Socket addresses as every floor passes them: text for people and for node:net, packed for C++.
import type { AddressFamily } from './codes.ts';

export interface SocketAddress {
  readonly family: AddressFamily;
  /** Dotted quad, RFC 5952 text without brackets, or a file system path. */
  readonly host: string;
  /** 0 for unix sockets and for "any free port". */
  readonly port: number;
}

/** The address as people write it: `127.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock`. */
export function formatAddress(address: SocketAddress): string {
  switch (address.family) {
    case 'ipv4':
      return `${address.host}:${address.port}`;
    case 'ipv6':
      return `[${address.host}]:${address.port}`;
    case 'unix':
      return `unix:${address.host}`;
  }
}

/** 4 bytes for IPv4, 16 for IPv6. The input must be a valid literal. Zone ids are not carried. */
export function addressBytes(family: 'ipv4' | 'ipv6', host: string): Uint8Array {
  return family === 'ipv4' ? ipv4Bytes(host) : ipv6Bytes(host);
}

/**
 * The bytes that address-keyed strategies hash: an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2)
 * gives its four IPv4 bytes, so that a client hashes alike on an IPv4 and on a dual-stack listener.
 */
export function clientKeyBytes(host: string): Uint8Array {
  if (!host.includes(':')) return host.includes('.') ? ipv4Bytes(host) : new Uint8Array(0);
  const bytes = ipv6Bytes(host);
  const mapped =
    bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 255 && bytes[11] === 255;
  return mapped ? bytes.slice(12) : bytes;
}

function ipv4Bytes(host: string): Uint8Array {
  return Uint8Array.from(host.split('.'), Number);
}

function ipv6Bytes(host: string): Uint8Array {
  let text = host.split('%', 1)[0] ?? '';
  const dotted = /(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted?.[1]) {
    const v4 = ipv4Bytes(dotted[1]);
    const words = [0, 2].map((i) => (((v4[i] ?? 0) << 8) | (v4[i + 1] ?? 0)).toString(16));
    text = text.slice(0, -dotted[1].length) + words.join(':');
  }
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const middle = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(middle).fill('0'), ...right];
  const out = new Uint8Array(16);
  groups.forEach((group, i) => {
    const word = Number.parseInt(group, 16);
    out[2 * i] = word >> 8;
    out[2 * i + 1] = word & 255;
  });
  return out;
}
