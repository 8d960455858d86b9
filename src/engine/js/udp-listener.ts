// A udp listener: one socket that all clients speak to, and the table that says whose datagrams belong to which
// session. The table is bounded; the least recently used session makes room. Replies leave from the listener's
// socket. On a wildcard address the kernel chooses the source of replies: node:dgram has no IP_PKTINFO. Main thread.
import type dgram from 'node:dgram';
import type { SocketAddress } from '../../contract/address.ts';
import { clientName, plainHost } from '../shared/client-address.ts';
import { type Listening, listenFailure } from '../shared/listening.ts';
import type { LiveListener } from '../shared/live-plan.ts';
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

class UdpListener implements Listening {
  readonly address: SocketAddress;
  readonly closed: Promise<void>;
  readonly #socket: dgram.Socket;
  /** By client; iterates from the least to the most recently used. */
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
    const key = `${from.address}|${from.port}`;
    const session = this.#sessions.get(key);
    if (session === undefined) {
      this.#begin(key, from)?.send(bytes);
      return;
    }
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    session.send(bytes);
  }

  #begin(key: string, from: dgram.RemoteInfo): UdpSession | null {
    const listener = this.#listener;
    const { pool, plan } = listener;
    if (this.#isDraining || pool === null) return null;
    const clientHost = plainHost(from.address);
    const target = pool.pick(clientHost, []);
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
      clientName: clientName(clientHost, from.port),
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
