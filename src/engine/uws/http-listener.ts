// An http listener on uWebSockets.js: an app of its own, the exchanges that are in progress, and how many connections
// there are. uWebSockets.js keeps connections to itself between requests, so that one that is idle can neither be
// timed nor closed alone: when the listener drains, they close with the last exchange. Main thread.
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

/** How long the last bytes of the last answer get to leave. */
const LINGER_MS = 50;
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
  #connections = 0;
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
          (response, request, context) => this.#serve(response, request, context),
          () => this.#onConnectionGone(),
        ),
      )
      .any('/*', (response, request) => this.#serve(response, request, null));
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
    this.#stats.add('active', -this.#connections);
    this.#stats = listener.stats;
    this.#stats.add('active', this.#connections);
  }

  retire(): void {
    this.drain();
  }

  drain(): void {
    this.#isDraining = true;
    this.#stopListening();
    if (this.#exchanges.size === 0) this.#app.close();
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
    this.#connections++;
    this.#stats.add('active');
    if (plan.maxConnections > 0 && this.#connections > plan.maxConnections) {
      stats.error('connection_limit');
      const text = errorBytes('connection_limit').subarray('HTTP/1.1 '.length, -'\r\n'.length);
      response.cork(() => response.writeStatus(text));
      response.close();
      return;
    }
    stats.add('connections');
  }

  #onConnectionGone(): void {
    this.#connections--;
    this.#stats.add('active', -1);
    this.#settle();
  }

  #settle(): void {
    if (this.#isDraining && this.#connections === 0 && this.#exchanges.size === 0) this.#onClosed();
  }

  #serve(response: UwsResponse, request: UwsRequest, context: UwsContext | null): void {
    const raw = readRawRequest(request);
    const clientHost = hostOf(response.getRemoteAddress());
    const port = response.getRemotePort?.();
    const connection = request.getHeader('connection');
    const client = new HttpClient({ response, raw, context, connection });
    const exchange = new HttpExchange({
      client,
      clientHost,
      clientName: port === undefined ? clientHost || 'unix' : clientName(clientHost, port),
      // The engine does not offer PROXY headers.
      ends: () => ({ source: null, destination: null }),
      cameTo: null,
      listener: this.#listener,
      facts: null,
      isLast: () => this.#isDraining,
      onDone: () => this.#onDone(exchange),
    });
    response.onAborted(() => {
      if (client.onAborted()) exchange.abort('client_aborted');
    });
    this.#exchanges.add(exchange);
    exchange.start();
    client.leaveHandler();
  }

  #onDone(exchange: HttpExchange): void {
    this.#exchanges.delete(exchange);
    if (!this.#isDraining || this.#exchanges.size > 0) return;
    setTimeout(() => {
      if (this.#exchanges.size === 0) this.#app.close();
    }, LINGER_MS);
    this.#settle();
  }
}

function ignore(): void {}
