// Start, drain and close.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { SluiceError } from '../../../src/contract/errors.ts';
import { deferred, eventually, within } from '../../support/deadline.ts';
import { requestBytes } from '../../support/http-client.ts';
import { ok } from '../../support/http-target.ts';
import { startEngine } from '../../support/running-engine.ts';
import { Scope } from '../../support/scope.ts';
import { startEchoTarget } from '../../support/tcp-target.ts';
import { openUdp, openUdpTarget } from '../../support/udp.ts';
import { type Case, type CaseContext, type Feature, offers } from '../case.ts';
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

const starting: Case[] = [
  {
    name: 'binds to a free port and says which',
    needs: offers('tcp', 'udp'),
    run: async (test) => {
      const engine = await test.engine({
        listeners: {
          web: { address: '127.0.0.1:0', protocol: 'http', pool: 'all' },
          db: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'all' },
          media: { address: '127.0.0.1:0', protocol: 'udp', pool: 'all' },
        },
        pools: { all: { targets: ['127.0.0.1:9'] } },
      });
      for (const name of ['web', 'db', 'media']) assert.ok(engine.port(name) > 1023);
    },
  },
  {
    name: 'binds one port for TCP and UDP at once',
    needs: offers('udp'),
    run: async (test) => {
      const port = (await test.tcpTarget()).port;
      const occupied = await failureOf(
        test.engine(httpConfig(['127.0.0.1:9'], { address: `127.0.0.1:${port}` })),
      );
      assert.equal(occupied.code, 'listen_failed');
      const engine = await test.engine({
        listeners: { media: { address: `127.0.0.1:${port}`, protocol: 'udp', pool: 'all' } },
        pools: { all: { targets: ['127.0.0.1:9'] } },
      });
      assert.equal(engine.port('media'), port);
    },
  },
  {
    name: 'a port in use names the listener and the remedy, and leaves nothing open',
    needs: offers('tcp'),
    run: async (test) => {
      const occupant = await test.tcpTarget();
      const before = openDescriptors();
      const failure = await failureOf(
        startEngine(test.create, {
          listeners: {
            first: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'all' },
            second: { address: `127.0.0.1:${occupant.port}`, protocol: 'http', pool: 'all' },
          },
          pools: { all: { targets: ['127.0.0.1:9'] } },
        }),
      );
      assert.equal(failure.code, 'listen_failed');
      assert.match(failure.message, /^listener second: cannot listen on 127\.0\.0\.1:\d+/);
      assert.match(failure.message, /in use/);
      assert.doesNotMatch(failure.message, /\n/);
      await eventually('everything to be let go', () => openDescriptors() <= before);
    },
  },
  {
    name: 'a UDP port in use is an error too',
    needs: offers('udp'),
    run: async (test) => {
      const occupant = test.own(await openUdp());
      const failure = await failureOf(
        test.engine({
          listeners: { media: { address: occupant.address, protocol: 'udp', pool: 'all' } },
          pools: { all: { targets: ['127.0.0.1:9'] } },
        }),
      );
      assert.equal(failure.code, 'listen_failed');
      assert.match(failure.message, /listener media/);
    },
  },
  {
    name: 'a port that another engine listens on is in use',
    run: async (test) => {
      const engine = await test.engine(httpConfig(['127.0.0.1:9']), { workers: 2 });
      const address = `127.0.0.1:${engine.port('web')}`;
      const failure = await failureOf(test.engine(httpConfig(['127.0.0.1:9'], { address })));
      assert.equal(failure.code, 'listen_failed');
    },
  },
  {
    name: 'an address that this machine does not have names the listener',
    run: async (test) => {
      const failure = await failureOf(
        test.engine(httpConfig(['127.0.0.1:9'], { address: '192.0.2.1:8080' })),
      );
      assert.equal(failure.code, 'listen_failed');
      assert.match(failure.message, /listener web/);
    },
  },
];

