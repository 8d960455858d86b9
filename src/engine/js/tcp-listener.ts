// A tcp listener: accepts, ends TLS where that is asked for, picks a target, connects (to another one when that fails),
// relays. One TcpFlow is one client connection from accept to the end of the relay; it keeps the plan it began with.
// Main thread.
import net from 'node:net';
import type { SocketAddress } from '../../contract/address.ts';
import type { ErrorCode } from '../../contract/codes.ts';
import { findNameRoute } from '../../plan/match.ts';
import {
  clientHostOf,
  clientName,
  clientPortOf,
  connectionEndsOf,
} from '../shared/client-address.ts';
import { connectTo } from '../shared/connect.ts';
import { exhaustionFault } from '../shared/faults.ts';
import { logFlow } from '../shared/flow-log.ts';
import { type Listening, listenStream } from '../shared/listening.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import type { LivePool } from '../shared/pool.ts';
import { proxyPreface } from '../shared/proxy-header.ts';
import type { LiveTarget } from '../shared/target.ts';
import { abortSocket, rawOf } from '../shared/wire.ts';
import { type Opened, Opening } from './opening.ts';
import { relayStreams } from './stream-relay.ts';

export async function listenTcp(listener: LiveListener): Promise<Listening> {
  const server = net.createServer({ allowHalfOpen: true, noDelay: true });
  const address = await listenStream(server, listener);
  return new TcpListener(server, address, listener);
}

class TcpListener implements Listening {
  readonly address: SocketAddress;
  readonly closed: Promise<void>;
  readonly #server: net.Server;
  readonly #flows = new Set<TcpFlow>();
  #listener: LiveListener;

