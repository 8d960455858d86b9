// A tunnel of a forward proxy from the decision that it may be to its end: connects, by itself or through a parent, to
// another parent where one fails; then relays, at its user's expense. CONNECT and SOCKS tell their clients in their own
// ways. Main thread; owned by the exchange or flow that asked for it.
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../contract/codes.ts';
import type { ConnectionEnds } from '../shared/client-address.ts';
import type { ConnectHandlers } from '../shared/connect.ts';
import type { Way } from '../shared/egress.ts';
import type { ExchangeRecord } from '../shared/exchange-record.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import type { LiveUser } from '../shared/live-user.ts';
import { openDirectly } from '../shared/origin-agent.ts';
import { connectThroughParent } from '../shared/parent.ts';
import { proxyPreface } from '../shared/proxy-header.ts';
import type { LiveTarget } from '../shared/target.ts';
import { rawOf } from '../shared/wire.ts';
import { relayStreams } from './stream-relay.ts';

export interface TunnelOptions {
  readonly way: Way;
  readonly user: LiveUser | null;
  /** Has the way's route already; ending it is its owner's. */
  readonly record: ExchangeRecord;
  readonly listener: LiveListener;
  readonly clientHost: string;
  /** Of the client's connection, for parents that are told of them. */
  readonly ends: () => ConnectionEnds;
}

export interface TunnelHandlers {
  /** It leads to the destination: the client is to be told, and relay() to be called. */
  readonly onOpen: (upstream: Socket) => void;
  readonly onFailed: (code: ErrorCode) => void;
}

export class ForwardTunnel {
  readonly #options: TunnelOptions;
  readonly #tried: LiveTarget[] = [];
  #upstream: Socket | null = null;
  #cancel: () => void = ignore;

  constructor(options: TunnelOptions) {
    this.#options = options;
  }

  /** Calls exactly one handler, or none after destroy(). */
  open(handlers: TunnelHandlers): void {
    const { way, record, clientHost } = this.#options;
    const target = way.pool.pick(clientHost, this.#tried);
    if (target === null) {
      handlers.onFailed('no_target');
      return;
    }
    this.#tried.push(target);
    record.tries(target);
    this.#cancel = this.#connect(target, {
      onConnected: (upstream) => {
        this.#cancel = ignore;
        this.#upstream = upstream;
        upstream.on('error', ignore);
        target.stats.add('connections');
        record.connected();
        handlers.onOpen(upstream);
      },
      onFailed: (code) => this.#onConnectFailed(code, handlers),
    });
  }

  /** Moves bytes from now on; owns both connections. `early`: what the client has sent already. */
  relay(client: Socket, early: Buffer, onEnd: (code: ErrorCode) => void): void {
    const { record, user, listener } = this.#options;
    const upstream = this.#upstream;
    if (upstream === null) throw new TypeError('a tunnel relays once it is open');
    relayStreams({
      client,
      upstream,
      early,
      idleMs: listener.plan.timeouts.idleMs,
      onBytesIn: (count) => record.bytesIn(count),
      onBytesOut: (count) => record.bytesOut(count),
      tollIn: user?.chargeIn ?? null,
      tollOut: user?.chargeOut ?? null,
      onEnd,
    });
  }

  /** Gives it up, or cuts it. */
  destroy(): void {
    this.#cancel();
    if (this.#upstream === null) return;
    this.#upstream.destroy();
    rawOf(this.#upstream).destroy();
  }

  #connect(target: LiveTarget, handlers: ConnectHandlers): () => void {
    const { way, listener, ends } = this.#options;
    const { connectMs } = listener.plan.timeouts;
    const { plan } = way.pool;
    if (plan.kind === 'direct') return openDirectly(way, { connectMs }, handlers);
    return connectThroughParent(
      {
        pool: plan,
        address: target.plan.address,
        tls: target.tls,
        destination: way.destination,
        timeoutMs: connectMs,
        preface: proxyPreface(plan.proxyProtocol, ends),
      },
      handlers,
    );
  }

  #onConnectFailed(code: ErrorCode, handlers: TunnelHandlers): void {
    const { way, record } = this.#options;
    const { pool } = way;
    const isAnotherLeft = this.#tried.length < pool.targets.length;
    const mayRetry = isAnotherLeft && this.#tried.length <= pool.plan.retries;
    if (mayRetry) record.retries();
    record.failed(code, false);
    if (mayRetry) this.open(handlers);
    else handlers.onFailed(code);
  }
}

function ignore(): void {}
