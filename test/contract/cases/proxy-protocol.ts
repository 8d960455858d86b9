// PROXY headers, from proxies in front and to targets.
import assert from 'node:assert/strict';
import tls from 'node:tls';
import { readClientHello } from '../../../src/engine/shared/client-hello.ts';
import { readProxyHeader, writeProxyHeader } from '../../../src/engine/shared/proxy-header.ts';
import { eventually, within } from '../../support/deadline.ts';
import { HttpClient, requestBytes } from '../../support/http-client.ts';
import { response } from '../../support/http-target.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import type { RunningEngine } from '../../support/running-engine.ts';
import { fieldValue } from '../../support/strict-http.ts';
import { type Case, type CaseContext, type Feature, offers } from '../case.ts';
import { httpConfig, tcpConfig } from '../config.ts';
import { httpsConfig, makeSite } from '../credentials.ts';
import { logFile, records } from './access-log.ts';

const V1 = 'PROXY TCP4 192.0.2.7 198.51.100.9 40000 443\r\n';
const SOURCE = { host: '192.0.2.7', port: 40_000 };
const DESTINATION = { host: '198.51.100.9', port: 443 };
const V2 = writeProxyHeader('v2', SOURCE, DESTINATION);
const SIGNATURE = V2.subarray(0, 12);
const FROM_HERE = { trustedProxies: ['127.0.0.1'] };
const REQUIRED = { ...FROM_HERE, proxyProtocol: 'required' };
const OPTIONAL = { ...FROM_HERE, proxyProtocol: 'optional' };

const join = (...parts: (string | Uint8Array)[]): Buffer =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)),
  );

/** Bytes behind a header of version 2 up to its addresses. */
function v2(
  versionAndCommand: number,
  family: number,
  rest: Uint8Array,
  length = rest.length,
): Buffer {
  return join(
    SIGNATURE,
    Uint8Array.of(versionAndCommand, family, length >> 8, length & 0xff),
    rest,
  );
}

/** What the target is told of the client of a request that comes behind `header`. */
async function told(test: CaseContext, header: string | Uint8Array, listener: object = REQUIRED) {
  const target = await test.httpTarget();
  const engine = await test.engine(httpConfig([target.address], listener));
  const client = await test.http(engine.port('web'));
  client.send(join(header, requestBytes('GET', '/')));
  assert.equal((await client.response()).status, 200);
  const { fields } = await target.next();
  return fieldValue(fields, 'x-forwarded-for');
}

interface Closed {
  readonly engine: RunningEngine;
  readonly connection: RawConnection;
}

/** Sends to a listener that requires a header and sees the connection closed without a word. */
async function closesOver(
  test: CaseContext,
  bytes: string | Uint8Array,
  listener: object = REQUIRED,
): Promise<Closed> {
  const target = await test.httpTarget();
  const engine = await test.engine(httpConfig([target.address], listener));
  const connection = await test.connect(engine.port('web'));
  connection.send(bytes);
  await within(connection.ended, 'the end of the connection');
  assert.equal(connection.received.length, 0);
  assert.equal(target.connections.length, 0);
  return { engine, connection };
}

const badHeader = (name: string, bytes: () => string | Uint8Array): Case => ({
  name: `closes a connection without a word: ${name}`,
  run: async (test) => {
    const { engine } = await closesOver(test, bytes());
    await eventually('the count', () => {
      const { errors, active } = engine.stats().listener('web');
      return errors.proxy_header_bad === 1 && active === 0;
    });
  },
});

