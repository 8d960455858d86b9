// Relays a WebSocket: messages between uWebSockets.js, which speaks with the client, and frames of our own on the
// connection to the target. Pings of the target travel to the client and its pongs back; pings of the client are
// answered by uWebSockets.js. A target that lags behind cannot hold the client back, because uWebSockets.js does not
// let go of reading: beyond a bound the client is closed. Main thread; lives as long as the two connections.
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../contract/codes.ts';
import type { Switched } from '../shared/client-side.ts';
import type { FlatFields } from '../shared/field-rules.ts';
import { wireText } from './response-text.ts';
import type {
  UwsContext,
  UwsResponse,
  UwsWebSocket,
  UwsWebSocketBehavior,
} from './uwebsockets.d.ts';
import { FrameReader, maskedFrame, OPCODES } from './websocket-frames.ts';
import { fieldOf, switchingLines } from './websocket-handshake.ts';

/** The largest message from a client; uWebSockets.js holds one whole. */
const MESSAGE_LIMIT = 64 * 1024 * 1024;
/** What may wait for a target. */
const LAG_LIMIT = 64 * 1024 * 1024;
/** Close codes of section 7.4 that say something about the closing and are never sent. */
const NO_STATUS = 1005;
const ABNORMAL = 1006;
const PROTOCOL_ERROR = 1002;
const TRY_AGAIN_LATER = 1013;

export interface WebSocketClient {
  readonly response: UwsResponse;
  readonly context: UwsContext;
  readonly fields: FlatFields;
}

interface UserData {
  readonly relay: WebSocketRelay;
}

export function relayWebSocket(switched: Switched, client: WebSocketClient): void {
  const { response, context, fields } = client;
  const relay = new WebSocketRelay(switched);
  const key = fieldOf(fields, 'sec-websocket-key');
  const protocol = switched.response.headers['sec-websocket-protocol'] ?? '';
  response.cork(() => {
    response.writeStatus(wireText(switchingLines(switched.response)));
    response.upgrade({ relay } satisfies UserData, key, protocol, '', context);
  });
}

/** What an app does with WebSockets, all but how they begin and that they have gone. */
export function webSocketBehavior(
  onUpgrade: UwsWebSocketBehavior['upgrade'],
  onGone: () => void,
): UwsWebSocketBehavior {
  const relayOf = (socket: UwsWebSocket): WebSocketRelay => {
    return (socket as UwsWebSocket & UserData).relay;
  };
  return {
    maxPayloadLength: MESSAGE_LIMIT,
    maxBackpressure: 0,
    idleTimeout: 0,
    sendPingsAutomatically: false,
    upgrade: onUpgrade,
    open: (socket) => relayOf(socket).onOpen(socket),
    message: (socket, message, isBinary) => relayOf(socket).onMessage(message, isBinary),
    drain: (socket) => relayOf(socket).onDrain(),
    pong: (socket, payload) => relayOf(socket).onPong(payload),
    close: (socket, code, reason) => {
      relayOf(socket).onClosed(code, reason);
      onGone();
    },
  };
}

