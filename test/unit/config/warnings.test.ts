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

  it('tell of trusted proxies where there is no PROXY header to believe', () => {
    const warningsOf = (listener: object) =>
      configWarnings(
        parseConfig({
          listeners: { l: { address: '127.0.0.1:0', trustedProxies: ['::1'], ...listener } },
          pools: { p: { targets: ['127.0.0.1:1'] } },
        }),
      ).filter(({ path }) => path.startsWith('listeners'));
    for (const listener of [
      { protocol: 'forward' },
      { protocol: 'tcp', pool: 'p' },
      { protocol: 'udp', pool: 'p' },
    ]) {
      assert.deepEqual(
        warningsOf(listener),
        [
          {
            path: 'listeners.l.trustedProxies',
            message: 'has no effect: proxyProtocol is off, so nobody is asked who the client is',
          },
        ],
        listener.protocol,
      );
      for (const none of [{ proxyProtocol: 'optional' }, { trustedProxies: [] }]) {
        assert.deepEqual(warningsOf({ ...listener, ...none }), [], listener.protocol);
      }
    }
    assert.deepEqual(warningsOf({ protocol: 'http', pool: 'p' }), []);
  });
});

describe('a forward proxy that cannot be meant', () => {
  const warningsOf = (listener: object, rest: object = {}) =>
    configWarnings(
      parseConfig({ listeners: { p: { protocol: 'forward', ...listener } }, ...rest }),
    ).map(({ path, message }) => `${path}: ${message}`);

  it('lets everybody connect to every port', () => {
    const ports = { address: '10.0.0.1:3128', connectPorts: ['1-65535'] };
    assert.deepEqual(warningsOf(ports), [
      'listeners.p.connectPorts: lets everybody who reaches the proxy connect to nearly every port, that of mail (25) too, without saying who they are: add users, or name the ports',
    ]);
    assert.deepEqual(warningsOf({ ...ports, users: 'users.txt' }), []);
    assert.deepEqual(warningsOf({ ...ports, address: '127.0.0.1:3128' }), []);
    assert.deepEqual(warningsOf({ ...ports, connectPorts: [443, '8000-8099'] }), []);
  });

  it('permits every private destination', () => {
    assert.deepEqual(warningsOf({ privateDestinations: ['10.0.0.0/8', '::/0'] }), [
      'listeners.p.privateDestinations: permits every address: those of this machine, of its network and of cloud metadata',
    ]);
  });

  it('has rules behind one that matches everything', () => {
    const rules = [
      { match: { ports: [80] }, action: 'deny' },
      { action: 'allow' },
      { match: { ports: [81] }, action: 'deny' },
    ];
    assert.deepEqual(warningsOf({ rules }), [
      'listeners.p.rules[2]: never matches: rules[1], which comes first, matches everything',
    ]);
  });

  it('has lists and parents that no rule names', () => {
    const rest = {
      lists: { ads: 'ads.txt', used: 'used.txt' },
      pools: { up: { targets: ['127.0.0.1:1'], parent: 'http' } },
    };
    const rules = [{ match: { lists: ['used'] }, action: 'deny' }];
    assert.deepEqual(warningsOf({ rules }, rest), [
      'lists.ads: no rule uses this list',
      'pools.up: no listener and no route uses this pool',
    ]);
  });
});
