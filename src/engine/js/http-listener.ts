// An http listener: node's HTTP server under the limits and timeouts of the plan in force, and the connections that
// it has accepted. It hands every event of the server to the connection concerned. Main thread.
import http from 'node:http';
import type { Socket } from 'node:net';
import type { SocketAddress } from '../../contract/address.ts';
import { errorBytes } from '../shared/answer.ts';
import { exhaustionFault } from '../shared/faults.ts';
import { type Listening, listenStream } from '../shared/listening.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import { HttpConnection, lingerAndClose } from './http-connection.ts';

/** How often node looks for request heads that are late. */
const HEAD_CHECK_MS = 50;

export async function listenHttp(listener: LiveListener): Promise<Listening> {
  const server = http.createServer({
    insecureHTTPParser: false,
    requireHostHeader: false,
    requestTimeout: 0,
    connectionsCheckingInterval: HEAD_CHECK_MS,
  });
  server.maxHeadersCount = 0;
  server.timeout = 0;
  const address = await listenStream(server, listener);
  return new HttpListener(server, address, listener);
}

class HttpListener implements Listening {
  readonly address: SocketAddress;
  readonly closed: Promise<void>;
  readonly #server: http.Server;
  readonly #connections = new Map<Socket, HttpConnection>();
  #listener: LiveListener;

  constructor(server: http.Server, address: SocketAddress, listener: LiveListener) {
    this.#server = server;
    this.address = address;
    this.#listener = listener;
    this.closed = new Promise((resolve) => server.once('close', resolve));
    this.use(listener);
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
      // A reverse proxy opens no tunnels: an exchange will find that the request is malformed.
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
    for (const connection of [...this.#connections.values()]) connection.drain();
  }

  destroy(): void {
    if (this.#server.listening) this.#server.close();
    for (const connection of [...this.#connections.values()]) connection.destroy();
  }

  #accept(socket: Socket): void {
    // A connection that was taken from the server for an upgrade and is given back.
    if (this.#connections.has(socket)) return;
    const { plan, stats } = this.#listener;
    if (plan.maxConnections > 0 && this.#connections.size >= plan.maxConnections) {
      stats.error('connection_limit');
      socket.on('error', () => {});
      socket.on('end', () => socket.destroy());
      socket.write(errorBytes('connection_limit'));
      lingerAndClose(socket);
      return;
    }
    const connection = new HttpConnection({
      socket,
      server: this.#server,
      current: () => this.#listener,
      onClosed: () => this.#connections.delete(socket),
    });
    this.#connections.set(socket, connection);
  }
}
