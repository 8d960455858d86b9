// The client's side of an exchange on uWebSockets.js. A response object must not be touched after onAborted, after
// close() or after its last byte: #isOver says so. uWebSockets.js takes any write that fits its cork, whether the kernel
// has room or not, and tells of backpressure only for larger ones; so what arrives in one turn of the loop is written
// in one piece, and after backpressure in pieces that are just large enough. Main thread; owned by its HttpListener.
import type { IncomingMessage } from 'node:http';
import type {
  ClientHead,
  ClientSide,
  RawRequest,
  RequestSource,
  Switched,
} from '../shared/client-side.ts';
import type { FlatFields } from '../shared/field-rules.ts';
import { interimBytes } from '../shared/response-head.ts';
import { BodylessRequest, mayHaveBody, StreamedRequest } from './request-source.ts';
import { asField, headText, wireText } from './response-text.ts';
import type { UwsContext, UwsResponse } from './uwebsockets.d.ts';
import { acceptsHandshake, isWebSocket } from './websocket-handshake.ts';
import { relayWebSocket } from './websocket-relay.ts';

export interface HttpClientOptions {
  readonly response: UwsResponse;
  readonly raw: RawRequest;
  /** Of a request that could become a WebSocket. */
  readonly context: UwsContext | null;
  readonly connection: string;
}

const VERSION = 'HTTP/1.1 ';
/** Just more than fits the cork of uWebSockets.js. */
const TELLING_BYTES = 17 * 1024;
/** What may wait for the end of the turn. */
const WAITING_LIMIT = 128 * 1024;

export class HttpClient implements ClientSide {
  readonly request: RequestSource;
  readonly mayKeepAlive: boolean;
  readonly #response: UwsResponse;
  readonly #context: UwsContext | null;
  /** uWebSockets.js closes the connection behind this response, and leaves it to us to say so. */
  readonly #isClosedForUs: boolean;
  #head: ClientHead | null = null;
  #isHeadWritten = false;
  #hasInterim = false;
  /** What was not taken yet. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isFlushDue = false;
  #wantsDrain = false;
  /** Nothing may be written until onWritable. */
  #isHeldBack = false;
  /** uWebSockets.js may still keep something of what was held back. */
  #isDoubtful = false;
  #isInHandler = true;
  #isPaused = false;
  /** The exchange has given everything. */
  #hasAll = false;
  /** uWebSockets.js has it, or the client is gone. */
  #isOver = false;
  #onDrain: (() => void) | null = null;
  #onFinished: (() => void) | null = null;

