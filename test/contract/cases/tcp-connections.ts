// Layer 4 connections: connecting, giving up, limits, and the addresses at both ends.
import assert from 'node:assert/strict';
import { deferred, eventually, pause, within } from '../../support/deadline.ts';
import type { RawConnection } from '../../support/raw-connection.ts';
import { freeAddress, startEchoTarget, startTcpTarget } from '../../support/tcp-target.ts';
import { type Case, type CaseContext, type Feature, offering } from '../case.ts';
import { tcpConfig } from '../config.ts';

/** Client and target of one relayed connection. */
async function relayed(
  test: CaseContext,
  listener: object = {},
): Promise<[RawConnection, RawConnection]> {
  const target = await test.tcpTarget();
  const engine = await test.engine(tcpConfig([target.address], listener));
  const client = await test.connect(engine.port('db'));
  return [client, await target.next()];
}

const cases: Case[] = [
  {
    name: 'tries the next target when one refuses',
    run: async (test) => {
      const dead = (await freeAddress()).text;
      const target = await test.tcpTarget({ onConnection: (c) => c.send('alive') });
      const engine = await test.engine(tcpConfig([dead, target.address]));
      for (let i = 0; i < 4; i++) {
        const client = await test.connect(engine.port('db'));
        await client.receivedText('alive');
      }
      assert.ok(engine.stats().target('all', dead).errors.connect_refused >= 1);
      assert.equal(engine.targetState('all', dead).isEjected, true);
    },
  },
  {
    name: 'closes the client and counts the error when every target refuses',
    run: async (test) => {
      const dead = [(await freeAddress()).text, (await freeAddress()).text];
      const engine = await test.engine(tcpConfig(dead));
      const client = await test.connect(engine.port('db'));
      await within(client.ended, 'the end at the client');
      assert.equal(client.received.length, 0);
      await eventually(
        'the error to be counted',
        () => engine.stats().listener('db').errors.connect_refused === 1,
      );
    },
  },
  {
    name: 'tries the next target when one does not answer in time',
    run: async (test) => {
      const blackhole = await test.blackhole();
      const target = await test.tcpTarget({ onConnection: (c) => c.send('alive') });
      const engine = await test.engine(
        tcpConfig([blackhole.address, target.address], { timeouts: { connect: '150ms' } }),
      );
      const client = await test.connect(engine.port('db'));
      client.send('kept');
      await client.receivedText('alive');
      await (await target.next()).receivedText('kept');
      assert.equal(engine.stats().target('all', blackhole.address).errors.connect_timeout, 1);
    },
  },
  {
    name: 'gives up on connecting after the connect timeout',
    run: async (test) => {
      const blackhole = await test.blackhole();
      const engine = await test.engine(
        tcpConfig([blackhole.address], { timeouts: { connect: '100ms' } }, { retries: 0 }),
      );
      const client = await test.connect(engine.port('db'));
      await within(client.ended, 'the end at the client');
      await eventually(
        'the timeout to be counted',
        () => engine.stats().listener('db').errors.connect_timeout === 1,
      );
    },
  },
  {
    name: 'stops connecting when the client leaves',
    run: async (test) => {
      const blackhole = await test.blackhole();
      const engine = await test.engine(
        tcpConfig([blackhole.address], { timeouts: { connect: '60s' } }, { retries: 0 }),
      );
      const client = await test.connect(engine.port('db'));
      await eventually('the connect to begin', () => engine.inFlight === 1);
      client.reset();
      await eventually('the connect to be given up', () => engine.inFlight === 0);
      await eventually(
        'the client to be forgotten',
        () => engine.stats().listener('db').active === 0,
      );
    },
  },
  {
    name: 'closes both sides when nothing moves for the idle timeout',
    run: async (test) => {
      const target = await test.tcpTarget();
      const engine = await test.engine(tcpConfig([target.address], { idleTimeout: '80ms' }));
      const client = await test.connect(engine.port('db'));
      const upstream = await target.next();
      await within(client.ended, 'the end at the client');
      await within(upstream.ended, 'the end at the target');
      await eventually(
        'the timeout to be counted',
        () => engine.stats().listener('db').errors.idle_timeout === 1,
      );
    },
  },
  {
    name: 'does not call a connection idle while one direction moves',
    run: async (test) => {
      // Far longer than a busy machine may hold a pause up.
      const [client, upstream] = await relayed(test, { idleTimeout: '1500ms' });
      for (let i = 1; i <= 12; i++) {
        upstream.send('.');
        await client.receivedLength(i);
        await pause(200);
      }
      assert.equal(client.hasEnded, false);
    },
  },
  {
    name: 'refuses the newest connection beyond maxConnections and takes one again when another left',
    run: async (test) => {
      const target = await test.tcpTarget({ onConnection: (c) => c.send('hello') });
      const engine = await test.engine(tcpConfig([target.address], { maxConnections: 2 }));
      const first = await test.connect(engine.port('db'));
      await first.receivedText('hello');
      const second = await test.connect(engine.port('db'));
      await second.receivedText('hello');
      const third = await test.connect(engine.port('db'));
      await within(third.ended, 'the refusal');
      assert.equal(third.received.length, 0);
      assert.equal(engine.stats().listener('db').errors.connection_limit, 1);
      first.reset();
      await eventually('the first to be gone', () => engine.stats().listener('db').active === 1);
      const fourth = await test.connect(engine.port('db'));
      await fourth.receivedText('hello');
    },
  },
  {
    name: 'counts what is in flight at each target',
    run: async (test) => {
      const targets = [await test.tcpTarget(), await test.tcpTarget()];
      const engine = await test.engine(tcpConfig(targets.map((t) => t.address)));
      const clients = [];
      for (let i = 0; i < 4; i++) clients.push(await test.connect(engine.port('db')));
      await Promise.all(targets.map((t) => t.accepted(2)));
      for (const target of targets) {
        assert.equal(engine.targetState('all', target.address).inFlight, 2);
        assert.equal(engine.stats().target('all', target.address).active, 2);
      }
      for (const client of clients) client.reset();
      await eventually('nothing to be in flight', () => engine.inFlight === 0);
      await eventually('nothing to be active', () => engine.stats().listener('db').active === 0);
    },
  },
  {
    name: 'relays on IPv6',
    run: async (test) => {
      const target = await test.tcpTarget({ host: '::1' });
      const engine = await test.engine(tcpConfig([target.address], { address: '[::1]:0' }));
      const client = await test.connect(engine.port('db'), { host: '::1' });
      client.send('six');
      await (await target.next()).receivedText('six');
    },
  },
  {
    name: 'relays to a target on a unix socket',
    run: async (test) => {
      const target = await test.tcpTarget({ unixPath: await test.unixPath() });
      const engine = await test.engine(tcpConfig([target.address]));
      const client = await test.connect(engine.port('db'));
      client.send('inside');
      await (await target.next()).receivedText('inside');
    },
  },
  {
    name: 'relays from a unix socket, whose file goes with the engine',
    needs: (capabilities) => capabilities.unixListeners,
    run: async (test) => {
      const socket = await test.unixPath();
      const target = await test.tcpTarget();
      const config = tcpConfig([target.address], { address: `unix:${socket}` });
      const engine = await test.engine(config);
      const client = await test.connect(socket);
      client.send('outside');
      await (await target.next()).receivedText('outside');
      await engine.close(0);
      await assert.rejects(test.connect(socket), { code: 'ENOENT' });
    },
  },
  {
    name: 'relays a hundred connections at once without mixing them up',
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const engine = await test.engine(tcpConfig([target.address]), { workers: 2 });
      const echoes = Array.from({ length: 100 }, async (_, i) => {
        const client = await test.connect(engine.port('db'));
        const bytes = Buffer.alloc(3000 + i, i);
        client.send(bytes);
        assert.deepEqual(Buffer.from(await client.receivedLength(bytes.length)), bytes);
        client.end();
        await within(client.closed, 'the close');
        assert.equal(client.received.length, bytes.length);
      });
      await Promise.all(echoes);
    },
  },
  {
    name: 'relays to a target that comes up after the engine did',
    run: async (test) => {
      const free = await freeAddress();
      const engine = await test.engine(tcpConfig([free.text]));
      const early = await test.connect(engine.port('db'));
      await within(early.ended, 'the refusal');
      const up = deferred<void>();
      test.own(
        await startTcpTarget({
          host: free.host,
          port: free.port,
          onConnection: (c) => {
            c.send('up');
            up.resolve();
          },
        }),
      );
      // The only target of a pool is tried even while it is set aside.
      const client = await test.connect(engine.port('db'));
      await client.receivedText('up');
      await up.promise;
    },
  },
];

export const tcpConnections: Feature = { name: 'tcp connections', cases: offering(['tcp'], cases) };
