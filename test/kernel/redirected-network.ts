// A network of the tests' own in which netfilter redirects connections to a proxy. Everything lies on the loopback
// interface: what comes from CLIENT is redirected, as a gateway would redirect what comes in from its network, and
// what the proxy itself sends is not. Only for a process in a network namespace of its own: it changes the network.
import { execFileSync } from 'node:child_process';
import net from 'node:net';
import tls from 'node:tls';
import { within } from '../support/deadline.ts';
import { type HttpClient, openHttp } from '../support/http-client.ts';
import { connectRaw, type RawConnection } from '../support/raw-connection.ts';
import type { Scope } from '../support/scope.ts';

/** Set where the network may be changed. */
export const OWN_NETWORK = 'SLUICE_TEST_NETWORK';

export const CLIENT = '10.9.0.2';
export const CLIENT6 = 'fd09::2';
/** Public addresses, where destinations are. */
export const SITE = '45.0.0.1';
export const OTHER = '45.0.0.2';
export const BLOCKED = '45.0.9.9';
export const SITE6 = '2600:45::1';
/** An address that is not public. */
export const PRIVATE = '10.66.0.1';

export const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

export function run(program: string, parameters: readonly string[], input = ''): string {
  return execFileSync(program, parameters, {
    input,
    encoding: 'utf8',
    env: { ...process.env, PATH },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

export function buildNetwork(): void {
  if (process.env[OWN_NETWORK] !== 'own') throw new Error('not in a network of its own');
  run('ip', ['link', 'set', 'lo', 'up']);
  for (const address of [CLIENT, SITE, OTHER, BLOCKED, PRIVATE]) {
    run('ip', ['address', 'replace', `${address}/32`, 'dev', 'lo']);
  }
  for (const address of [CLIENT6, SITE6]) {
    run('ip', ['-6', 'address', 'replace', `${address}/128`, 'dev', 'lo', 'nodad']);
  }
}

const CHAIN = 'type nat hook output priority -100; policy accept;';

/** From now on all connections of the clients come to this port. */
export function redirectTo(port: number): void {
  stopRedirecting();
  run(
    'nft',
    ['-f', '-'],
    `table ip redirected {
  chain output { ${CHAIN}
    ip saddr ${CLIENT} meta l4proto tcp redirect to :${port};
  }
}
table ip6 redirected {
  chain output { ${CHAIN}
    ip6 saddr ${CLIENT6} meta l4proto tcp redirect to :${port};
  }
}
`,
  );
}

export function stopRedirecting(): void {
  const none = ['ip', 'ip6'].map(
    (family) => `table ${family} redirected {}\ndelete table ${family} redirected\n`,
  );
  run('nft', ['-f', '-'], none.join(''));
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

const localAddress = (host: string): string => (net.isIPv6(host) ? CLIENT6 : CLIENT);

/** A client that connects to where it thinks that it connects to. */
export async function connectTo(scope: Scope, { host, port }: Place): Promise<RawConnection> {
  return scope.own(await connectRaw(port, { host, localAddress: localAddress(host) }));
}

export async function httpTo(scope: Scope, { host, port }: Place): Promise<HttpClient> {
  return scope.own(await openHttp(port, { host, localAddress: localAddress(host) }));
}

/** Resolves with what a destination says over TLS; rejects with the error of the handshake. */
export async function sayOverTls(
  scope: Scope,
  { host, port }: Place,
  servername: string | undefined,
): Promise<string> {
  const raw = await connectTo(scope, { host, port });
  const secure = tls.connect({
    socket: raw.socket,
    rejectUnauthorized: false,
    ...(servername === undefined ? {} : { servername }),
  });
  const said = new Promise<string>((resolve, reject) => {
    secure.once('data', (bytes: Buffer) => resolve(bytes.toString()));
    secure.once('error', reject);
    secure.once('close', () => reject(new Error('the connection was closed')));
  });
  try {
    const text = await within(said, 'something over TLS');
    // In order: what is unread would make it a reset.
    secure.end();
    await within(raw.closed, 'the end of a TLS connection');
    return text;
  } finally {
    secure.destroy();
  }
}
