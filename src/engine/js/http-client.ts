// The client's side of an exchange on node:http: the request and response that node's server made of a socket.
// Main thread; owned by its HttpConnection.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientHead, ClientSide, Switched } from '../shared/client-side.ts';
import type { FlatFields } from '../shared/field-rules.ts';
import { interimBytes } from '../shared/response-head.ts';
import { abortSocket } from '../shared/wire.ts';
import { relayStreams } from './stream-relay.ts';

export interface HttpClientOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  /** What came right behind a request to switch protocols. */
  readonly early: Buffer;
}

export class HttpClient implements ClientSide {
  readonly request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  readonly early: Buffer;

  constructor({ request, response, socket, early }: HttpClientOptions) {
    this.request = request;
    this.#response = response;
    this.#socket = socket;
    this.early = early;
    request.on('error', ignore);
  }

  get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  get mayKeepAlive(): boolean {
    return this.#response.shouldKeepAlive;
  }

  offersSwitchTo(): boolean {
    return true;
  }

  interim(status: number, reason: string, rawHeaders: FlatFields): void {
    this.#socket.write(interimBytes(status, reason, rawHeaders, null), 'latin1');
  }

  begin({ status, reason, fields }: ClientHead): void {
    const response = this.#response;
    response.sendDate = false;
    // Keeping the connection goes without saying in HTTP/1.1; this stops node:http from saying it.
    if (!hasField(fields, 'Connection')) response.removeHeader('Connection');
    const flat = fields as string[];
    if (reason === null) response.writeHead(status, flat);
    else response.writeHead(status, reason, flat);
  }

  flush(): void {
    this.#response.flushHeaders();
  }

  write(chunk: Buffer): boolean {
    return this.#response.write(chunk);
  }

  /** The socket's own event: a response whose connection was taken from node's server gets none. */
  onDrain(listener: () => void): () => void {
    this.#socket.on('drain', listener);
    return () => this.#socket.off('drain', listener);
  }

  end(body: Uint8Array | null, trailers: readonly [string, string][]): void {
    if (trailers.length > 0) this.#response.addTrailers(trailers);
    if (body === null) this.#response.end();
    else this.#response.end(body);
  }

  onFinished(listener: () => void): void {
    this.#response.once('finish', listener);
  }

  cut(isUnframed: boolean): void {
    // Without framing only a reset tells the client that there should have been more.
    if (isUnframed) abortSocket(this.#socket);
    else this.#socket.destroy();
  }

  acceptsSwitch(): boolean {
    return true;
  }

  /** Tells of a tunnel, and gives the connection up to it. */
  establish(): Socket {
    const socket = this.#socket;
    this.#response.detachSocket(socket);
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n', 'latin1');
    return socket;
  }

  switchTo({ protocol, response, upstream, early, ...relay }: Switched): void {
    const client = this.#socket;
    this.#response.detachSocket(client);
    const switchedTo = response.headers.upgrade ?? protocol;
    const { statusMessage = '', rawHeaders } = response;
    client.write(interimBytes(101, statusMessage, rawHeaders, switchedTo), 'latin1');
    if (early.length > 0) client.write(early);
    if (this.early.length > 0) upstream.write(this.early);
    relay.onBytesOut(early.length);
    relay.onBytesIn(this.early.length);
    upstream.allowHalfOpen = true;
    relayStreams({ client, upstream, ...relay });
  }
}

function hasField(fields: readonly string[], name: string): boolean {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return true;
  return false;
}

function ignore(): void {}
