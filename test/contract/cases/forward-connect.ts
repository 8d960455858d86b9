// CONNECT: a tunnel to wherever the client names, and nothing of what goes through it is looked at.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { deferred, eventually, settled, within } from '../../support/deadline.ts';
import { requestBytes } from '../../support/http-client.ts';
import { freeAddress, startEchoTarget } from '../../support/tcp-target.ts';
import { type Case, type Feature, offering } from '../case.ts';
import { absolute, ask, connect, connectBytes, forwardProxy, openTunnel } from '../forward.ts';
import { logFile, records } from './access-log.ts';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const cases: Case[] = [
  {
    name: 'a tunnel carries bytes both ways, unchanged, and is counted',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { port, engine } = await forwardProxy(test);
      const client = await test.http(port);
      const answer = await connect(client, `site.test:${target.port}`);
      assert.equal(answer.status, 200);
      assert.equal(answer.reason, 'Connection established');
      const upstream = await target.next();
      assert.equal(engine.stats().route('egress', 'default').active, 1);
      client.send('\0binary\r\n\r\nGET / HTTP/1.1\r\n');
      await upstream.receivedText('\0binary\r\n\r\nGET / HTTP/1.1\r\n');
      assert.equal(upstream.text, '\0binary\r\n\r\nGET / HTTP/1.1\r\n');
      upstream.send('HTTP/1.1 400 not for you\r\n\r\n');
      await client.connection.receivedText('not for you\r\n\r\n');
      upstream.end();
      await within(client.closed, 'the close');
      await eventually('the tunnel to be counted', () => engine.inFlight === 0);
      const stats = engine.stats();
      for (const seen of [
        stats.listener('egress'),
        stats.route('egress', 'default'),
        stats.pool('egress/direct'),
        stats.target('egress/direct', 'direct'),
      ]) {
        assert.equal(seen.requests, 1);
        assert.equal(seen.bytes_in, 27);
        assert.equal(seen.bytes_out, 28);
        assert.equal(seen.errorTotal, 0);
      }
      assert.equal(stats.listener('egress').status_2xx, 1);
    },
  },
  {
    name: 'bytes that come right behind the request are the first of the tunnel',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { port } = await forwardProxy(test);
      const client = await test.http(port);
      client.send(Buffer.concat([connectBytes(`site.test:${target.port}`), Buffer.from('early')]));
      client.send(' and more');
      assert.equal((await client.response('CONNECT')).status, 200);
      const upstream = await target.next();
      await upstream.receivedText('early and more');
      assert.equal(upstream.text, 'early and more');
    },
  },
  {
    name: 'a destination that speaks first is heard',
    run: async (test) => {
      const target = await test.tcpTarget({
        onConnection: (connection) => connection.send('220 hello\r\n'),
      });
      const { port } = await forwardProxy(test);
      const client = await openTunnel(test, port, `site.test:${target.port}`);
      await client.connection.receivedText('220 hello\r\n');
      assert.equal(client.rest.toString(), '220 hello\r\n');
    },
  },
  {
    name: 'a half-close passes on, each way, and the other direction goes on',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { port, engine } = await forwardProxy(test);
      const client = await openTunnel(test, port, `site.test:${target.port}`);
      const upstream = await target.next();
      client.connection.end('question');
      await within(upstream.ended, 'the FIN at the destination');
      assert.equal(upstream.text, 'question');
      upstream.send('answer, ');
      await client.connection.receivedText('answer, ');
      upstream.end('at length');
      await within(client.closed, 'the close');
      assert.match(client.connection.text, /answer, at length$/);
      const other = await openTunnel(test, port, `site.test:${target.port}`);
      const second = await target.next();
      second.end('that is all');
      await within(other.connection.ended, 'the FIN at the client');
      other.connection.end('not for me');
      await within(second.closed, 'the close');
      assert.equal(second.text, 'not for me');
      await eventually('nothing to be in flight', () => engine.inFlight === 0);
      assert.equal(engine.stats().listener('egress').errorTotal, 0);
    },
  },
  {
    name: 'a half-close that comes before the tunnel is open passes on behind what came before it',
    run: async (test) => {
      const origin = await test.httpTarget();
      const target = await test.tcpTarget();
      let gate = deferred<void>();
      const slow = async (): Promise<string[]> => {
        await gate.promise;
        return ['127.0.0.1'];
      };
      const { port, engine, oracle } = await forwardProxy(test, { names: { 'slow.test': slow } });
      const request = connectBytes(`slow.test:${target.port}`);
      for (const [atOnce, later] of [
        ['', ''],
        ['question', ''],
        ['', 'question'],
        ['quest', 'ion'],
      ] as const) {
        gate = deferred<void>();
        const client = await test.http(port, { allowHalfOpen: true });
        const first = Buffer.concat([request, Buffer.from(atOnce)]);
        if (later === '') client.connection.end(first);
        else client.send(first);
        await eventually('the name', () => oracle.askedNames.at(-1) === 'slow.test');
        if (later !== '') client.connection.end(later);
        // By the time that others have their answer the proxy has seen the FIN.
        await ask(test, port, `http://site.test:${origin.port}/`);
        gate.resolve();
        const upstream = await target.next();
        await within(upstream.ended, 'the FIN at the destination');
        assert.equal(upstream.text, atOnce + later);
        upstream.end('answer');
        await within(client.closed, 'the close');
        assert.match(client.connection.text, /^HTTP\/1\.1 200 .*\r\n\r\nanswer$/s);
      }
      await eventually('nothing to be in flight', () => engine.inFlight === 0);
      const seen = engine.stats().target('egress/direct', 'direct');
      assert.equal(seen.errorTotal, 0);
      assert.equal(engine.stats().listener('egress').errorTotal, 0);
      assert.equal(seen.bytes_in, 3 * 'question'.length);
    },
  },
  {
    name: 'a reset passes on as a reset, each way',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { port, engine } = await forwardProxy(test);
      const first = await openTunnel(test, port, `site.test:${target.port}`);
      const upstream = await target.next();
      first.connection.reset();
      assert.equal(await within(upstream.closed, 'the end at the destination'), 'reset');
      const second = await openTunnel(test, port, `site.test:${target.port}`);
      (await target.next()).reset();
      assert.equal(await within(second.closed, 'the end at the client'), 'reset');
      await eventually('both to be counted', () => engine.inFlight === 0);
      const { errors } = engine.stats().listener('egress');
      assert.equal(errors.client_aborted, 1);
      assert.equal(errors.upstream_reset, 1);
    },
  },
  {
    name: 'bulk goes through whole, both ways at once',
    run: async (test) => {
      const payload = randomBytes(16 * MIB);
      const target = test.own(await startEchoTarget());
      const { port, engine } = await forwardProxy(test);
      const client = await openTunnel(test, port, `site.test:${target.port}`);
      client.send(payload);
      await client.connection.until(
        'the echo',
        () => (client.rest.length >= payload.length ? true : undefined),
        60_000,
      );
      assert.equal(sha256(client.rest), sha256(payload));
      client.connection.end();
      await within(client.closed, 'the close');
      await eventually('it to be counted', () => engine.inFlight === 0);
      const seen = engine.stats().listener('egress');
      assert.equal(seen.bytes_in, payload.length);
      assert.equal(seen.bytes_out, payload.length);
    },
  },
  {
    name: 'a side that does not read holds the other back',
    run: async (test) => {
      const target = await test.tcpTarget({ record: false });
      const { port, engine } = await forwardProxy(test);
      const client = await openTunnel(test, port, `site.test:${target.port}`);
      const upstream = await target.next();
      upstream.socket.pause();
      const flood = Buffer.alloc(MIB);
      for (let i = 0; i < 64; i++) client.send(flood);
      const moved = await settled(() => engine.stats().listener('egress').bytes_in);
      assert.ok(moved < 40 * MIB, `${moved} bytes went to somebody who does not read`);
    },
  },
  {
    name: 'an idle tunnel is closed after tunnelIdle, and not after any other timeout',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { port, engine } = await forwardProxy(test, {
        listener: {
          timeouts: {
            tunnelIdle: '2s',
            keepAlive: '700ms',
            requestHeader: '700ms',
            bodyIdle: '700ms',
            responseHeader: '700ms',
            connect: '700ms',
          },
        },
      });
      const begun = performance.now();
      const client = await openTunnel(test, port, `site.test:${target.port}`);
      const upstream = await target.next();
      await within(client.connection.ended, 'the close');
      assert.ok(performance.now() - begun > 1500, 'a tunnel has no other timeout than its own');
      await within(upstream.ended, 'the end at the destination');
      await eventually('it to be counted', () => engine.inFlight === 0);
      assert.equal(engine.stats().listener('egress').errors.idle_timeout, 1);
    },
  },
  {
    name: 'a destination that refuses, vanishes or does not exist is told of, and the connection goes on',
    run: async (test) => {
      const dead = await freeAddress();
      const hole = await test.blackhole();
      const target = await test.tcpTarget();
      const { port, engine } = await forwardProxy(test, {
        names: { 'slow.test': 'name_timeout' },
        listener: { timeouts: { connect: '300ms' } },
      });
      const client = await test.http(port);
      for (const [authority, status, error] of [
        [dead.text, 502, 'connection_refused'],
        [`site.test:${hole.port}`, 504, 'connection_timeout'],
        ['nowhere.test:443', 502, 'dns_error'],
        ['slow.test:443', 504, 'dns_timeout'],
      ] as const) {
        const answer = await connect(client, authority);
        assert.equal(answer.status, status, authority);
        assert.equal(answer.value('proxy-status'), `sluice; error=${error}`, authority);
        assert.equal(answer.value('connection'), undefined);
      }
      assert.equal((await connect(client, `site.test:${target.port}`)).status, 200);
      const { errors } = engine.stats().listener('egress');
      assert.equal(errors.connect_refused, 1);
      assert.equal(errors.connect_timeout, 1);
      assert.equal(errors.name_not_found, 1);
      assert.equal(errors.name_timeout, 1);
    },
  },
  {
    name: 'what came behind a request that is refused was meant for the tunnel and is never read as a request',
    run: async (test) => {
      const origin = await test.httpTarget();
      const dead = await freeAddress();
      const { port } = await forwardProxy(test);
      const smuggled = absolute('GET', `http://site.test:${origin.port}/smuggled`);
      const client = await test.http(port);
      client.send(Buffer.concat([connectBytes(dead.text), smuggled]));
      const answer = await client.response('CONNECT');
      assert.equal(answer.status, 502);
      assert.equal(answer.value('connection'), 'close');
      await within(client.closed, 'the close');
      await ask(test, port, `http://site.test:${origin.port}/fence`);
      assert.deepEqual(
        origin.heads.map(({ target }) => target),
        ['/fence'],
      );
    },
  },
  {
    name: 'requests may come before a tunnel on the same connection',
    run: async (test) => {
      const origin = await test.httpTarget({ name: 'origin' });
      const target = await test.tcpTarget();
      const { port } = await forwardProxy(test);
      const client = await test.http(port);
      client.send(absolute('GET', `http://site.test:${origin.port}/`));
      assert.equal((await client.response()).text, 'origin');
      assert.equal((await connect(client, `site.test:${target.port}`)).status, 200);
      client.send('through');
      await (await target.next()).receivedText('through');
    },
  },
  {
    name: 'a Host without a port, HTTP/1.0 without one, and Content-Length: 0 are taken',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { port } = await forwardProxy(test);
      const authority = `site.test:${target.port}`;
      for (const bytes of [
        requestBytes('CONNECT', authority, { Host: 'site.test' }),
        `CONNECT ${authority} HTTP/1.0\r\n\r\n`,
        requestBytes('CONNECT', authority, { Host: authority, 'Content-Length': '0' }),
        requestBytes('CONNECT', authority, { Host: authority, 'Proxy-Connection': 'Keep-Alive' }),
      ]) {
        const client = await test.http(port);
        client.send(bytes);
        assert.equal((await client.response('CONNECT')).status, 200, String(bytes));
      }
    },
  },
  {
    name: 'IPv6 destinations are reached, in brackets',
    run: async (test) => {
      const target = await test.tcpTarget({ host: '::1' });
      const { port } = await forwardProxy(test);
      const client = await openTunnel(test, port, `[::1]:${target.port}`);
      client.send('six');
      await (await target.next()).receivedText('six');
    },
  },
  {
    name: 'a client that goes away while its tunnel is being connected takes that with it',
    run: async (test) => {
      const hole = await test.blackhole();
      const { port, engine } = await forwardProxy(test);
      const client = await test.http(port);
      client.send(connectBytes(`site.test:${hole.port}`));
      await eventually('the attempt', () => engine.inFlight === 1);
      client.connection.reset();
      await eventually('the attempt to be given up', () => engine.inFlight === 0);
      assert.equal(engine.stats().listener('egress').errors.client_aborted, 1);
    },
  },
  {
    name: 'many idle tunnels stay open, each for itself',
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const { port, engine } = await forwardProxy(test);
      const clients = await Promise.all(
        Array.from({ length: 200 }, () => openTunnel(test, port, `site.test:${target.port}`)),
      );
      assert.equal(engine.inFlight, 200);
      await Promise.all(
        clients.map(async (client, i) => {
          client.send(`number ${i};`);
          await client.connection.receivedText(`number ${i};`);
          client.close();
        }),
      );
      await eventually('all to be closed', () => engine.inFlight === 0);
    },
  },
  {
    name: 'a proxy that closes gives a tunnel its grace, then cuts it',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { port, engine } = await forwardProxy(test);
      const first = await openTunnel(test, port, `site.test:${target.port}`);
      const second = await openTunnel(test, port, `site.test:${target.port}`);
      const upstreams = [await target.next(), await target.next()];
      const closed = engine.close(3000);
      first.send('still there');
      await Promise.race(upstreams.map((upstream) => upstream.receivedText('still there')));
      first.connection.end();
      await within(closed, 'the engine to close');
      await within(second.connection.ended, 'the tunnel to be cut');
    },
  },
  {
    name: 'a tunnel goes on over reloads, even when its rule is gone',
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const { port, engine, config } = await forwardProxy(test);
      const client = await openTunnel(test, port, `site.test:${target.port}`);
      const { egress } = (config as { listeners: { egress: object } }).listeners;
      await engine.apply({ listeners: { egress: { ...egress, default: 'deny' } } });
      assert.equal((await connect(await test.http(port), `site.test:${target.port}`)).status, 403);
      client.send('still here');
      await client.connection.receivedText('still here');
    },
  },
  {
    name: 'the log tells where a tunnel led, by which rule, and how much it moved',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = test.own(await startEchoTarget());
      const { port } = await forwardProxy(test, { listener: { accessLog } });
      const client = await openTunnel(test, port, `site.test:${target.port}`);
      client.send('12345');
      await client.connection.receivedText('12345');
      client.connection.end();
      await within(client.closed, 'the close');
      const [record] = await records(accessLog, 1);
      const { time, client: from, durationMs, upstreamMs, host, path, ...rest } = record!;
      assert.deepEqual(rest, {
        listener: 'egress',
        route: 'default',
        method: 'CONNECT',
        user: null,
        destination: `site.test:${target.port}`,
        status: 200,
        bytesIn: 5,
        bytesOut: 5,
        target: 'direct',
        error: null,
      });
      assert.match(String(from), /^127\.0\.0\.1:\d+$/);
      assert.equal(typeof durationMs, 'number');
      assert.equal(typeof time, 'string');
    },
  },
];