  constructor({ response, raw, context, connection }: HttpClientOptions) {
    this.#response = response;
    this.#context = context;
    // It looks no closer than at the length of the field's value.
    this.#isClosedForUs = connection.length === 'close'.length;
    this.mayKeepAlive = !this.#isClosedForUs && !/(?:^|,)\s*close\s*(?:,|$)/i.test(connection);
    response.onWritable(() => this.#onWritable());
    if (!mayHaveBody(raw)) {
      this.request = new BodylessRequest(raw);
      return;
    }
    const request = new StreamedRequest(raw, () => this.#resume());
    this.request = request;
    response.onData((chunk, isLast) => {
      if (!request.receive(chunk, isLast) && !isLast) this.#pause();
    });
  }

  get hasBegun(): boolean {
    return this.#head !== null;
  }

  offersSwitchTo(protocol: string): boolean {
    return this.#context !== null && isWebSocket(protocol);
  }

  interim(status: number, reason: string, rawHeaders: FlatFields): void {
    if (this.#isOver) return;
    const text = interimBytes(status, reason, rawHeaders, null).slice(0, -2);
    this.#response.cork(() => {
      if (this.#hasInterim) this.#response.writeHeader(...asField(text));
      else this.#response.writeStatus(wireText(text.slice(VERSION.length)));
    });
    this.#hasInterim = true;
  }

  begin(head: ClientHead): void {
    this.#head = head;
  }

  /** uWebSockets.js ends a head with the first of the body and not before. */
  flush(): void {}

  write(chunk: Buffer): boolean {
    if (this.#isOver || chunk.length === 0) return true;
    this.#push(chunk);
    this.#wantsDrain = this.#isHeldBack || this.#waitingBytes >= WAITING_LIMIT;
    return !this.#wantsDrain;
  }

  onDrain(listener: () => void): () => void {
    this.#onDrain = listener;
    return () => {
      this.#onDrain = null;
    };
  }

  end(body: Uint8Array | null): void {
    if (body !== null && body.length > 0 && this.#mayHaveBody) this.#push(body);
    this.#hasAll = true;
    // Bytes behind a request that is refused are not the next one: while there is no answer yet, uWebSockets.js closes
    // the connection on them instead of serving them.
    if (this.#isInHandler && this.#head?.closes === true) setImmediate(this.#finishWriting);
    else this.#finishWriting();
  }

  readonly #finishWriting = (): void => {
    if (this.#isOver) this.#finish();
    else if (!this.#isHeldBack) this.#response.cork(this.#writeWaiting);
  };

  onFinished(listener: () => void): void {
    this.#onFinished = listener;
  }

  cut(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#response.close();
  }

  /** uWebSockets.js has gone on: whatever comes now comes later. */
  leaveHandler(): void {
    this.#isInHandler = false;
  }

  /** The response must not be touched any more. False when that is nothing new. */
  onAborted(): boolean {
    const isNew = !this.#isOver;
    this.#isOver = true;
    return isNew;
  }

  acceptsSwitch(response: IncomingMessage): boolean {
    return acceptsHandshake(this.request.rawHeaders, response);
  }

  switchTo(switched: Switched): void {
    const context = this.#context;
    if (context === null || this.#isOver) {
      switched.upstream.destroy();
      switched.onEnd('client_aborted');
      return;
    }
    this.#isOver = true;
    relayWebSocket(switched, {
      response: this.#response,
      context,
      fields: this.request.rawHeaders,
    });
  }

  get #mayHaveBody(): boolean {
    return this.#head?.hasBody === true && this.request.method !== 'HEAD';
  }

  #push(chunk: Uint8Array): void {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    process.nextTick(this.#flushDue);
  }

  readonly #flushDue = (): void => {
    this.#isFlushDue = false;
    if (this.#isOver || this.#isHeldBack || this.#waitingBytes === 0) return;
    this.#response.cork(this.#writeWaiting);
    this.#tellDrained();
  };

  /** Takes up to `limit` bytes of what waits. */
  #take(limit: number): Uint8Array {
    const [first] = this.#waiting;
    const all = this.#waiting.length === 1 && first ? first : Buffer.concat(this.#waiting);
    const taken = all.subarray(0, limit);
    this.#putBack(all.subarray(taken.length));
    return taken;
  }

  #putBack(rest: Uint8Array): void {
    this.#waiting = rest.length > 0 ? [rest] : [];
    this.#waitingBytes = rest.length;
  }

  /** Corked, and not held back. */
  readonly #writeWaiting = (): void => {
    const head = this.#head;
    if (head === null || this.#isOver) return;
    if (!this.#mayHaveBody) this.#writeBodyless();
    else if (this.#canCloseItself(head)) this.#writeAll();
    else if (head.length === null) this.#writeChunks();
    else this.#writeLength(head.length);
  };

  #writeHead(closesItself: boolean): void {
    if (this.#isHeadWritten || this.#head === null) return;
    this.#isHeadWritten = true;
    const manner = { saysClose: !closesItself, hasBody: this.#mayHaveBody };
    const text = headText(this.#head, manner);
    if (!this.#hasInterim) {
      this.#response.writeStatus(wireText(text));
      return;
    }
    const lines = `${VERSION}${text}`;
    this.#response.writeHeader(
      ...asField(lines.includes(': ') ? lines : `${lines}\r\nConnection: keep-alive`),
    );
  }

  /** A length that is only told of is a field like any other: not every version takes it as an argument. */
  #writeBodyless(): void {
    if (!this.#hasAll) return;
    this.#writeHead(false);
    this.#over();
    this.#response.endWithoutBody();
    this.#finish();
  }

  /** All of it is here, so that it can go at once and uWebSockets.js close the connection behind it. */
  #canCloseItself({ closes, length }: ClientHead): boolean {
    return (
      closes && length !== null && this.#hasAll && !this.#isHeadWritten && !this.#isClosedForUs
    );
  }

  #writeAll(): void {
    this.#writeHead(true);
    this.#over();
    this.#response.end(this.#take(this.#waitingBytes), true);
    this.#finish();
  }

  #writeLength(length: number): void {
    const response = this.#response;
    if (length === 0) {
      if (!this.#hasAll) return;
      this.#writeHead(false);
      this.#over();
      response.tryEnd('', 0);
    }
    while (this.#waitingBytes > 0 && !this.#isHeldBack) {
      this.#writeHead(false);
      const before = response.getWriteOffset();
      const part = this.#take(this.#pieceBytes);
      if (before + part.length >= length) this.#resume();
      const [isTaken, isDone] = response.tryEnd(part, length);
      if (isDone) {
        this.#isOver = true;
        break;
      }
      const rest = part.subarray(response.getWriteOffset() - before);
      if (rest.length > 0) this.#putBack(Buffer.concat([rest, ...this.#waiting]));
      this.#noteTaken(isTaken, part.length);
    }
    if (this.#isOver && this.#hasAll) this.#finish();
  }

  #writeChunks(): void {
    this.#writeHead(false);
    while (this.#waitingBytes > 0) {
      const part = this.#take(this.#pieceBytes);
      this.#noteTaken(this.#response.write(part), part.length);
      if (this.#isHeldBack) return;
    }
    if (!this.#hasAll) return;
    this.#over();
    this.#response.end('');
    this.#finish();
  }

  get #pieceBytes(): number {
    return this.#isDoubtful ? TELLING_BYTES : this.#waitingBytes;
  }

  #noteTaken(isTaken: boolean, bytes: number): void {
    this.#isHeldBack = !isTaken;
    if (!isTaken) this.#isDoubtful = true;
    else if (bytes >= TELLING_BYTES) this.#isDoubtful = false;
  }

  /** Returns whether what was tried has gone. */
  #onWritable(): boolean {
    if (this.#isOver) return true;
    this.#isHeldBack = false;
    this.#isDoubtful = true;
    // Leaving a cork makes uWebSockets.js try again with what it has kept itself.
    this.#response.cork(this.#writeWaiting);
    if (this.#isHeldBack) return false;
    this.#tellDrained();
    return true;
  }

  #tellDrained(): void {
    if (this.#isOver || this.#isHeldBack || !this.#wantsDrain) return;
    this.#wantsDrain = false;
    this.#onDrain?.();
  }

  #pause(): void {
    if (this.#isOver || this.#isPaused) return;
    this.#isPaused = true;
    this.#response.pause();
  }

  #resume(): void {
    if (this.#isOver || !this.#isPaused) return;
    this.#isPaused = false;
    this.#response.resume();
  }

  /** Before the response object is given up: a paused connection would stay so for its next request. */
  #over(): void {
    this.#resume();
    this.#isOver = true;
  }

  #finish(): void {
    this.#onFinished?.();
    this.#onFinished = null;
  }
}
