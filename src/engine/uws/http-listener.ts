// An http listener on uWebSockets.js: an app of its own, its connections and the exchanges that are in progress. It
// hands a request to the connection that claims it. Main thread.
import fs from 'node:fs';
import net from 'node:net';
import type { SocketAddress } from '../../contract/address.ts';
import { errorBytes } from '../shared/answer.ts';
import { clientName } from '../shared/client-address.ts';
import type { EntityStats } from '../shared/entity-stats.ts';
import { HttpExchange } from '../shared/exchange.ts';
import { type Listening, listenFailure, listenStream } from '../shared/listening.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import { hostOf } from './client-host.ts';
import { HttpClient } from './http-client.ts';
import { type Arrival, HttpConnection } from './http-connection.ts';
import { readRawRequest } from './request-source.ts';
import type {
  UwsApp,
  UwsContext,
  UwsListenSocket,
  UwsModule,
  UwsRequest,
  UwsResponse,
} from './uwebsockets.d.ts';
import { webSocketBehavior } from './websocket-relay.ts';

/** Beyond this a path does not fit the kernel's address, and uWebSockets.js does not look. */
const UNIX_PATH_BYTES = 107;

export async function listenHttp(uws: UwsModule, listener: LiveListener): Promise<Listening> {
  // uWebSockets.js would take a path away from whoever listens there.
  if (listener.plan.address.family === 'unix') await rehearse(listener);
  const listening = new HttpListener(uws, listener);
  if (listening.listen()) return listening;
  listening.destroy();
  await rehearse(listener);
  throw listenFailure(listener, new Error('uWebSockets.js does not say why'));
}

/** Binds and lets go again, because node says what is wrong where uWebSockets.js does not. */
async function rehearse(listener: LiveListener): Promise<void> {
  const { family, host } = listener.plan.address;
  if (family === 'unix' && Buffer.byteLength(host) > UNIX_PATH_BYTES) {
    throw listenFailure(listener, new Error(`the path is longer than ${UNIX_PATH_BYTES} bytes`));
  }
  const server = net.createServer();
  await listenStream(server, listener);
  await new Promise((resolve) => server.close(resolve));
}

class HttpListener implements Listening {
  readonly closed: Promise<void>;
  readonly #uws: UwsModule;
  readonly #app: UwsApp;
  readonly #exchanges = new Set<HttpExchange>();
  #address: SocketAddress;
  #listener: LiveListener;
  /** Who counts the connections that are open. */
  #stats: EntityStats;
  readonly #connections = new Set<HttpConnection>();
  /** Connections that are open, WebSockets among them. */
  #open = 0;
  /** Connections that have closed, ever. */
  #gone = 0;
  /** A request whose connection has not claimed it yet. */
  #arrival: Arrival | null = null;
  #socket: UwsListenSocket | null = null;
  #isDraining = false;
  #onClosed: () => void = ignore;

