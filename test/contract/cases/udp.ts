// Layer 4: datagrams, and the sessions that tie a client to a target.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { eventually } from '../../support/deadline.ts';
import { freeAddress } from '../../support/tcp-target.ts';
import { openUdp, openUdpTarget, type UdpOptions, type UdpSocket } from '../../support/udp.ts';
import { type Case, type CaseContext, type Feature, offering } from '../case.ts';

export function udpConfig(
  targets: readonly unknown[],
  listener: object = {},
  pool: object = {},
): object {
  return {
    listeners: { media: { address: '127.0.0.1:0', protocol: 'udp', pool: 'all', ...listener } },
    pools: { all: { targets, ...pool } },
  };
}

export async function udp(test: CaseContext, options: UdpOptions = {}): Promise<UdpSocket> {
  return test.own(await openUdp(options));
}

export async function echo(
  test: CaseContext,
  name = '',
  options: UdpOptions = {},
): Promise<UdpSocket> {
  return test.own(await openUdpTarget(name, options));
}

const cases: Case[] = [
  {
    name: 'relays a datagram and its reply, from the address that was hit',
    run: async (test) => {
      const target = await echo(test, 'echo ');
      const engine = await test.engine(udpConfig([target.address]));
      const client = await udp(test);
      client.send('hello', engine.port('media'));
      const reply = await client.next();
      assert.equal(reply.bytes.toString(), 'echo hello');
      assert.equal(reply.from.port, engine.port('media'));
      assert.equal(reply.from.address, '127.0.0.1');
    },
  },
  {
    name: 'keeps every datagram of a client on one session, in order',
    run: async (test) => {
      const targets = [await echo(test, 'a'), await echo(test, 'b')];
      const engine = await test.engine(udpConfig(targets.map((t) => t.address)));
      const client = await udp(test);
      for (let i = 0; i < 50; i++) {
        client.send(String(i), engine.port('media'));
        assert.equal((await client.text()).slice(1), String(i));
      }
      const counts = targets.map((t) => t.datagrams.length).toSorted((a, b) => a - b);
      assert.deepEqual(counts, [0, 50]);
      assert.equal(new Set(targets.flatMap((t) => [...t.sources])).size, 1);
    },
  },
  {
    name: 'spreads clients over the targets and keeps their replies apart',
    run: async (test) => {
      const targets = [await echo(test, 'a'), await echo(test, 'b')];
      const engine = await test.engine(udpConfig(targets.map((t) => t.address)), { workers: 2 });
      const clients = await Promise.all(Array.from({ length: 60 }, () => udp(test)));
      await Promise.all(
        clients.map(async (client, i) => {
          for (let k = 0; k < 5; k++) {
            client.send(`${i}.${k}`, engine.port('media'));
            assert.equal((await client.text()).slice(1), `${i}.${k}`);
          }
        }),
      );
      assert.deepEqual(
        targets.map((t) => t.sources.size),
        [30, 30],
      );
    },
  },
  {
    name: 'relays datagrams without content and of 65,507 bytes unharmed',
    run: async (test) => {
      const target = await echo(test);
      const engine = await test.engine(udpConfig([target.address]));
      const client = await udp(test);
      for (const size of [0, 1, 1472, 1473, 9000, 65_507, 0]) {
        const bytes = randomBytes(size);
        client.send(bytes, engine.port('media'));
        assert.deepEqual((await client.next()).bytes, bytes, `${size} bytes`);
      }
    },
  },
  {
    name: 'keeps datagrams of mixed sizes apart when many come at once',
    run: async (test) => {
      const target = await udp(test);
      const engine = await test.engine(udpConfig([target.address]));
      const client = await udp(test);
      const sent = Array.from({ length: 90 }, (_, i) =>
        Buffer.alloc([100, 100, 100, 1200, 37, 0][i % 6]!, i),
      );
      for (const bytes of sent) client.send(bytes, engine.port('media'));
      await target.received(sent.length);
      const summary = (all: readonly Buffer[]) => all.map((b) => `${b.length}:${b[0] ?? '-'}`);
      assert.deepEqual(summary(target.datagrams.map((d) => d.bytes)), summary(sent));
      for (const bytes of sent) target.reply(target.datagrams[0]!, bytes);
      await client.received(sent.length);
      assert.deepEqual(summary(client.datagrams.map((d) => d.bytes)), summary(sent));
    },
  },
  {
    name: 'lets the target send any time and any number while the session lives',
    run: async (test) => {
      const target = await udp(test);
      const engine = await test.engine(udpConfig([target.address]));
      const client = await udp(test);
      client.send('subscribe', engine.port('media'));
      const first = await target.next();
      for (let i = 0; i < 100; i++) target.reply(first, `frame ${i}`);
      await client.received(100);
      assert.equal(client.datagrams.at(-1)!.bytes.toString(), 'frame 99');
    },
  },
  {
    name: 'replies from the address that the client spoke to on a wildcard listener',
    run: async (test) => {
      const target = await echo(test);
      const engine = await test.engine(udpConfig([target.address], { address: '0.0.0.0:0' }));
      const client = await udp(test, { host: '0.0.0.0' });
      for (const host of ['127.0.0.1', '127.0.0.2', '127.9.9.9']) {
        client.send(host, engine.port('media'), host);
        const reply = await client.next();
        assert.equal(reply.bytes.toString(), host);
        assert.equal(reply.from.address, host);
        assert.equal(reply.from.port, engine.port('media'));
      }
    },
  },
  {
    name: 'relays on IPv6',
    run: async (test) => {
      const target = await echo(test, 'six ', { host: '::1' });
      const engine = await test.engine(udpConfig([target.address], { address: '[::1]:0' }));
      const client = await udp(test, { host: '::1' });
      client.send('hello', engine.port('media'), '::1');
      assert.equal(await client.text(), 'six hello');
    },
  },
  {
    name: 'ends a session after the idle timeout and begins another',
    run: async (test) => {
      const target = await echo(test);
      const engine = await test.engine(udpConfig([target.address], { idleTimeout: '2s' }));
      const client = await udp(test);
      client.send('one', engine.port('media'));
      await client.next();
      assert.equal(engine.inFlight, 1);
      await eventually('the session to end', () => engine.inFlight === 0);
      client.send('two', engine.port('media'));
      assert.equal(await client.text(), 'two');
      assert.equal(target.sources.size, 2);
    },
  },
  {
    name: 'evicts the least recently used session when one more than maxSessions is needed',
    run: async (test) => {
      const target = await echo(test);
      const engine = await test.engine(udpConfig([target.address], { maxSessions: 2 }));
      const [a, b, c] = [await udp(test), await udp(test), await udp(test)];
      for (const client of [a, b, a, c, a]) {
        client.send('x', engine.port('media'));
        await client.next();
      }
      // b went for c; a kept its session throughout.
      assert.equal(target.sources.size, 3);
      assert.equal(engine.stats().listener('media').errors.session_evicted, 1);
      assert.equal(engine.inFlight, 2);
      b.send('again', engine.port('media'));
      assert.equal(await b.text(), 'again');
      assert.equal(target.sources.size, 4);
      assert.equal(engine.stats().listener('media').errors.session_evicted, 2);
    },
  },
  {
    name: 'ends a session after the number of responses it was told to expect',
    run: async (test) => {
      const target = await udp(test);
      const engine = await test.engine(udpConfig([target.address], { responses: 2 }));
      const client = await udp(test);
      client.send('ask', engine.port('media'));
      const asked = await target.next();
      target.reply(asked, 'first');
      assert.equal(await client.text(), 'first');
      assert.equal(engine.inFlight, 1);
      target.reply(asked, 'second');
      assert.equal(await client.text(), 'second');
      await eventually('the session to end', () => engine.inFlight === 0);
      client.send('ask', engine.port('media'));
      await target.next();
      assert.equal(target.sources.size, 2);
    },
  },
  {
    name: 'counts a port that ICMP calls unreachable as a failure and goes to another target',
    run: async (test) => {
      const dead = (await freeAddress()).text;
      const target = await echo(test, 'alive ');
      const engine = await test.engine(udpConfig([dead, target.address]));
      const client = await udp(test);
      // Datagrams may be lost with the target that is gone; the client says it again, as UDP clients do.
      await eventually('an answer', () => {
        client.send('hello', engine.port('media'));
        return client.datagrams.length > 0;
      });
      assert.equal(client.datagrams[0]!.bytes.toString(), 'alive hello');
      assert.ok(engine.stats().target('all', dead).errors.target_unreachable >= 1);
      assert.equal(engine.targetState('all', dead).isEjected, true);
    },
  },
  {
    name: 'goes on when its only target is gone for a while',
    run: async (test) => {
      const free = await freeAddress();
      const engine = await test.engine(udpConfig([free.text]));
      const client = await udp(test);
      for (let i = 0; i < 3; i++) client.send('anybody?', engine.port('media'));
      await eventually(
        'the failure to be counted',
        () => engine.stats().listener('media').errors.target_unreachable >= 1,
      );
      await echo(test, 'back ', { host: free.host, port: free.port });
      await eventually('an answer', () => {
        client.send('hello', engine.port('media'));
        return client.datagrams.length > 0;
      });
      assert.equal(client.datagrams[0]!.bytes.toString(), 'back hello');
    },
  },
  {
    name: 'keeps one session per client address under ip-hash, whatever its port',
    run: async (test) => {
      const targets = [await echo(test, 'a'), await echo(test, 'b'), await echo(test, 'c')];
      const engine = await test.engine(
        udpConfig(
          targets.map((t) => t.address),
          { address: '127.0.0.1:0' },
          { strategy: 'ip-hash' },
        ),
      );
      const clients = await Promise.all(Array.from({ length: 8 }, () => udp(test)));
      for (const client of clients) {
        client.send('x', engine.port('media'));
        await client.next();
      }
      const used = targets.filter((t) => t.datagrams.length > 0);
      assert.equal(used.length, 1);
      assert.equal(used[0]!.sources.size, 8);
    },
  },
  {
    name: 'counts datagrams, bytes and sessions',
    run: async (test) => {
      const target = await echo(test, 'echo ');
      const engine = await test.engine(udpConfig([target.address]));
      const client = await udp(test);
      for (let i = 0; i < 3; i++) {
        client.send('12345', engine.port('media'));
        await client.next();
      }
      const stats = engine.stats();
      for (const entity of [
        stats.listener('media'),
        stats.pool('all'),
        stats.target('all', target.address),
      ]) {
        assert.equal(entity.connections, 1);
        assert.equal(entity.active, 1);
        assert.equal(entity.datagrams_in, 3);
        assert.equal(entity.datagrams_out, 3);
        assert.equal(entity.bytes_in, 15);
        assert.equal(entity.bytes_out, 30);
        assert.equal(entity.errorTotal, 0);
      }
    },
  },
];

export const udpRelay: Feature = { name: 'udp', cases: offering(['udp'], cases) };
