import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/parse.ts';
import { COUNTERS, ERROR_CODE_NAMES, STATS_STRIDE } from '../../../src/contract/codes.ts';
import type { Engine } from '../../../src/engine/engine.ts';
import { readStats, statsLength } from '../../../src/observe/stats.ts';
import { formatBytes, formatStats } from '../../../src/observe/stats-table.ts';
import { formatTable } from '../../../src/observe/table.ts';
import { compile } from '../../../src/plan/compile.ts';

const plan = compile(
  parseConfig({
    listeners: {
      web: {
        address: '127.0.0.1:0',
        protocol: 'http',
        routes: [{ match: { path: '/api/*' }, pool: 'api', name: 'api' }, { pool: 'rest' }],
      },
    },
    pools: {
      api: { targets: ['127.0.0.1:1001', '127.0.0.1:1002'] },
      rest: { targets: ['127.0.0.1:1003'] },
    },
  }),
  new Map(),
  7,
);

/** Entity n of the snapshot has made n + 1 requests; the last target has failed and is ejected. */
const engine: Engine = {
  name: 'js',
  capabilities: {
    protocols: ['http'],
    workers: false,
    splice: false,
    unixListeners: true,
    tls: false,
    proxyProtocol: false,
    transparent: false,
  },
  workers: 1,
  apply: () => Promise.resolve([]),
  readStats(into) {
    assert.equal(into.length, 8 * STATS_STRIDE);
    for (let i = 0; i < 8; i++) into[i * STATS_STRIDE + COUNTERS.indexOf('requests')] = i + 1;
    const errors = 7 * STATS_STRIDE + COUNTERS.length;
    into[errors + ERROR_CODE_NAMES.indexOf('connect_refused')] = 3;
  },
  userStates: () => [],
  targetStates: () => [
    { isEjected: false, ejectedForMs: 0, inFlight: 1 },
    { isEjected: false, ejectedForMs: 0, inFlight: 0 },
    { isEjected: true, ejectedForMs: 1500, inFlight: 0 },
  ],
  close: () => Promise.resolve(),
};

test('every entity finds its own numbers by its name', () => {
  assert.equal(statsLength(plan), 8 * STATS_STRIDE);
  const stats = readStats(engine, plan, 1234);
  assert.equal(stats.planVersion, 7);
  assert.equal(stats.uptimeMs, 1234);
  const requests = [stats.listeners, stats.routes, stats.pools, stats.targets].map((entities) =>
    Object.entries(entities).map(([name, { counters }]) => [name, counters.requests]),
  );
  assert.deepEqual(requests, [
    [['web', 1]],
    [
      ['web/api', 2],
      [`web/${plan.routes[1]!.name}`, 3],
    ],
    [
      ['api', 4],
      ['rest', 5],
    ],
    [
      ['api/127.0.0.1:1001', 6],
      ['api/127.0.0.1:1002', 7],
      ['rest/127.0.0.1:1003', 8],
    ],
  ]);
  assert.deepEqual(stats.targets['rest/127.0.0.1:1003']?.errors, { connect_refused: 3 });
  assert.deepEqual(stats.listeners.web?.errors, {});
  assert.equal(stats.targets['api/127.0.0.1:1001']?.state.inFlight, 1);
});

test('the table names every entity, its errors and who is ejected', () => {
  const text = formatStats(readStats(engine, plan, 61_000));
  assert.match(text, /^sluice: js engine, 1 worker, up 61\.0 s, plan 7\n/);
  assert.match(text, /^listener web .* 1 /m);
  assert.match(text, /^target rest\/127\.0\.0\.1:1003 .*connect_refused 3, ejected for 1\.5 s$/m);
});

test('certificates have a table of their own, where there are any', () => {
  const certificates = [
    {
      listener: 'web',
      name: '/etc/site.pem',
      hosts: ['a.test', '*.a.test'],
      keyType: 'ec',
      notAfterMs: Date.parse('2030-06-28T12:00:00Z'),
    },
  ];
  const stats = readStats(engine, plan, 61_000, certificates);
  assert.deepEqual(stats.certificates, certificates);
  assert.match(
    formatStats(stats),
    /\n\n +certificate +for +key +expires\n[- ]+\nlistener web {2}\/etc\/site\.pem {2}a\.test, \*\.a\.test {2}ec {3}2030-06-28\n$/,
  );
  assert.doesNotMatch(formatStats(readStats(engine, plan, 61_000)), /expires/);
});

test('users have a table of their own: those who used something, who used most today first', () => {
  const users = ['idle', 'carol', 'dave'].map((name) => ({
    name,
    bytesPerSecond: 0,
    connections: 0,
    bytesPerDay: 0,
  }));
  const withUsers = { ...plan, users: [{ file: '/etc/users', digest: 'd', users }] };
  const states = [
    { active: 0, requests: 0, bytesIn: 0, bytesOut: 0, bytesToday: 0 },
    { active: 1, requests: 2, bytesIn: 10, bytesOut: 20, bytesToday: 30 },
    { active: 0, requests: 7, bytesIn: 10, bytesOut: 4096, bytesToday: 2048 },
  ];
  const stats = readStats({ ...engine, userStates: () => states }, withUsers, 61_000);
  assert.deepEqual(
    stats.users,
    states.map((state, i) => ({ file: '/etc/users', name: users[i]?.name, ...state })),
  );
  const [table = ''] = formatStats(stats).split('\n\n').slice(1);
  const cells = table.split('\n').map((line) => line.trim().split(/ {2,}/));
  assert.deepEqual(cells[0], ['active', 'requests', 'in', 'out', 'today']);
  assert.deepEqual(
    cells.slice(2).filter((row) => row.length > 1),
    [
      ['user dave', '0', '7', '10 B', '4.0 KiB', '2.0 KiB'],
      ['user carol', '1', '2', '10 B', '20 B', '30 B'],
    ],
  );
  assert.deepEqual(readStats(engine, plan, 0).users, []);
  assert.doesNotMatch(formatStats(readStats(engine, plan, 0)), /today/);
});

test('bytes read as people read them', () => {
  assert.deepEqual([0, 1023, 1024, 1536, 5 * 2 ** 30].map(formatBytes), [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '5.0 GiB',
  ]);
});

test('columns line up: words to the left, numbers to the right', () => {
  const text = formatTable(
    ['name', 'count'],
    [
      ['a', '5'],
      ['longer', '1000'],
    ],
  );
  assert.equal(text, 'name    count\n------  -----\na           5\nlonger   1000');
});
