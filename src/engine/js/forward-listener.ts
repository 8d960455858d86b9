// A forward proxy's listener: an http listener whose connections are told apart by their first byte, which is looked at
// and put back. SOCKS goes its own way; everything else is HTTP. Main thread.
import type { Socket } from 'node:net';
import { errorBytes } from '../shared/answer.ts';
import type { Listening } from '../shared/listening.ts';
import type { LiveForward, LiveListener } from '../shared/live-plan.ts';
import { SOCKS4, SOCKS5 } from '../shared/socks-messages.ts';
import { lingerAndClose } from '../shared/wire.ts';
import { type Arrival, type Flow, listenHttp } from './http-listener.ts';

export interface SocksArrival {
  /** As accepted. */
  readonly raw: Socket;
  /** What SOCKS is spoken over: the same, or TLS over it. Its first byte has been seen and put back. */
  readonly socket: Socket;
  readonly listener: LiveListener;
  readonly forward: LiveForward;
  readonly onClosed: () => void;
}

/** Speaks SOCKS from now on, for which the handshake has its whole time; the socket is its own. */
export type ServeSocks = (arrival: SocksArrival) => Flow;

/** `serveSocks`: null where SOCKS is not spoken. */
export function listenForward(
  listener: LiveListener,
  serveSocks: ServeSocks | null,
): Promise<Listening> {
  return listenHttp(listener, (arrival) => {
    const flow = new FirstByte(arrival, serveSocks);
    flow.start();
    return flow;
  });
}

/** A connection until it has said what it speaks, and for as long as that is SOCKS. */
class FirstByte implements Flow {
  readonly #arrival: Arrival;
  readonly #serveSocks: ServeSocks | null;
  readonly #deadline: NodeJS.Timeout;
  #socks: Flow | null = null;

  constructor(arrival: Arrival, serveSocks: ServeSocks | null) {
    this.#arrival = arrival;
    this.#serveSocks = serveSocks;
    // Nobody who has said nothing waits for an answer.
    this.#deadline = setTimeout(
      () => this.destroy(),
      arrival.listener.plan.timeouts.requestHeaderMs,
    );
  }

  start(): void {
    const { socket } = this.#arrival;
    // Not by 'data': a socket that was read so would not wait for whoever reads it next.
    socket.on('readable', this.#onReadable).on('error', this.#onLost).on('close', this.#onLost);
  }

  drain(): void {
    if (this.#socks !== null) this.#socks.drain();
    else this.destroy();
  }

  destroy(): void {
    this.#settle();
    if (this.#socks !== null) {
      this.#socks.destroy();
      return;
    }
    const { raw, socket, onClosed } = this.#arrival;
    socket.on('error', ignore).destroy();
    raw.destroy();
    onClosed();
  }

  readonly #onLost = (): void => this.destroy();

  readonly #onReadable = (): void => {
    const { socket, listener, speakHttp } = this.#arrival;
    const length = socket.readableLength;
    const chunk = length === 0 ? null : (socket.read(length) as Buffer | null);
    if (chunk === null) {
      this.destroy();
      return;
    }
    this.#settle();
    socket.unshift(chunk);
    const { forward } = listener;
    const [first] = chunk;
    if (forward === null) this.destroy();
    else if (first === SOCKS5 || first === SOCKS4) this.#beginSocks(first, forward);
    else if (forward.plan.accepts.includes('http')) speakHttp();
    else this.#refuseHttp();
  };

  #beginSocks(version: number, forward: LiveForward): void {
    const { raw, socket, listener, onClosed } = this.#arrival;
    const isAccepted = forward.plan.accepts.includes(version === SOCKS5 ? 'socks5' : 'socks4');
    if (!isAccepted || this.#serveSocks === null) {
      listener.stats.error('socks_malformed');
      this.destroy();
      return;
    }
    this.#socks = this.#serveSocks({ raw, socket, listener, forward, onClosed });
  }

  #refuseHttp(): void {
    const { socket, listener, onClosed } = this.#arrival;
    listener.stats.error('request_malformed');
    socket.on('error', ignore).write(errorBytes('request_malformed'));
    lingerAndClose(socket);
    onClosed();
  }

  #settle(): void {
    clearTimeout(this.#deadline);
    const { socket } = this.#arrival;
    socket.off('readable', this.#onReadable).off('error', this.#onLost).off('close', this.#onLost);
  }
}

function ignore(): void {}
