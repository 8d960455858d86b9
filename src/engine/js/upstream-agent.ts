// The idle upstream connections of one target, kept by a node:http Agent: last in, first out, bounded in number
// and age. Adds what the Agent lacks: a target that talks while nobody asked is not believed again.
import http from 'node:http';
import type { Duplex } from 'node:stream';

export class UpstreamAgent extends http.Agent {
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
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  get idleCount(): number {
    return Object.values(this.freeSockets).reduce((sum, list) => sum + (list?.length ?? 0), 0);
  }

  override keepSocketAlive(socket: Duplex): boolean {
    // The base class answers whether the connection may be kept; its type does not say so.
    const isKept = super.keepSocketAlive(socket) as unknown;
    if (isKept === false) return false;
    socket.on('data', destroyTalker);
    return true;
  }

  override reuseSocket(socket: Duplex, request: http.ClientRequest): void {
    socket.off('data', destroyTalker);
    super.reuseSocket(socket, request);
  }
}

function destroyTalker(this: Duplex): void {
  this.destroy();
}
