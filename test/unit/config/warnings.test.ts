import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '../../../src/config/parse.ts';
import { configWarnings } from '../../../src/config/warnings.ts';

/** The indices of routes that are warned of. */
function covered(...matches: object[]): number[] {
  const config = parseConfig({
    listeners: {
      web: {
        address: ':0',
        protocol: 'http',
        routes: matches.map((match) => ({ match, pool: 'p' })),
      },
    },
    pools: { p: { targets: ['127.0.0.1:1'] } },
  });
  return configWarnings(config).map(({ path }) => Number(/routes\[(\d+)\]$/.exec(path)?.[1]));
}

describe('a route that can never match', () => {
  it('is warned of, naming the one that takes its place', () => {
    const config = parseConfig({
      listeners: {
        web: {
          address: ':0',
          protocol: 'http',
          routes: [
            { match: { path: '/api/*' }, pool: 'p' },
            { match: { path: '/api/v2/*' }, respond: {} },
          ],
        },
      },
      pools: { p: { targets: ['127.0.0.1:1'] } },
    });
    assert.deepEqual(configWarnings(config), [
      {
        path: 'listeners.web.routes[1]',
        message: 'never matches: routes[0], which comes first, takes everything that it would take',
      },
    ]);
  });

  it('is found by path', () => {
    assert.deepEqual(covered({}, { path: '/a' }, { host: 'a.test' }), [1, 2]);
    assert.deepEqual(covered({ path: '/*' }, { pathRegex: 'x' }), [1]);
    assert.deepEqual(covered({ path: '/a' }, { path: '/a' }, { path: '/a/*' }), [1]);
    assert.deepEqual(
      covered({ path: '/a/*' }, { path: '/a' }, { path: '/a/b/*' }, { path: '/ab' }),
      [1, 2],
    );
    assert.deepEqual(
      covered({ pathRegex: '^/a' }, { path: '/ab' }, { pathRegex: '^/a' }, { path: '/b' }),
      [1, 2],
    );
  });

  it('is found by host', () => {
    assert.deepEqual(
      covered({ host: 'a.test' }, { host: 'A.test', path: '/x' }, { host: 'b.test' }),
      [1],
    );
    assert.deepEqual(
      covered(
        { host: '*.a.test' },
        { host: 'x.a.test' },
        { host: '*.x.a.test' },
        { host: 'a.test' },
        {},
      ),
      [1, 2],
    );
  });

  it('is not one that takes what the earlier leaves over', () => {
    assert.deepEqual(covered({ path: '/a/b/*' }, { path: '/a/*' }, { path: '/*' }, {}), [3]);
    assert.deepEqual(
      covered({ host: 'a.test', path: '/a/*' }, { path: '/a/b' }, { host: 'a.test' }),
      [],
    );
    assert.deepEqual(covered({ pathRegex: '^/a/' }, { path: '/a/*' }, {}), []);
  });
});

describe('other warnings', () => {
  it('tell of pools that nobody uses', () => {
    const pool = { targets: ['127.0.0.1:1'] };
    const config = parseConfig({
      listeners: {
        web: { address: ':0', protocol: 'http', routes: [{ pool: 'a' }] },
        raw: { address: ':0', protocol: 'tcp', pool: 'b' },
        short: { address: ':0', protocol: 'http', pool: 'c' },
      },
      pools: { a: pool, b: pool, c: pool, d: pool },
    });
    assert.deepEqual(configWarnings(config), [
      { path: 'pools.d', message: 'no listener and no route uses this pool' },
    ]);
  });

  it('tell of trusted proxies that are asked for nothing', () => {
    const config = parseConfig({
      listeners: {
        web: {
          address: ':0',
          protocol: 'http',
          routes: [{ respond: {} }],
          forwarded: 'off',
          trustedProxies: ['::1'],
        },
      },
    });
    assert.deepEqual(
      configWarnings(config).map(({ path }) => path),
      ['listeners.web.trustedProxies'],
    );
  });
});