/** Each is answered 400 with the connection closed, and nothing is connected. */
const MALFORMED: Readonly<Record<string, (authority: string) => string>> = {
  'a body': (a) => `CONNECT ${a} HTTP/1.1\r\nHost: ${a}\r\nContent-Length: 4\r\n\r\nbody`,
  'a chunked body': (a) =>
    `CONNECT ${a} HTTP/1.1\r\nHost: ${a}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'a Host that contradicts it': (a) => `CONNECT ${a} HTTP/1.1\r\nHost: other.test\r\n\r\n`,
  'two Hosts': (a) => `CONNECT ${a} HTTP/1.1\r\nHost: ${a}\r\nHost: ${a}\r\n\r\n`,
  'no Host': (a) => `CONNECT ${a} HTTP/1.1\r\nAccept: */*\r\n\r\n`,
  'a path': (a) => `CONNECT ${a}/ HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a target in absolute form': (a) => `CONNECT http://${a}/ HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a user': (a) => `CONNECT user@${a} HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'no port': () => 'CONNECT site.test HTTP/1.1\r\nHost: site.test\r\n\r\n',
};

const malformed: Case[] = Object.entries(MALFORMED).map(([what, bytes]) => ({
  name: `a CONNECT with ${what}: 400, closed, and nothing connected`,
  run: async (test) => {
    const target = await test.tcpTarget();
    const { port, oracle } = await forwardProxy(test);
    const client = await test.http(port);
    client.send(bytes(`site.test:${target.port}`));
    assert.equal((await client.response('CONNECT')).status, 400);
    await within(client.closed, 'the close');
    assert.equal(target.accepts, 0);
    assert.deepEqual(oracle.askedNames, []);
  },
}));

export const forwardConnect: Feature = {
  name: 'forward: CONNECT',
  cases: offering(['forward'], [...cases, ...malformed]),
};
