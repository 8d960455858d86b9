// Squid as a rival of forward proxies: one process, which keeps nothing and logs nothing.
import { join } from 'node:path';
import type { Relay } from './configuration.ts';
import {
  askProgram,
  type Contestant,
  type Found,
  findProgram,
  type Prepared,
} from './contestant.ts';
import { mostDescriptors } from './processes.ts';

export const squid: Contestant = {
  id: 'squid',
  label: 'Squid',
  protocols: ['forward'],
  find,
  prepare,
};

/** More are of no use to it. */
const DESCRIPTORS = 65_536;

async function find(): Promise<Found> {
  const path = findProgram('squid');
  if (!path) return { missing: 'Squid is not installed (apt-get install squid)' };
  return { version: /Version (\S+)/.exec(await askProgram(path, '-v'))?.[1] ?? 'unknown' };
}

function prepare({ listenPort, workers, folder }: Relay): Prepared {
  // Several would be several processes, which share what one has to itself.
  if (workers !== 1) throw new Error('Squid is compared with one worker');
  const file = join(folder, 'squid.conf');
  const program = findProgram('squid') ?? 'squid';
  return {
    configuration: configuration(listenPort),
    file,
    // In the foreground, as one process; what it complains of goes to standard error.
    command: [program, '-N', '-d', '1', '-f', file],
  };
}

/**
 * Logs, the cache and what goes with them are off; what is not written here is as Squid has it by default, such as
 * memory pools, Via and X-Forwarded-For. Where root starts it, it gives up root by itself.
 */
function configuration(listenPort: number): string {
  return `http_port 127.0.0.1:${listenPort}
workers 1
visible_hostname bench.test
max_filedescriptors ${Math.min(DESCRIPTORS, mostDescriptors())}

# Whatever loopback asks for, CONNECT to any port too.
acl load src 127.0.0.0/8
http_access allow load
http_access deny all

# Nothing is kept and nothing is written.
cache deny all
access_log none
cache_store_log none
cache_log /dev/null
netdb_filename none
pid_filename none
coredump_dir none
digest_generation off
pinger_enable off

# Connections are kept on both sides, and idle ones stay for longer than any run.
client_persistent_connections on
server_persistent_connections on
client_idle_pconn_timeout 1 hour
pconn_timeout 1 hour
shutdown_lifetime 0 seconds
`;
}
