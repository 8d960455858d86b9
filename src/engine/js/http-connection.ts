// A client's connection to an http listener: its requests one after the other, in order, each under the plan in
// force when its turn comes; the one answer to what is malformed; and the end, which lingers so that the client
// can read the last answer. node's HTTP server parses; a connection asked to switch protocols is taken from it and
// given back if nothing comes of that. Main thread; owned by its HttpListener.
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ERROR_CODES, type ErrorCode } from '../../contract/codes.ts';
import { errorBytes } from '../shared/answer.ts';
import {
  clientHostOf,
  clientName,
  clientPortOf,
  connectionEndsOf,
  headerBytesOf,
  localEndOf,
} from '../shared/client-address.ts';
import type { ClientFacts } from '../shared/client-certificate.ts';
import { type ExchangeOptions, HttpExchange } from '../shared/exchange.ts';
import { ExchangeRecord } from '../shared/exchange-record.ts';
import type { LiveListener } from '../shared/live-plan.ts';
import { readRequestHead } from '../shared/request-head.ts';
import { lingerAndClose } from '../shared/wire.ts';
import { ConnectExchange } from './connect-exchange.ts';
import { HttpClient } from './http-client.ts';
import { parseFault } from './parse-fault.ts';

export interface HttpConnectionOptions {
  /** As accepted. */
  readonly raw: Socket;
  /** What HTTP is spoken over: the same, or TLS over it. */
  readonly socket: Socket;
  readonly facts: ClientFacts | null;
  /** Hands the socket to node's server. */
  readonly speakHttp: (socket: Socket) => void;
  /** The listener under the plan in force. */
  readonly current: () => LiveListener;
  readonly onClosed: () => void;
}

interface Arrival {
  readonly request: IncomingMessage;
  /** null for a request to switch protocols, which node's server has let go of. */
  readonly response: ServerResponse | null;
  /** What came right behind such a request. */
  readonly early: Buffer;
}

/** Requests that wait for their turn; a client that sends more is not read until some are answered. */
const QUEUE_LIMIT = 64;
/** A client that ends its side may still wait for its answer; after this long it is taken to have left. */
const HALF_CLOSED_MS = 1_000;

export class HttpConnection {
  readonly #options: HttpConnectionOptions;
  readonly #socket: Socket;
  readonly #clientHost: string;
  readonly #clientName: string;
  readonly #queue: Arrival[] = [];
  #current: HttpExchange | ConnectExchange | null = null;
  #isPaused = false;
  /** What the parser could not understand, to be answered once everything before it is. */
  #refusal: ErrorCode | null = null;
  /** Bytes read when the last exchange was done: more means that the next request has begun. */
  #bytesReadBefore = 0;
  #isDraining = false;
  #isClosing = false;
  /** The client has ended its side. */
  #hasEnded = false;
  #halfClosed: NodeJS.Timeout | null = null;