const accepting: Case[] = [
  {
    name: 'version 1 tells who the client is',
    run: async (test) => assert.equal(await told(test, V1), '192.0.2.7'),
  },
  {
    name: 'version 2 tells who the client is',
    run: async (test) => assert.equal(await told(test, V2), '192.0.2.7'),
  },
  {
    name: 'IPv6 clients, in both versions',
    run: async (test) => {
      const client = { host: '2001:db8::7', port: 1 };
      const own = { host: '2001:db8::9', port: 2 };
      for (const version of ['v1', 'v2'] as const) {
        assert.equal(await told(test, writeProxyHeader(version, client, own)), '2001:db8::7');
      }
    },
  },
  {
    name: 'what else a header of version 2 carries is skipped',
    run: async (test) => {
      const tlv = join(
        Uint8Array.of(2, 0, 11),
        'example.com',
        Uint8Array.of(0xee, 1, 44),
        Buffer.alloc(300),
      );
      const header = v2(0x21, 0x11, join(V2.subarray(16), tlv));
      assert.equal(await told(test, header), '192.0.2.7');
    },
  },
  {
    name: 'a header that speaks for nobody leaves the address of the connection',
    run: async (test) => {
      const headers = [
        'PROXY UNKNOWN\r\n',
        'PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n',
        v2(0x20, 0, Buffer.alloc(0)),
        v2(0x20, 0x11, V2.subarray(16)),
        v2(0x21, 0, Buffer.from('anything')),
        v2(0x21, 0x31, Buffer.alloc(216)),
        v2(0x21, 0x12, V2.subarray(16)),
      ];
      for (const header of headers) assert.equal(await told(test, header), '127.0.0.1');
    },
  },
  {
    name: 'a byte at a time, the request behind it included',
    run: async (test) => {
      for (const header of [V1, V2]) {
        const target = await test.httpTarget();
        const engine = await test.engine(httpConfig([target.address], REQUIRED));
        const client = await test.http(engine.port('web'));
        for (const byte of join(header, requestBytes('GET', '/'))) {
          await client.connection.sent(Uint8Array.of(byte));
          await new Promise(setImmediate);
        }
        assert.equal((await client.response()).status, 200);
        const { fields } = await target.next();
        assert.equal(fieldValue(fields, 'x-forwarded-for'), '192.0.2.7');
      }
    },
  },
  {
    name: 'the client, not the proxy, is whose X-Forwarded-For is not believed',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([target.address], { ...REQUIRED, forwarded: 'append' }),
      );
      const client = await test.http(engine.port('web'));
      client.send(join(V1, requestBytes('GET', '/', { 'X-Forwarded-For': '6.6.6.6' })));
      await client.response();
      const { fields } = await target.next();
      assert.doesNotMatch(fieldValue(fields, 'x-forwarded-for') ?? '', /^6\.6\.6\.6$/);
      assert.match(fieldValue(fields, 'x-forwarded-for') ?? '', /192\.0\.2\.7$/);
    },
  },
  {
    name: 'the access log shows the client',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], { ...REQUIRED, accessLog }));
      const client = await test.http(engine.port('web'));
      client.send(join(V1, requestBytes('GET', '/')));
      await client.response();
      const [record] = await records(accessLog, 1);
      assert.equal(record?.client, '192.0.2.7:40000');
    },
  },
  {
    name: 'ip-hash goes by the client',
    run: async (test) => {
      const targets = [];
      for (let i = 0; i < 8; i++) targets.push(await test.httpTarget({ name: `t${i}` }));
      const engine = await test.engine(
        httpConfig(
          targets.map(({ address }) => address),
          REQUIRED,
          { strategy: 'ip-hash' },
        ),
      );
      const ask = async (host: string): Promise<string> => {
        const client = await test.http(engine.port('web'));
        const header = writeProxyHeader('v1', { host, port: 1 }, DESTINATION);
        client.send(join(header, requestBytes('GET', '/')));
        return (await client.response()).text;
      };
      const answers = new Set<string>();
      for (let i = 0; i < 24; i++) {
        const host = `192.0.${i}.7`;
        const first = await ask(host);
        assert.equal(await ask(host), first, host);
        answers.add(first);
      }
      assert.ok(answers.size > 2, `${answers.size} targets were chosen`);
    },
  },
  {
    name: 'the connection goes on: a second request is from the same client',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], REQUIRED));
      const client = await test.http(engine.port('web'));
      client.send(V1);
      for (let i = 0; i < 2; i++) {
        assert.equal((await client.get('/')).status, 200);
        const { fields } = await target.next();
        assert.equal(fieldValue(fields, 'x-forwarded-for'), '192.0.2.7');
      }
    },
  },
  {
    name: 'a second header is no part of the first: 400',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], REQUIRED));
      const client = await test.http(engine.port('web'));
      client.send(join(V1, V1, requestBytes('GET', '/')));
      assert.equal((await client.response()).status, 400);
      await client.closed;
      assert.equal(target.connections.length, 0);
    },
  },
  {
    name: 'who is not trusted sends none: it is taken for a malformed request',
    run: async (test) => {
      for (const header of [V1, V2]) {
        const target = await test.httpTarget();
        const engine = await test.engine(
          httpConfig([target.address], {
            trustedProxies: ['10.0.0.0/8'],
            proxyProtocol: 'required',
          }),
        );
        const client = await test.http(engine.port('web'));
        client.send(join(header, requestBytes('GET', '/')));
        assert.equal((await client.response()).status, 400);
        assert.equal(target.connections.length, 0);
        const plain = await test.http(engine.port('web'));
        assert.equal((await plain.get('/')).status, 200);
      }
    },
  },
  {
    name: 'off: a header is taken for a malformed request, whoever sends it',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], FROM_HERE));
      const client = await test.http(engine.port('web'));
      client.send(join(V1, requestBytes('GET', '/')));
      assert.equal((await client.response()).status, 400);
    },
  },
  {
    name: 'optional: who sends one is believed, who sends none is served as it is',
    run: async (test) => {
      assert.equal(await told(test, V1, OPTIONAL), '192.0.2.7');
      assert.equal(await told(test, '', OPTIONAL), '127.0.0.1');
    },
  },
  {
    name: 'optional: what begins like a header and is none closes the connection',
    run: async (test) => {
      const { engine } = await closesOver(test, 'PROXY TCP4 nonsense\r\n', OPTIONAL);
      await eventually('the count', () => {
        return engine.stats().listener('web').errors.proxy_header_bad === 1;
      });
    },
  },
  badHeader('none where one is required', () => requestBytes('GET', '/')),
  badHeader('TLS where a header is required', () => Uint8Array.of(22, 3, 1, 0, 5)),
  badHeader('a line that ends in LF alone', () => V1.replace('\r\n', '\n')),
  badHeader('a line that never ends', () => `PROXY UNKNOWN ${'x'.repeat(100)}`),
  badHeader('NUL in the line', () => 'PROXY TCP4 192.0.2.7\0 198.51.100.9 1 2\r\n'),
  badHeader('a port beyond 65535', () => V1.replace('40000', '65536')),
  badHeader('a port with a leading zero', () => V1.replace('443', '0443')),
  badHeader('another family', () => V1.replace('TCP4', 'UDP4')),
  badHeader('an address of another family', () => V1.replace('TCP4', 'TCP6')),
  badHeader('an address that is none', () => V1.replace('192.0.2.7', '192.0.2.256')),
  badHeader('another version', () => v2(0x31, 0x11, V2.subarray(16))),
  badHeader('an unknown command', () => v2(0x22, 0x11, V2.subarray(16))),
  badHeader('an unknown family', () => v2(0x21, 0x41, V2.subarray(16))),
  badHeader('a length too short for the family', () => v2(0x21, 0x21, V2.subarray(16))),
  badHeader('a length that nobody needs', () => v2(0x21, 0x11, V2.subarray(16), 65_535)),
  badHeader('what else it carries ends beyond it', () =>
    v2(0x21, 0x11, join(V2.subarray(16), Uint8Array.of(4, 0, 9, 1))),
  ),
  badHeader('a checksum that is wrong', () =>
    v2(0x21, 0x11, join(V2.subarray(16), Uint8Array.of(3, 0, 4, 1, 2, 3, 4))),
  ),
  {
    name: 'closes a connection without a word: one that ends within its header',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], REQUIRED));
      const connection = await test.connect(engine.port('web'));
      connection.end(V1.slice(0, 20));
      await connection.closed;
      assert.equal(connection.received.length, 0);
      assert.equal(engine.stats().listener('web').errors.proxy_header_bad, 1);
    },
  },
  {
    name: 'a connection that says nothing and ends was only a look',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address], REQUIRED));
      const connection = await test.connect(engine.port('web'));
      connection.end();
      await connection.closed;
      await eventually('it is over', () => engine.stats().listener('web').active === 0);
      assert.equal(engine.stats().listener('web').errors.proxy_header_bad, 0);
    },
  },
  {
    name: 'a header that does not come in time: closed',
    run: async (test) => {
      for (const begin of ['', V1.slice(0, 20), V2.subarray(0, 20)]) {
        const { engine } = await closesOver(test, begin, {
          ...REQUIRED,
          timeouts: { handshake: '200ms' },
        });
        await eventually('the count', () => {
          return engine.stats().listener('web').errors.handshake_timeout === 1;
        });
      }
    },
  },
  {
    name: 'connections that wait for a header count for maxConnections, and end with the engine',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([target.address], { ...REQUIRED, maxConnections: 1 }),
      );
      const waiting = await test.connect(engine.port('web'));
      await eventually('it counts', () => engine.stats().listener('web').active === 1);
      const refused = await test.http(engine.port('web'));
      assert.equal((await refused.response()).status, 503);
      // Longer than anybody here waits.
      const closing = engine.close(60_000);
      await within(waiting.ended, 'the end of the connection that waits');
      await closing;
    },
  },
  {
    name: 'a connection that waits over a reload is served under the new plan',
    run: async (test) => {
      const [first, second] = [await test.httpTarget(), await test.httpTarget()];
      const engine = await test.engine(httpConfig([first.address], REQUIRED));
      const client = await test.http(engine.port('web'));
      client.send(V1.slice(0, 10));
      await eventually('it waits', () => engine.stats().listener('web').active === 1);
      await engine.apply(httpConfig([second.address], REQUIRED));
      client.send(join(V1.slice(10), requestBytes('GET', '/')));
      assert.equal((await client.response()).status, 200);
      assert.equal(second.requests.length, 1);
      client.close();
      await eventually('nothing is open', () => engine.stats().listener('web').active === 0);
    },
  },
];

