// Routes: which request goes where, and the answers that need no target.
import assert from 'node:assert/strict';
import { fetchOnce } from '../../support/http-client.ts';
import type { Case, CaseContext, Feature } from '../case.ts';
import { routesConfig } from '../config.ts';

/** Routes that answer with their own name. */
function named(name: string, match: object): object {
  return { name, match, respond: { body: name } };
}

/** Asks for each path (and host) and compares the names of the routes that answered; 404 where none did. */
async function answeredBy(
  test: CaseContext,
  routes: readonly object[],
  wanted: Readonly<Record<string, string>>,
): Promise<void> {
  const engine = await test.engine({
    listeners: { web: { address: '127.0.0.1:0', protocol: 'http', routes } },
  });
  const client = await test.http(engine.port('web'));
  for (const [asked, name] of Object.entries(wanted)) {
    const slash = asked.indexOf('/');
    const answer = await client.get(asked.slice(slash), { Host: asked.slice(0, slash) || 'test' });
    assert.equal(answer.status === 404 ? '404' : answer.text, name, asked);
  }
}

const matching: Case[] = [
  {
    name: 'match an exact path',
    run: (test) =>
      answeredBy(test, [named('a', { path: '/a' })], {
        '/a': 'a',
        '/a?q=1': 'a',
        '/a/': '404',
        '/ab': '404',
        '/': '404',
        '/A': '404',
      }),
  },
  {
    name: 'match a path prefix on segment borders',
    run: (test) =>
      answeredBy(test, [named('api', { path: '/api/*' })], {
        '/api': 'api',
        '/api/': 'api',
        '/api/x/y?z': 'api',
        '/api?x': 'api',
        '/apix': '404',
        '/x/api/': '404',
      }),
  },
  {
    name: 'match a path by regular expression',
    run: (test) =>
      answeredBy(
        test,
        [
          named('versioned', { pathRegex: '^/v[0-9]+/' }),
          named('image', { pathRegex: '\\.(png|jpe?g)$' }),
        ],
        {
          '/v1/x': 'versioned',
          '/v12/': 'versioned',
          '/v/x': '404',
          '/x/v1/': '404',
          '/a/b.png': 'image',
          '/a/b.jpeg?size=1': 'image',
          '/a/b.pngx': '404',
          '/a.png/b?x=.png': '404',
        },
      ),
  },
  {
    name: 'match a host exactly, without port, case or trailing dot',
    run: (test) =>
      answeredBy(test, [named('site', { host: 'example.com' })], {
        'example.com/': 'site',
        'EXAMPLE.com:8080/': 'site',
        'example.com./': 'site',
        'www.example.com/': '404',
        'example.com.evil/': '404',
        'notexample.com/': '404',
      }),
  },
  {
    name: 'match every host below a name',
    run: (test) =>
      answeredBy(test, [named('sub', { host: '*.example.com' })], {
        'www.example.com/': 'sub',
        'a.b.Example.com:1/': 'sub',
        'example.com/': '404',
        'wwwexample.com/': '404',
      }),
  },
  {
    name: 'match host and path together, and the first match wins as written',
    run: (test) =>
      answeredBy(
        test,
        [
          named('one', { host: 'a.test', path: '/x/*' }),
          named('two', { path: '/x/y' }),
          named('three', { host: 'a.test' }),
          { name: 'rest', respond: { body: 'rest' } },
        ],
        {
          'a.test/x/y': 'one',
          'b.test/x/y': 'two',
          'a.test/z': 'three',
          'b.test/z': 'rest',
        },
      ),
  },
  {
    name: 'match on the normal form of a path and forward that same form',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        routesConfig(
          [target.address],
          [{ match: { path: '/admin/*' }, respond: { status: 403 } }, { match: { path: '/*' } }],
        ),
      );
      const client = await test.http(engine.port('web'));
      for (const hidden of [
        '/admin/x',
        '/%61dmin/x',
        '/a/../admin/x',
        '/a/%2e%2e/admin/x',
        '/./admin',
      ]) {
        assert.equal((await client.get(hidden)).status, 403, hidden);
      }
      for (const [asked, seen] of Object.entries({
        '/a/./b/../c': '/a/c',
        '/%7euser/%2f%c3%a4': '/~user/%2F%C3%A4',
        '//x//y': '//x//y',
        '/a?b=/../c%7e': '/a?b=/../c%7e',
      })) {
        assert.equal((await client.get(asked)).status, 200, asked);
        assert.equal((await target.next()).target, seen, asked);
      }
    },
  },
  {
    name: 'answer 404 with Proxy-Status where none matches',
    run: async (test) => {
      const engine = await test.engine({
        listeners: {
          web: { address: '127.0.0.1:0', protocol: 'http', routes: [named('a', { path: '/a' })] },
        },
      });
      const answer = await fetchOnce(engine.port('web'), 'GET', '/b');
      assert.equal(answer.status, 404);
      assert.match(answer.value('proxy-status') ?? '', /^sluice; ?error=destination_not_found/);
    },
  },
];

