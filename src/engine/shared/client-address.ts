// A client's address as text, the same on an IPv4 and on a dual-stack listener, and who a socket speaks for when that
// is not whoever connected: a PROXY header says so. Main thread.
import type { Socket } from 'node:net';

/** An IP address and a port. */
export interface IpPort {
  readonly host: string;
  readonly port: number;
}

/** The two ends of a client's connection; null: not known, as of a unix socket. */
export interface ConnectionEnds {
  readonly source: IpPort | null;
  readonly destination: IpPort | null;
}

interface SpokenFor {
  /** Bytes of the header, which are none of the client's. */
  readonly length: number;
  /** null: the proxy's own. */
  readonly addresses: { readonly source: IpPort; readonly destination: IpPort } | null;
}

const spokenFor = new WeakMap<Socket, SpokenFor>();

/** Takes note of the header that a connection began with. */
export function speakFor(socket: Socket, header: SpokenFor): void {
  spokenFor.set(socket, header);
}

/** Bytes that were received on the socket and are not the client's. */
export function headerBytesOf(socket: Socket): number {
  return spokenFor.get(socket)?.length ?? 0;
}

export function connectionEndsOf(socket: Socket): ConnectionEnds {
  const told = spokenFor.get(socket)?.addresses;
  if (told) return told;
  const { remoteAddress, remotePort } = socket;
  return {
    source: remoteAddress ? { host: plainHost(remoteAddress), port: remotePort ?? 0 } : null,
    destination: localEndOf(socket),
  };
}

/** Where a client has come to, whatever a PROXY header says; null on a unix socket. */
export function localEndOf({ localAddress, localPort }: Socket): IpPort | null {
  return localAddress ? { host: plainHost(localAddress), port: localPort ?? 0 } : null;
}

/** '' for clients of unix sockets. */
export function clientHostOf(socket: Socket): string {
  const told = spokenFor.get(socket)?.addresses;
  return told ? told.source.host : plainHost(socket.remoteAddress ?? '');
}

export function clientPortOf(socket: Socket): number {
  return spokenFor.get(socket)?.addresses?.source.port ?? socket.remotePort ?? 0;
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
