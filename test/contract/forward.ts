// What cases of forward proxies have in common: a proxy `egress` whose destinations are on the loopback interface, an
// oracle that knows them by name, and requests in the form that proxies get them in.
import type { ForwardFiles } from '../../src/plan/forward-files.ts';
import type { ClientResponse, HttpClient } from '../support/http-client.ts';
import { requestBytes } from '../support/http-client.ts';
import type { RunningEngine } from '../support/running-engine.ts';
import { type Known, TestOracle } from '../support/test-oracle.ts';
import type { CaseContext } from './case.ts';

export const LOOPBACK = ['127.0.0.0/8', '::1'];
/** What the proxy of a case calls itself in Via. */
export const INSTANCE = 'sluice-under-test';
export const USERS_FILE = '/users.txt';

export interface ForwardOptions {
  /** Keys of the listener in place of the usual ones: everything on the loopback interface may be reached. */
  readonly listener?: object;
  readonly pools?: object;
  readonly lists?: object;
  /** Besides `site.test`, which is 127.0.0.1. */
  readonly names?: Readonly<Record<string, Known>>;
  /** Passwords by user: they are asked for when any is given. */
  readonly users?: Readonly<Record<string, string>>;
  readonly files?: Partial<ForwardFiles>;
  readonly workers?: number;
}

export interface ForwardUnderTest {
  readonly engine: RunningEngine;
  readonly oracle: TestOracle;
  readonly port: number;
  readonly config: object;
}

export async function forwardProxy(
  test: CaseContext,
  options: ForwardOptions = {},
): Promise<ForwardUnderTest> {
  const { users, files, names, workers } = options;
  const oracle = new TestOracle({ 'site.test': ['127.0.0.1'], ...names }, users);
  const config = forwardConfig(options);
  const engine = await test.engine(config, {
    oracle,
    files: { instance: INSTANCE, users: usersFile(Object.keys(users ?? {})), ...files },
    ...(workers === undefined ? {} : { workers }),
  });
  return { engine, oracle, port: engine.port('egress'), config };
}

export function forwardConfig({ listener, pools, lists, users }: ForwardOptions): object {
  return {
    listeners: {
      egress: {
        address: '127.0.0.1:0',
        protocol: 'forward',
        privateDestinations: LOOPBACK,
        connectPorts: ['1-65535'],
        ...(users === undefined ? {} : { users: USERS_FILE }),
        ...listener,
      },
    },
    ...(pools === undefined ? {} : { pools }),
    ...(lists === undefined ? {} : { lists }),
  };
}

/** A users file as it would have been loaded; `digest` differs with its contents. */
export function usersFile(names: readonly string[], digest = names.join()): ForwardFiles['users'] {
  return new Map([[USERS_FILE, { digest, names }]]);
}

/** A request in absolute form, with the Host that belongs to it. */
export function absolute(
  method: string,
  url: string,
  fields: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = '',
): Buffer {
  const host = /^[a-z]+:\/\/([^/?]*)/i.exec(url)?.[1] ?? '';
  return requestBytes(method, url, { Host: host, ...fields }, body);
}

/** One request on a connection of its own. */
export async function ask(
  test: CaseContext,
  port: number,
  url: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<ClientResponse> {
  const client = await test.http(port);
  client.send(absolute('GET', url, fields));
  const answer = await client.response();
  client.close();
  return answer;
}

export function connectBytes(
  authority: string,
  fields: Readonly<Record<string, string>> = {},
): Buffer {
  return requestBytes('CONNECT', authority, { Host: authority, ...fields });
}

/** Asks for a tunnel on a connection that is there already. */
export async function connect(
  client: HttpClient,
  authority: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<ClientResponse> {
  client.send(connectBytes(authority, fields));
  return client.response('CONNECT');
}

/** A tunnel on a connection of its own, open. */
export async function openTunnel(
  test: CaseContext,
  port: number,
  authority: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<HttpClient> {
  const client = await test.http(port, { allowHalfOpen: true });
  const answer = await connect(client, authority, fields);
  if (answer.status !== 200) throw new Error(`CONNECT ${authority}: ${answer.status}`);
  return client;
}

export const basic = (login: string): Readonly<Record<string, string>> => ({
  'Proxy-Authorization': `Basic ${Buffer.from(login).toString('base64')}`,
});