const answering: Case[] = [
  {
    name: 'respond with a fixed answer and keep the connection',
    run: async (test) => {
      const respond = {
        status: 418,
        headers: { 'X-Pot': 'tea', 'Content-Type': 'text/tea' },
        body: 'short and stout',
      };
      const engine = await test.engine({
        listeners: { web: { address: '127.0.0.1:0', protocol: 'http', routes: [{ respond }] } },
      });
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 3; i++) {
        const answer = await client.request('POST', '/', {}, 'ignored');
        assert.equal(answer.status, 418);
        assert.equal(answer.text, 'short and stout');
        assert.equal(answer.value('x-pot'), 'tea');
        assert.equal(answer.value('content-type'), 'text/tea');
        assert.equal(answer.value('content-length'), '15');
        assert.equal(answer.value('proxy-status'), 'sluice');
        assert.ok(Date.parse(answer.value('date') ?? '') > 0);
      }
      const head = await client.request('HEAD', '/');
      assert.equal(head.value('content-length'), '15');
      assert.equal((await client.get('/')).status, 418);
    },
  },
  {
    name: 'respond with 204 without body or length',
    run: async (test) => {
      const engine = await test.engine({
        listeners: {
          web: { address: '127.0.0.1:0', protocol: 'http', routes: [{ respond: { status: 204 } }] },
        },
      });
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 2; i++) assert.equal((await client.get('/')).status, 204);
    },
  },
  {
    name: 'redirect, with the parts of the request filled in',
    run: async (test) => {
      const routes = [
        {
          match: { path: '/moved/*' },
          redirect: { to: 'https://{host}{path}{query}', status: 308 },
          stripPrefix: '/moved',
        },
        { match: { path: '/q' }, redirect: { to: '{scheme}://other.example/{query}' } },
        { redirect: { to: '/login', status: 303 } },
      ];
      const engine = await test.engine({
        listeners: { web: { address: '127.0.0.1:0', protocol: 'http', routes } },
      });
      const client = await test.http(engine.port('web'));
      const moved = await client.get('/moved/a/b?c=d', { Host: 'site.example:81' });
      assert.equal(moved.status, 308);
      assert.equal(moved.value('location'), 'https://site.example:81/a/b?c=d');
      assert.equal(moved.value('proxy-status'), 'sluice');
      const bare = await client.get('/q');
      assert.equal(bare.status, 302);
      assert.equal(bare.value('location'), 'http://other.example/');
      assert.equal(
        (await client.get('/q?x=%0d%0aSet-Cookie:a')).value('location'),
        'http://other.example/?x=%0d%0aSet-Cookie:a',
      );
      const login = await client.get('/any');
      assert.equal(login.status, 303);
      assert.equal(login.value('location'), '/login');
    },
  },
  {
    name: 'edit the fields of fixed answers too',
    run: async (test) => {
      const engine = await test.engine({
        listeners: {
          web: {
            address: '127.0.0.1:0',
            protocol: 'http',
            routes: [
              { respond: { body: 'x' }, responseHeaders: { set: { 'X-Frame-Options': 'DENY' } } },
            ],
          },
        },
      });
      const answer = await fetchOnce(engine.port('web'), 'GET', '/');
      assert.equal(answer.value('x-frame-options'), 'DENY');
    },
  },
];

export const routes: Feature = { name: 'routes', cases: [...matching, ...answering] };
