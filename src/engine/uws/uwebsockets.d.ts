// The part of uWebSockets.js that this engine uses, as we read it: the package is optional, so that its own types
// need not be there. Objects die early: a response with onAborted or its last byte, a request with its handler.

export type Text = string | Uint8Array;

export interface UwsModule {
  App(): UwsApp;
  us_listen_socket_close(socket: UwsListenSocket): void;
  us_socket_local_port(socket: UwsListenSocket): number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  /** `silent` leaves out the field that names the library. */
  _cfg?(key: 'silent'): void;
}

export interface UwsListenSocket {
  readonly brand: 'us_listen_socket';
}

export interface UwsContext {
  readonly brand: 'us_socket_context';
}

export interface UwsApp {
  any(pattern: string, handler: (response: UwsResponse, request: UwsRequest) => void): UwsApp;
  ws(pattern: string, behavior: UwsWebSocketBehavior): UwsApp;
  /** Told of each connection that opens (1) and closes (-1), but not of the closing of one that was upgraded. */
  filter(handler: (response: UwsResponse, change: number) => void): UwsApp;
  listen(
    host: string,
    port: number,
    options: number,
    handler: (socket: UwsListenSocket | false) => void,
  ): UwsApp;
  listen_unix(handler: (socket: UwsListenSocket | false) => void, path: string): UwsApp;
  /** Closes every connection, and the listening socket. */
  close(): UwsApp;
}

export interface UwsRequest {
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  /** Without its `?`; undefined when there is none. */
  getQuery(): string | undefined;
  /** The first of that name, as latin1; '' when there is none. */
  getHeader(name: string): string;
  /** Names in lower case; values as UTF-8, with what is none replaced. */
  forEach(each: (name: string, value: string) => void): void;
}

export interface UwsResponse {
  writeStatus(status: Text): UwsResponse;
  writeHeader(name: Text, value: Text): UwsResponse;
  /** One chunk of a chunked body; false when some of it was kept back. */
  write(chunk: Text): boolean;
  end(body: Text, closes?: boolean): UwsResponse;
  endWithoutBody(reportedLength?: number): UwsResponse;
  /** Whether all of it was taken, and whether that was the last of the body. */
  tryEnd(chunk: Text, totalBytes: number): [boolean, boolean];
  getWriteOffset(): number;
  onWritable(handler: (offset: number) => boolean): UwsResponse;
  onAborted(handler: () => void): UwsResponse;
  /** The memory of a chunk is not ours any more once the handler has returned. */
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): UwsResponse;
  pause(): UwsResponse;
  resume(): UwsResponse;
  close(): UwsResponse;
  cork(write: () => void): UwsResponse;
  /** 4 or 16 bytes; none of a unix socket. */
  getRemoteAddress(): ArrayBuffer;
  /** Not in every version. */
  getRemotePort?(): number;
  upgrade(
    userData: object,
    key: string,
    protocol: string,
    extensions: string,
    context: UwsContext,
  ): void;
}

export interface UwsWebSocketBehavior {
  readonly maxPayloadLength: number;
  readonly maxBackpressure: number;
  /** Seconds; 0 = none. */
  readonly idleTimeout: number;
  readonly sendPingsAutomatically: boolean;
  readonly upgrade: (response: UwsResponse, request: UwsRequest, context: UwsContext) => void;
  readonly open: (socket: UwsWebSocket) => void;
  readonly message: (socket: UwsWebSocket, message: ArrayBuffer, isBinary: boolean) => void;
  readonly drain: (socket: UwsWebSocket) => void;
  readonly pong: (socket: UwsWebSocket, message: ArrayBuffer) => void;
  readonly close: (socket: UwsWebSocket, code: number, reason: ArrayBuffer) => void;
}

/** Sends answer 1 when all is well, 0 when some of it waits, 2 when it was dropped. */
export interface UwsWebSocket {
  getUserData(): unknown;
  send(message: Text, isBinary: boolean): number;
  sendFirstFragment(message: Text, isBinary: boolean): number;
  sendFragment(message: Text): number;
  sendLastFragment(message: Text): number;
  ping(message: Text): number;
  end(code: number, reason: Text): void;
  close(): void;
  getBufferedAmount(): number;
}
