// One attempt to have a request answered by one target: a connection from the target's agent or a new one, the head,
// and what comes of it. It knows node:http's client and no policy; the exchange is told and decides. Main thread.
import http from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../contract/codes.ts';
import type { PlanTimeouts } from '../../plan/plan.ts';
import { connectOptions } from './connect.ts';
import type { Way } from './egress.ts';
import { connectFault, errnoOf } from './faults.ts';
import type { FlatFields } from './field-rules.ts';
import { OverrunGuard } from './overrun-guard.ts';
import { StallTimer } from './stall-timer.ts';
import type { LiveTarget } from './target.ts';
import type { AgentOptions } from './upstream-agent.ts';

export interface AttemptOptions {
  readonly target: LiveTarget;
  readonly method: string;
  readonly path: string;
  readonly fields: readonly string[];
  readonly timeouts: PlanTimeouts;
  /** Largest response head in bytes. */
  readonly headLimit: number;
  /** What a new connection begins with. */
  readonly preface: Buffer | null;
  /** Where the connection leads; null: to the target itself. */
  readonly way: Way | null;
}

export interface AttemptHandlers {
  /** Connected: the head is on its way and the body may follow. */
  onConnected(): void;
  /** A 1xx response other than 101. */
  onInterim(status: number, reason: string, rawHeaders: FlatFields): void;
  onResponse(response: http.IncomingMessage): void;
  /** A 101: the connection is no longer HTTP. `early` came right behind it. */
  onSwitched(response: http.IncomingMessage, upstream: Socket, early: Buffer): void;
  /** It came to nothing, or broke off in the middle of the response. Nothing more will be told. */
  onFailed(code: ErrorCode): void;
}

/** Interim responses that a target may send before it has to come to the point. */
const MAX_INTERIM = 16;

export class UpstreamAttempt {
  readonly target: LiveTarget;
  /** Where the body is written once connected. */
  readonly request: http.ClientRequest;
  readonly #handlers: AttemptHandlers;
  readonly #way: Way | null;
  /** The connection is authenticated as this client, and is nobody else's. */
  readonly #isBound: boolean;
  readonly #connectTimer: StallTimer;
  readonly #responseTimer: StallTimer;
  #socket: Socket | null = null;
  #cancelConnect: () => void = ignore;
  #bytesReadBefore = 0;
  #interimCount = 0;
  readonly #guard = new OverrunGuard();
  /** Heads that ended in packets before the one that node's parser has in hand. */
  #headsBefore = 0;
  /** Bytes of body that the response's head announces; null = chunks, or until the close. */
  #bodyLength: number | null = 0;
  #isConnected = false;
  #response: http.IncomingMessage | null = null;
  #isOver = false;