class WebSocketRelay {
  readonly #switched: Switched;
  readonly #upstream: Socket;
  readonly #idle: NodeJS.Timeout;
  readonly #reader = new FrameReader({
    onData: (piece, isBinary, isFirst, isLast) => this.#onData(piece, isBinary, isFirst, isLast),
    onControl: (opcode, payload) => this.#onControl(opcode, payload),
  });
  /** null before it is open and once it is closed. */
  #client: UwsWebSocket | null = null;
  /** The target has said goodbye, or has been. */
  #isClosing = false;
  #isEnded = false;

  constructor(switched: Switched) {
    this.#switched = switched;
    this.#upstream = switched.upstream;
    this.#idle = setTimeout(() => this.#finish('idle_timeout'), switched.idleMs);
  }

  onOpen(client: UwsWebSocket): void {
    this.#client = client;
    const upstream = this.#upstream;
    upstream
      .on('data', (bytes: Buffer) => this.#onBytes(bytes))
      .on('error', () => this.#finish('upstream_reset'))
      .on('end', () => upstream.end())
      .on('close', () => this.#finish('none'));
    if (this.#switched.early.length > 0) this.#onBytes(this.#switched.early);
    if (upstream.destroyed) this.#finish('upstream_reset');
    else upstream.resume();
  }

  onMessage(message: ArrayBuffer, isBinary: boolean): void {
    this.#switched.onBytesIn(message.byteLength);
    this.#send(isBinary ? OPCODES.binary : OPCODES.text, new Uint8Array(message));
    if (this.#upstream.writableLength <= LAG_LIMIT) return;
    this.#client?.end(TRY_AGAIN_LATER, 'the target lags behind');
  }

  onPong(payload: ArrayBuffer): void {
    this.#send(OPCODES.pong, new Uint8Array(payload));
  }

  onDrain(): void {
    this.#idle.refresh();
    this.#upstream.resume();
  }

  /** The client has closed, or has been closed; it must not be touched any more. */
  onClosed(code: number, reason: ArrayBuffer): void {
    this.#client = null;
    if (this.#isEnded) return;
    if (code === ABNORMAL) {
      this.#finish('client_aborted');
      return;
    }
    if (!this.#isClosing) this.#sayGoodbye(code, new Uint8Array(reason));
    this.#upstream.end();
    this.#upstream.resume();
    if (this.#upstream.destroyed) this.#finish('none');
  }

  #send(opcode: number, payload: Uint8Array): void {
    if (this.#isEnded || this.#isClosing) return;
    this.#idle.refresh();
    this.#upstream.write(maskedFrame(opcode, payload));
  }

  #sayGoodbye(code: number, reason: Uint8Array): void {
    const payload = Buffer.alloc(code === NO_STATUS ? 0 : 2 + reason.length);
    if (payload.length > 0) {
      payload.writeUInt16BE(code, 0);
      payload.set(reason, 2);
    }
    this.#send(OPCODES.close, payload);
    this.#isClosing = true;
  }

  #onBytes(bytes: Buffer): void {
    if (this.#isEnded) return;
    this.#idle.refresh();
    if (!this.#reader.take(bytes)) this.#client?.end(PROTOCOL_ERROR, '');
    if ((this.#client?.getBufferedAmount() ?? 0) > 0) this.#upstream.pause();
  }

  #onData(piece: Buffer, isBinary: boolean, isFirst: boolean, isLast: boolean): void {
    this.#switched.onBytesOut(piece.length);
    const client = this.#client;
    if (client === null) return;
    if (isFirst && isLast) client.send(piece, isBinary);
    else if (isFirst) client.sendFirstFragment(piece, isBinary);
    else if (isLast) client.sendLastFragment(piece);
    else client.sendFragment(piece);
  }

  #onControl(opcode: number, payload: Buffer): void {
    if (opcode === OPCODES.ping) this.#client?.ping(payload);
    if (opcode !== OPCODES.close) return;
    const code = payload.length >= 2 ? payload.readUInt16BE(0) : NO_STATUS;
    if (!this.#isClosing) this.#sayGoodbye(code, payload.subarray(2));
    // Calls onClosed() before it returns.
    if (code === NO_STATUS) this.#client?.end(0, '');
    else this.#client?.end(maySend(code) ? code : PROTOCOL_ERROR, payload.subarray(2));
  }

  /** Ends what has not ended yet, without a goodbye. */
  #finish(code: ErrorCode): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#idle);
    this.#upstream.destroy();
    const client = this.#client;
    this.#client = null;
    client?.close();
    this.#switched.onEnd(code);
  }
}

function maySend(code: number): boolean {
  return code >= 1000 && code < 5000 && code !== 1004 && code !== NO_STATUS && code !== ABNORMAL;
}
