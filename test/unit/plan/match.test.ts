import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseConfig } from '../../../src/config/parse.ts';
import { compile } from '../../../src/plan/compile.ts';
import {
  explainRoutes,
  findRoute,
  matchRoute,
  normalizeHost,
  rewritePath,
} from '../../../src/plan/match.ts';
import type { Plan } from '../../../src/plan/plan.ts';

const lines = readFileSync(new URL('../../vectors/route.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split('\t').map((field) => (field === "''" ? '' : field)));

interface RouteCase {
  readonly listener: string;
  readonly routes: { name: string; host: string; path: string }[];
  readonly requests: { host: string; path: string; expected: string }[];
}

function routeCases(): RouteCase[] {
  const cases: RouteCase[] = [];
  for (const [verb, a = '', b = '', c = ''] of lines) {
    const current = cases.at(-1);
    if (verb === 'listener') cases.push({ listener: a, routes: [], requests: [] });
    if (verb === 'route') current!.routes.push({ name: a, host: b, path: c });
    if (verb === 'request') current!.requests.push({ host: a, path: b, expected: c });
  }
  return cases;
}

function planOf(routes: readonly object[]): Plan {
  const config = parseConfig({
    listeners: { web: { address: ':0', protocol: 'http', routes } },
    pools: { p: { targets: ['127.0.0.1:1'] } },
  });
  return compile(config, new Map(), 1);
}

const onPath = (path: string) => ({ match: { path }, pool: 'p' });

describe('the shared route vectors', () => {
  for (const { listener, routes, requests } of routeCases()) {
    it(`hold for: ${listener}`, () => {
      const plan = planOf(
        routes.map(({ name, host, path }) => ({
          name,
          match: host === '*' ? { path } : { host, path },
          pool: 'p',
        })),
      );
      assert.ok(requests.length > 0);
      for (const { host, path, expected } of requests) {
        const found = findRoute(plan, plan.listeners[0]!, { host, path });
        assert.equal(found?.name ?? '-', expected, `${host} ${path}`);
        const explained = explainRoutes(plan, plan.listeners[0]!, { host, path });
        assert.equal(explained.route, found, 'explaining finds the same route');
        assert.equal(explained.verdicts.filter((verdict) => verdict.isMatch).length, found ? 1 : 0);
      }
    });
  }

  it('hold for hosts', () => {
    const cases = lines.filter(([verb]) => verb === 'host');
    assert.ok(cases.length >= 10);
    for (const [, authority = '', host] of cases) assert.equal(normalizeHost(authority), host);
  });

  it('hold for rewriting', () => {
    const cases = lines.filter(([verb]) => verb === 'rewrite');
    assert.ok(cases.length >= 15);
    for (const [, stripPrefix = '', addPrefix = '', path = '', expected] of cases) {
      assert.equal(
        rewritePath({ stripPrefix, addPrefix }, path),
        expected,
        `${stripPrefix} ${path}`,
      );
    }
  });
});

describe('matching', () => {
  it('takes the request of a host with a port', () => {
    const plan = planOf([{ match: { host: 'example.com' }, pool: 'p' }]);
    const listener = plan.listeners[0]!;
    assert.equal(findRoute(plan, listener, { host: 'Example.com:8080', path: '/' })?.index, 0);
  });

  it('looks at its own listener only', () => {
    const config = parseConfig({
      listeners: {
        a: { address: ':0', protocol: 'http', routes: [onPath('/a')] },
        b: { address: ':0', protocol: 'http', routes: [onPath('/x'), onPath('/b')] },
      },
      pools: { p: { targets: ['127.0.0.1:1'] } },
    });
    const plan = compile(config, new Map(), 1);
    const [a, b] = plan.listeners;
    assert.equal(findRoute(plan, a!, { host: '', path: '/b' }), null);
    assert.equal(findRoute(plan, b!, { host: '', path: '/b' })?.index, 2);
    assert.equal(findRoute(plan, b!, { host: '', path: '/a' }), null);
  });

  it('finds a regular expression anywhere in the path', () => {
    const plan = planOf([{ match: { pathRegex: '/v[0-9]+/' }, pool: 'p' }]);
    const listener = plan.listeners[0]!;
    assert.ok(findRoute(plan, listener, { host: '', path: '/api/v12/x' }));
    assert.equal(findRoute(plan, listener, { host: '', path: '/api/v/x' }), null);
  });
});

describe('the explanation', () => {
  const plan = planOf([
    { match: { host: 'old.test' }, redirect: { to: '/new' } },
    { match: { host: '*.app.test', path: '/api/*' }, pool: 'p' },
    { match: { pathRegex: '^/v[0-9]' }, pool: 'p' },
    { match: { path: '/exact' }, pool: 'p' },
    { name: 'rest', match: { path: '/apix/*' }, pool: 'p' },
  ]);
  const listener = plan.listeners[0]!;

  it('says why each route before the one that matches was passed over', () => {
    const match = matchRoute(plan, listener, { host: 'x.test:80', path: '/apix' });
    assert.equal(match?.route.name, 'rest');
    assert.deepEqual(match?.why, [
      'old.test/*: host x.test is not old.test',
      '*.app.test/api/*: host x.test is not below app.test; path /apix is not below /api/ (prefixes end on segment borders)',
      '~^/v[0-9]: path /apix does not match /^/v[0-9]/',
      '/exact: path /apix is not /exact',
      'rest: path /apix is below /apix',
    ]);
  });

  it('says why none matched', () => {
    const request = { host: '', path: '/none' };
    assert.equal(matchRoute(plan, listener, request), null);
    const { route, verdicts } = explainRoutes(plan, listener, request);
    assert.equal(route, null);
    assert.equal(verdicts.length, 5);
    assert.equal(verdicts[0]?.reason, 'the request names no host');
  });

  it('says what matched', () => {
    const match = matchRoute(plan, listener, { host: 'a.app.test', path: '/api/x' });
    assert.equal(
      match?.why.at(-1),
      '*.app.test/api/*: host a.app.test is below app.test and path /api/x is below /api',
    );
    const all = planOf([{ pool: 'p' }]);
    assert.deepEqual(matchRoute(all, all.listeners[0]!, { host: '', path: '/' })?.why, [
      '*: matches every request',
    ]);
  });
});
