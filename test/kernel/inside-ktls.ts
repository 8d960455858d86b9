// TLS sealed by the kernel, from end to end: run inside the guest by ktls.test.ts, where the kernel offers it. What says
// that it is used is the kernel's own count of sockets that were given keys.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { nativeOn } from '../support/native-under-test.ts';
import {
  createAuthority,
  type Issued,
  temporaryFolder,
  writePair,
  writeText,
} from '../support/pki.ts';
import { RunningEngine } from '../support/running-engine.ts';
import { Scope } from '../support/scope.ts';

const MIB = 1 << 20;
const PIECE = Buffer.alloc(MIB, 'a mebibyte of what does not repeat at the borders of records; ');

function* pieces(mebibytes: number): Generator<Buffer> {
  for (let i = 0; i < mebibytes; i += 1) {
    const piece = Buffer.from(PIECE);
    piece.writeUInt32BE(i, 0);
    yield piece;
  }
}

const digests = new Map<number, string>();

function digestOf(mebibytes: number): string {
  const known = digests.get(mebibytes);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  for (const piece of pieces(mebibytes)) hash.update(piece);
  const digest = hash.digest('hex');
  digests.set(mebibytes, digest);
  return digest;
}

/** How many sockets the kernel seals for, has sealed for, in software. */
function sealed(): number {
  return Number(/^TlsTxSw\s+(\d+)/m.exec(readFileSync('/proc/net/tls_stat', 'utf8'))?.[1]);
}

interface Answer {
  readonly status: number | undefined;
  readonly bytes: number;
  readonly digest: string;
  readonly socket: tls.TLSSocket;
}

interface Ask {
  readonly agent: https.Agent;
  readonly port: number;
  readonly path: string;
  readonly headers?: http.OutgoingHttpHeaders;
}

async function get({ agent, port, path, headers = {} }: Ask): Promise<Answer> {
  const request = https.get({
    agent,
    port,
    host: '127.0.0.1',
    path,
    headers,
    servername: 'localhost',
  });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const socket = response.socket as tls.TLSSocket;
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { status: response.statusCode, bytes, digest: hash.digest('hex'), socket };
}

/** Whatever is asked for in mebibytes, `/12`; what is put is answered with its digest. */
async function startTarget(scope: Scope, secure?: Issued): Promise<number> {
  const answer: http.RequestListener = (request, response) => {
    if (request.method === 'PUT') {
      const hash = createHash('sha256');
      request.on('data', (chunk: Buffer) => hash.update(chunk));
      request.on('end', () => response.end(hash.digest('hex')));
      return;
    }
    const mebibytes = Number(request.url?.slice(1));
    if (mebibytes === 0) {
      response.end('little');
      return;
    }
    response.writeHead(200, { 'Content-Length': mebibytes * MIB });
    Readable.from(pieces(mebibytes)).pipe(response);
  };
  const server =
    secure === undefined
      ? http.createServer(answer)
      : https.createServer({ cert: secure.chainPem, key: secure.keyPem }, answer);
  return listening(scope, server);
}

