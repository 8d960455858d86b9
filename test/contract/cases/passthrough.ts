// TLS that is passed on: tcp listeners that choose a pool by what the client asks for, and decrypt nothing.
import assert from 'node:assert/strict';
import { eventually, within } from '../../support/deadline.ts';
import type { Issued } from '../../support/pki.ts';
import type { RawConnection } from '../../support/raw-connection.ts';
import type { TcpTarget } from '../../support/tcp-target.ts';
import type { Case, CaseContext, Feature } from '../case.ts';
import { rootAuthority } from '../credentials.ts';
import { logFile, records } from './access-log.ts';

interface Place {
  readonly target: TcpTarget;
  readonly issued: Issued;
}

/** A target that speaks TLS with a certificate of its own and says its name. */
async function tlsPlace(test: CaseContext, name: string): Promise<Place> {
  const issued = await (await rootAuthority()).issue({ names: [name] });
  const target = await test.tcpTarget({
    tls: { cert: issued.chainPem, key: issued.keyPem, ALPNProtocols: ['h2', 'http/1.1'] } as object,
    onConnection: (connection) => connection.send(`this is ${name}`),
  });
  return { target, issued };
}

/** A tcp listener, `front`, with routes; each pool is named by its target's key. */
function passing(
  targets: Readonly<Record<string, string>>,
  routes: readonly object[],
  listener: object = {},
  pool: object = {},
): object {
  const pools = Object.entries(targets).map(([name, target]) => [
    name,
    { targets: [target], ...pool },
  ]);
  return {
    listeners: { front: { address: '127.0.0.1:0', protocol: 'tcp', routes, ...listener } },
    pools: Object.fromEntries(pools),
  };
}

const bytes16 = (value: number): number[] => [value >> 8, value & 0xff];
const extension = (type: number, content: readonly number[]): number[] => [
  ...bytes16(type),
  ...bytes16(content.length),
  ...content,
];

function nameExtension(name: string): number[] {
  const text = [...Buffer.from(name, 'latin1')];
  return extension(0, [...bytes16(text.length + 3), 0, ...bytes16(text.length), ...text]);
}

/** A ClientHello, as a message; `padding`: bytes ahead of the name. */
function helloMessage(name: string, padding = 0): Buffer {
  const filler = padding > 0 ? extension(21, Array<number>(padding).fill(0)) : [];
  const extensions = [...filler, ...nameExtension(name)];
  const fixed = [3, 3, ...Array<number>(32).fill(7), 0, 0, 2, 0x13, 1, 1, 0];
  const body = [...fixed, ...bytes16(extensions.length), ...extensions];
  return Buffer.from([1, 0, ...bytes16(body.length), ...body]);
}

/** In records of at most so many bytes. */
function inRecords(message: Buffer, size = 16_384): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, ...bytes16(part.length)]), part);
  }
  return Buffer.concat(records);
}

/** A fatal alert in a record of its own. */
function assertAlert(received: Buffer, description: number): void {
  assert.deepEqual(
    [...received.subarray(0, 2), ...received.subarray(3)],
    [21, 3, 0, 2, 2, description],
  );
}

async function refusedWith(
  test: CaseContext,
  bytes: string | Uint8Array,
  error: 'tls_handshake_failed' | 'tls_name_unknown' | 'client_aborted',
  listener: object = {},
): Promise<RawConnection> {
  const target = await test.tcpTarget();
  const routes = [{ match: { serverName: 'a.test' }, pool: 'a' }];
  const engine = await test.engine(passing({ a: target.address }, routes, listener));
  const client = await test.connect(engine.port('front'));
  client.end(bytes);
  await within(client.closed, 'the end of the connection');
  await eventually('the count', () => {
    const { errors, active } = engine.stats().listener('front');
    return errors[error] === 1 && active === 0;
  });
  assert.equal(target.connections.length, 0);
  return client;
}

/** Sends so that every piece may be seen by itself. */
async function sendInPieces(client: RawConnection, pieces: Iterable<Uint8Array>): Promise<void> {
  for (const piece of pieces) {
    await client.sent(piece);
    await new Promise(setImmediate);
  }
}

/** The bytes of a made hello reach the target as they were sent. */
async function arrives(test: CaseContext, pieces: readonly Uint8Array[]): Promise<void> {
  const [right, wrong] = [await test.tcpTarget(), await test.tcpTarget()];
  const routes = [
    { match: { serverName: 'other.test' }, pool: 'wrong' },
    { match: { serverName: 'late.test' }, pool: 'right' },
  ];
  const engine = await test.engine(passing({ right: right.address, wrong: wrong.address }, routes));
  const client = await test.connect(engine.port('front'));
  await sendInPieces(client, pieces);
  const upstream = await right.next();
  const sent = Buffer.concat(pieces);
  assert.deepEqual(await upstream.receivedLength(sent.length), sent);
  assert.equal(wrong.connections.length, 0);
}

