// A client's address as text, from the bytes that uWebSockets.js has of it. Pure.
import { SocketAddress } from 'node:net';

/** ::ffff:0:0/96, RFC 4291 section 2.5.5.2. */
const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

/** '' for clients of unix sockets. */
export function hostOf(address: ArrayBuffer): string {
  const bytes = Buffer.from(address);
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  if (bytes.subarray(0, MAPPED.length).equals(MAPPED))
    return bytes.subarray(MAPPED.length).join('.');
  const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