  constructor(options: AttemptOptions, handlers: AttemptHandlers) {
    const { target, timeouts, way } = options;
    this.target = target;
    this.#way = way;
    this.#isBound = way !== null && bindsConnection(options.fields);
    this.#handlers = handlers;
    this.#connectTimer = new StallTimer(timeouts.connectMs, () => this.#fail('connect_timeout'));
    this.#responseTimer = new StallTimer(timeouts.responseHeaderMs, () => {
      this.#fail('response_timeout');
    });
    this.request = sendHead(options, (cancel) => {
      this.#cancelConnect = cancel;
    });
    this.request.maxHeadersCount = 0;
    this.request
      .once('socket', (socket) => this.#onSocket(socket))
      .on('information', (info) => this.#onInformation(info))
      .once('response', (response) => this.#onResponse(response))
      .once('upgrade', (response, socket, early) => {
        this.#onUpgrade(response, socket as Socket, early);
      })
      .on('error', (error) => this.#onError(error));
  }

  /** The connection had served a request before. */
  get isReused(): boolean {
    return this.request.reusedSocket;
  }

  /** Whether the target has sent a byte for this request. */
  get hasAnswered(): boolean {
    return this.#socket !== null && this.#socket.bytesRead > this.#bytesReadBefore;
  }

  /** The request is complete: the target's time to answer begins. */
  awaitResponse(): void {
    if (!this.#isOver && this.#response === null) this.#responseTimer.arm();
  }

  /** What the response's head says of its body, from within onResponse. */
  expectBody(length: number | null): void {
    this.#bodyLength = length;
  }

  /** What else is kept for later and was to serve requests like this one is as stale as its connection was. */
  closeIdle(): void {
    this.target.agent.closeIdle(this.#way);
  }

  /** Gives the attempt up, or ends it; nothing more will be told. */
  destroy(): void {
    this.#settle();
    if (!this.#isConnected) this.#cancelConnect();
    this.request.destroy();
  }

  #onSocket(socket: Socket): void {
    if (this.#isOver) return;
    if (socket.destroyed) {
      // It closed between being picked from the idle ones and now.
      this.#fail('upstream_closed');
      return;
    }
    this.#socket = socket;
    socket.on('data', this.#onPacket);
    this.#bytesReadBefore = socket.bytesRead;
    if (!socket.connecting) {
      // One over TLS, or that leads somewhere else than to its target, comes when it is ready.
      if (!this.isReused) this.target.stats.add('connections');
      this.#onConnect();
      return;
    }
    this.#connectTimer.arm();
    socket.once('connect', () => {
      this.target.stats.add('connections');
      this.#onConnect();
    });
  }

  #onConnect(): void {
    if (this.#isOver) return;
    this.#isConnected = true;
    this.#connectTimer.disarm();
    this.#handlers.onConnected();
  }

  /** node's parser has been through `packet`, and has told us of the heads in it. */
  readonly #onPacket = (packet: Buffer): void => {
    const response = this.#response;
    const heads = this.#interimCount + (response === null ? 0 : 1);
    this.#guard.take(packet, heads - this.#headsBefore, response !== null);
    this.#headsBefore = heads;
    if (!response?.complete) return;
    this.#socket?.off('data', this.#onPacket);
    if (this.#guard.hasOverrun(this.#bodyLength)) this.request.shouldKeepAlive = false;
  };

  #onInformation(info: http.InformationEvent): void {
    if (this.#isOver) return;
    if (++this.#interimCount > MAX_INTERIM || info.httpVersionMajor !== 1) {
      this.#fail('response_malformed');
      return;
    }
    this.#handlers.onInterim(info.statusCode, info.statusMessage, info.rawHeaders);
  }

  #onResponse(response: http.IncomingMessage): void {
    if (this.#isOver) {
      response.destroy();
      return;
    }
    this.#responseTimer.disarm();
    this.#response = response;
    if (this.#isBound) this.request.shouldKeepAlive = false;
    response.on('error', () => this.#fail('response_incomplete'));
    this.#handlers.onResponse(response);
  }

  #onUpgrade(response: http.IncomingMessage, socket: Socket, early: Buffer): void {
    socket.on('error', ignore);
    if (this.#isOver) {
      socket.destroy();
      return;
    }
    this.#settle();
    this.#handlers.onSwitched(response, socket, early);
  }

  #onError(error: Error): void {
    // What comes behind a complete response ends the connection and is nobody's business.
    if (this.#response?.complete) return;
    this.#fail(this.#isConnected ? responseFault(error) : connectFault(error));
  }

  #fail(code: ErrorCode): void {
    if (this.#isOver) return;
    this.destroy();
    this.#handlers.onFailed(code);
  }

  #settle(): void {
    this.#isOver = true;
    this.#socket?.off('data', this.#onPacket);
    this.#connectTimer.disarm();
    this.#responseTimer.disarm();
  }
}

/**
 * Whether a request has credentials of a scheme that authenticates the connection and not the request alone (RFC 4559,
 * NTLM): whoever came next on it would be taken for the same person.
 */
function bindsConnection(fields: readonly string[]): boolean {
  return fields.some(
    (name, i) =>
      i % 2 === 0 &&
      name.toLowerCase() === 'authorization' &&
      /^(?:ntlm|negotiate)(?:[ \t]|$)/i.test(fields[i + 1] ?? ''),
  );
}

function sendHead(
  { target, method, path, fields, headLimit, timeouts, preface, way }: AttemptOptions,
  onConnecting: AgentOptions['onConnecting'],
): http.ClientRequest {
  const forAgent: AgentOptions = { connectMs: timeouts.connectMs, onConnecting, preface, way };
  const address = connectOptions(target.plan.address);
  return http.request({
    ...('path' in address ? { socketPath: address.path } : address),
    agent: target.agent,
    ...forAgent,
    method,
    path,
    headers: fields,
    setHost: false,
    maxHeaderSize: headLimit,
    insecureHTTPParser: false,
  });
}

/** Why a connected target gave no response. */
function responseFault(error: Error): ErrorCode {
  const code = errnoOf(error);
  if (code === 'HPE_HEADER_OVERFLOW') return 'response_head_too_large';
  if (code.startsWith('HPE_')) return 'response_malformed';
  // TLS ended by the target: an alert, such as for a client certificate that it does not like.
  if (code.startsWith('ERR_SSL_')) return 'upstream_reset';
  // node:http reports an orderly close as a reset without a system call.
  const isReset = code === 'ECONNRESET' && (error as NodeJS.ErrnoException).syscall !== undefined;
  return isReset ? 'upstream_reset' : 'upstream_closed';
}

function ignore(): void {}
