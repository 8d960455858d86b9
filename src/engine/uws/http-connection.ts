// A client's connection as far as uWebSockets.js lets us see it. It tells neither which connection a request came on
// nor of anything between two requests; but what is registered on the response object of a new connection stays with
// the connection: the data handler is called right behind a request's handler, which tells whose request it is, and
// the abort handler is called when the connection closes while it is idle. Both are used up by each request and
// registered anew after it. The object must not be touched once the connection has gone. Main thread; owned by its
// HttpListener.
import type { HttpClient } from './http-client.ts';
import type { UwsResponse } from './uwebsockets.d.ts';

/** A request that no connection has claimed yet. */
export interface Arrival {
  readonly response: UwsResponse;
  /** Makes an exchange of it, which start() sets going. */
  readonly begin: (connection: HttpConnection) => HttpClient;
  readonly start: () => void;
}

export interface HttpConnectionOptions {
  /** The one that came with the connection. */
  readonly response: UwsResponse;
  /** The request whose handler has just been called; null when somebody has claimed it. */
  readonly claim: () => Arrival | null;
  /** uWebSockets.js is done with what it has read: whoever has not been claimed will not be. */
  readonly onTurnEnd: () => void;
  readonly firstMs: number;
  readonly keepAliveMs: () => number;
  readonly onGone: () => void;
}

/** What was written last gets this long to leave before the connection is closed. */
const LINGER_MS = 100;

export class HttpConnection {
  readonly #options: HttpConnectionOptions;
  readonly #response: UwsResponse;
  /** Whose request is not complete or whose response is not. */
  #client: HttpClient | null = null;
  #isRequestComplete = false;
  #isResponseComplete = false;
  /** uWebSockets.js has not come back from what ended the request: it would forget what is registered now. */
  #isInTurn = false;
  #isGone = false;
  #isLast = false;
  #timer: NodeJS.Timeout;
  #timerMs: number;

  constructor(options: HttpConnectionOptions) {
    this.#options = options;
    this.#response = options.response;
    this.#timerMs = options.firstMs;
    this.#timer = setTimeout(this.#onTimeout, options.firstMs);
    this.#response.onAborted(() => this.onGone());
    this.#arm();
  }

  /** The connection has closed, or is not HTTP any more. */
  onGone(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    clearTimeout(this.#timer);
    this.#options.onGone();
  }

  /** uWebSockets.js has all of the response. `hasClosed`: it has closed the connection behind it. */
  onReleased(hasClosed: boolean, isLast: boolean): void {
    if (hasClosed) {
      this.onGone();
      return;
    }
    this.#isLast ||= isLast;
    this.#response.onAborted(() => this.onGone());
    this.#isResponseComplete = true;
    if (!this.#isInTurn) this.#becomeIdle();
  }

  /** Closes, if it is idle, once what was written last has left; else after the response in progress. */
  drain(): void {
    this.#isLast = true;
    if (this.#client === null) this.#closeSoon();
  }

  readonly #onData = (chunk: ArrayBuffer, isLast: boolean): void => {
    if (isLast) {
      this.#isInTurn = true;
      setImmediate(this.#onTurnEnd);
    }
    if (this.#client === null) this.#begin(chunk, isLast);
    else this.#client.receive(chunk, isLast);
    this.#isRequestComplete = isLast;
  };

  readonly #onTurnEnd = (): void => {
    this.#isInTurn = false;
    if (!this.#isGone && this.#client !== null) this.#becomeIdle();
    this.#options.onTurnEnd();
  };

  #begin(chunk: ArrayBuffer, isLast: boolean): void {
    const arrival = this.#options.claim();
    if (arrival === null) return;
    this.#isResponseComplete = false;
    this.#client = arrival.begin(this);
    this.#client.receive(chunk, isLast);
    arrival.start();
  }

  #becomeIdle(): void {
    if (!this.#isRequestComplete || !this.#isResponseComplete) return;
    this.#client = null;
    this.#arm();
    if (this.#isLast) this.#closeSoon();
    else this.#waitFor(this.#options.keepAliveMs());
  }

  #arm(): void {
    this.#response.onData(this.#onData);
  }

  #closeSoon(): void {
    this.#waitFor(LINGER_MS);
  }

  #waitFor(ms: number): void {
    if (ms === this.#timerMs) {
      this.#timer.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#timerMs = ms;
    this.#timer = setTimeout(this.#onTimeout, ms);
  }

  readonly #onTimeout = (): void => {
    // Calls onGone() before it returns.
    if (!this.#isGone && this.#client === null) this.#response.close();
  };
}
