import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { defineConfig } from '../../../src/config/config.ts';
import { parseConfig } from '../../../src/config/parse.ts';
import type { Problem } from '../../../src/contract/errors.ts';
import { SluiceError } from '../../../src/contract/errors.ts';

function problemsOf(input: unknown): readonly Problem[] {
  try {
    parseConfig(input, { baseFolder: '/etc/sluice' });
  } catch (error) {
    assert.ok(error instanceof SluiceError);
    assert.equal(error.code, 'config_invalid');
    return error.problems;
  }
  return [];
}

const minimal = {
  listeners: { web: { address: '127.0.0.1:0', protocol: 'http', pool: 'p' } },
  pools: { p: { targets: ['127.0.0.1:1'] } },
};

describe('parseConfig', () => {
  it('fills in every default', () => {
    const config = parseConfig({
      listeners: {
        web: { address: ':80', protocol: 'http', routes: [{ pool: 'p' }] },
        raw: { address: ':81', protocol: 'tcp', pool: 'p' },
        media: { address: ':82', protocol: 'udp', pool: 'p' },
      },
      pools: { p: { targets: ['127.0.0.1:1'] } },
    });
    const address = (text: string, port: number) => ({
      kind: 'socket',
      text,
      socket: { family: 'ipv4', host: text.split(':')[0], port },
    });
    assert.deepEqual(config, {
      engine: 'auto',
      workers: 'auto',
      loop: 'auto',
      shutdownGrace: 30_000,
      acme: null,
      listeners: {
        web: {
          address: address('0.0.0.0:80', 80),
          protocol: 'http',
          routes: [
            {
              name: null,
              match: { host: null, path: null, pathRegex: null, clientCertificate: null },
              pool: 'p',
              respond: null,
              redirect: null,
              stripPrefix: '',
              addPrefix: '',
              hostHeader: null,
              requestHeaders: [],
              responseHeaders: [],
            },
          ],
          pool: null,
          redirectToHttps: null,
          forwarded: 'replace',
          trustedProxies: [],
          proxyProtocol: 'off',
          timeouts: {
            connect: 5000,
            handshake: 10_000,
            requestHeader: 30_000,
            bodyIdle: 60_000,
            responseHeader: 60_000,
            keepAlive: 75_000,
            tunnelIdle: 3_600_000,
          },
          limits: { head: 32_768, headerCount: 100, target: 8192, body: 0 },
          maxConnections: 0,
          splice: 'auto',
          accessLog: null,
        },
        raw: {
          address: address('0.0.0.0:81', 81),
          protocol: 'tcp',
          pool: 'p',
          routes: null,
          tls: null,
          trustedProxies: [],
          proxyProtocol: 'off',
          timeouts: { connect: 5000, handshake: 10_000 },
          idleTimeout: 600_000,
          maxConnections: 0,
          splice: 'auto',
          accessLog: null,
        },
        media: {
          address: address('0.0.0.0:82', 82),
          protocol: 'udp',
          pool: 'p',
          idleTimeout: 30_000,
          maxSessions: 16_384,
          responses: 0,
          trustedProxies: [],
          proxyProtocol: 'off',
          accessLog: null,
        },
      },
      pools: {
        p: {
          targets: [{ address: address('127.0.0.1:1', 1), weight: 1 }],
          strategy: 'round-robin',
          hostHeader: { kind: 'client' },
          retries: 'auto',
          eject: { after: 1, for: 2000, max: 60_000 },
          keepAlive: { idle: 60_000, maxIdle: 256 },
          tls: null,
          parent: null,
          proxyProtocol: 'off',
        },
      },
      lists: {},
      resolver: {
        servers: [],
        hosts: {},
        minTtl: 1000,
        maxTtl: 3_600_000,
        negativeTtl: 10_000,
        timeout: 5000,
      },
    });
  });

  it('freezes what it returns and leaves the input alone', () => {
    const input = structuredClone(minimal);
    const config = parseConfig(input);
    assert.deepEqual(input, minimal);
    assert.ok(!Object.isFrozen(input.listeners));
    assert.ok(Object.isFrozen(config.listeners.web));
    assert.ok(Object.isFrozen(config.pools.p?.targets[0]?.address));
  });

  it('takes a configuration that needs no pool', () => {
    const config = parseConfig({
      listeners: {
        web: { address: ':0', protocol: 'http', routes: [{ respond: { body: 'ok' } }] },
      },
    });
    assert.deepEqual(config.pools, {});
  });

  it('takes what defineConfig types', () => {
    const input = defineConfig({
      workers: 2,
      listeners: { web: { address: ':0', protocol: 'http', pool: 'p', accessLog: true } },
      pools: { p: { targets: ['127.0.0.1:1', { address: 'localhost:2', weight: 3 }], retries: 0 } },
    });
    const config = parseConfig(input);
    assert.equal(config.workers, 2);
    assert.equal(config.listeners.web?.accessLog, '-');
    assert.equal(config.pools.p?.targets[1]?.weight, 3);
  });

  it('finds log files and sockets from the folder of the configuration', () => {
    const config = parseConfig(
      {
        listeners: {
          a: { address: 'unix:a.sock', protocol: 'tcp', pool: 'p', accessLog: 'logs/a.log' },
          b: {
            address: 'unix:/run/b.sock',
            protocol: 'tcp',
            pool: 'p',
            accessLog: '/var/log/b.log',
          },
        },
        pools: { p: { targets: ['unix:app.sock'] } },
      },
      { baseFolder: '/etc/sluice' },
    );
    const { a, b } = config.listeners;
    assert.deepEqual([a?.accessLog, b?.accessLog], ['/etc/sluice/logs/a.log', '/var/log/b.log']);
    assert.deepEqual(
      [a?.address.text, b?.address.text],
      ['unix:/etc/sluice/a.sock', 'unix:/run/b.sock'],
    );
    assert.equal(config.pools.p?.targets[0]?.address.text, 'unix:/etc/sluice/app.sock');
  });

  it('lets http and udp share a port, and any number of listeners ask for a free one', () => {
    const config = parseConfig({
      listeners: {
        web: { address: ':5353', protocol: 'http', pool: 'p' },
        dns: { address: ':5353', protocol: 'udp', pool: 'p' },
        a: { address: ':0', protocol: 'tcp', pool: 'p' },
        b: { address: ':0', protocol: 'tcp', pool: 'p' },
      },
      pools: minimal.pools,
    });
    assert.equal(Object.keys(config.listeners).length, 4);
  });
});