/** An engine with a response under way, which `finish` completes. */
async function inFlight(test: CaseContext) {
  const go = deferred<void>();
  const target = await test.httpTarget({
    answer: async (r) => {
      if (r.target === '/fast') return ok('fast');
      r.connection.send('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
      await go.promise;
      return 'done';
    },
  });
  const engine = await test.engine(httpConfig([target.address]));
  const client = await test.http(engine.port('web'));
  client.send(requestBytes('GET', '/'));
  await client.connection.receivedText('half');
  return { engine, client, target, finish: go.resolve };
}

const closing: Case[] = [
  {
    name: 'close refuses new connections, lets what is in flight finish, then ends',
    run: async (test) => {
      const { engine, client, finish } = await inFlight(test);
      const idle = await test.http(engine.port('web'));
      await idle.get('/fast');
      const port = engine.port('web');
      let isClosed = false;
      // Longer than anything here waits for: nothing may end because the grace does.
      const closed = engine.close(60_000).then(() => {
        isClosed = true;
      });
      await within(idle.closed, 'the idle connection to close');
      await eventually('the listener to be closed', async () => {
        try {
          (await test.connect(port)).close();
          return false;
        } catch {
          return true;
        }
      });
      assert.equal(isClosed, false);
      finish();
      assert.equal((await client.response()).text, 'halfdone');
      await within(closed, 'the close');
      await within(client.closed, 'the client to be let go');
    },
  },
  {
    name: 'an answer that begins while the engine drains says Connection: close',
    run: async (test) => {
      const go = deferred<void>();
      const target = await test.httpTarget({
        answer: async () => {
          await go.promise;
          return ok('late');
        },
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(requestBytes('GET', '/'));
      await target.received(1);
      const closed = engine.close(10_000);
      await eventually('the listener to be closed', async () => {
        try {
          (await test.connect(engine.port('web'))).close();
          return false;
        } catch {
          return true;
        }
      });
      go.resolve();
      const answer = await client.response();
      assert.equal(answer.text, 'late');
      assert.equal(answer.value('connection')?.toLowerCase(), 'close');
      await within(closed, 'the close');
    },
  },
  {
    name: 'close lets TCP connections finish within the grace and cuts them after it',
    needs: offers('tcp'),
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const engine = await test.engine({
        listeners: { db: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'all' } },
        pools: { all: { targets: [target.address] } },
      });
      const [early, late] = [
        await test.connect(engine.port('db')),
        await test.connect(engine.port('db')),
      ];
      for (const client of [early, late]) {
        client.send('x');
        await client.receivedLength(1);
      }
      const closed = engine.close(3000);
      early!.end('y');
      await within(early!.closed, 'the first to finish');
      assert.equal(early!.text, 'xy');
      assert.equal(late!.hasEnded, false);
      await within(closed, 'the close');
      await within(late!.ended, 'the second to be cut');
    },
  },
  {
    name: 'close(0) closes everything now',
    run: async (test) => {
      const { engine, client, target } = await inFlight(test);
      await within(engine.close(0), 'the close');
      await within(client.closed, 'the client to be cut');
      await within(target.connections[0]!.ended, 'the target to be let go');
    },
  },
  {
    name: 'closing twice, or before anything was applied, is harmless',
    run: async (test) => {
      const engine = await test.engine(httpConfig(['127.0.0.1:9']));
      await Promise.all([engine.close(100), engine.close(0)]);
      await engine.close(0);
      const fresh = test.create({ workers: 1, onWarning: () => {} });
      await fresh.close(0);
    },
  },
  {
    name: 'everything that was opened under traffic is closed in the end',
    needs: offers('tcp', 'udp'),
    run: async (test) => {
      await burst(test);
      const before = openDescriptors();
      await burst(test);
      await eventually('every descriptor to be closed', () => openDescriptors() <= before);
    },
  },
];

/** Traffic of every kind, some of it cut off, on an engine that lives for it alone. */
async function burst(test: CaseContext): Promise<void> {
  const scope = new Scope();
  const web = scope.own(await test.httpTarget());
  const db = scope.own(await startEchoTarget());
  const media = scope.own(await openUdpTarget(''));
  const engine = scope.own(
    await startEngine(
      test.create,
      {
        listeners: {
          web: { address: '127.0.0.1:0', protocol: 'http', pool: 'web' },
          db: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'db' },
          media: { address: '127.0.0.1:0', protocol: 'udp', pool: 'media' },
        },
        pools: {
          web: { targets: [web.address] },
          db: { targets: [db.address] },
          media: { targets: [media.address] },
        },
      },
      { workers: 2 },
    ),
  );
  await Promise.all(
    Array.from({ length: 30 }, async (_, i) => {
      const client = scope.own(await test.http(engine.port('web')));
      await client.get('/');
      if (i % 2) client.send('GET / HTTP/1.1\r\nHo');
      const stream = scope.own(await test.connect(engine.port('db')));
      stream.send('x');
      await stream.receivedLength(1);
      if (i % 2) stream.reset();
      const session = scope.own(await openUdp());
      session.send('x', engine.port('media'));
      await session.next();
    }),
  );
  await engine.close(30);
  await scope.close();
}

export const lifecycle: Feature = {
  name: 'lifecycle',
  cases: [...starting, ...closing],
  isSerial: true,
};