const byName: Case[] = [
  {
    name: "by name: a client's TLS ends at the target, whose certificate it sees",
    run: async (test) => {
      const [a, b] = [await tlsPlace(test, 'a.test'), await tlsPlace(test, 'www.b.test')];
      const routes = [
        { match: { serverName: 'a.test' }, pool: 'a' },
        { match: { serverName: '*.b.test' }, pool: 'b' },
      ];
      const engine = await test.engine(
        passing({ a: a.target.address, b: b.target.address }, routes),
      );
      for (const [servername, place] of [
        ['A.test', a],
        ['www.b.test', b],
      ] as const) {
        const client = await test.tls(engine.port('front'), { servername });
        assert.equal(client.fingerprint, place.issued.fingerprint);
        client.connection.send('hello');
        await (await place.target.next()).receivedText('hello');
        await client.connection.receivedText(`this is ${servername.toLowerCase()}`);
      }
      const { tls_handshakes: handshakes } = engine.stats().listener('front');
      assert.equal(handshakes, 0);
    },
  },
  {
    name: 'by protocol: one route takes who offers it, the next one everybody else',
    run: async (test) => {
      const [two, one] = [await tlsPlace(test, 'two.test'), await tlsPlace(test, 'one.test')];
      const routes = [{ match: { alpn: ['h2'] }, pool: 'two' }, { pool: 'one' }];
      const engine = await test.engine(
        passing({ two: two.target.address, one: one.target.address }, routes),
      );
      const ask = async (ALPNProtocols: string[]): Promise<string> => {
        const client = await test.tls(engine.port('front'), { ALPNProtocols });
        await client.connection.receivedText('this is');
        return client.fingerprint;
      };
      assert.equal(await ask(['h2', 'http/1.1']), two.issued.fingerprint);
      assert.equal(await ask(['http/1.1']), one.issued.fingerprint);
      assert.equal(await ask([]), one.issued.fingerprint);
    },
  },
  {
    name: "the listener's pool takes unknown names, no name, and what is no TLS",
    run: async (test) => {
      const [a, rest] = [await test.tcpTarget(), await test.tcpTarget()];
      const engine = await test.engine(
        passing(
          { a: a.address, rest: rest.address },
          [{ match: { serverName: 'a.test' }, pool: 'a' }],
          { pool: 'rest' },
        ),
      );
      for (const bytes of [inRecords(helloMessage('b.test')), Buffer.from('SSH-2.0-x\r\n')]) {
        const client = await test.connect(engine.port('front'));
        client.send(bytes);
        assert.deepEqual(await (await rest.next()).receivedLength(bytes.length), bytes);
      }
      assert.equal(a.connections.length, 0);
    },
  },
  {
    name: 'an unknown name without a pool for it: the alert unrecognized_name',
    run: async (test) => {
      const client = await refusedWith(test, inRecords(helloMessage('b.test')), 'tls_name_unknown');
      assertAlert(client.received, 112);
    },
  },
  {
    name: 'a TLS client understands that its name is unknown',
    run: async (test) => {
      const target = await test.tcpTarget();
      const routes = [{ match: { serverName: 'a.test' }, pool: 'a' }];
      const engine = await test.engine(passing({ a: target.address }, routes));
      await assert.rejects(test.tls(engine.port('front'), { servername: 'b.test' }), {
        code: 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME',
      });
    },
  },
  {
    name: 'the access log has one record a connection, with its pool or why not',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = await test.tcpTarget();
      const routes = [{ match: { serverName: 'a.test' }, pool: 'a' }];
      const engine = await test.engine(passing({ a: target.address }, routes, { accessLog }));
      const refused = await test.connect(engine.port('front'));
      refused.send(inRecords(helloMessage('b.test')));
      await refused.ended;
      refused.end();
      const served = await test.connect(engine.port('front'));
      served.end(inRecords(helloMessage('a.test')));
      (await target.next()).end();
      const found = await records(accessLog, 2);
      assert.deepEqual(
        found.map(({ target: to, error }) => [to, error]),
        [
          [null, 'tls_name_unknown'],
          [target.address, null],
        ],
      );
    },
  },
  {
    name: 'behind a PROXY header: names are read all the same, and the header is sent on',
    needs: (capabilities) => capabilities.proxyProtocol,
    run: async (test) => {
      const target = await test.tcpTarget();
      const routes = [{ match: { serverName: 'a.test' }, pool: 'a' }];
      const engine = await test.engine(
        passing(
          { a: target.address },
          routes,
          { trustedProxies: ['127.0.0.1'], proxyProtocol: 'required' },
          { proxyProtocol: 'v1' },
        ),
      );
      const header = Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 40000 443\r\n');
      const sent = Buffer.concat([header, inRecords(helloMessage('a.test'))]);
      const client = await test.connect(engine.port('front'));
      await sendInPieces(
        client,
        [...sent].map((byte) => Uint8Array.of(byte)),
      );
      assert.deepEqual(await (await target.next()).receivedLength(sent.length), sent);
    },
  },
];

