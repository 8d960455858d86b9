// Targets that die, vanish or break off.
import assert from 'node:assert/strict';
import { httpConfig } from '../contract/config.ts';
import { startBlackholeTarget } from '../support/blackhole-target.ts';
import { eventually } from '../support/deadline.ts';
import { fetchOnce, openHttp } from '../support/http-client.ts';
import { ok, startHttpTarget } from '../support/http-target.ts';
import { startEngine } from '../support/running-engine.ts';
import { freeAddress } from '../support/tcp-target.ts';
import { load, startPatternTarget } from './load.ts';
import type { Scenario } from './suite.ts';

export const targetFaults: readonly Scenario[] = [
  {
    name: 'one of three targets is killed in the middle of its responses: only those are cut, and it comes back',
    run: async ({ create, scope, random }) => {
      const address = await freeAddress();
      const doomed = await startPatternTarget({ host: address.host, port: address.port });
      const others = [scope.own(await startPatternTarget()), scope.own(await startPatternTarget())];
      const engine = scope.own(
        await startEngine(
          create,
          httpConfig(
            [address.text, ...others.map((t) => t.address)],
            {},
            { eject: { after: 1, for: '200ms', max: '200ms' } },
          ),
          { workers: 2 },
        ),
      );
      const clients = 12;
      let isOver = false;
      const loading = load(
        engine.port('web'),
        clients,
        () => isOver,
        () => random.between(0, 200_000),
      );
      await doomed.received(40);
      await doomed.close();
      const soFar = others[0]!.requests.length;
      await others[0]!.received(soFar + 60);
      const revived = scope.own(
        await startPatternTarget({ host: address.host, port: address.port }),
      );
      await revived.received(20, 10_000);
      isOver = true;
      const result = await loading;
      assert.equal(result.wrong, 0);
      assert.deepEqual(result.statuses, {});
      assert.ok(result.cut <= clients, `${result.cut} responses cut`);
      assert.ok(result.right > 100);
    },
  },
  {
    name: 'one of three targets vanishes: nobody fails, it is set aside after the connect timeout',
    run: async ({ create, scope }) => {
      const blackhole = scope.own(await startBlackholeTarget());
      const others = [scope.own(await startPatternTarget()), scope.own(await startPatternTarget())];
      const engine = scope.own(
        await startEngine(
          create,
          httpConfig(
            [blackhole.address, ...others.map((t) => t.address)],
            { timeouts: { connect: '200ms' } },
            { eject: { after: 1, for: '60s', max: '60s' } },
          ),
          { workers: 2 },
        ),
      );
      let isOver = false;
      const loading = load(
        engine.port('web'),
        12,
        () => isOver,
        () => 100,
      );
      await others[0]!.received(300);
      isOver = true;
      const result = await loading;
      assert.deepEqual(result.statuses, {});
      assert.equal(result.cut + result.wrong, 0);
      // At most what was under way when the first of them ran into the timeout.
      const timedOut = engine.stats().target('all', blackhole.address).errors.connect_timeout;
      assert.ok(timedOut >= 1 && timedOut <= 12, `${timedOut} connects timed out`);
      assert.equal(engine.targetState('all', blackhole.address).isEjected, true);
    },
  },
  {
    name: 'idle connections that are reset just as they are reused cost no GET, and no POST is sent twice',
    run: async ({ create, scope, random }) => {
      const posted = new Map<string, number>();
      const target = scope.own(
        await startHttpTarget({
          answer: (r) => {
            if (r.method === 'POST') posted.set(r.target, (posted.get(r.target) ?? 0) + 1);
            // Some connections die at once, some a moment later, some as the next request comes.
            const when = random.between(0, 4);
            if (when === 0) setImmediate(() => r.connection.reset());
            else if (when === 1) setTimeout(() => r.connection.reset(), 1);
            else if (when === 2) setTimeout(() => r.connection.end(), 1);
            return ok('x');
          },
        }),
      );
      const engine = scope.own(
        await startEngine(
          create,
          httpConfig([target.address], {}, { eject: { after: 0 }, retries: 3 }),
        ),
      );
      let failedGets = 0;
      let failedPosts = 0;
      await Promise.all(
        Array.from({ length: 8 }, async (_, lane) => {
          const client = scope.own(await openHttp(engine.port('web')));
          for (let i = 0; i < 120; i++) {
            const isPost = i % 4 === 3;
            const { status } = isPost
              ? await client.request('POST', `/${lane}/${i}`, {}, 'body')
              : await client.get(`/${lane}/${i}`);
            if (status !== 200 && isPost) failedPosts++;
            if (status !== 200 && !isPost) failedGets++;
          }
        }),
      );
      assert.equal(failedGets, 0);
      const twice = [...posted].filter(([, count]) => count > 1).map(([path]) => path);
      assert.deepEqual(twice, []);
      assert.ok(failedPosts < 240, `${failedPosts} of 240 POSTs failed`);
    },
  },
  {
    name: 'every target is down: 502 or 503 at once, and service as soon as one is back',
    run: async ({ create, scope }) => {
      const free = [await freeAddress(), await freeAddress()];
      const engine = scope.own(await startEngine(create, httpConfig(free.map((f) => f.text))));
      const client = scope.own(await openHttp(engine.port('web')));
      for (let i = 0; i < 50; i++) {
        const { status } = await client.get('/');
        assert.ok(status === 502 || status === 503, `${status}`);
      }
      const { host, port } = free[1]!;
      scope.own(await startPatternTarget({ host, port }));
      await eventually('service', async () => (await client.get('/10/x')).status === 200);
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/10/y')).status, 200);
    },
  },
];