const acceptingTcp: Case[] = [
  {
    name: "tcp: the header is ours, every byte behind it is the target's",
    run: async (test) => {
      for (const header of [V1, V2]) {
        const accessLog = await logFile(test);
        const target = await test.tcpTarget();
        const engine = await test.engine(tcpConfig([target.address], { ...REQUIRED, accessLog }));
        const client = await test.connect(engine.port('db'));
        client.send(join(header, 'question'));
        const upstream = await target.next();
        await upstream.receivedText('question');
        assert.equal(upstream.text, 'question');
        upstream.end('answer');
        await client.receivedText('answer');
        client.end();
        const [record] = await records(accessLog, 1);
        assert.equal(record?.client, '192.0.2.7:40000');
      }
    },
  },
  {
    name: 'tcp: the target may speak first once the header has come',
    run: async (test) => {
      const target = await test.tcpTarget({ onConnection: (c) => c.send('220 ready\r\n') });
      const engine = await test.engine(tcpConfig([target.address], REQUIRED));
      const client = await test.connect(engine.port('db'));
      client.send(V2);
      await client.receivedText('220 ready\r\n');
      client.end();
      await (await target.next()).ended;
    },
  },
  {
    name: 'tcp: without the header no target is bothered',
    run: async (test) => {
      const target = await test.tcpTarget();
      const engine = await test.engine(tcpConfig([target.address], REQUIRED));
      const client = await test.connect(engine.port('db'));
      client.send('question');
      await within(client.ended, 'the end of the connection');
      assert.equal(client.received.length, 0);
      assert.equal(target.connections.length, 0);
      const { errors, active } = engine.stats().listener('db');
      assert.deepEqual([errors.proxy_header_bad, active], [1, 0]);
    },
  },
  {
    name: 'tcp: a client that ends right behind its header and its question is answered',
    run: async (test) => {
      const target = await test.tcpTarget();
      const engine = await test.engine(tcpConfig([target.address], REQUIRED));
      const client = await test.connect(engine.port('db'));
      client.end(join(V1, 'all of it'));
      const upstream = await target.next();
      await upstream.ended;
      assert.equal(upstream.text, 'all of it');
      upstream.end('answer');
      await client.receivedText('answer');
    },
  },
];

