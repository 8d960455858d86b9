// What the three kinds of listener have in common, and how an address is bound. A listener lives from bind to its
// last flow; plans come and go over it. Main thread.
import fs from 'node:fs';
import net from 'node:net';
import { formatAddress, type SocketAddress } from '../../contract/address.ts';
import { SluiceError } from '../../contract/errors.ts';
import { errnoOf } from './faults.ts';
import type { LiveListener } from './live-plan.ts';

export interface Listening {
  /** As bound: port 0 replaced by the real one. */
  readonly address: SocketAddress;
  /** Whether it still holds its address. */
  readonly isOpen: boolean;
  /** Resolves when it no longer listens and its last flow has ended. */
  readonly closed: Promise<void>;
  /** New flows follow this plan from now on. */
  use(listener: LiveListener): void;
  /** A reload left the listener out: takes nothing new, flows go on. */
  retire(): void;
  /** The engine closes: takes nothing new, and ends what is not in the middle of something. */
  drain(): void;
  /** Closes everything now. */
  destroy(): void;
}

const BACKLOG = 4096;

/** Binds a server for streams; throws `listen_failed`. */
export async function listenStream(
  server: net.Server,
  listener: LiveListener,
): Promise<SocketAddress> {
  const { address } = listener.plan;
  try {
    await tryListen(server, address);
  } catch (error) {
    const isStale = address.family === 'unix' && errnoOf(error) === 'EADDRINUSE';
    if (!isStale || !(await removeStaleSocket(address.host))) throw listenFailure(listener, error);
    await tryListen(server, address).catch((again) => {
      throw listenFailure(listener, again);
    });
  }
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : 0;
  return { ...address, port };
}

function tryListen(server: net.Server, { family, host, port }: SocketAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const onListening = (): void => {
      server.off('error', reject);
      resolve();
    };
    if (family === 'unix') server.listen({ path: host, backlog: BACKLOG }, onListening);
    else server.listen({ host, port, backlog: BACKLOG, exclusive: true }, onListening);
  });
}

/** Removes a socket file that nobody listens on any more. False when somebody does, or it is no socket. */
async function removeStaleSocket(path: string): Promise<boolean> {
  const isStale = await new Promise<boolean>((resolve) => {
    const probe = net.connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error) => resolve(errnoOf(error) === 'ECONNREFUSED'));
  });
  if (!isStale || !fs.lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return false;
  fs.rmSync(path, { force: true });
  return true;
}

const REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'port in use; stop whoever holds it or choose another port',
  EACCES: 'permission denied; choose a port from 1024 up or grant CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this machine does not have the address; use one of its own, or 0.0.0.0 for all',
  EAFNOSUPPORT: 'this machine does not speak the address family; use another address',
  EMFILE: 'no file descriptor left; raise the limit (ulimit -n)',
};
const UNIX_REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'path in use; stop whoever listens on it or choose another path',
  EACCES: 'permission denied; choose a path that this user may write to',
  ENOENT: 'its folder does not exist; create it',
};

export function listenFailure({ plan }: LiveListener, error: unknown): SluiceError {
  const errno = errnoOf(error);
  const unixRemedy = plan.address.family === 'unix' ? UNIX_REMEDIES[errno] : undefined;
  const fallback = error instanceof Error ? error.message : String(error);
  const remedy = unixRemedy ?? REMEDIES[errno] ?? fallback;
  return new SluiceError(
    'listen_failed',
    `listener ${plan.name}: cannot listen on ${formatAddress(plan.address)}: ${remedy}`,
    { cause: error },
  );
}
