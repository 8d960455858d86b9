import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfigInput } from '../../../src/config/config.ts';
import { parseConfig } from '../../../src/config/parse.ts';
import type { SocketAddress } from '../../../src/contract/address.ts';
import { SluiceError } from '../../../src/contract/errors.ts';
import { compile, namesToResolve } from '../../../src/plan/compile.ts';
import type { Plan } from '../../../src/plan/plan.ts';

const v4 = (host: string, port: number): SocketAddress => ({ family: 'ipv4', host, port });
const v6 = (host: string, port: number): SocketAddress => ({ family: 'ipv6', host, port });

function planOf(input: ConfigInput, names: Record<string, SocketAddress[]> = {}): Plan {
  return compile(
    parseConfig(input, { baseFolder: '/etc/sluice' }),
    new Map(Object.entries(names)),
    7,
  );
}

const http = (routes: readonly object[]): ConfigInput =>
  ({
    listeners: { web: { address: '127.0.0.1:0', protocol: 'http', routes } },
    pools: {
      a: { targets: ['127.0.0.1:1', '127.0.0.1:2'], hostHeader: 'target' },
      b: { targets: ['127.0.0.1:3'] },
    },
  }) as unknown as ConfigInput;

describe('compile', () => {
  it('lays listeners, routes, pools and targets out by index', () => {
    const plan = planOf({
      listeners: {
        web: {
          address: ':8080',
          protocol: 'http',
          routes: [{ match: { path: '/b/*' }, pool: 'b' }, { pool: 'a' }],
        },
        raw: { address: '[::1]:9000', protocol: 'tcp', pool: 'b' },
        short: { address: 'unix:run/web.sock', protocol: 'http', pool: 'a' },
        media: { address: '127.0.0.1:53', protocol: 'udp', pool: 'a' },
      },
      pools: { a: { targets: ['127.0.0.1:1', '127.0.0.1:2'] }, b: { targets: ['[::1]:3'] } },
    });
    assert.equal(plan.version, 7);
    assert.deepEqual(
      plan.listeners.map(({ index, name, routes, pool }) => [index, name, routes, pool]),
      [
        [0, 'web', { first: 0, count: 2 }, null],
        [1, 'raw', { first: 2, count: 0 }, 1],
        [2, 'short', { first: 2, count: 1 }, null],
        [3, 'media', { first: 3, count: 0 }, 0],
      ],
    );
    assert.deepEqual(
      plan.routes.map(({ index, listener, name, action }) => [index, listener, name, action]),
      [
        [0, 0, '/b/*', { kind: 'pool', pool: 1 }],
        [1, 0, '*', { kind: 'pool', pool: 0 }],
        [2, 2, '*', { kind: 'pool', pool: 0 }],
      ],
    );
    assert.deepEqual(
      plan.pools.map(({ index, name, targets }) => [index, name, targets]),
      [
        [0, 'a', { first: 0, count: 2 }],
        [1, 'b', { first: 2, count: 1 }],
      ],
    );
    assert.deepEqual(
      plan.targets.map(({ index, pool, name, address }) => [index, pool, name, address]),
      [
        [0, 0, '127.0.0.1:1', v4('127.0.0.1', 1)],
        [1, 0, '127.0.0.1:2', v4('127.0.0.1', 2)],
        [2, 1, '[::1]:3', v6('::1', 3)],
      ],
    );
    assert.deepEqual(plan.listeners[2]?.address, {
      family: 'unix',
      host: '/etc/sluice/run/web.sock',
      port: 0,
    });
  });

  it('freezes the plan', () => {
    const plan = planOf(http([{ pool: 'a' }]));
    assert.ok(Object.isFrozen(plan));
    assert.ok(Object.isFrozen(plan.routes[0]?.action));
    assert.throws(() => {
      (plan.targets as unknown[]).push(1);
    }, TypeError);
  });

  it('hands every setting of a listener on', () => {
    const plan = planOf({
      listeners: {
        web: {
          address: '127.0.0.1:1',
          protocol: 'http',
          pool: 'a',
          maxConnections: 9,
          accessLog: 'log/access.log',
          forwarded: 'append',
          trustedProxies: ['10.0.0.0/8', '::1'],
          proxyProtocol: 'optional',
          splice: 'never',
          timeouts: {
            connect: '1s',
            handshake: '7s',
            requestHeader: '2s',
            bodyIdle: '3s',
            responseHeader: '4s',
            keepAlive: '5s',
            tunnelIdle: '6s',
          },
          limits: { head: '16KiB', headerCount: 50, target: '4KiB', body: '1MB' },
        },
      },
      pools: { a: { targets: ['127.0.0.1:1'] } },
    });
    const { index, address, routes, name, ...rest } = plan.listeners[0]!;
    assert.deepEqual(rest, {
      protocol: 'http',
      pool: null,
      nameRoutes: [],
      serverTls: null,
      forward: null,
      proxyProtocol: 'optional',
      maxConnections: 9,
      accessLog: '/etc/sluice/log/access.log',
      forwarded: 'append',
      trustedProxies: [
        { family: 'ipv4', host: '10.0.0.0', bits: 8 },
        { family: 'ipv6', host: '::1', bits: 128 },
      ],
      splice: 'never',
      timeouts: {
        connectMs: 1000,
        handshakeMs: 7000,
        requestHeaderMs: 2000,
        bodyIdleMs: 3000,
        responseHeaderMs: 4000,
        keepAliveMs: 5000,
        idleMs: 6000,
      },
      limits: { headBytes: 16384, headerCount: 50, targetBytes: 4096, bodyBytes: 1_000_000 },
      maxSessions: 0,
      responses: 0,
    });
  });

  it('gives tcp and udp their own idle timeout, and no timeout of any listener is 0', () => {
    const plan = planOf({
      listeners: {
        raw: {
          address: '127.0.0.1:1',
          protocol: 'tcp',
          pool: 'a',
          idleTimeout: '7s',
          timeouts: { connect: '1s' },
        },
        media: {
          address: '127.0.0.1:1',
          protocol: 'udp',
          pool: 'a',
          idleTimeout: '8s',
          maxSessions: 5,
          responses: 1,
        },
      },
      pools: { a: { targets: ['127.0.0.1:1'] } },
    });
    const [raw, media] = plan.listeners;
    assert.equal(raw?.timeouts.idleMs, 7000);
    assert.equal(raw?.timeouts.connectMs, 1000);
    assert.equal(media?.timeouts.idleMs, 8000);
    assert.deepEqual([media?.maxSessions, media?.responses], [5, 1]);
    for (const { timeouts } of plan.listeners) {
      for (const [key, ms] of Object.entries(timeouts)) assert.ok(ms > 0, key);
    }
  });

  it('folds the hostHeader of a pool into its routes, unless a route has its own', () => {
    const plan = planOf(
      http([
        { pool: 'a' },
        { pool: 'a', hostHeader: 'client' },
        { pool: 'a', hostHeader: 'app.test:81' },
        { pool: 'b' },
        { respond: {} },
      ]),
    );
    assert.deepEqual(
      plan.routes.map((route) => route.hostHeader),
      [
        { kind: 'target' },
        { kind: 'client' },
        { kind: 'literal', value: 'app.test:81' },
        { kind: 'client' },
        { kind: 'client' },
      ],
    );
  });

  it('names routes after what they match, each once in its listener', () => {
    const plan = planOf(
      http([
        { match: { host: 'a.test', path: '/x' }, pool: 'a' },
        { match: { host: '*.A.test', path: '/x/*' }, pool: 'a' },
        { match: { host: 'a.test' }, pool: 'a' },
        { match: { pathRegex: '^/v' }, pool: 'a' },
        { name: 'mine', match: { path: '/y' }, pool: 'a' },
        { name: 'mine', pool: 'a' },
        { match: { path: '/*' }, pool: 'a' },
        { pool: 'a' },
      ]),
    );
    assert.deepEqual(
      plan.routes.map((route) => route.name),
      ['a.test/x', '*.a.test/x/*', 'a.test/*', '~^/v', 'mine', 'mine#2', '*', '*#2'],
    );
  });

  it('turns fixed answers and redirections into what an engine sends', () => {
    const plan = planOf(
      http([
        { respond: { status: 503, headers: { 'Retry-After': '5' }, body: 'grüß' } },
        { redirect: { to: '{scheme}://new.test{path}{query}', status: 308 } },
      ]),
    );
    assert.deepEqual(plan.routes[0]?.action, {
      kind: 'respond',
      status: 503,
      headers: [{ name: 'Retry-After', value: '5' }],
      body: new TextEncoder().encode('grüß'),
    });
    assert.deepEqual(plan.routes[1]?.action, {
      kind: 'redirect',
      status: 308,
      location: [
        { part: 'scheme', text: '' },
        { part: 'literal', text: '://new.test' },
        { part: 'path', text: '' },
        { part: 'query', text: '' },
      ],
    });
  });

  it('orders header edits: remove, set, add', () => {
    const plan = planOf(
      http([
        {
          pool: 'a',
          requestHeaders: {
            add: { 'X-B': ['1', '2'] },
            set: { 'X-A': 'a' },
            remove: ['X-B', 'X-C'],
          },
          responseHeaders: { add: { Via: 'x' } },
        },
      ]),
    );
    assert.deepEqual(plan.routes[0]?.requestEdits, [
      { op: 'remove', name: 'X-B', value: '' },
      { op: 'remove', name: 'X-C', value: '' },
      { op: 'set', name: 'X-A', value: 'a' },
      { op: 'add', name: 'X-B', value: '1' },
      { op: 'add', name: 'X-B', value: '2' },
    ]);
    assert.deepEqual(plan.routes[0]?.responseEdits, [{ op: 'add', name: 'Via', value: 'x' }]);
  });

  it('retries on other targets, at most 2, unless the pool says how often', () => {
    const retries = (count: number, written?: number): number | undefined =>
      planOf({
        listeners: { raw: { address: ':0', protocol: 'tcp', pool: 'p' } },
        pools: {
          p: {
            targets: Array.from({ length: count }, (_, i) => `127.0.0.1:${i + 1}`),
            ...(written === undefined ? {} : { retries: written }),
          },
        },
      }).pools[0]?.retries;
    assert.deepEqual([retries(1), retries(2), retries(3), retries(9)], [0, 1, 2, 2]);
    assert.deepEqual([retries(1, 3), retries(9, 0)], [3, 0]);
  });

  it('hands weights to the strategy', () => {
    const plan = planOf({
      listeners: { raw: { address: ':0', protocol: 'tcp', pool: 'p' } },
      pools: { p: { targets: ['127.0.0.1:1', { address: '127.0.0.1:2', weight: 3 }] } },
    });
    const { table } = plan.pools[0]!;
    assert.equal(
      table.filter((position) => position === 1).length,
      3 * table.filter((p) => p === 0).length,
    );
    assert.deepEqual(
      plan.targets.map((target) => target.weight),
      [1, 3],
    );
  });
});

