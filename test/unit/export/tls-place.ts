// Certificates in files, targets and clients for the tests of what is exported of TLS.
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer, request } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Socket } from 'node:net';
import { connect, createServer as createTls, type TLSSocket, type TlsOptions } from 'node:tls';
import {
  type Authority,
  createAuthority,
  type Issued,
  type IssueOptions,
  temporaryFolder,
  writeText,
} from '../../support/pki.ts';
import type { Scope } from '../../support/scope.ts';

export interface Files {
  readonly cert: string;
  readonly key: string;
  readonly issued: Issued;
}

/** Keys lie where HAProxy looks for them, so that it needs no file put together. */
export class TlsPlace {
  readonly authority: Authority;
  readonly folder: string;
  readonly ca: string;

  constructor(authority: Authority, folder: string, ca: string) {
    this.authority = authority;
    this.folder = folder;
    this.ca = ca;
  }

  async files(name: string, options: IssueOptions, authority = this.authority): Promise<Files> {
    const issued = await authority.issue(options);
    const cert = await writeText(this.folder, `${name}.pem`, issued.chainPem);
    const key = await writeText(this.folder, `${name}.pem.key`, issued.keyPem);
    return { cert, key, issued };
  }

  text(name: string, text: string): Promise<string> {
    return writeText(this.folder, name, text);
  }
}

export async function openPlace(scope: Scope): Promise<TlsPlace> {
  const authority = await createAuthority();
  const folder = await temporaryFolder(scope);
  return new TlsPlace(authority, folder, await writeText(folder, 'ca.pem', authority.certPem));
}

export interface SecureAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingMessage['headers'];
  /** Names in the certificate that was shown. */
  readonly names: string;
  readonly keyType: string;
  readonly protocol: string | null;
  readonly alpn: string | false | null;
  readonly isResumed: boolean;
}

export interface SecureRequest {
  readonly servername?: string;
  readonly host?: string;
  readonly path?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly client?: Issued;
  readonly session?: Buffer;
  readonly options?: object;
}

/** One request on a connection of its own; whoever answers is believed. */
export async function ask(port: number, asked: SecureRequest = {}): Promise<SecureAnswer> {
  const { servername = '', host = servername || 'site.test', path = '/', client, session } = asked;
  const outgoing = request({
    ...{ host: '127.0.0.1', port, path, servername, agent: false, rejectUnauthorized: false },
    ...{ headers: { Host: host, Connection: 'close', ...asked.fields } },
    ...(client === undefined ? {} : { cert: client.chainPem, key: client.keyPem }),
    ...(session === undefined ? {} : { session }),
    ...asked.options,
  });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const socket = response.socket as TLSSocket;
  const facts = {
    names: socket.getPeerCertificate().subjectaltname ?? '',
    keyType: socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType ?? '',
    protocol: socket.getProtocol(),
    alpn: socket.alpnProtocol,
    isResumed: socket.isSessionReused(),
  };
  let text = '';
  for await (const chunk of response.setEncoding('latin1')) text += chunk;
  return { status: response.statusCode ?? 0, text, headers: response.headers, ...facts };
}

/** Sends bytes over TLS and gives back all that comes. */
export async function exchange(port: number, bytes: string, options: object = {}): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  socket.write(bytes);
  let text = '';
  for await (const chunk of socket.setEncoding('latin1')) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  socket.destroy();
  return text;
}

export interface SecureTarget {
  readonly address: string;
  readonly requests: {
    readonly fields: IncomingMessage['headers'];
    readonly servername: unknown;
    readonly client: string;
  }[];
}

/** A target that answers over TLS. */
export async function startSecureTarget(scope: Scope, options: TlsOptions): Promise<SecureTarget> {
  const requests: SecureTarget['requests'] = [];
  const listener = createServer(options, (incoming, response) => {
    const socket = incoming.socket as TLSSocket;
    const client = String(socket.getPeerCertificate().subject?.CN ?? '');
    requests.push({ fields: incoming.headers, servername: socket.servername, client });
    response.end('over tls');
  });
  listener.on('tlsClientError', () => {});
  return { address: await opened(scope, listener), requests };
}

/** Says its own name, the server name and the protocol over TLS that it ends itself. */
export async function startNamedTarget(
  scope: Scope,
  name: string,
  options: TlsOptions,
): Promise<string> {
  const listener = createTls({ ...options, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
    socket.on('error', () => {});
    socket.end(`${name} ${socket.servername} ${socket.alpnProtocol}\n`);
  });
  listener.on('tlsClientError', () => {});
  return opened(scope, listener);
}

/** Says what it was sent first. */
export async function startTellingTarget(scope: Scope): Promise<string> {
  const sockets = new Set<Socket>();
  const listener = createTcp((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('data', (data) => socket.end(`got ${data.toString('latin1')}\n`));
  });
  scope.defer(() => {
    for (const socket of sockets) socket.destroy();
  });
  return opened(scope, listener);
}

interface Listening {
  listen(port: number, host: string): unknown;
  address(): AddressInfo | string | null;
  close(done: () => void): unknown;
  once(event: string, listener: () => void): unknown;
}

async function opened(scope: Scope, listener: Listening & NodeJS.EventEmitter): Promise<string> {
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  scope.defer(() => new Promise<void>((resolve) => void listener.close(() => resolve())));
  return `127.0.0.1:${(listener.address() as AddressInfo).port}`;
}