  constructor(server: net.Server, address: SocketAddress, listener: LiveListener) {
    this.#server = server;
    this.address = address;
    this.#listener = listener;
    // A net.Server closes once it no longer listens and its last connection has.
    this.closed = new Promise((resolve) => server.once('close', resolve));
    server.on('connection', (client) => this.#accept(client));
    server.on('error', (error) => {
      this.#listener.stats.error(exhaustionFault(error) ?? 'internal');
    });
  }

  get isOpen(): boolean {
    return this.#server.listening;
  }

  use(listener: LiveListener): void {
    this.#listener = listener;
  }

  retire(): void {
    if (this.#server.listening) this.#server.close();
  }

  /** Who has not said enough to be given a target has nothing to lose. */
  drain(): void {
    this.retire();
    for (const flow of this.#flows) if (flow.isOpening) flow.destroy();
  }

  destroy(): void {
    this.retire();
    for (const flow of this.#flows) flow.destroy();
  }

  #accept(client: net.Socket): void {
    const { plan, stats } = this.#listener;
    if (plan.maxConnections > 0 && stats.get('active') >= plan.maxConnections) {
      stats.error('connection_limit');
      client.on('error', ignore);
      client.destroy();
      return;
    }
    const flow = new TcpFlow(client, this.#listener);
    this.#flows.add(flow);
    client.once('close', () => this.#flows.delete(flow));
    flow.start();
  }
}

class TcpFlow {
  readonly #raw: net.Socket;
  readonly #opening: Opening;
  /** The proxy's until its PROXY header has come. */
  #clientHost: string;
  #clientName: string;
  readonly #listener: LiveListener;
  readonly #beganMs = performance.now();
  readonly #tried: LiveTarget[] = [];
  /** What is relayed: the socket itself, or TLS over it. */
  #client: net.Socket;
  /** Known once the client has said enough. */
  #pool: LivePool | null = null;
  #target: LiveTarget | null = null;
  #upstream: net.Socket | null = null;
  #cancelConnect: () => void = ignore;
  #bytesIn = 0;
  #bytesOut = 0;
  #isEnded = false;

  constructor(raw: net.Socket, listener: LiveListener) {
    this.#raw = raw;
    this.#client = raw;
    this.#clientHost = clientHostOf(raw);
    this.#clientName = clientName(this.#clientHost, clientPortOf(raw));
    this.#listener = listener;
    this.#opening = new Opening(raw, listener, {
      onReady: (opened) => this.#onReady(opened),
      onFailed: (code) => this.#end(code),
    });
  }

  get isOpening(): boolean {
    return this.#pool === null;
  }

  start(): void {
    this.#listener.stats.add('connections');
    this.#listener.stats.add('active');
    this.#opening.start();
  }

  destroy(): void {
    this.#opening.destroy();
    this.#cancelConnect();
    this.#client.destroy();
    this.#raw.destroy();
    if (this.#upstream !== null) {
      this.#upstream.destroy();
      rawOf(this.#upstream).destroy();
    }
    this.#end('none');
  }

  #onReady({ socket, hello }: Opened): void {
    this.#client = socket;
    this.#clientHost = clientHostOf(this.#raw);
    this.#clientName = clientName(this.#clientHost, clientPortOf(this.#raw));
    const { plan, pool, live } = this.#listener;
    const route = hello === null ? null : findNameRoute(plan.nameRoutes, hello);
    this.#pool = route === null ? pool : live.pool(route.pool);
    if (this.#pool === null) {
      this.#refuse('tls_name_unknown');
      return;
    }
    this.#pool.stats.add('connections');
    this.#pool.stats.add('active');
    // A client that resets while we connect cancels that. One that ends early has only half-closed: what it asked
    // for is still due. Until the relay begins node reads ahead no further than its buffer.
    socket.on('error', this.#onClientLost);
    this.#connect(this.#pool);
  }

  readonly #onClientLost = (): void => {
    this.#cancelConnect();
    this.#client.destroy();
    this.#end('client_aborted');
  };

  #connect(pool: LivePool): void {
    const target = pool.pick(this.#clientHost, this.#tried);
    if (target === null) {
      this.#refuse('no_target');
      return;
    }
    this.#tried.push(target);
    this.#target = target;
    target.begin();
    const { connectMs } = this.#listener.plan.timeouts;
    this.#cancelConnect = connectTo(
      {
        address: target.plan.address,
        tls: target.tls,
        timeoutMs: connectMs,
        preface: proxyPreface(pool.plan.proxyProtocol, () => connectionEndsOf(this.#raw)),
      },
      {
        onConnected: (upstream) => this.#relay(pool, target, upstream),
        onFailed: (code) => this.#onConnectFailed(pool, target, code),
      },
    );
  }

  #onConnectFailed(pool: LivePool, target: LiveTarget, code: ErrorCode): void {
    target.failed(code);
    const isAnotherLeft = this.#tried.length < pool.targets.length;
    if (!isAnotherLeft || this.#tried.length > pool.plan.retries) {
      this.#refuse(code);
      return;
    }
    for (const { stats } of [this.#listener, pool, target]) stats.add('retries');
    this.#releaseTarget();
    this.#connect(pool);
  }

  #relay(pool: LivePool, target: LiveTarget, upstream: net.Socket): void {
    this.#upstream = upstream;
    this.#cancelConnect = ignore;
    this.#client.off('error', this.#onClientLost);
    target.succeeded();
    target.stats.add('connections');
    relayStreams({
      client: this.#client,
      upstream,
      idleMs: this.#listener.plan.timeouts.idleMs,
      onBytesIn: (count) => {
        this.#bytesIn += count;
        for (const { stats } of [this.#listener, pool, target]) stats.add('bytes_in', count);
      },
      onBytesOut: (count) => {
        this.#bytesOut += count;
        for (const { stats } of [this.#listener, pool, target]) stats.add('bytes_out', count);
      },
      onEnd: (code) => {
        if (code === 'upstream_reset') target.stats.error(code);
        this.#end(code);
      },
    });
  }

  #refuse(code: ErrorCode): void {
    this.#client.off('error', this.#onClientLost).on('error', ignore);
    abortSocket(this.#client);
    this.#end(code);
  }

  #releaseTarget(): void {
    if (this.#target === null) return;
    this.#target.end();
    this.#target = null;
  }

  #end(code: ErrorCode): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const target = this.#target?.plan.name ?? null;
    const durationMs = performance.now() - this.#beganMs;
    this.#target?.stats.latency(durationMs);
    this.#releaseTarget();
    const counting = this.#pool === null ? [this.#listener] : [this.#listener, this.#pool];
    for (const { stats } of counting) {
      stats.add('active', -1);
      stats.error(code);
      stats.latency(durationMs);
    }
    logFlow(this.#listener, {
      clientName: this.#clientName,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      durationMs,
      target,
      code,
    });
  }
}

function ignore(): void {}
