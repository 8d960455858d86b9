// A udp listener: one socket that all clients speak to, and the table that says whose datagrams belong to which
// session. The table is bounded; the least recently used session makes room. Replies leave from the listener's
// socket. On a wildcard address the kernel chooses the source of replies, and where a client spoke to is the wildcard:
// node:dgram has no IP_PKTINFO. Main thread.
import type dgram from 'node:dgram';
import type { SocketAddress } from '../../contract/address.ts';
import type { ErrorCode } from '../../contract/codes.ts';
import { clientName, type IpPort, plainHost } from '../shared/client-address.ts';
import { type Listening, listenFailure } from '../shared/listening.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import { readDatagramHeader, writeDatagramHeader } from '../shared/proxy-header.ts';
import { UdpSession } from './udp-session.ts';
import { bindDatagram, createDatagramSocket, hasRoom } from './udp-socket.ts';

export async function listenUdp(listener: LiveListener): Promise<Listening> {
  const socket = createDatagramSocket(listener.plan.address);
  try {
    const address = await bindDatagram(socket, listener.plan.address);
    return new UdpListener(socket, address, listener);
  } catch (error) {
    socket.on('error', () => {});
    socket.close();
    throw listenFailure(listener, error);
  }
}

/** Who a datagram is from, where they sent it, and what they sent. */
interface Sent {
  readonly source: IpPort;
  readonly destination: IpPort;
  readonly bytes: Buffer;
}

class UdpListener implements Listening {
  readonly address: SocketAddress;
  readonly closed: Promise<void>;
  readonly #socket: dgram.Socket;
  /** By whoever sends and whom that speaks for; iterates from the least to the most recently used. */
  readonly #sessions = new Map<string, UdpSession>();
  #listener: LiveListener;
  #isDraining = false;
  #isClosed = false;

  constructor(socket: dgram.Socket, address: SocketAddress, listener: LiveListener) {
    this.#socket = socket;
    this.address = address;
    this.#listener = listener;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('message', (bytes, from) => this.#onDatagram(bytes, from));
    socket.on('error', () => this.#listener.stats.error('datagram_dropped'));
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /** Also takes back one that a reload left out and that a later one names again. */
  use(listener: LiveListener): void {
    this.#listener = listener;
    this.#isDraining = false;
  }

  /** Sessions go on where replies are still owed; nobody can say so of the others, and they end. */
  drain(): void {
    this.#isDraining = true;
    for (const session of [...this.#sessions.values()]) {
      if (!session.awaitsReplies) session.end('none');
    }
    this.#closeWhenDone();
  }

  /** A reload left this listener out: sessions go on, nobody new is served. */
  retire(): void {
    this.#isDraining = true;
    this.#closeWhenDone();
  }

  destroy(): void {
    this.#isDraining = true;
    for (const session of [...this.#sessions.values()]) session.end('none');
    this.#closeWhenDone();
  }

  #onDatagram(bytes: Buffer, from: dgram.RemoteInfo): void {
    const sent = this.#read(bytes, from);
    if (typeof sent === 'string') {
      this.#listener.stats.error(sent);
      return;
    }
    const key = `${from.address}|${from.port}|${sent.source.host}|${sent.source.port}`;
    const session = this.#sessions.get(key);
    if (session === undefined) {
      this.#begin(key, from, sent)?.send(sent.bytes);
      return;
    }
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    session.send(sent.bytes);
  }

  /** Or why it must be dropped. */
  #read(bytes: Buffer, { address, port }: dgram.RemoteInfo): Sent | ErrorCode {
    const own = { host: plainHost(this.address.host), port: this.address.port };
    const plain = { source: { host: plainHost(address), port }, destination: own, bytes };
    const { proxyProtocol } = this.#listener.plan;
    if (proxyProtocol === 'off' || !this.#listener.isTrusted(plain.source.host)) return plain;
    const header = readDatagramHeader(bytes);
    if (header.kind === 'header')
      return { ...plain, ...header.addresses, bytes: bytes.subarray(header.length) };
    return header.kind === 'absent' && proxyProtocol === 'optional' ? plain : 'proxy_header_bad';
  }

  #begin(key: string, from: dgram.RemoteInfo, { source, destination }: Sent): UdpSession | null {
    const listener = this.#listener;
    const { pool, plan } = listener;
    if (this.#isDraining || pool === null) return null;
    const target = pool.pick(source.host, []);
    if (target === null) {
      listener.stats.error('no_target');
      pool.stats.error('no_target');
      return null;
    }
    if (this.#sessions.size >= plan.maxSessions) {
      const [leastRecent] = this.#sessions.values();
      leastRecent?.end('session_evicted');
    }
    const session = new UdpSession({
      clientName: clientName(source.host, source.port),
      preface: pool.plan.proxyProtocol === 'off' ? null : writeDatagramHeader(source, destination),
      listener,
      pool,
      target,
      reply: (bytes) => this.#reply(bytes, from),
      onEnd: () => {
        this.#sessions.delete(key);
        this.#closeWhenDone();
      },
    });
    this.#sessions.set(key, session);
    return session;
  }

  #reply(bytes: Buffer, { address, port }: dgram.RemoteInfo): void {
    if (this.#isClosed) return;
    if (hasRoom(this.#socket)) this.#socket.send(bytes, port, address, this.#onSent);
    else this.#onSent(new Error('the send queue is full'));
  }

  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.#listener.stats.error('datagram_dropped');
  };

  #closeWhenDone(): void {
    if (!this.#isDraining || this.#isClosed || this.#sessions.size > 0) return;
    this.#isClosed = true;
    this.#socket.close();
  }
}
