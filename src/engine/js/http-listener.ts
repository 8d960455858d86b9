// An http listener: node's HTTP server under the limits and timeouts of the plan in force, and the connections that
// it has accepted. A connection comes to node's server once it is open, its TLS handshake included; every event of the
// server is handed to the connection concerned. Main thread.
import http from 'node:http';
import type { Socket } from 'node:net';
import type { SocketAddress } from '../../contract/address.ts';
import { errorBytes } from '../shared/answer.ts';
import type { ClientFacts } from '../shared/client-certificate.ts';
import { exhaustionFault } from '../shared/faults.ts';
import { type Listening, listenStream } from '../shared/listening.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import { lingerAndClose } from '../shared/wire.ts';
import { HttpConnection } from './http-connection.ts';
import { Opening } from './opening.ts';

/** How often node looks for request heads that are late. */
const HEAD_CHECK_MS = 50;

/** A connection that is open and whose protocol is still to be found out. */
export interface Arrival {
  /** As accepted. */
  readonly raw: Socket;
  /** What is spoken over: the same, or TLS over it. */
  readonly socket: Socket;
  readonly listener: LiveListener;
  /** It is HTTP: the connection is the http listener's again. */
  readonly speakHttp: () => void;
  /** It is not, or is over. */
  readonly onClosed: () => void;
}

/** What has a connection that does not speak HTTP, or not yet. */
export interface Flow {
  /** Ends what is not in the middle of something. */
  drain(): void;
  destroy(): void;
}

/** `greet` gets connections before HTTP does; left out: they speak HTTP. */
export async function listenHttp(
  listener: LiveListener,
  greet: ((arrival: Arrival) => Flow) | null = null,
): Promise<Listening> {
  const server = http.createServer({
    insecureHTTPParser: false,
    requireHostHeader: false,
    requestTimeout: 0,
    connectionsCheckingInterval: HEAD_CHECK_MS,
  });
  server.maxHeadersCount = 0;
  server.timeout = 0;
  const address = await listenStream(server, listener);
  return new HttpListener(server, address, listener, greet);
}

class HttpListener implements Listening {
  readonly address: SocketAddress;
  readonly closed: Promise<void>;
  readonly #server: http.Server;
  /** What node's server does with a connection: it is called when that is open. */
  readonly #speakHttp: (socket: Socket) => void;
  /** By the socket that was accepted. */
  readonly #openings = new Map<Socket, Opening>();
  /** By the socket that HTTP is spoken over. */
  readonly #connections = new Map<Socket, HttpConnection>();
  readonly #greet: ((arrival: Arrival) => Flow) | null;
  /** Connections that do not speak HTTP, or not yet, by the socket that was accepted. */
  readonly #flows = new Map<Socket, Flow>();
  #listener: LiveListener;

  constructor(
    server: http.Server,
    address: SocketAddress,
    listener: LiveListener,
    greet: ((arrival: Arrival) => Flow) | null,
  ) {
    this.#server = server;
    this.#greet = greet;
    this.address = address;
    this.#listener = listener;
    this.closed = new Promise((resolve) => server.once('close', resolve));
    this.use(listener);
    const nodes = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    this.#speakHttp = (socket) => {
      for (const serve of nodes) serve.call(server, socket);
    };
    const find = (socket: unknown) => this.#connections.get(socket as Socket);
    const onRequest = (request: http.IncomingMessage, response: http.ServerResponse): void => {
      find(request.socket)?.onRequest(request, response);
    };
    server
      .on('connection', (socket) => this.#accept(socket))
      .on('request', onRequest)
      .on('checkContinue', onRequest)
      .on('checkExpectation', onRequest)
      .on('upgrade', (request, socket, early) => find(socket)?.onUpgrade(request, early))
      // A reverse proxy opens no tunnels: an exchange will find that the request is malformed there.
      .on('connect', (request, socket, early) => find(socket)?.onUpgrade(request, early))
      .on('clientError', (error, socket) => find(socket)?.onParseError(error))
      .on('error', (error) => {
        this.#listener.stats.error(exhaustionFault(error) ?? 'internal');
      });
  }

  get isOpen(): boolean {
    return this.#server.listening;
  }

  use(listener: LiveListener): void {
    const { timeouts, limits } = listener.plan;
    this.#listener = listener;
    this.#server.headersTimeout = timeouts.requestHeaderMs;
    this.#server.keepAliveTimeout = timeouts.keepAliveMs;
    // Neither is in node's types: the limit is read for each new connection, and a client that ends its side
    // early gets its answer all the same.
    Object.assign(this.#server, { maxHeaderSize: limits.headBytes, httpAllowHalfOpen: true });
  }

  retire(): void {
    this.drain();
  }

  drain(): void {
    if (this.#server.listening) this.#server.close();
    for (const opening of [...this.#openings.values()]) opening.destroy();
    for (const flow of [...this.#flows.values()]) flow.drain();
    for (const connection of [...this.#connections.values()]) connection.drain();
  }

  destroy(): void {
    if (this.#server.listening) this.#server.close();
    for (const opening of [...this.#openings.values()]) opening.destroy();
    for (const flow of [...this.#flows.values()]) flow.destroy();
    for (const connection of [...this.#connections.values()]) connection.destroy();
  }

  #accept(raw: Socket): void {
    const listener = this.#listener;
    const { plan, stats, tls } = listener;
    const open = this.#connections.size + this.#openings.size + this.#flows.size;
    if (plan.maxConnections > 0 && open >= plan.maxConnections) {
      stats.error('connection_limit');
      raw.on('error', ignore);
      raw.on('end', () => raw.destroy());
      // Nobody who waits for a handshake would understand the answer.
      if (tls === null) raw.write(errorBytes('connection_limit'));
      lingerAndClose(raw);
      return;
    }
    stats.add('connections');
    stats.add('active');
    raw.once('close', () => {
      this.#openings.delete(raw);
      this.#flows.delete(raw);
      stats.add('active', -1);
    });
    const opening = new Opening(raw, listener, {
      onReady: ({ socket, facts }) => {
        this.#openings.delete(raw);
        const speakHttp = (): void => {
          this.#connect(raw, socket, facts);
          this.#speakHttp(socket);
        };
        if (this.#greet === null) speakHttp();
        else this.#receive(this.#greet, { raw, socket, speakHttp });
      },
      onPlainHttp: () => {
        this.#openings.delete(raw);
        this.#connect(raw, raw, null).refuse('plain_on_tls');
      },
      onFailed: (code) => stats.error(code),
    });
    this.#openings.set(raw, opening);
    opening.start();
  }

  #receive(
    greet: (arrival: Arrival) => Flow,
    { raw, socket, speakHttp }: Pick<Arrival, 'raw' | 'socket' | 'speakHttp'>,
  ): void {
    const arrival: Arrival = {
      raw,
      socket,
      listener: this.#listener,
      speakHttp: () => {
        this.#flows.delete(raw);
        speakHttp();
      },
      onClosed: () => this.#flows.delete(raw),
    };
    this.#flows.set(raw, greet(arrival));
  }

  #connect(raw: Socket, socket: Socket, facts: ClientFacts | null): HttpConnection {
    const connection = new HttpConnection({
      raw,
      socket,
      facts,
      speakHttp: this.#speakHttp,
      current: () => this.#listener,
      onClosed: () => this.#connections.delete(socket),
    });
    this.#connections.set(socket, connection);
    return connection;
  }
}

function ignore(): void {}