describe('the error of parseConfig', () => {
  it('names every problem, in the order of the file, one line each', () => {
    const input = parseYaml(`
      pools:
        p: { targets: [] }
      listeners:
        web: { address: 80, protocol: http, pool: q }
      worker: 3
    `);
    assert.throws(() => parseConfig(input, { subject: 'sluice.yaml' }), {
      code: 'config_invalid',
      message: [
        'sluice.yaml has 4 problems:',
        '  pools.p.targets: expected at least one target but found an empty list',
        '  listeners.web.address: expected an address to listen on such as 127.0.0.1:8080 but found 80 (number) (for every interface write ":80")',
        '  listeners.web.pool: expected the name of a pool but found "q" (text) (did you mean p?)',
        '  worker: expected one of the keys engine, workers, loop, shutdownGrace, acme, listeners, pools, lists, resolver but found the unknown key "worker" (did you mean workers?)',
      ].join('\n'),
    });
  });

  it('does not repeat what may be a secret', () => {
    const problems = problemsOf({
      listeners: {
        web: {
          address: ':0',
          protocol: 'http',
          routes: [
            {
              pool: 'p',
              requestHeaders: {
                set: {
                  Authorization: 'Bearer hunter2\n',
                  'X-Api-Key': ' hunter2',
                  Cookie: 'hunter2ü',
                },
                add: { 'X-Token': ['hunter2\0'] },
              },
            },
            { respond: { headers: { 'Set-Cookie': 'hunter2\r\n' } } },
          ],
        },
      },
      pools: { p: { targets: ['http://user:hunter2@127.0.0.1:1'] } },
    });
    assert.equal(problems.length, 6);
    assert.ok(!JSON.stringify(problems).includes('hunter2'), JSON.stringify(problems));
  });

  it('comes for anything that is no configuration at all', () => {
    for (const input of [undefined, null, 3, 'text', [], true, () => 1, new Map(), Symbol('x')]) {
      assert.ok(problemsOf(input).length > 0, String(input));
    }
    const cyclic: Record<string, unknown> = { ...minimal };
    cyclic.self = cyclic;
    assert.deepEqual(
      problemsOf(cyclic).map((problem) => problem.path),
      ['self'],
    );
  });

  it('comes for keys that would reach into prototypes', () => {
    const input = JSON.parse(
      '{"__proto__": {}, "listeners": {"__proto__": {}, "constructor": {}, "toString": {}}, "pools": {"__proto__": {"targets": []}}}',
    ) as unknown;
    const paths = problemsOf(input).map((problem) => problem.path);
    assert.ok(paths.includes('__proto__'));
    assert.ok(paths.includes('listeners.__proto__'));
    assert.ok(paths.includes('listeners.constructor'));
    assert.ok(paths.includes('listeners.toString'));
    assert.ok(paths.includes('pools.__proto__'));
    const reference = problemsOf({
      ...minimal,
      listeners: { web: { address: ':0', protocol: 'http', pool: 'constructor' } },
    });
    assert.deepEqual(
      reference.map((problem) => problem.path),
      ['listeners.web.pool'],
    );
  });
});