async function listening(
  scope: Scope,
  server: http.Server | ReturnType<typeof createServer>,
): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.defer(() => {
    if (server instanceof http.Server) server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

for (const loop of ['epoll', 'io_uring'] as const) {
  const native = nativeOn(loop);
  describe(`TLS sealed by the kernel, ${native.name}`, () => {
    const scope = new Scope();
    let engine: RunningEngine;
    let ca: string;

    before(async () => {
      const authority = await createAuthority();
      const site = await authority.issue({ names: ['localhost'], ips: ['127.0.0.1'] });
      ca = authority.certPem;
      const folder = await temporaryFolder(scope);
      const certificates = [await writePair(folder, site)];
      const plain = `127.0.0.1:${await startTarget(scope)}`;
      const secure = `https://127.0.0.1:${await startTarget(scope, site)}`;
      const stream = await listening(
        scope,
        createServer((socket: Socket) => {
          socket.once('data', () => Readable.from(pieces(16)).pipe(socket));
          socket.on('error', () => {});
        }),
      );
      engine = scope.own(new RunningEngine(native.create));
      await engine.apply({
        listeners: {
          web: { address: '127.0.0.1:0', protocol: 'https', tls: { certificates }, pool: 'plain' },
          without: {
            address: '127.0.0.1:0',
            protocol: 'https',
            tls: { certificates, kernelTls: 'off' },
            pool: 'plain',
          },
          up: { address: '127.0.0.1:0', protocol: 'http', pool: 'secure' },
          db: { address: '127.0.0.1:0', protocol: 'tcp', tls: { certificates }, pool: 'stream' },
        },
        pools: {
          plain: { targets: [plain] },
          secure: {
            targets: [secure],
            tls: { ca: await writeText(folder, 'ca.pem', authority.certPem) },
          },
          stream: { targets: [`127.0.0.1:${stream}`] },
        },
      });
    });
    after(() => scope.close());

    const agentOf = (options: https.AgentOptions = {}): https.Agent => {
      const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca, ...options });
      scope.defer(() => agent.destroy());
      return agent;
    };

    for (const [version, cipher] of [
      ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
      ['TLSv1.3', 'TLS_AES_256_GCM_SHA384'],
      ['TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256'],
      ['TLSv1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
      ['TLSv1.2', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
      ['TLSv1.2', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
    ] as const) {
      it(`serves large bodies between small ones on one connection, with ${cipher}`, async () => {
        const agent = agentOf({ minVersion: version, maxVersion: version, ciphers: cipher });
        const port = engine.port('web');
        const before = sealed();
        const first = await get({ agent, port, path: '/0' });
        assert.equal(first.socket.getCipher().name.toUpperCase(), cipher);
        assert.equal(sealed(), before, 'little is not worth it');
        for (const mebibytes of [1, 0, 5, 0]) {
          const answer = await get({ agent, port, path: `/${mebibytes}` });
          assert.equal(answer.socket, first.socket, 'the connection goes on');
          if (mebibytes === 0) assert.equal(answer.bytes, 'little'.length);
          else assert.equal(answer.digest, digestOf(mebibytes));
          assert.equal(sealed(), before + 1, 'once a connection');
        }
      });
    }

    // Everything is emulated, and the second loop is not there to be waited for.
    const largest = loop === 'epoll' ? 64 : 8;
    it(`serves a body of ${largest} MiB`, async () => {
      const before = sealed();
      const { digest } = await get({
        agent: agentOf(),
        port: engine.port('web'),
        path: `/${largest}`,
      });
      assert.equal(digest, digestOf(largest));
      assert.equal(sealed(), before + 1);
    });

    it('leaves the kernel out of it where kernelTls is off', async () => {
      const before = sealed();
      const { digest } = await get({ agent: agentOf(), port: engine.port('without'), path: '/2' });
      assert.equal(digest, digestOf(2));
      assert.equal(sealed(), before);
    });

    it('ends a connection with close_notify, which Node and openssl see', async () => {
      const headers = { Connection: 'close' };
      const port = engine.port('web');
      const { socket, digest } = await get({ agent: agentOf(), port, path: '/4', headers });
      assert.equal(digest, digestOf(4));
      if (!socket.closed) await once(socket, 'close');
      assert.equal(socket.errored ?? null, null);
      const before = sealed();
      const { output, code } = await openssl(port, [
        [
          (all) => all.endsWith('---\n'),
          'GET /2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
        ],
      ]);
      assert.equal(sealed(), before + 1);
      assert.equal(code, 0, output.slice(-400));
      assert.match(output, /closed\n$/);
      assert.doesNotMatch(output, /unexpected eof/);
    });

    it('lets a session be resumed whose connection was sealed by the kernel', async () => {
      const port = engine.port('web');
      const connect = (session?: Buffer): tls.TLSSocket =>
        tls.connect({ port, host: '127.0.0.1', ca, servername: 'localhost', session });
      const socket = connect();
      const before = sealed();
      // Tickets come with the first bytes that are read.
      const ticket = once(socket, 'session') as Promise<[Buffer]>;
      socket.write('GET /1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      socket.resume();
      const [session] = await ticket;
      await once(socket, 'close');
      assert.equal(sealed(), before + 1);
      const again = connect(session);
      await once(again, 'secureConnect');
      assert.equal(again.isSessionReused(), true);
      again.destroy();
    });

    it('carries a tunnel from a tcp listener that ends TLS', async () => {
      const before = sealed();
      const socket = tls.connect({
        port: engine.port('db'),
        host: '127.0.0.1',
        ca,
        servername: 'localhost',
      });
      await once(socket, 'secureConnect');
      socket.write('go');
      const hash = createHash('sha256');
      for await (const chunk of socket as AsyncIterable<Buffer>) hash.update(chunk);
      assert.equal(hash.digest('hex'), digestOf(16));
      assert.equal(sealed(), before + 1);
    });

    it('seals request bodies for targets that are spoken to over TLS', async () => {
      const before = sealed();
      const request = http.request({
        port: engine.port('up'),
        host: '127.0.0.1',
        method: 'PUT',
        headers: { 'Content-Length': 8 * MIB },
      });
      Readable.from(pieces(8)).pipe(request);
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      assert.equal(await text(response), digestOf(8));
      assert.equal(sealed(), before + 1);
    });

    it('answers a key update as the kernel allows: with new keys, or by ending cleanly', async () => {
      const ask = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
      const { output } = await openssl(engine.port('web'), [
        [(all) => all.endsWith('---\n'), ask('/1')],
        [(all) => all.length > MIB, 'K\n'],
        [(all) => all.includes('KEYUPDATE'), ask('/0')],
        [(all) => all.includes('little'), 'Q\n'],
      ]);
      assert.match(output, /KEYUPDATE/);
      const [major = 0, minor = 0] = readFileSync('/proc/sys/kernel/osrelease', 'utf8')
        .split('.')
        .map((part) => Number.parseInt(part, 10));
      if (major > 6 || (major === 6 && minor >= 14)) assert.match(output, /little/);
      else assert.match(output, /closed\n$/);
      assert.doesNotMatch(output, /bad record mac|unexpected eof|alert (?!close)/i);
    });

    /** s_client, told something each time that what has come since makes it due. */
    async function openssl(
      port: number,
      script: readonly (readonly [(output: string) => boolean, string])[],
    ): Promise<{ readonly output: string; readonly code: number }> {
      const folder = await temporaryFolder(scope);
      const trusted = await writeText(folder, 'ca.pem', ca);
      const child = spawn('openssl', [
        ...['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', trusted],
        ...['-servername', 'localhost', '-verify_return_error'],
      ]);
      let output = '';
      let seen = 0;
      const left = [...script];
      const hear = (data: string) => {
        output += data;
        const [isDue, reply] = left[0] ?? [];
        if (isDue === undefined || reply === undefined) return;
        if (!isDue(output.slice(seen))) return;
        seen = output.length;
        left.shift();
        child.stdin.write(reply);
      };
      child.stdout.setEncoding('latin1').on('data', hear);
      child.stderr.setEncoding('latin1').on('data', hear);
      child.stdin.on('error', () => {});
      const [code] = (await once(child, 'close')) as [number];
      return { output, code };
    }
  });
}

async function text(stream: http.IncomingMessage): Promise<string> {
  let all = '';
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) all += chunk;
  return all;
}
