// When a failed request may be sent again, and when it must not.
import assert from 'node:assert/strict';
import { pause, within } from '../../support/deadline.ts';
import { fetchOnce } from '../../support/http-client.ts';
import { type HttpTarget, ok, startHttpTarget } from '../../support/http-target.ts';
import { freeAddress } from '../../support/tcp-target.ts';
import type { Case, Feature } from '../case.ts';
import { httpConfig } from '../config.ts';

/** Never set a target aside, so that every pick is the strategy's own. */
const NO_EJECTION = { eject: { after: 0 } };

const cases: Case[] = [
  {
    name: 'a target that refuses is passed over, whatever the method, body included',
    run: async (test) => {
      const dead = (await freeAddress()).text;
      const target = await test.httpTarget({ answer: (r) => ok(r.body) });
      const engine = await test.engine(httpConfig([dead, target.address], {}, NO_EJECTION));
      for (const method of ['GET', 'POST', 'PUT', 'POST', 'DELETE', 'PATCH']) {
        const answer = await fetchOnce(engine.port('web'), method, '/', {}, 'the body');
        assert.equal(answer.status, 200, method);
        assert.equal(answer.text, 'the body', method);
      }
      assert.equal(target.requests.length, 6);
      const stats = engine.stats();
      const refused = stats.target('all', dead).errors.connect_refused;
      assert.ok(refused >= 3, `${refused} of 6 were tried at the dead target first`);
      assert.equal(stats.pool('all').retries, refused);
      assert.equal(stats.listener('web').errorTotal, 0);
    },
  },
  {
    name: 'no more targets are tried than retries allows',
    run: async (test) => {
      const free = [await freeAddress(), await freeAddress(), await freeAddress()];
      const dead = free.map((f) => f.text);
      const engine = await test.engine(httpConfig(dead, {}, { ...NO_EJECTION, retries: 1 }));
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/')).status, 502);
      const tried = dead.map((name) => engine.stats().target('all', name).errors.connect_refused);
      assert.deepEqual(tried.toSorted(), [0, 1, 1]);
    },
  },
  {
    name: 'a GET on a reused connection that the target had closed is sent again',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) => {
          if (r.turn > 0) r.connection.reset();
          return r.turn > 0 ? undefined : ok('fresh');
        },
      });
      const engine = await test.engine(httpConfig([target.address], {}, NO_EJECTION));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 6; i++) assert.equal((await client.get('/')).text, 'fresh');
    },
  },
  {
    name: 'a POST that was sent is never sent again',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) => {
          if (r.method === 'POST') r.connection.reset();
          return r.method === 'POST' ? undefined : ok('x');
        },
      });
      const engine = await test.engine(
        httpConfig(
          [target.address],
          {},
          {
            ...NO_EJECTION,
            retries: 3,
          },
        ),
      );
      const client = await test.http(engine.port('web'));
      assert.equal((await client.get('/')).status, 200);
      assert.equal((await client.request('POST', '/', {}, 'once')).status, 502);
      assert.equal(target.requests.filter((r) => r.method === 'POST').length, 1);
    },
  },
  {
    name: 'a POST is not given to another target after one has read it',
    run: async (test) => {
      const posts: string[] = [];
      const start = async (name: string) =>
        test.own(
          await startHttpTarget({
            answer: (r) => {
              posts.push(name);
              r.connection.reset();
            },
          }),
        );
      const targets = [await start('a'), await start('b')];
      const engine = await test.engine(
        httpConfig(
          targets.map((t) => t.address),
          {},
          NO_EJECTION,
        ),
      );
      assert.equal((await fetchOnce(engine.port('web'), 'POST', '/', {}, 'once')).status, 502);
      assert.equal(posts.length, 1);
    },
  },
  {
    name: 'an idempotent request is given to another target when one breaks off before answering',
    run: async (test) => {
      const bad = await test.httpTarget({ answer: (r) => r.connection.reset() });
      const good = await test.httpTarget({ name: 'good' });
      const engine = await test.engine(httpConfig([bad.address, good.address]));
      for (let i = 0; i < 4; i++)
        assert.equal((await fetchOnce(engine.port('web'), 'GET', '/')).text, 'good');
      assert.ok(bad.requests.length >= 1);
    },
  },
  {
    name: 'nothing is sent again once a byte of the response came',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) => {
          r.connection.end('HTTP/1.1 200 OK\r\nContent-Le');
        },
      });
      const engine = await test.engine(
        httpConfig([target.address], {}, { ...NO_EJECTION, retries: 3 }),
      );
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/')).status, 502);
      assert.equal(target.requests.length, 1);
    },
  },
  {
    name: 'idle upstream connections that the target closes cause no error',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 5; i++) {
        assert.equal((await client.request('POST', '/', {}, 'x')).status, 200);
        const last = target.connections.at(-1)!;
        last.end();
        await within(last.closed, 'the idle connection to be let go');
      }
      assert.equal(target.connections.length, 5);
    },
  },
  {
    name: 'killing one of two targets under load loses no idempotent request',
    run: async (test) => {
      const answer = async () => {
        await pause(1);
        return ok('served');
      };
      const targets: HttpTarget[] = [
        await test.httpTarget({ answer }),
        test.own(await startHttpTarget({ answer })),
      ];
      const engine = await test.engine(httpConfig(targets.map((t) => t.address)), { workers: 2 });
      let served = 0;
      let failed = 0;
      const loops = Array.from({ length: 16 }, async () => {
        const client = await test.http(engine.port('web'));
        for (let i = 0; i < 60; i++) {
          const { status } = await client.get(`/${i}`);
          if (status === 200) served++;
          else failed++;
        }
      });
      await targets[1]!.received(100);
      await targets[1]!.close();
      await Promise.all(loops);
      assert.deepEqual({ served, failed }, { served: 960, failed: 0 });
    },
  },
];

export const httpRetry: Feature = { name: 'http retry', cases };
