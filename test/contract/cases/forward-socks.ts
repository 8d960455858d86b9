// SOCKS clients of a forward proxy: handshakes of every version, and the tunnels that come of them.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { eventually, within } from '../../support/deadline.ts';
import type { RawConnection } from '../../support/raw-connection.ts';
import type { RunningEngine } from '../../support/running-engine.ts';
import { CONNECT, greeting, request, request4, SocksClient } from '../../support/socks-client.ts';
import { startEchoTarget } from '../../support/tcp-target.ts';
import { type Case, type CaseContext, type Feature, offering } from '../case.ts';
import { makeSite } from '../credentials.ts';
import { absolute, forwardConfig, forwardProxy } from '../forward.ts';
import { logFile, records } from './access-log.ts';

const MIB = 1024 * 1024;

export async function socks(test: CaseContext, engine: RunningEngine): Promise<SocksClient> {
  return new SocksClient(await test.connect(engine.port('egress')));
}

/** Both ends of one tunnel. */
async function tunnel(
  test: CaseContext,
  listener: object = {},
): Promise<{
  readonly client: SocksClient;
  readonly upstream: RawConnection;
  readonly engine: RunningEngine;
  /** Of the destination. */
  readonly port: number;
}> {
  const target = await test.tcpTarget();
  const { engine } = await forwardProxy(test, { listener });
  const client = await socks(test, engine);
  assert.equal(await client.open('127.0.0.1', target.port), 0);
  return { client, upstream: await target.next(), engine, port: target.port };
}