const inParts: Case[] = [
  {
    name: 'a hello of many segments: cut within the name',
    run: async (test) => {
      const hello = inRecords(helloMessage('late.test'));
      const at = hello.indexOf('late.test') + 4;
      await arrives(test, [hello.subarray(0, at), hello.subarray(at)]);
    },
  },
  {
    name: 'a hello of many segments: a byte at a time',
    run: async (test) => {
      const hello = inRecords(helloMessage('late.test'));
      await arrives(
        test,
        [...hello].map((byte) => Uint8Array.of(byte)),
      );
    },
  },
  {
    name: 'a hello of many records: a byte in each',
    run: (test) => arrives(test, [inRecords(helloMessage('late.test'), 1)]),
  },
  {
    name: 'a hello of many records: the border within the name',
    run: async (test) => {
      const message = helloMessage('late.test');
      await arrives(test, [inRecords(message, message.indexOf('late.test') + 4)]);
    },
  },
  {
    name: 'a hello of 16 KiB, its name at the end',
    run: async (test) => {
      const padding = 16_384 - helloMessage('late.test', 1).length + 1;
      const message = helloMessage('late.test', padding);
      assert.equal(message.length, 16_384);
      await arrives(test, [inRecords(message)]);
      const hello = inRecords(message, 5_000);
      await arrives(test, [hello.subarray(0, 9_000), hello.subarray(9_000)]);
    },
  },
  {
    name: 'what a client sends behind its hello arrives behind it',
    run: (test) =>
      arrives(test, [inRecords(helloMessage('late.test')), Buffer.alloc(100_000, 'x')]),
  },
];

const refused: Case[] = [
  {
    name: 'what is no TLS is closed where no pool takes it',
    run: async (test) => {
      for (const bytes of ['GET / HTTP/1.1\r\n\r\n', Uint8Array.of(0x80, 0x2e, 1, 3, 1), '\0']) {
        const client = await refusedWith(test, bytes, 'tls_handshake_failed');
        assert.equal(client.received.length, 0);
      }
    },
  },
  {
    name: 'a malformed hello is closed, whatever else there is to take it',
    run: async (test) => {
      const good = helloMessage('a.test');
      const nul = Buffer.from(good);
      nul[nul.indexOf('a.test') + 1] = 0;
      const tooLong = Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x40, 0]);
      const cases = [
        inRecords(nul),
        tooLong,
        Uint8Array.of(22, 3, 1, 0, 0),
        Uint8Array.of(22, 3, 1, 0xff, 0xff),
        inRecords(good).subarray(0, 60),
        Buffer.concat([inRecords(good).subarray(0, 3), Buffer.alloc(200, 0xff)]),
      ];
      for (const bytes of cases)
        await refusedWith(test, bytes, 'tls_handshake_failed', { pool: 'a' });
    },
  },
  {
    name: 'a connection that says nothing and ends was only a look',
    run: async (test) => {
      await refusedWith(test, '', 'client_aborted');
    },
  },
  {
    name: 'a hello that does not come in time: closed',
    run: async (test) => {
      const hello = inRecords(helloMessage('a.test'));
      for (const begin of ['', hello.subarray(0, 40)]) {
        const target = await test.tcpTarget();
        const routes = [{ match: { serverName: 'a.test' }, pool: 'a' }];
        const engine = await test.engine(
          passing({ a: target.address }, routes, { timeouts: { handshake: '200ms' } }),
        );
        const client = await test.connect(engine.port('front'));
        client.send(begin);
        await within(client.ended, 'the end of the connection');
        client.close();
        await eventually('the count', () => {
          const { errors, active } = engine.stats().listener('front');
          return errors.handshake_timeout === 1 && active === 0;
        });
        assert.equal(target.connections.length, 0);
      }
    },
  },
  {
    name: 'connections that wait for a hello end when the engine is told to close',
    run: async (test) => {
      const target = await test.tcpTarget();
      const routes = [{ match: { serverName: 'a.test' }, pool: 'a' }];
      const engine = await test.engine(passing({ a: target.address }, routes));
      const client = await test.connect(engine.port('front'));
      client.send(inRecords(helloMessage('a.test')).subarray(0, 40));
      await eventually('it waits', () => engine.stats().listener('front').active === 1);
      // Longer than anybody here waits.
      const closing = engine.close(60_000);
      await within(client.ended, 'the end of the connection');
      client.close();
      await closing;
    },
  },
];

export const passthrough: Feature = {
  name: 'tls passthrough',
  cases: [...byName, ...inParts, ...refused].map((one) => ({
    ...one,
    needs: (capabilities) =>
      capabilities.protocols.includes('tcp') && (one.needs?.(capabilities) ?? true),
  })),
};
