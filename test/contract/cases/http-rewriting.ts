// What a route changes about a request and its response on the way.
import assert from 'node:assert/strict';
import { fetchOnce } from '../../support/http-client.ts';
import { response } from '../../support/http-target.ts';
import { fieldValue, fieldValues } from '../../support/strict-http.ts';
import type { Case, CaseContext, Feature } from '../case.ts';
import { routesConfig } from '../config.ts';

/** What the target is asked for under a route, by what the client asks for. */
async function forwardedAs(
  test: CaseContext,
  route: object,
  wanted: Readonly<Record<string, string>>,
): Promise<void> {
  const target = await test.httpTarget();
  const engine = await test.engine(routesConfig([target.address], [route]));
  const client = await test.http(engine.port('web'));
  for (const [asked, seen] of Object.entries(wanted)) {
    assert.equal((await client.get(asked)).status, 200, asked);
    assert.equal((await target.next()).target, seen, asked);
  }
}

const cases: Case[] = [
  {
    name: 'strip a prefix on segment borders',
    run: (test) =>
      forwardedAs(
        test,
        { match: { path: '/*' }, stripPrefix: '/one' },
        {
          '/one/a?b': '/a?b',
          '/one': '/',
          '/one/': '/',
          '/one?x': '/?x',
          '/onex': '/onex',
          '/two': '/two',
        },
      ),
  },
  {
    name: 'add a prefix, after stripping one',
    run: (test) =>
      forwardedAs(
        test,
        { match: { path: '/old/*' }, stripPrefix: '/old', addPrefix: '/new/v2' },
        { '/old/a': '/new/v2/a', '/old': '/new/v2/', '/old?q': '/new/v2/?q' },
      ),
  },
  {
    name: "keep the client's Host, or send the target's, or one that is written",
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        routesConfig(
          [target.address],
          [
            { match: { path: '/client' } },
            { match: { path: '/target' }, hostHeader: 'target' },
            { match: { path: '/literal' }, hostHeader: 'inner.example:81' },
          ],
        ),
      );
      for (const [path, host] of Object.entries({
        '/client': 'outer.example:80',
        '/target': target.address,
        '/literal': 'inner.example:81',
      })) {
        await fetchOnce(engine.port('web'), 'GET', path, { Host: 'outer.example:80' });
        const request = await target.next();
        assert.deepEqual(fieldValues(request.fields, 'host'), [host]);
        assert.equal(fieldValue(request.fields, 'x-forwarded-host'), 'outer.example:80');
      }
    },
  },
  {
    name: "take a pool's hostHeader unless the route has its own",
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine({
        listeners: {
          web: {
            address: '127.0.0.1:0',
            protocol: 'http',
            routes: [
              { match: { path: '/own' }, pool: 'all', hostHeader: 'client' },
              { match: { path: '/*' }, pool: 'all' },
            ],
          },
        },
        pools: { all: { targets: [target.address], hostHeader: 'target' } },
      });
      await fetchOnce(engine.port('web'), 'GET', '/own');
      assert.equal(fieldValue((await target.next()).fields, 'host'), 'test');
      await fetchOnce(engine.port('web'), 'GET', '/');
      assert.equal(fieldValue((await target.next()).fields, 'host'), target.address);
    },
  },
  {
    name: 'set, add and remove request fields',
    run: async (test) => {
      const target = await test.httpTarget();
      const requestHeaders = {
        set: { 'X-Set': 'new', 'X-Fresh': 'fresh' },
        add: { 'X-Add': ['two', 'three'] },
        remove: ['X-Secret'],
      };
      const engine = await test.engine(routesConfig([target.address], [{ requestHeaders }]));
      await fetchOnce(engine.port('web'), 'GET', '/', {
        'x-set': 'old',
        'X-SECRET': 'hidden',
        'X-Add': 'one',
        'X-Other': 'kept',
      });
      const { fields } = await target.next();
      assert.deepEqual(fieldValues(fields, 'x-set'), ['new']);
      assert.deepEqual(fieldValues(fields, 'x-fresh'), ['fresh']);
      assert.equal(fieldValue(fields, 'x-add'), 'one, two, three');
      assert.deepEqual(fieldValues(fields, 'x-secret'), []);
      assert.deepEqual(fieldValues(fields, 'x-other'), ['kept']);
    },
  },
  {
    name: 'set, add and remove response fields',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: () =>
          response(200, { Via: 'old', 'X-Powered-By': 'php', 'Set-Cookie': 'a=1' }, 'x'),
      });
      const responseHeaders = {
        set: { Via: 'new', 'Strict-Transport-Security': 'max-age=1' },
        add: { 'Set-Cookie': 'b=2' },
        remove: ['x-powered-by'],
      };
      const engine = await test.engine(routesConfig([target.address], [{ responseHeaders }]));
      const answer = await fetchOnce(engine.port('web'), 'GET', '/');
      assert.deepEqual(fieldValues(answer.fields, 'via'), ['new']);
      assert.equal(answer.value('strict-transport-security'), 'max-age=1');
      assert.deepEqual(fieldValues(answer.fields, 'set-cookie'), ['a=1', 'b=2']);
      assert.equal(answer.value('x-powered-by'), undefined);
      assert.equal(answer.text, 'x');
    },
  },
  {
    name: 'rewrite a request that keeps its body and its connection',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        routesConfig(
          [target.address],
          [
            {
              match: { path: '/in/*' },
              stripPrefix: '/in',
              requestHeaders: { set: { 'X-Long': 'y'.repeat(2000) } },
            },
          ],
        ),
      );
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 5; i++) {
        await client.request('POST', `/in/${i}`, {}, `body ${i}`);
        const request = await target.next();
        assert.equal(request.target, `/${i}`);
        assert.equal(request.body.toString(), `body ${i}`);
        assert.equal(fieldValue(request.fields, 'x-long')?.length, 2000);
      }
      assert.deepEqual(target.violations, []);
    },
  },
];

export const rewriting: Feature = { name: 'rewriting', cases };
