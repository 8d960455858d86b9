// The client's side of an exchange as the exchange sees it: where its request comes from and where the response
// goes. The exchange decides, whoever implements this knows the wire. One an exchange; owned by the connection.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../contract/codes.ts';
import type { FlatFields } from './field-rules.ts';
import type { Toll } from './toll.ts';

/** A request as it was received, before anybody judged it. */
export interface RawRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersionMajor: number;
  readonly httpVersionMinor: number;
  readonly rawHeaders: FlatFields;
}

/** A request whose body is read as a stream: what node:stream and node:http have of it. */
export interface RequestSource extends RawRequest {
  /** All of it has arrived. */
  readonly complete: boolean;
  /** All of it has been handed on. */
  readonly readableEnded: boolean;
  readonly rawTrailers: FlatFields;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  off(event: 'data', listener: (chunk: Buffer) => void): unknown;
  off(event: 'end', listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

export interface ClientHead {
  readonly status: number;
  /** null for the usual one. */
  readonly reason: string | null;
  /** All of them: those that frame the body and Connection, too. */
  readonly fields: readonly string[];
  /** Bytes of body that follow, or would if the method had been GET; null = chunks or until the close. */
  readonly length: number | null;
  readonly hasBody: boolean;
  /** The connection ends with this response. */
  readonly closes: boolean;
}

/** What a connection that is no longer HTTP goes on with. */
export interface Switched {
  readonly protocol: string;
  /** The target's 101. */
  readonly response: IncomingMessage;
  readonly upstream: Socket;
  /** What the target sent right behind its 101. */
  readonly early: Buffer;
  readonly idleMs: number;
  readonly onBytesIn: (count: number) => void;
  readonly onBytesOut: (count: number) => void;
  readonly tollIn: Toll | null;
  readonly tollOut: Toll | null;
  readonly onEnd: (code: ErrorCode) => void;
}

export interface ClientSide {
  readonly request: RequestSource;
  /** The response has begun: it cannot be taken back any more. */
  readonly hasBegun: boolean;
  /** The client would send another request on this connection. */
  readonly mayKeepAlive: boolean;
  /** Whether the connection could be switched to `protocol`; asked before the target is. */
  offersSwitchTo(protocol: string): boolean;
  /** A 1xx response other than 101. */
  interim(status: number, reason: string, rawHeaders: FlatFields): void;
  /** The head of the response; it leaves with the first of the body, or when it is flushed. */
  begin(head: ClientHead): void;
  flush(): void;
  /** False when it is to be held back until onDrain. */
  write(chunk: Buffer): boolean;
  /** Returns what ends it. */
  onDrain(listener: () => void): () => void;
  end(body: Uint8Array | null, trailers: readonly [string, string][]): void;
  /** All of the response has been handed to the kernel. */
  onFinished(listener: () => void): void;
  /** Closes at once; a client whose response has no framing must be able to tell that it is not whole. */
  cut(isUnframed: boolean): void;
  /** Whether a target's 101 may be passed on. */
  acceptsSwitch(response: IncomingMessage): boolean;
  /** Passes the 101 on and relays from then on; owns both connections. */
  switchTo(switched: Switched): void;
}