  constructor(uws: UwsModule, listener: LiveListener) {
    this.#uws = uws;
    this.#listener = listener;
    this.#stats = listener.stats;
    this.#address = listener.plan.address;
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    this.#app = uws
      .App()
      .filter((response, change) => this.#onConnection(response, change))
      .ws(
        '/*',
        webSocketBehavior(
          (response, request, context) => this.#onRequest(response, request, context),
          () => this.#onConnectionGone(),
        ),
      )
      .any('/*', (response, request) => this.#onRequest(response, request, null));
  }

  get address(): SocketAddress {
    return this.#address;
  }

  get isOpen(): boolean {
    return this.#socket !== null;
  }

  /** False when the address cannot be had; nobody says why. */
  listen(): boolean {
    const { family, host, port } = this.#address;
    const take = (socket: UwsListenSocket | false): void => {
      this.#socket = socket === false ? null : socket;
    };
    if (family === 'unix') this.#app.listen_unix(take, host);
    else this.#app.listen(host, port, this.#uws.LIBUS_LISTEN_EXCLUSIVE_PORT, take);
    if (this.#socket === null) return false;
    if (family !== 'unix') {
      this.#address = { ...this.#address, port: this.#uws.us_socket_local_port(this.#socket) };
    }
    return true;
  }

  use(listener: LiveListener): void {
    this.#listener = listener;
    if (listener.stats === this.#stats) return;
    this.#stats.add('active', -this.#open);
    this.#stats = listener.stats;
    this.#stats.add('active', this.#open);
  }

  retire(): void {
    this.drain();
  }

  drain(): void {
    this.#isDraining = true;
    this.#stopListening();
    for (const connection of [...this.#connections]) connection.drain();
    this.#settle();
  }

  destroy(): void {
    this.#isDraining = true;
    this.#stopListening();
    this.#app.close();
    this.#settle();
  }

  #stopListening(): void {
    if (this.#socket === null) return;
    this.#uws.us_listen_socket_close(this.#socket);
    this.#socket = null;
    const { family, host } = this.#address;
    if (family === 'unix') fs.rmSync(host, { force: true });
  }

  #onConnection(response: UwsResponse, change: number): void {
    if (change < 0) {
      this.#onConnectionGone();
      return;
    }
    const { plan, stats } = this.#listener;
    this.#open++;
    this.#stats.add('active');
    if (plan.maxConnections > 0 && this.#open > plan.maxConnections) {
      stats.error('connection_limit');
      const text = errorBytes('connection_limit').subarray('HTTP/1.1 '.length, -'\r\n'.length);
      response.cork(() => response.writeStatus(text));
      response.close();
      return;
    }
    stats.add('connections');
    const connection: HttpConnection = new HttpConnection({
      response,
      claim: () => this.#claim(),
      onTurnEnd: () => this.#claim()?.response.close(),
      firstMs: plan.timeouts.requestHeaderMs,
      keepAliveMs: () => this.#listener.plan.timeouts.keepAliveMs,
      onGone: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    if (this.#isDraining) connection.drain();
  }

  #onConnectionGone(): void {
    this.#open--;
    this.#gone++;
    this.#stats.add('active', -1);
    this.#settle();
  }

  #claim(): Arrival | null {
    const arrival = this.#arrival;
    this.#arrival = null;
    return arrival;
  }

  #settle(): void {
    if (this.#isDraining && this.#open === 0 && this.#exchanges.size === 0) this.#onClosed();
  }

  #onRequest(response: UwsResponse, request: UwsRequest, context: UwsContext | null): void {
    // One that was not claimed came on a connection that must not have sent it yet.
    this.#claim()?.response.close();
    const raw = readRawRequest(request);
    const connectionField = request.getHeader('connection');
    let connection: HttpConnection | null = null;
    let client: HttpClient | null = null;
    let exchange: HttpExchange | null = null;
    response.onAborted(() => {
      connection?.onGone();
      if (client?.onAborted()) exchange?.abort('client_aborted');
    });
    this.#arrival = {
      response,
      begin: (claimant) => {
        connection = claimant;
        client = new HttpClient({
          response,
          raw,
          context,
          connection: connectionField,
          goneCount: () => this.#gone,
          onReleased: (hasClosed, isLast) => claimant.onReleased(hasClosed, isLast),
          onSwitched: () => claimant.onGone(),
        });
        exchange = this.#exchange(client, response);
        return client;
      },
      start: () => exchange?.start(),
    };
  }

  #exchange(client: HttpClient, response: UwsResponse): HttpExchange {
    const clientHost = hostOf(response.getRemoteAddress());
    const port = response.getRemotePort?.();
    const exchange: HttpExchange = new HttpExchange({
      client,
      clientHost,
      clientName: port === undefined ? clientHost || 'unix' : clientName(clientHost, port),
      listener: this.#listener,
      isLast: () => this.#isDraining,
      onDone: () => {
        this.#exchanges.delete(exchange);
        this.#settle();
      },
    });
    this.#exchanges.add(exchange);
    return exchange;
  }
}

function ignore(): void {}
