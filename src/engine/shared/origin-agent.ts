// Idle connections to where a target is not itself: destinations that a forward proxy connects to, directly or through
// a SOCKS parent. Connections are kept by what they lead to: the addresses that were judged, or the name that the
// parent was given. A request is therefore never sent over one to an address that was not judged for it. Main thread;
// owned by a LiveTarget.
import type { ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';
import { formatAddress } from '../../contract/address.ts';
import type { ConnectHandlers } from './connect.ts';
import { connectToAny } from './connect-any.ts';
import type { Way } from './egress.ts';
import { NamedFault } from './faults.ts';
import { type AgentOptions, UpstreamAgent } from './upstream-agent.ts';

/** Opens a connection that leads where `way` does; calls exactly one handler, or none once cancelled. */
export type OpenOrigin = (
  way: Way,
  options: Pick<AgentOptions, 'connectMs' | 'preface'>,
  handlers: ConnectHandlers,
) => () => void;

type OnConnection = (error: Error | null, socket: Duplex) => void;

/** Over all destinations. */
const MAX_IDLE = 1_024;

export class OriginAgent extends UpstreamAgent {
  readonly #open: OpenOrigin;

  constructor(open: OpenOrigin) {
    super({ family: 'ipv4', host: '0.0.0.0', port: 0 }, null);
    this.#open = open;
  }

  override getName(options?: object): string {
    const way = (options as Partial<AgentOptions> | undefined)?.way;
    return way ? keyOf(way) : '';
  }

  override createConnection(
    options: ClientRequestArgs,
    onConnection?: OnConnection,
  ): Duplex | null | undefined {
    const { connectMs, onConnecting, preface, way } = options as unknown as AgentOptions;
    if (way === null || onConnection === undefined) {
      throw new TypeError('a connection of a forward proxy leads somewhere');
    }
    const cancel = this.#open(
      way,
      { connectMs, preface },
      {
        onConnected: (socket) => {
          // A destination that ends an idle connection has closed it.
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

  override closeIdle(way: Way | null = null): void {
    if (way === null) {
      super.closeIdle();
      return;
    }
    for (const socket of this.freeSockets[keyOf(way)]?.splice(0) ?? []) socket.destroy();
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const idle = Object.values(this.freeSockets).reduce<number>(
      (sum, sockets) => sum + (sockets?.length ?? 0),
      0,
    );
    return idle < MAX_IDLE && super.keepSocketAlive(socket);
  }
}

function keyOf({ destination, addresses }: Way): string {
  // Name servers give the addresses of a name in turn.
  if (addresses.length > 0) return addresses.map(formatAddress).toSorted().join(' ');
  return `${destination.host} ${destination.port}`;
}

/** Connects by itself. */
export function openDirectly(
  { addresses, sourceOf }: Way,
  { connectMs }: Pick<AgentOptions, 'connectMs'>,
  handlers: ConnectHandlers,
): () => void {
  return connectToAny({ addresses, sourceOf, timeoutMs: connectMs }, handlers);
}
