// A UDP session: one client's datagrams to one target over an upstream socket of their own, and the replies back.
// It keeps the plan it began with and ends by the idle timeout, after the expected number of replies, when the
// target is gone, or when the table needs its place. Main thread; owned by the UdpListener's table.
import type dgram from 'node:dgram';
import type { ErrorCode } from '../../contract/codes.ts';
import type { EntityStats } from '../shared/entity-stats.ts';
import { connectFault, errnoOf, exhaustionFault } from '../shared/faults.ts';
import { logFlow } from '../shared/flow-log.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import type { LivePool } from '../shared/pool.ts';
import type { LiveTarget } from '../shared/target.ts';
import { createDatagramSocket, hasRoom } from './udp-socket.ts';

/** Datagrams that wait for the upstream socket to be ready; more are dropped. */
const EARLY_LIMIT = 64;

export interface UdpSessionOptions {
  readonly clientName: string;
  /** What each datagram to the target begins with; null: nothing. */
  readonly preface: Buffer | null;
  readonly listener: LiveListener;
  readonly pool: LivePool;
  readonly target: LiveTarget;
  /** Sends to the client. */
  readonly reply: (bytes: Buffer) => void;
  readonly onEnd: () => void;
}

export class UdpSession {
  readonly #options: UdpSessionOptions;
  readonly #socket: dgram.Socket;
  /** Everybody who counts what this session carries. */
  readonly #counted: readonly EntityStats[];
  readonly #idle: NodeJS.Timeout;
  readonly #beganMs = performance.now();
  /** null once the upstream socket is connected. */
  #early: Buffer[] | null = [];
  #bytesIn = 0;
  #bytesOut = 0;
  #replies = 0;
  #isEnded = false;

  constructor(options: UdpSessionOptions) {
    this.#options = options;
    const { listener, pool, target } = options;
    this.#counted = [listener.stats, pool.stats, target.stats];
    for (const stats of this.#counted) stats.add('connections');
    listener.stats.add('active');
    pool.stats.add('active');
    target.begin();
    this.#idle = setTimeout(() => this.end('none'), listener.plan.timeouts.idleMs);
    const { address } = target.plan;
    this.#socket = createDatagramSocket(address);
    this.#socket.on('message', (bytes) => this.#onReply(bytes));
    this.#socket.on('error', (error) => this.#onSocketError(error));
    this.#socket.once('connect', () => this.#onReady());
    this.#socket.connect(address.port, address.host);
  }

  /** Whether the target still owes replies. */
  get awaitsReplies(): boolean {
    const { responses } = this.#options.listener.plan;
    return responses > 0 && this.#replies < responses;
  }

  /** From the client. */
  send(bytes: Buffer): void {
    this.#idle.refresh();
    if (this.#early === null) this.#forward(bytes);
    else if (this.#early.length < EARLY_LIMIT) this.#early.push(bytes);
    else this.#onDropped();
  }

  end(code: ErrorCode): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#idle);
    this.#socket.close();
    this.#settle(code);
    this.#options.onEnd();
  }

  #onReady(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const bytes of early) this.#forward(bytes);
  }

  #forward(bytes: Buffer): void {
    if (this.#isEnded) return;
    if (!hasRoom(this.#socket)) {
      this.#onDropped();
      return;
    }
    this.#bytesIn += bytes.length;
    for (const stats of this.#counted) {
      stats.add('datagrams_in');
      stats.add('bytes_in', bytes.length);
    }
    const { preface } = this.#options;
    this.#socket.send(preface === null ? bytes : [preface, bytes], this.#onSent);
  }

  readonly #onSent = (error: Error | null): void => {
    if (error === null || this.#isEnded) return;
    if (errnoOf(error) === 'ECONNREFUSED') this.#onUnreachable();
    else this.#onDropped();
  };

  #onReply(bytes: Buffer): void {
    if (this.#isEnded) return;
    const { listener, target, reply } = this.#options;
    this.#idle.refresh();
    if (this.#replies++ === 0) target.succeeded();
    this.#bytesOut += bytes.length;
    for (const stats of this.#counted) {
      stats.add('datagrams_out');
      stats.add('bytes_out', bytes.length);
    }
    reply(bytes);
    if (listener.plan.responses > 0 && !this.awaitsReplies) this.end('none');
  }

  #onSocketError(error: Error): void {
    if (this.#isEnded) return;
    if (errnoOf(error) === 'ECONNREFUSED') {
      this.#onUnreachable();
      return;
    }
    const code = exhaustionFault(error) ?? connectFault(error);
    this.#options.target.failed(code);
    this.end(code);
  }

  /** ICMP says that nobody listens there: the next datagram begins anew, with another pick. */
  #onUnreachable(): void {
    this.#options.target.failed('target_unreachable');
    this.end('target_unreachable');
  }

  #onDropped(): void {
    this.#options.listener.stats.error('datagram_dropped');
  }

  #settle(code: ErrorCode): void {
    const { clientName, listener, pool, target } = this.#options;
    const durationMs = performance.now() - this.#beganMs;
    target.end();
    target.stats.latency(durationMs);
    for (const stats of [listener.stats, pool.stats]) {
      stats.add('active', -1);
      stats.error(code);
      stats.latency(durationMs);
    }
    logFlow(listener, {
      clientName,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      durationMs,
      target: target.plan.name,
      code,
    });
  }
}
