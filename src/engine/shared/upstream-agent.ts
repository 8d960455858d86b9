// The idle upstream connections of one target, kept by a node:http Agent: last in, first out, bounded in number
// and age. Adds what the Agent lacks: a target that talks while nobody asked is not believed again, and a
// connection that is being closed is not handed out. A connection over TLS becomes one of its own once the target's
// certificate was found to hold. Main thread; owned by a LiveTarget.
import http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SocketAddress } from '../../contract/address.ts';
import type { TargetTls } from './client-tls.ts';
import { connectTo } from './connect.ts';
import type { Way } from './egress.ts';
import { NamedFault } from './faults.ts';

/** What an attempt tells the agent by way of the request's options. */
export interface AgentOptions {
  readonly connectMs: number;
  /** A connection is being made for the attempt, which may call it off. */
  readonly onConnecting: (cancel: () => void) => void;
  /** What the connection begins with; such connections are not kept. */
  readonly preface: Buffer | null;
  /** Where the connection leads; null: to the target itself. */
  readonly way: Way | null;
}

type OnConnection = (error: Error | null, socket: Duplex) => void;

export class UpstreamAgent extends http.Agent {
  readonly #talkers = new WeakMap<Duplex, () => void>();

  readonly #address: SocketAddress;
  readonly #tls: TargetTls | null;

  constructor(address: SocketAddress, tls: TargetTls | null) {
    super({ keepAlive: true, scheduling: 'lifo', noDelay: true, timeout: 60_000 });
    this.#address = address;
    this.#tls = tls;
  }

  override createConnection(
    options: http.ClientRequestArgs,
    onConnection?: OnConnection,
  ): Duplex | null | undefined {
    const { connectMs, onConnecting, preface } = options as unknown as AgentOptions;
    if (this.#tls === null || onConnection === undefined) {
      const socket = super.createConnection(options, onConnection);
      // Before anything that is written once it is connected.
      if (preface !== null) (socket as Socket).write(preface);
      return socket;
    }
    const cancel = connectTo(
      { address: this.#address, tls: this.#tls, timeoutMs: connectMs, preface },
      {
        onConnected: (socket) => {
          // A target that ends an idle connection has closed it.
          socket.allowHalfOpen = false;
          onConnection(null, socket);
        },
        // node takes an error without a socket; its type does not.
        onFailed: (code) => (onConnection as (error: Error) => void)(new NamedFault(code)),
      },
    );
    onConnecting(cancel);
    return undefined;
  }

  limit({ maxIdle, idleMs }: { readonly maxIdle: number; readonly idleMs: number }): void {
    this.maxFreeSockets = maxIdle;
    // Read by the base class whenever a connection becomes idle; its type does not show it.
    (this as unknown as { readonly options: { timeout: number } }).options.timeout = idleMs;
  }

  /** Closes what is idle; what is in use stays. `_way`: only what leads there, where not all leads to the target. */
  closeIdle(_way: Way | null = null): void {
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of sockets?.splice(0) ?? []) socket.destroy();
    }
  }

  override keepSocketAlive(socket: Duplex): boolean {
    // The base class answers whether the connection may be kept; its type does not say so.
    const isKept = super.keepSocketAlive(socket) as unknown;
    if (isKept === false) return false;
    const onTalk = (): void => this.#discard(socket);
    this.#talkers.set(socket, onTalk);
    socket.on('data', onTalk);
    return true;
  }

  override reuseSocket(socket: Duplex, request: http.ClientRequest): void {
    const onTalk = this.#talkers.get(socket);
    if (onTalk !== undefined) socket.off('data', onTalk);
    super.reuseSocket(socket, request);
  }

  /** The base class forgets a closed connection only some time after it was destroyed. */
  #discard(socket: Duplex): void {
    for (const sockets of Object.values(this.freeSockets)) {
      const at = sockets?.indexOf(socket as Socket) ?? -1;
      if (at >= 0) sockets?.splice(at, 1);
    }
    socket.destroy();
  }
}
