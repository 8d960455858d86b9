// Reloads: what stays, what goes, and that nobody notices.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { SluiceError } from '../../../src/contract/errors.ts';
import { deferred, eventually, within } from '../../support/deadline.ts';
import { fetchOnce, requestBytes } from '../../support/http-client.ts';
import { ok } from '../../support/http-target.ts';
import { startEchoTarget } from '../../support/tcp-target.ts';
import { openUdp, openUdpTarget } from '../../support/udp.ts';
import { type Case, type Feature, offers } from '../case.ts';
import { httpConfig } from '../config.ts';

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

async function failureOf(promise: Promise<unknown>): Promise<SluiceError> {
  const failure = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(failure instanceof SluiceError, `${failure} is not a SluiceError`);
  return failure;
}

const cases: Case[] = [
  {
    name: 'a reload sends new requests to the new targets, on connections that stay open',
    run: async (test) => {
      const [a, b] = [await test.httpTarget({ name: 'a' }), await test.httpTarget({ name: 'b' })];
      const engine = await test.engine(httpConfig([a!.address]));
      const client = await test.http(engine.port('web'));
      assert.equal((await client.get('/')).text, 'a');
      await engine.apply(httpConfig([b!.address]));
      assert.equal((await client.get('/')).text, 'b');
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/')).text, 'b');
    },
  },
  {
    name: 'a reload keeps a listener on port 0 where it is',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const port = engine.port('web');
      await engine.apply(httpConfig([target.address]));
      assert.equal(engine.port('web'), port);
      assert.equal((await fetchOnce(port, 'GET', '/')).status, 200);
    },
  },
  {
    name: 'a request in flight ends under the plan it began with',
    run: async (test) => {
      const go = deferred<void>();
      const [a, b] = [
        await test.httpTarget({
          answer: async () => {
            await go.promise;
            return ok('from a');
          },
        }),
        await test.httpTarget({ name: 'b' }),
      ];
      const engine = await test.engine(httpConfig([a!.address]));
      const client = await test.http(engine.port('web'));
      client.send(requestBytes('GET', '/'));
      await a!.received(1);
      await engine.apply(httpConfig([b!.address]));
      go.resolve();
      assert.equal((await client.response()).text, 'from a');
      assert.equal((await client.get('/')).text, 'b');
      await within(a!.connections[0]!.ended, 'the upstream connection to the old target to go');
    },
  },
  {
    name: 'TCP connections and UDP sessions stay with their targets over a reload',
    needs: offers('tcp', 'udp'),
    run: async (test) => {
      const config = (tcp: string, udp: string): object => ({
        listeners: {
          db: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'streams' },
          media: { address: '127.0.0.1:0', protocol: 'udp', pool: 'packets' },
        },
        pools: { streams: { targets: [tcp] }, packets: { targets: [udp] } },
      });
      const oldTcp = test.own(await startEchoTarget());
      const newTcp = await test.tcpTarget({ onConnection: (c) => c.send('new') });
      const oldUdp = test.own(await openUdpTarget('old '));
      const newUdp = test.own(await openUdpTarget('new '));
      const engine = await test.engine(config(oldTcp.address, oldUdp.address));
      const stream = await test.connect(engine.port('db'));
      stream.send('before ');
      await stream.receivedText('before ');
      const session = test.own(await openUdp());
      session.send('1', engine.port('media'));
      assert.equal(await session.text(), 'old 1');
      await engine.apply(config(newTcp.address, newUdp.address));
      stream.send('after');
      await stream.receivedText('before after');
      session.send('2', engine.port('media'));
      assert.equal(await session.text(), 'old 2');
      await (await test.connect(engine.port('db'))).receivedText('new');
      const other = test.own(await openUdp());
      other.send('3', engine.port('media'));
      assert.equal(await other.text(), 'new 3');
    },
  },
  {
    name: 'a tunnel goes on over reloads, even when its route is gone',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: () =>
          'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n',
      });
      const other = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n');
      assert.equal((await client.response()).status, 101);
      for (let i = 0; i < 3; i++) {
        await engine.apply(httpConfig([other.address]));
        client.send(`ping ${i}`);
        await target.connections[0]!.receivedText(`ping ${i}`);
        target.connections[0]!.send(`pong ${i}`);
        await client.connection.receivedText(`pong ${i}`);
      }
    },
  },
  {
    name: 'a listener that a reload removes closes, one that it adds opens',
    run: async (test) => {
      const target = await test.httpTarget();
      const listener = { address: '127.0.0.1:0', protocol: 'http', pool: 'all' };
      const pools = { all: { targets: [target.address] } };
      const engine = await test.engine({ listeners: { keep: listener, old: listener }, pools });
      const old = engine.port('old');
      const keep = engine.port('keep');
      await engine.apply({ listeners: { keep: listener, fresh: listener }, pools });
      await assert.rejects(test.connect(old), { code: 'ECONNREFUSED' });
      assert.equal((await fetchOnce(engine.port('fresh'), 'GET', '/')).status, 200);
      assert.equal((await fetchOnce(keep, 'GET', '/')).status, 200);
    },
  },
  {
    name: 'a reload that cannot bind leaves the old plan in force',
    run: async (test) => {
      const occupant = await test.tcpTarget();
      const target = await test.httpTarget();
      const listener = { address: '127.0.0.1:0', protocol: 'http', pool: 'all' };
      const pools = { all: { targets: [target.address] } };
      const engine = await test.engine({ listeners: { web: listener }, pools });
      const client = await test.http(engine.port('web'));
      await client.get('/');
      const taken = { ...listener, address: `127.0.0.1:${occupant.port}` };
      const failure = await failureOf(
        engine.apply({ listeners: { web: listener, fresh: listener, taken }, pools }),
      );
      assert.equal(failure.code, 'listen_failed');
      assert.equal((await client.get('/')).status, 200);
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/')).status, 200);
    },
  },
  {
    name: 'reloads under traffic lose no request and close no connection',
    run: async (test) => {
      const targets = await Promise.all([0, 1, 2].map(() => test.httpTarget()));
      const addresses = targets.map((t) => t.address);
      const engine = await test.engine(httpConfig(addresses), { workers: 2 });
      let isReloading = true;
      test.defer(() => {
        isReloading = false;
      });
      const kept = Array.from({ length: 8 }, async () => {
        const client = await test.http(engine.port('web'));
        for (let i = 0; isReloading || i < 20; i++)
          assert.equal((await client.get('/')).status, 200);
      });
      const fresh = (async () => {
        for (let i = 0; isReloading || i < 20; i++) {
          assert.equal((await fetchOnce(engine.port('web'), 'POST', '/', {}, 'x')).status, 200);
        }
      })();
      const traffic = Promise.all([...kept, fresh]);
      const answered = () => targets.reduce((sum, target) => sum + target.requests.length, 0);
      const reloads = (async () => {
        for (let i = 0; i < 12; i++) {
          const before = answered();
          await engine.apply(httpConfig(addresses.slice(i % 3)));
          await eventually('traffic between reloads', () => answered() > before + 10);
        }
        isReloading = false;
      })();
      await Promise.all([traffic, reloads]);
      assert.equal(engine.stats().listener('web').errorTotal, 0);
    },
  },
  {
    name: 'a hundred reloads leave no descriptors behind',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      await client.get('/');
      const before = openDescriptors();
      for (let i = 0; i < 100; i++) await engine.apply(httpConfig([target.address]));
      assert.equal((await client.get('/')).status, 200);
      await eventually('descriptors to be let go', () => openDescriptors() <= before + 1);
    },
  },
];

export const reload: Feature = { name: 'reload', cases, isSerial: true };