  constructor(options: HttpConnectionOptions) {
    const { raw, socket } = options;
    this.#options = options;
    this.#socket = socket;
    this.#clientHost = clientHostOf(raw);
    this.#clientName = clientName(this.#clientHost, clientPortOf(raw));
    if (socket === raw) this.#bytesReadBefore = headerBytesOf(raw);
    socket.on('error', ignore);
    socket.on('end', () => this.#onEnd());
    socket.once('close', () => this.#onClose());
    // node's server calls this after a last response.
    socket.destroySoon = () => this.#close();
  }

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.#enqueue({ request, response, early: Buffer.alloc(0) });
  }

  onUpgrade(request: IncomingMessage, early: Buffer): void {
    this.#enqueue({ request, response: null, early });
  }

  onParseError(error: Error): void {
    if (this.#isClosing || this.#refusal !== null) return;
    const outcome = parseFault(error, this.#options.current().plan.limits);
    if (outcome === 'ignored') return;
    const incomplete = this.#current?.isRequestComplete === false ? this.#current : null;
    if (outcome === 'client_aborted') {
      if (incomplete !== null) incomplete.abort(outcome);
      else this.#closeWhenIdle();
      return;
    }
    if (outcome === 'request_timeout' && this.#socket.bytesRead === this.#bytesReadBefore) {
      this.#close();
      return;
    }
    if (incomplete !== null) {
      incomplete.failRequest(outcome);
      return;
    }
    this.#refusal = outcome;
    this.#advance();
  }

  /** Answers what is in the middle of something, then closes; closes at once when nothing is. */
  drain(): void {
    this.#isDraining = true;
    const hasBegun = this.#socket.bytesRead > this.#bytesReadBefore;
    if (this.#current === null && this.#queue.length === 0 && !hasBegun) this.#close();
  }

  destroy(): void {
    if (this.#current?.isTunnel) this.#current.abort('none');
    this.#socket.destroy();
    this.#options.raw.destroy();
  }

  /** Answers something that node's server has never seen. */
  refuse(code: ErrorCode): void {
    this.#refusal = code;
    this.#advance();
  }

  #enqueue(arrival: Arrival): void {
    if (this.#isClosing) return;
    this.#queue.push(arrival);
    if (this.#queue.length > QUEUE_LIMIT && !this.#isPaused) {
      this.#isPaused = true;
      this.#socket.pause();
    }
    this.#advance();
  }

  #advance(): void {
    if (this.#current !== null || this.#isClosing) return;
    const next = this.#queue.shift();
    if (next !== undefined) {
      if (next.response === null) this.#serveUpgrade(next);
      else this.#serve(next, next.response);
      return;
    }
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    if (this.#refusal !== null) this.#refuse(this.#refusal);
    else if (this.#hasEnded) this.#close();
    else if (this.#isDraining) this.drain();
  }

  #serve(arrival: Arrival, response: ServerResponse): void {
    const { request, early } = arrival;
    const socket = this.#socket;
    const client = new HttpClient({ request, response, socket, early });
    const listener = this.#options.current();
    const options: ExchangeOptions = {
      client,
      clientHost: this.#clientHost,
      clientName: this.#clientName,
      ends: () => connectionEndsOf(this.#options.raw),
      cameTo: localEndOf(this.#options.raw),
      listener,
      facts: this.#options.facts,
      isLast: () => this.#isDraining || (this.#hasEnded && this.#queue.length === 0),
      onDone: (mayGoOn) => {
        this.#current = null;
        this.#bytesReadBefore = this.#socket.bytesRead;
        if (!mayGoOn) this.#close();
        else if (arrival.response === null) this.#giveBack(response, early);
        // Not from within the response's own event: node's server has still to let go of it.
        queueMicrotask(() => this.#advance());
      },
    };
    const { forward } = listener;
    const exchange =
      forward !== null && request.method === 'CONNECT'
        ? new ConnectExchange({ ...options, client, forward })
        : new HttpExchange(options);
    this.#current = exchange;
    exchange.start();
  }

  /** A request to switch protocols. When it does not count as one, it is parsed again as a plain request. */
  #serveUpgrade(arrival: Arrival): void {
    const { request, early } = arrival;
    const { plan, forward } = this.#options.current();
    const kind = forward === null ? 'reverse' : 'forward';
    const outcome = readRequestHead(request, plan.limits, kind);
    const isTunnel = forward !== null && request.method === 'CONNECT';
    if (!isTunnel && 'head' in outcome && outcome.head.upgrade === null) {
      this.#parse(Buffer.concat([plainHead(request), early]));
      return;
    }
    const response = new http.ServerResponse(request);
    response.assignSocket(this.#socket);
    this.#serve(arrival, response);
  }

  /** The target did not switch: what the client sent behind its request is HTTP again. */
  #giveBack(response: ServerResponse, early: Buffer): void {
    response.detachSocket(this.#socket);
    this.#parse(early);
  }

  #parse(bytes: Buffer): void {
    if (this.#socket.destroyed) return;
    if (bytes.length > 0) this.#socket.unshift(bytes);
    this.#options.speakHttp(this.#socket);
  }

  #refuse(code: ErrorCode): void {
    const record = new ExchangeRecord(this.#options.current(), this.#clientName);
    record.error(code);
    const answer = errorBytes(code);
    record.answers(ERROR_CODES[code].status);
    record.end(code);
    this.#socket.write(answer);
    this.#close();
  }

  #onEnd(): void {
    this.#hasEnded = true;
    const exchange = this.#current;
    if (this.#isClosing || exchange === null || exchange.hasBegunToAnswer) return;
    if (!exchange.isRequestComplete) {
      exchange.abort('client_aborted');
      return;
    }
    this.#halfClosed = setTimeout(() => {
      if (this.#current === exchange && !exchange.hasBegunToAnswer)
        exchange.abort('client_aborted');
    }, HALF_CLOSED_MS);
  }

  #onClose(): void {
    this.#isClosing = true;
    if (this.#halfClosed !== null) clearTimeout(this.#halfClosed);
    this.#queue.length = 0;
    // A tunnel knows by itself how it ended.
    if (!this.#current?.isTunnel) this.#current?.abort('client_aborted');
    this.#options.onClosed();
  }

  /** The client has ended its side with nothing more to be answered. */
  #closeWhenIdle(): void {
    this.#isDraining = true;
    if (this.#current === null && this.#queue.length === 0) this.#close();
  }

  /** Ends our side and reads on for a while: a close with unread bytes would take our answer back. */
  #close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#queue.length = 0;
    lingerAndClose(this.#socket);
  }
}

/** The request as it came, without what asks for another protocol. */
function plainHead({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === 'upgrade') continue;
    head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, 'latin1');
}

function ignore(): void {}
