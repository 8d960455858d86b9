// What UDP ASSOCIATE opens (RFC 1928, section 7): a socket for one client's datagrams, each with a header that says where
// to, and one socket a family towards the destinations. Only the client is heard on the one, only where it has sent to
// on the others. Every destination is decided and judged like that of a tunnel; what may not go is dropped without a
// word, as UDP drops. Lives as long as the client's TCP connection. Main thread; owned by its SocksConnection.
import type dgram from 'node:dgram';
import type { Socket } from 'node:net';
import type { SocketAddress } from '../../contract/address.ts';
import type { ErrorCode } from '../../contract/codes.ts';
import { type Destination, parseDestinationHost } from '../../plan/destination-host.ts';
import { localEndOf, plainHost } from '../shared/client-address.ts';
import { type Egress, seekEgress } from '../shared/egress.ts';
import type { ExchangeRecord } from '../shared/exchange-record.ts';
import { errnoOf } from '../shared/faults.ts';
import type { LiveForward, LiveListener, LiveRoute } from '../shared/live-plan.ts';
import type { LiveUser } from '../shared/live-user.ts';
import { readDatagram, type SocksAddress, writeDatagramHeader } from '../shared/socks-messages.ts';
import type { Toll } from '../shared/toll.ts';
import { bindDatagram, createDatagramSocket, hasRoom } from './udp-socket.ts';

export interface AssociationOptions {
  /** The TCP connection that it was asked for on. */
  readonly raw: Socket;
  readonly listener: LiveListener;
  readonly forward: LiveForward;
  readonly clientHost: string;
  /** Where the client says that it will send from; port 0 = it does not know. */
  readonly claimed: SocksAddress;
  readonly user: LiveUser | null;
  readonly record: ExchangeRecord;
  readonly onEnd: (code: ErrorCode) => void;
}

/** Destinations at a time; the one used least recently goes. */
const MAX_DESTINATIONS = 256;
/** Of these, that nobody has decided on yet; and what may wait for that. */
const MAX_ASKED = 16;
const MAX_WAITING = 8;
/** How long a decision holds: names move, and rules look at the clock. */
const DECISION_MS = 30_000;
/** A user may be this far ahead of its bandwidth; what comes beyond is dropped, since datagrams do not wait. */
const SLACK_MS = 250;

interface Place {
  readonly key: string;
  readonly destination: Destination;
  /** When it was last asked for. */
  askedMs: number;
  /** null: no rule has decided. */
  route: LiveRoute | null;
  /** Where it may be reached, the first one first; empty: nowhere. */
  addresses: readonly SocketAddress[];
  /** Until the first decision. */
  waiting: Buffer[];
  isAsked: boolean;
}

export class UdpAssociation {
  readonly #options: AssociationOptions;
  readonly #idle: NodeJS.Timeout;
  /** As the client calls them; from the least to the most recently used. */
  readonly #places = new Map<string, Place>();
  /** By the address that answers come from. */
  readonly #origins = new Map<string, Place>();
  readonly #upstreams = new Map<SocketAddress['family'], dgram.Socket>();
  #socket: dgram.Socket | null = null;
  /** 0 until it is known. */
  #clientPort: number;
  #asked = 0;
  #shutUntilMs = 0;
  #isClosed = false;

  constructor(options: AssociationOptions) {
    this.#options = options;
    const { claimed, clientHost, listener, onEnd } = options;
    // What a client behind a translator of addresses says of itself is not what we see.
    const isMeant = isUnspecified(claimed.host) || claimed.host === clientHost;
    this.#clientPort = isMeant ? claimed.port : 0;
    this.#idle = setTimeout(() => onEnd('idle_timeout'), listener.plan.timeouts.idleMs);
  }

