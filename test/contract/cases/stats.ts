// What an engine counts, and that the counts agree with what happened and with each other.
import assert from 'node:assert/strict';
import { eventually, pause } from '../../support/deadline.ts';
import { fetchOnce } from '../../support/http-client.ts';
import { ok, response } from '../../support/http-target.ts';
import { freeAddress, startEchoTarget } from '../../support/tcp-target.ts';
import { type Case, type Feature, offers } from '../case.ts';
import { httpConfig, routesConfig } from '../config.ts';

const cases: Case[] = [
  {
    name: 'requests by status class at listener, route, pool and target',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) => response(Number(r.target.slice(1)), {}),
      });
      const engine = await test.engine(
        routesConfig(
          [target.address],
          [
            { name: 'fixed', match: { path: '/fixed' }, respond: { status: 201 } },
            { name: 'rest' },
          ],
        ),
      );
      const client = await test.http(engine.port('web'));
      for (const path of ['/200', '/200', '/301', '/404', '/503', '/fixed']) await client.get(path);
      const stats = engine.stats();
      const classes = (e: {
        status_2xx: number;
        status_3xx: number;
        status_4xx: number;
        status_5xx: number;
      }) => [e.status_2xx, e.status_3xx, e.status_4xx, e.status_5xx];
      assert.equal(stats.listener('web').requests, 6);
      assert.equal(stats.listener('web').connections, 1);
      assert.deepEqual(classes(stats.listener('web')), [3, 1, 1, 1]);
      assert.deepEqual(classes(stats.route('web', 'fixed')), [1, 0, 0, 0]);
      for (const entity of [
        stats.route('web', 'rest'),
        stats.pool('all'),
        stats.target('all', target.address),
      ]) {
        assert.equal(entity.requests, 5);
        assert.deepEqual(classes(entity), [2, 1, 1, 1]);
        assert.equal(entity.errorTotal, 0);
      }
    },
  },
  {
    name: 'one histogram entry a request, with a sum that fits',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: async () => {
          await pause(20);
          return ok('late');
        },
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      const begun = performance.now();
      for (let i = 0; i < 5; i++) await client.get('/');
      await eventually('the last to be counted', () => engine.stats().listener('web').timed === 5);
      const elapsedNs = (performance.now() - begun) * 1e6;
      const stats = engine.stats();
      for (const entity of [
        stats.listener('web'),
        stats.pool('all'),
        stats.target('all', target.address),
      ]) {
        assert.equal(entity.timed, 5);
        assert.ok(entity.timedNs > 5 * 15e6 && entity.timedNs <= elapsedNs, `${entity.timedNs} ns`);
        // 15 ms is 2^23.8 ns: 14 powers of two above the first bucket, 32 buckets each.
        const first = entity.histogram.findIndex((n) => n > 0);
        assert.ok(first > 14 * 32 && first < 20 * 32, `bucket ${first}`);
      }
    },
  },
  {
    name: 'body bytes in and out',
    run: async (test) => {
      const target = await test.httpTarget({ answer: () => ok('y'.repeat(70_000)) });
      const engine = await test.engine(httpConfig([target.address]));
      await fetchOnce(engine.port('web'), 'POST', '/', {}, 'x'.repeat(50_000));
      const stats = engine.stats();
      for (const entity of [
        stats.listener('web'),
        stats.pool('all'),
        stats.target('all', target.address),
      ]) {
        // Payload, with room for heads where an engine counts them.
        assert.ok(entity.bytes_in >= 50_000 && entity.bytes_in < 51_000, `${entity.bytes_in} in`);
        assert.ok(
          entity.bytes_out >= 70_000 && entity.bytes_out < 71_000,
          `${entity.bytes_out} out`,
        );
      }
    },
  },
  {
    name: 'errors by code at listener, and at the target that caused them',
    run: async (test) => {
      const dead = (await freeAddress()).text;
      const engine = await test.engine(httpConfig([dead]));
      for (let i = 0; i < 3; i++) await fetchOnce(engine.port('web'), 'GET', '/');
      const stats = engine.stats();
      assert.equal(stats.listener('web').errors.connect_refused, 3);
      assert.equal(stats.listener('web').errorTotal, 3);
      assert.equal(stats.listener('web').status_5xx, 3);
      assert.equal(stats.target('all', dead).errors.connect_refused, 3);
    },
  },
  {
    name: 'a request without a route is counted at the listener alone',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        routesConfig([target.address], [{ name: 'api', match: { path: '/api/*' } }]),
      );
      await fetchOnce(engine.port('web'), 'GET', '/other');
      const stats = engine.stats();
      assert.equal(stats.listener('web').errors.no_route, 1);
      assert.equal(stats.listener('web').status_4xx, 1);
      assert.equal(stats.route('web', 'api').requests, 0);
    },
  },
  {
    name: 'TCP bytes in are the bytes that came in, at listener, pool and target',
    needs: offers('tcp'),
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const engine = await test.engine({
        listeners: { db: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'all' } },
        pools: { all: { targets: [target.address] } },
      });
      const sizes = [1, 1000, 200_000, 3_000_000];
      for (const size of sizes) {
        const client = await test.connect(engine.port('db'));
        client.end(Buffer.alloc(size));
        await client.receivedLength(size);
        await client.closed;
      }
      await eventually('all to have ended', () => engine.stats().listener('db').active === 0);
      const total = sizes.reduce((sum, n) => sum + n, 0);
      const stats = engine.stats();
      for (const entity of [
        stats.listener('db'),
        stats.pool('all'),
        stats.target('all', target.address),
      ]) {
        assert.equal(entity.connections, 4);
        assert.equal(entity.bytes_in, total);
        assert.equal(entity.bytes_out, total);
        assert.equal(entity.timed, 4);
        assert.equal(entity.errorTotal, 0);
      }
    },
  },
  {
    name: 'counts from two workers add up',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]), { workers: 2 });
      await Promise.all(
        Array.from({ length: 30 }, async () => {
          const client = await test.http(engine.port('web'));
          for (let i = 0; i < 10; i++) await client.get('/');
          client.close();
        }),
      );
      await eventually('all clients to be gone', () => engine.stats().listener('web').active === 0);
      const stats = engine.stats();
      assert.equal(stats.listener('web').requests, 300);
      assert.equal(stats.listener('web').connections, 30);
      assert.equal(stats.target('all', target.address).requests, 300);
      assert.equal(stats.target('all', target.address).timed, 300);
    },
  },
  {
    name: 'counters go on over a reload where names stay, and begin at zero where they are new',
    run: async (test) => {
      const targets = [await test.httpTarget(), await test.httpTarget()];
      const engine = await test.engine(httpConfig([targets[0]!.address]));
      const port = engine.port('web');
      for (let i = 0; i < 3; i++) await fetchOnce(port, 'GET', '/');
      await engine.apply(httpConfig([targets[1]!.address, targets[0]!.address]));
      const stats = engine.stats();
      assert.equal(stats.pool('all').requests, 3);
      assert.equal(stats.target('all', targets[0]!.address).requests, 3);
      assert.equal(stats.target('all', targets[1]!.address).requests, 0);
    },
  },
];

export const stats: Feature = { name: 'stats', cases };
