// The idle upstream connections of one target, kept by a node:http Agent: last in, first out, bounded in number
// and age. Adds what the Agent lacks: a target that talks while nobody asked is not believed again, and a
// connection that is being closed is not handed out. Main thread; owned by a LiveTarget.
import http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export class UpstreamAgent extends http.Agent {
  readonly #talkers = new WeakMap<Duplex, () => void>();

  constructor() {
    super({ keepAlive: true, scheduling: 'lifo', noDelay: true, timeout: 60_000 });
  }

  limit({ maxIdle, idleMs }: { readonly maxIdle: number; readonly idleMs: number }): void {
    this.maxFreeSockets = maxIdle;
    // Read by the base class whenever a connection becomes idle; its type does not show it.
    (this as unknown as { readonly options: { timeout: number } }).options.timeout = idleMs;
  }

  /** Closes what is idle; what is in use stays. */
  closeIdle(): void {
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