  /** Where the client is to send to; null when there can be no such place. */
  async open(): Promise<SocksAddress | null> {
    const local = localEndOf(this.#options.raw);
    if (local === null) return null;
    const type = local.host.includes(':') ? 'ipv6' : 'ipv4';
    const address: SocketAddress = { family: type, host: local.host, port: 0 };
    const socket = createDatagramSocket(address);
    this.#socket = socket;
    try {
      const { port } = await bindDatagram(socket, address);
      socket.on('error', this.#onDropped);
      socket.on('message', (bytes, from) => this.#onClientDatagram(bytes, from));
      return { type, host: local.host, port };
    } catch {
      socket.on('error', ignore);
      return null;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#idle);
    for (const socket of [this.#socket, ...this.#upstreams.values()]) socket?.close();
  }

  // --- from the client -------------------------------------------------------------------------

  #onClientDatagram(bytes: Buffer, from: dgram.RemoteInfo): void {
    if (this.#isClosed || plainHost(from.address) !== this.#options.clientHost) return;
    if (this.#clientPort !== 0 && this.#clientPort !== from.port) return;
    const read = readDatagram(bytes);
    const host =
      read.kind === 'done' && read.message.port !== 0
        ? parseDestinationHost(read.message.host)
        : null;
    if (read.kind !== 'done' || host === null) {
      this.#onDropped();
      return;
    }
    this.#clientPort = from.port;
    this.#carry({ ...host, port: read.message.port }, bytes.subarray(read.length));
  }

  #carry(destination: Destination, payload: Buffer): void {
    const key = `${destination.host} ${destination.port}`;
    const place = this.#places.get(key) ?? this.#newPlace(key, destination);
    const isDue = performance.now() - place.askedMs > DECISION_MS;
    if (isDue && !place.isAsked && this.#asked < MAX_ASKED) this.#ask(place);
    this.#places.delete(key);
    this.#places.set(key, place);
    this.#makeRoom();
    if (!place.isAsked || place.addresses.length > 0) this.#send(place, payload);
    else if (place.waiting.length < MAX_WAITING) place.waiting.push(payload);
    else this.#onDropped();
  }

  #newPlace(key: string, destination: Destination): Place {
    return {
      key,
      destination,
      askedMs: Number.NEGATIVE_INFINITY,
      route: null,
      addresses: [],
      waiting: [],
      isAsked: false,
    };
  }

  #makeRoom(): void {
    for (const [key, place] of this.#places) {
      if (this.#places.size <= MAX_DESTINATIONS) return;
      this.#places.delete(key);
      this.#reach(place, []);
    }
  }

  #ask(place: Place): void {
    place.isAsked = true;
    place.askedMs = performance.now();
    this.#asked++;
    const { raw, listener, forward, clientHost, user } = this.#options;
    const { destination } = place;
    const wish = { listener, forward, clientHost, cameTo: localEndOf(raw), user, destination };
    seekEgress({ ...wish, method: 'SOCKS', path: null }).then(
      (egress) => this.#onDecided(place, egress),
      () => this.#onDecided(place, null),
    );
  }

  #onDecided(place: Place, egress: Egress | null): void {
    this.#asked--;
    place.isAsked = false;
    const waiting = place.waiting;
    place.waiting = [];
    if (this.#isClosed || this.#places.get(place.key) !== place) return;
    place.route = egress?.route ?? null;
    // Parents are for connections: what would have to go through one goes nowhere.
    if (egress?.kind === 'way' && egress.pool.plan.kind === 'direct') {
      this.#reach(place, egress.addresses);
      for (const payload of waiting) this.#send(place, payload);
      return;
    }
    this.#reach(place, []);
    const code = egress?.kind === 'refused' ? egress.code : 'destination_denied';
    this.#options.listener.stats.error(code);
    place.route?.stats.error(code);
  }

  /** From now on it is sent to these, and heard from them. */
  #reach(place: Place, addresses: readonly SocketAddress[]): void {
    for (const address of place.addresses) {
      const origin = originOf(address);
      if (this.#origins.get(origin) === place) this.#origins.delete(origin);
    }
    place.addresses = addresses;
    for (const address of addresses) this.#origins.set(originOf(address), place);
  }

  #send(place: Place, payload: Buffer): void {
    const [address] = place.addresses;
    if (this.#isClosed || address === undefined || place.route === null) return;
    const socket = this.#upstream(address.family);
    const { user } = this.#options;
    if (socket === null || !hasRoom(socket) || !this.#mayPass(user?.chargeIn, payload.length)) {
      this.#onDropped();
      return;
    }
    this.#idle.refresh();
    socket.send(payload, address.port, address.host, (error) => {
      if (error !== null) this.#onSendFailed(place, address, payload, error);
    });
    this.#options.record.bytesIn(payload.length);
    this.#options.listener.stats.add('datagrams_in');
    for (const stats of countedFor(place.route)) {
      stats.add('datagrams_in');
      stats.add('bytes_in', payload.length);
    }
  }

  /** Where a machine has no way to the first address, it may have one to the next. */
  #onSendFailed(place: Place, address: SocketAddress, payload: Buffer, error: Error): void {
    const isUnreachable = ['ENETUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(errnoOf(error));
    const [first, second] = place.addresses;
    if (isUnreachable && first === address && second !== undefined) {
      this.#reach(place, place.addresses.slice(1));
      this.#send(place, payload);
    } else this.#onDropped();
  }

  // --- to the client ---------------------------------------------------------------------------

  /** null: the address that it is to go out from is not there. */
  #upstream(family: SocketAddress['family']): dgram.Socket | null {
    const known = this.#upstreams.get(family);
    if (known !== undefined) return known;
    const any = family === 'ipv6' ? '::' : '0.0.0.0';
    const host = this.#options.forward.sources.take(family) ?? any;
    const address: SocketAddress = { family, host, port: 0 };
    const socket = createDatagramSocket(address);
    this.#upstreams.set(family, socket);
    // node would bind a socket that could not be bound to any address with the next datagram.
    const onUnbound = (): void => {
      this.#upstreams.delete(family);
      socket.close();
    };
    socket.once('error', onUnbound);
    socket.once('listening', () => socket.off('error', onUnbound).on('error', this.#onDropped));
    socket.on('message', (bytes, from) => this.#onAnswer(bytes, from));
    // With an address that is not looked up it has happened when this returns.
    socket.bind({ address: host, port: 0, exclusive: true });
    return this.#upstreams.get(family) ?? null;
  }

  #onAnswer(payload: Buffer, { address, port }: dgram.RemoteInfo): void {
    const socket = this.#socket;
    const host = plainHost(address);
    const route = this.#origins.get(`${host} ${port}`)?.route;
    if (this.#isClosed || socket === null || !route) return;
    const { user, clientHost, record, listener } = this.#options;
    if (!hasRoom(socket) || !this.#mayPass(user?.chargeOut, payload.length)) {
      this.#onDropped();
      return;
    }
    this.#idle.refresh();
    const type = host.includes(':') ? 'ipv6' : 'ipv4';
    const header = writeDatagramHeader({ type, host, port });
    socket.send([header, payload], this.#clientPort, clientHost, this.#onSent);
    record.bytesOut(payload.length);
    listener.stats.add('datagrams_out');
    for (const stats of countedFor(route)) {
      stats.add('datagrams_out');
      stats.add('bytes_out', payload.length);
    }
  }

  // --- what it costs ---------------------------------------------------------------------------

  #mayPass(toll: Toll | undefined, count: number): boolean {
    const nowMs = performance.now();
    if (nowMs < this.#shutUntilMs) return false;
    const waitMs = toll?.(count) ?? 0;
    if (waitMs < 0) {
      this.#options.onEnd('user_quota');
      return false;
    }
    if (waitMs > SLACK_MS) this.#shutUntilMs = nowMs + waitMs - SLACK_MS;
    return true;
  }

  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.#onDropped();
  };

  readonly #onDropped = (): void => {
    if (!this.#isClosed) this.#options.listener.stats.error('datagram_dropped');
  };
}

function countedFor({ stats, pool }: LiveRoute) {
  return [stats, ...(pool === null ? [] : [pool.stats, ...pool.targets.map((one) => one.stats)])];
}

const originOf = ({ host, port }: SocketAddress): string => `${host} ${port}`;

const isUnspecified = (host: string): boolean => host === '0.0.0.0' || host === '::';

function ignore(): void {}