/** The header that a connection to a target began with, and what came behind it. */
async function headerAt(connection: RawConnection) {
  return connection.until('a PROXY header', (bytes) => {
    const header = readProxyHeader(bytes);
    if (header.kind === 'absent' || header.kind === 'bad') throw new Error(`it is ${header.kind}`);
    return header.kind === 'header' ? header : undefined;
  });
}

const sending: Case[] = (['v1', 'v2'] as const).flatMap((proxyProtocol): Case[] => [
  {
    name: `${proxyProtocol}: a tcp target is told of the client ahead of everything`,
    needs: offers('tcp'),
    run: async (test) => {
      const target = await test.tcpTarget();
      const engine = await test.engine(tcpConfig([target.address], {}, { proxyProtocol }));
      const client = await test.connect(engine.port('db'));
      client.send('question');
      const upstream = await target.next();
      const header = await headerAt(upstream);
      assert.deepEqual(header.addresses, {
        source: { host: '127.0.0.1', port: client.socket.localPort },
        destination: { host: '127.0.0.1', port: engine.port('db') },
      });
      await upstream.receivedText('question');
      assert.equal(upstream.received.subarray(header.length).toString(), 'question');
      const { bytes_in: bytesIn } = engine.stats().listener('db');
      assert.equal(bytesIn, 'question'.length);
    },
  },
  {
    name: `${proxyProtocol}: an http target gets it on every connection, each for one client`,
    run: async (test) => {
      const target = await test.tcpTarget({
        onConnection: (connection) => {
          void headerAt(connection).then(async ({ length }) => {
            await connection.until('a request', (bytes) =>
              bytes.subarray(length).includes('\r\n\r\n') ? true : undefined,
            );
            connection.send(response(200, {}, 'ok'));
          });
        },
      });
      const engine = await test.engine(httpConfig([target.address], {}, { proxyProtocol }));
      for (let i = 0; i < 2; i++) {
        const client = await test.http(engine.port('web'));
        assert.equal((await client.get('/')).status, 200);
        const { addresses } = await headerAt(await target.next());
        assert.deepEqual(addresses?.source, {
          host: '127.0.0.1',
          port: client.connection.socket.localPort,
        });
      }
      await eventually('no connection is kept', () =>
        target.connections.every((connection) => connection.hasEnded),
      );
    },
  },
  {
    name: `${proxyProtocol}: a client that came with a header is passed on as it was told`,
    needs: offers('tcp'),
    run: async (test) => {
      const target = await test.tcpTarget();
      const engine = await test.engine(tcpConfig([target.address], REQUIRED, { proxyProtocol }));
      const client = await test.connect(engine.port('db'));
      client.send(join(V2, 'question'));
      const upstream = await target.next();
      const header = await headerAt(upstream);
      assert.deepEqual(header.addresses, { source: SOURCE, destination: DESTINATION });
      await upstream.receivedText('question');
      assert.equal(upstream.received.subarray(header.length).toString(), 'question');
    },
  },
  {
    name: `${proxyProtocol}: a client of a unix socket is nobody's`,
    needs: offers('tcp'),
    run: async (test) => {
      const address = await test.unixPath();
      const target = await test.tcpTarget();
      const engine = await test.engine(
        tcpConfig([target.address], { address: `unix:${address}` }, { proxyProtocol }),
      );
      assert.ok(engine.plan.listeners.length === 1);
      const client = await test.connect(address);
      client.send('question');
      const header = await headerAt(await target.next());
      assert.equal(header.addresses, null);
    },
  },
  {
    name: `${proxyProtocol}: a reload that begins to ask for it leaves no connection without`,
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      assert.equal((await client.get('/')).status, 200);
      await engine.apply(httpConfig([target.address], {}, { proxyProtocol }));
      client.send(requestBytes('GET', '/'));
      await eventually('a connection of its own', () => target.connections.length === 2);
      await headerAt(target.connections[1]!);
    },
  },
]);

