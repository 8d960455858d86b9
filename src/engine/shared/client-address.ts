// A client's address as text, the same on an IPv4 and on a dual-stack listener. Pure.
import type { Socket } from 'node:net';

/** '' for clients of unix sockets. */
export function clientHostOf(socket: Socket): string {
  return plainHost(socket.remoteAddress ?? '');
}

/** IPv4-mapped IPv6 addresses (RFC 4291 section 2.5.5.2) become IPv4 addresses again. */
export function plainHost(host: string): string {
  return host.startsWith('::ffff:') && host.includes('.') ? host.slice('::ffff:'.length) : host;
}

/** `127.0.0.1:40000`, `[::1]:40000`, or `unix`. */
export function clientName(host: string, port: number): string {
  if (host === '') return 'unix';
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