describe('names', () => {
  const input: ConfigInput = {
    listeners: {
      raw: { address: 'localhost:8080', protocol: 'tcp', pool: 'a' },
      web: { address: ':0', protocol: 'http', pool: 'b' },
    },
    pools: {
      a: { targets: ['127.0.0.1:1', 'App.internal:80'] },
      b: { targets: [{ address: 'app.internal:80', weight: 5 }, 'http://other'] },
    },
  };

  it('are listed once each, with the place that wrote them first', () => {
    assert.deepEqual(namesToResolve(parseConfig(input)), [
      { path: 'listeners.raw.address', name: 'localhost:8080', host: 'localhost', port: 8080 },
      { path: 'pools.a.targets[1]', name: 'app.internal:80', host: 'app.internal', port: 80 },
      { path: 'pools.b.targets[1]', name: 'other:80', host: 'other', port: 80 },
    ]);
  });

  it('with several addresses become as many targets, each of the weight written', () => {
    const plan = planOf(input, {
      'localhost:8080': [v4('127.0.0.1', 8080), v6('::1', 8080)],
      'app.internal:80': [v4('10.0.0.1', 80), v4('10.0.0.2', 80), v4('10.0.0.1', 80)],
      'other:80': [v6('fd00::1', 80)],
    });
    assert.deepEqual(plan.listeners[0]?.address, v4('127.0.0.1', 8080));
    assert.deepEqual(
      plan.targets.map(({ name, authority, weight, address }) => [
        name,
        authority,
        weight,
        address.host,
      ]),
      [
        ['127.0.0.1:1', '127.0.0.1:1', 1, '127.0.0.1'],
        ['app.internal:80/10.0.0.1', 'app.internal', 1, '10.0.0.1'],
        ['app.internal:80/10.0.0.2', 'app.internal', 1, '10.0.0.2'],
        ['app.internal:80/10.0.0.1', 'app.internal', 5, '10.0.0.1'],
        ['app.internal:80/10.0.0.2', 'app.internal', 5, '10.0.0.2'],
        ['other:80/fd00::1', 'other', 1, 'fd00::1'],
      ],
    );
    assert.equal(plan.pools[0]?.retries, 2, 'auto counts addresses, not lines');
  });

  it('without an address are an error that names the place', () => {
    assert.throws(
      () => planOf(input, { 'localhost:8080': [v4('127.0.0.1', 8080)], 'app.internal:80': [] }),
      (error: unknown) =>
        error instanceof SluiceError &&
        error.code === 'resolve_failed' &&
        error.message === 'pools.a.targets[1]: app.internal has no address',
    );
  });

  it('are not needed where addresses are written', () => {
    assert.deepEqual(namesToResolve(parseConfig(http([{ pool: 'a' }]))), []);
  });
});