const overTls: Case[] = [
  {
    name: 'at a listener the header comes before TLS, and what is in it is from the client',
    needs: ({ tls }) => tls,
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpsConfig([target.address], { certificates: [pair] }, REQUIRED),
      );
      const { socket } = await test.connect(engine.port('web'), { record: false });
      socket.write(V1);
      const secure = tls.connect({ socket, rejectUnauthorized: false });
      const client = new HttpClient(test.own(new RawConnection(secure)));
      assert.equal((await client.get('/')).status, 200);
      const { fields } = await target.next();
      assert.equal(fieldValue(fields, 'x-forwarded-for'), '192.0.2.7');
      assert.equal(fieldValue(fields, 'x-forwarded-proto'), 'https');
    },
  },
  {
    name: 'in TLS a header is no header: 400',
    needs: ({ tls }) => tls,
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpsConfig([target.address], { certificates: [pair] }, OPTIONAL),
      );
      const { http } = await test.tls(engine.port('web'));
      http.send(join(V1, requestBytes('GET', '/')));
      assert.equal((await http.response()).status, 400);
    },
  },
  {
    name: 'at a target the header comes before TLS',
    needs: ({ tls }) => tls,
    run: async (test) => {
      const target = await test.tcpTarget();
      const engine = await test.engine(
        httpConfig(
          [target.address],
          {},
          {
            proxyProtocol: 'v2',
            tls: { verify: false, serverName: 'target.test' },
          },
        ),
      );
      const client = await test.http(engine.port('web'));
      client.send(requestBytes('GET', '/'));
      const upstream = await target.next();
      const { length } = await headerAt(upstream);
      const hello = await upstream.until('a ClientHello', (bytes) => {
        const read = readClientHello(bytes.subarray(length));
        return typeof read === 'string' ? undefined : read;
      });
      assert.equal(hello.serverName, 'target.test');
    },
  },
];

const needsIt = (cases: readonly Case[]): Case[] =>
  cases.map((one) => ({
    ...one,
    needs: (capabilities) => capabilities.proxyProtocol && (one.needs?.(capabilities) ?? true),
  }));

export const proxyProtocol: Feature = {
  name: 'proxy protocol',
  cases: needsIt([
    ...accepting,
    ...acceptingTcp.map((one) => ({ ...one, needs: offers('tcp') })),
    ...sending,
    ...overTls,
  ]),
};