/** Bytes written as fast as they are taken, then FIN; with their hash. */
async function pour(connection: RawConnection, total: number): Promise<string> {
  const block = randomBytes(MIB);
  const hash = createHash('sha256');
  for (let sent = 0; sent < total; sent += MIB) {
    hash.update(block);
    await connection.sent(block);
  }
  connection.end();
  return hash.digest('hex');
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What a client sends until it is connected, by version and kind of destination. */
function beginnings(port: number): readonly (readonly [string, Buffer, number])[] {
  const five = (host: string): Buffer =>
    Buffer.concat([greeting([0]), request(CONNECT, host, port)]);
  return [
    ['SOCKS5, an IPv4 address', five('127.0.0.1'), 12],
    ['SOCKS5, a name', five('site.test'), 12],
    ['SOCKS5, an address as a name', five('127.0.0.1'), 12],
    ['SOCKS4', request4(CONNECT, '127.0.0.1', port, 'me'), 8],
    ['SOCKS4a', request4(CONNECT, 'site.test', port, 'me'), 8],
  ];
}

const cases: Case[] = [
  {
    name: 'SOCKS5: a tunnel to an IPv4 address, whose reply tells the address that it goes out from',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test);
      const client = await socks(test, engine);
      assert.equal(await client.greet(), 0);
      const reply = await client.request(CONNECT, '127.0.0.1', target.port);
      assert.equal(reply.code, 0);
      const upstream = await target.next();
      assert.equal(reply.bound, `127.0.0.1:${upstream.socket.remotePort}`);
      client.send('question\0\xff');
      assert.equal((await upstream.receivedLength(10)).toString('latin1'), 'question\0\xff');
      upstream.send('answer');
      await client.receivedText('answer');
      assert.equal(client.text, 'answer');
    },
  },
  {
    name: 'SOCKS5: to an IPv6 address',
    run: async (test) => {
      const target = await test.tcpTarget({ host: '::1' });
      const { engine } = await forwardProxy(test);
      const client = await socks(test, engine);
      await client.greet();
      const reply = await client.request(CONNECT, '::1', target.port);
      assert.equal(reply.code, 0);
      const upstream = await target.next();
      assert.equal(reply.bound, `[::1]:${upstream.socket.remotePort}`);
      client.send('six');
      await upstream.receivedText('six');
    },
  },
  {
    name: 'SOCKS5: to a name, however it is capitalised and dotted',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test);
      for (const name of ['site.test', 'Site.TEST', 'site.test.']) {
        const client = await socks(test, engine);
        assert.equal(await client.open(name, target.port), 0, name);
        client.send(name);
        await (await target.next()).receivedText(name);
      }
    },
  },
  {
    name: 'SOCKS5: to a name with several addresses, of which the first does not answer',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test, { names: { 'many.test': ['::1', '127.0.0.1'] } });
      const client = await socks(test, engine);
      assert.equal(await client.open('many.test', target.port), 0);
      client.send('found');
      await (await target.next()).receivedText('found');
    },
  },
  {
    name: 'SOCKS4 to an address, and SOCKS4a to a name, whoever the client says it is',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test);
      for (const [host, user] of [
        ['127.0.0.1', ''],
        ['127.0.0.1', 'somebody'],
        ['127.0.0.1', 'x'.repeat(512)],
        ['site.test', ''],
        ['site.test', 'somebody'],
      ] as const) {
        const client = await socks(test, engine);
        assert.equal(await client.open4(host, target.port, user), 90, host);
        client.send('four');
        const upstream = await target.next();
        await upstream.receivedText('four');
        upstream.send('yes');
        await client.receivedText('yes');
      }
    },
  },
  {
    name: 'one listener serves HTTP, SOCKS5 and SOCKS4 by the first byte',
    run: async (test) => {
      const web = await test.httpTarget({ name: 'web' });
      const echo = test.own(await startEchoTarget());
      const { engine } = await forwardProxy(test);
      const http = await test.http(engine.port('egress'));
      http.send(absolute('GET', `http://${web.address}/`));
      assert.equal((await http.response()).status, 200);
      const five = await socks(test, engine);
      assert.equal(await five.open('127.0.0.1', echo.port), 0);
      const four = await socks(test, engine);
      assert.equal(await four.open4('127.0.0.1', echo.port), 90);
      for (const client of [five, four]) {
        client.send('back');
        await client.receivedText('back');
      }
    },
  },
  {
    name: 'what a client sends right behind its request reaches the destination, whole and in order',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test);
      const early = randomBytes(20_000);
      for (const [what, beginning, answer] of beginnings(target.port)) {
        const client = await socks(test, engine);
        client.send(Buffer.concat([beginning, early]));
        const upstream = await target.next();
        await upstream.receivedLength(early.length);
        await client.take(answer);
        client.send('more');
        const all = await upstream.receivedLength(early.length + 4);
        assert.deepEqual(Buffer.from(all), Buffer.concat([early, Buffer.from('more')]), what);
      }
    },
  },
  {
    name: 'a client that ends its side right behind its request gets its answer',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test);
      for (const [what, beginning, answer] of beginnings(target.port)) {
        for (const early of ['', 'all of it']) {
          const client = await socks(test, engine);
          client.connection.end(Buffer.concat([beginning, Buffer.from(early)]));
          const upstream = await target.next();
          await within(upstream.ended, "the client's FIN at the destination");
          assert.equal(upstream.text, early, what);
          upstream.end('late');
          await within(client.connection.ended, "the destination's FIN at the client");
          await client.take(answer);
          assert.equal(client.text, 'late', what);
        }
      }
    },
  },
  {
    name: 'handshakes that come one byte at a time',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test);
      for (const [what, beginning, answer] of beginnings(target.port)) {
        const client = await socks(test, engine);
        for (const byte of beginning) await client.connection.sent(Buffer.of(byte));
        await client.take(answer);
        client.send('arrived');
        await (await target.next()).receivedText('arrived');
        assert.equal(client.text, '', what);
      }
    },
  },
  {
    name: 'SOCKS5: a client that offers 255 methods, and the one that is wanted last',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test);
      const client = await socks(test, engine);
      assert.equal(await client.greet([...Array<number>(254).fill(0x80), 0]), 0);
      assert.equal((await client.request(CONNECT, '127.0.0.1', target.port)).code, 0);
    },
  },
  {
    name: 'the destination may speak first, with the reply still on its way',
    run: async (test) => {
      const target = await test.tcpTarget({ onConnection: (c) => c.send('220 ready\r\n') });
      const { engine } = await forwardProxy(test);
      const client = await socks(test, engine);
      assert.equal(await client.open('127.0.0.1', target.port), 0);
      await client.receivedText('220 ready\r\n');
      assert.equal(client.text, '220 ready\r\n');
    },
  },
  {
    name: 'a tunnel passes half-close on, each way',
    run: async (test) => {
      const { client, upstream } = await tunnel(test);
      client.connection.end('all of it');
      await within(upstream.ended, "the client's FIN at the destination");
      assert.equal(upstream.text, 'all of it');
      upstream.send('first ');
      await client.receivedText('first ');
      upstream.end('last');
      await within(client.connection.ended, "the destination's FIN at the client");
      assert.equal(client.text, 'first last');
      const other = await tunnel(test);
      other.upstream.end('bye');
      await within(other.client.connection.ended, "the destination's FIN at the client");
      other.client.connection.end('still here');
      await within(other.upstream.ended, "the client's FIN at the destination");
      assert.equal(other.upstream.text, 'still here');
    },
  },
  {
    name: 'a reset of either side reaches the other',
    run: async (test) => {
      const one = await tunnel(test);
      one.client.send('x');
      await one.upstream.receivedLength(1);
      one.client.connection.reset();
      await within(one.upstream.ended, 'the end at the destination');
      const other = await tunnel(test);
      other.client.send('x');
      await other.upstream.receivedLength(1);
      other.upstream.reset();
      await within(other.client.connection.ended, 'the end at the client');
      await eventually(
        'the tunnels to end',
        () => one.engine.inFlight === 0 && other.engine.inFlight === 0,
      );
    },
  },
  {
    name: 'carries 32 MiB each way at once',
    run: async (test) => {
      const { client, upstream, engine } = await tunnel(test);
      const [sent, returned] = await Promise.all([
        pour(client.connection, 32 * MIB),
        pour(upstream, 32 * MIB),
      ]);
      await within(Promise.all([client.connection.ended, upstream.ended]), 'both ends', 30_000);
      assert.equal(hashOf(upstream.received), sent);
      assert.equal(hashOf(client.rest), returned);
      const { bytes_in, bytes_out } = engine.stats().listener('egress');
      assert.deepEqual([bytes_in, bytes_out], [32 * MIB, 32 * MIB]);
    },
  },
  {
    name: 'over TLS to the proxy, every version',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { pair } = await makeSite(test, { names: ['proxy.test'] });
      const { engine } = await forwardProxy(test, { listener: { tls: { certificates: [pair] } } });
      for (const [what, beginning, answer] of beginnings(target.port)) {
        const secure = await test.tls(engine.port('egress'), { servername: 'proxy.test' });
        const client = new SocksClient(secure.connection);
        client.send(Buffer.concat([beginning, Buffer.from('secret')]));
        const upstream = await target.next();
        await upstream.receivedText('secret');
        await client.take(answer);
        upstream.send('answer');
        await client.receivedText('answer');
        assert.equal(client.text, 'answer', what);
      }
    },
  },
  {
    name: 'an idle tunnel is closed after tunnelIdle, and counted so',
    run: async (test) => {
      const { client, upstream, engine } = await tunnel(test, {
        timeouts: { tunnelIdle: '300ms' },
      });
      await within(client.connection.ended, 'the end at the client');
      await within(upstream.ended, 'the end at the destination');
      await eventually(
        'the tunnel to be counted',
        () => engine.stats().listener('egress').errors.idle_timeout === 1,
      );
    },
  },
  {
    name: 'counts tunnels and their bytes for the listener, the rule, the pool and the target',
    run: async (test) => {
      const { client, upstream, engine } = await tunnel(test, {
        rules: [{ name: 'local', match: { hosts: ['127.0.0.0/8'] }, action: 'allow' }],
      });
      client.send('12345');
      await upstream.receivedLength(5);
      upstream.send('123');
      await client.receivedText('123');
      const counted = () => {
        const stats = engine.stats();
        return [
          stats.listener('egress'),
          stats.route('egress', 'local'),
          stats.pool('egress/direct'),
          stats.target('egress/direct', 'direct'),
        ];
      };
      for (const [i, entity] of counted().entries()) {
        const { requests, active, bytes_in, bytes_out } = entity;
        const expected = { requests: 1, active: 1, bytes_in: 5, bytes_out: 3 };
        assert.deepEqual({ requests, active, bytes_in, bytes_out }, expected, `entity ${i}`);
      }
      assert.equal(engine.stats().route('egress', 'default').requests, 0);
      client.connection.end();
      upstream.end();
      await eventually('the tunnel to end', () => counted().every(({ active }) => active === 0));
      for (const entity of counted()) assert.deepEqual([entity.timed, entity.errorTotal], [1, 0]);
    },
  },
  {
    name: 'one log record a client, with the rule and the destination',
    run: async (test) => {
      const accessLog = await logFile(test);
      const { client, upstream, engine, port } = await tunnel(test, { accessLog });
      client.connection.end('12345');
      await upstream.receivedLength(5);
      upstream.end('123');
      await within(client.connection.closed, 'the end of the tunnel');
      const refused = await socks(test, engine);
      assert.equal(await refused.open('nowhere.test', 80), 4);
      const [first, second] = await records(accessLog, 2);
      const { time, client: from, durationMs, upstreamMs, ...rest } = first!;
      assert.deepEqual(rest, {
        listener: 'egress',
        route: 'default',
        method: 'SOCKS',
        host: null,
        path: null,
        user: null,
        destination: `127.0.0.1:${port}`,
        status: null,
        bytesIn: 5,
        bytesOut: 3,
        target: 'direct',
        error: null,
      });
      assert.match(String(from), /^127\.0\.0\.1:\d+$/);
      assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
      assert.equal(typeof durationMs, 'number');
      assert.equal(typeof upstreamMs, 'number');
      assert.equal(second!.destination, 'nowhere.test:80');
      assert.equal(second!.error, 'name_not_found');
      assert.equal(second!.target, null);
    },
  },
  {
    name: 'tunnels go on when the proxy reloads and when it drains; handshakes end when it drains',
    run: async (test) => {
      const { client, upstream, engine, port } = await tunnel(test);
      await engine.apply(forwardConfig({ listener: { deny: ['127.0.0.0/8'] } }));
      client.send('on ');
      await upstream.receivedText('on ');
      const late = await socks(test, engine);
      assert.equal(await late.open('127.0.0.1', port), 2);
      const unfinished = await socks(test, engine);
      assert.equal(await unfinished.greet(), 0);
      const closing = engine.close(10_000);
      await within(unfinished.connection.ended, 'the end of the handshake');
      client.send('and on');
      await upstream.receivedText('and on');
      client.connection.end();
      upstream.end();
      await within(closing, 'the engine to close');
    },
  },
];

export const forwardSocks: Feature = {
  name: 'forward: socks',
  cases: offering(['forward'], cases),
};
