// What is said about each mistake, word for word; those of routes, of TLS and of forward proxies have files of their own.
import { describeTable, LISTENERS, POOLS } from './mistakes.ts';

const topLevel = (text: string) => `${LISTENERS}\n${POOLS}\n${text}`;
const listener = (text: string) => `${POOLS}\nlisteners: { web: ${text} }`;
const pool = (text: string) =>
  `listeners: { raw: { address: ":0", protocol: tcp, pool: p } }\npools: { p: ${text} }`;
const target = (text: string) => pool(`{ targets: [ ${text} ] }`);
const address = (text: string) => listener(`{ address: ${text}, protocol: tcp, pool: p }`);
const timeout = (text: string) =>
  listener(`{ address: ":0", protocol: http, pool: p, timeouts: { connect: ${text} } }`);
const limit = (text: string) =>
  listener(`{ address: ":0", protocol: http, pool: p, limits: { ${text} } }`);
const DURATION = 'a duration such as 30s or 500ms';
const LISTEN =
  'an address to listen on, such as 127.0.0.1:8080, [::1]:8080, :8080 or unix:/run/sluice.sock';
const TARGET =
  "a target's address, such as 127.0.0.1:3000, [::1]:3000, app.internal:3000 or unix:/run/app.sock";
const RANGE = 'an address or a block such as 10.0.0.0/8 or fd00::/8';

describeTable('the top level', topLevel, [
  ['engine: nativ', ['engine: one of auto, native, uws, js; "nativ" (text); did you mean native?']],
  ['engine: 3', ['engine: one of auto, native, uws, js; 3 (number)']],
  ['workers: 0', ['workers: auto or a whole number from 1 to 256; 0 (number)']],
  ['workers: 1.5', ['workers: auto or a whole number from 1 to 256; 1.5 (number)']],
  ['workers: "4"', ['workers: auto or a whole number from 1 to 256; "4" (text)']],
  [
    'loop: iouring',
    ['loop: one of auto, epoll, io_uring; "iouring" (text); did you mean io_uring?'],
  ],
  ['workers: 257', ['workers: auto or a whole number from 1 to 256; 257 (number)']],
  [
    'shutdownGrace: 30',
    ['shutdownGrace: a duration such as 30s, or 0s; 30 (number); add a unit: 30s or 30ms'],
  ],
  ['shutdownGrace:', ['shutdownGrace: a duration such as 30s, or 0s; an empty value (null)']],
  [
    'listner: {}',
    [
      'listner: one of the keys engine, workers, loop, shutdownGrace, acme, listeners, pools, lists, resolver; the unknown key "listner"; did you mean listeners?',
    ],
  ],
  [
    'qqq: 1',
    [
      'qqq: one of the keys engine, workers, loop, shutdownGrace, acme, listeners, pools, lists, resolver; the unknown key "qqq"',
    ],
  ],
]);

describeTable('the maps of listeners and pools', (text) => text, [
  ['pools: {}', ['listeners: a map of names and listeners; nothing']],
  ['listeners: {}', ['listeners: at least one listener; an empty map']],
  ['listeners: []', ['listeners: a map of names and listeners; an empty list']],
  [
    `${POOLS}\nlisteners: { web: }`,
    [
      'listeners.web: a map of the keys of a listener, such as address and protocol; an empty value (null)',
    ],
  ],
  [
    `${POOLS}\nlisteners: { "a b": { address: ":0", protocol: tcp, pool: p } }`,
    [
      'listeners["a b"]: the name of a listener: letters, digits, ".", "_" and "-", at most 64; "a b" (text)',
    ],
  ],
  [
    `${LISTENERS}\npools: { p: { targets: ["127.0.0.1:1"] }, toString: { targets: ["127.0.0.1:1"] } }`,
    ['pools.toString: another name for this pool; "toString" (text)'],
  ],
  [LISTENERS, ['listeners.web.pool: the name of a pool; "p" (text); there are no pools']],
]);

describeTable('a listener', listener, [
  [
    '{ protocol: tcp, pool: p }',
    ['listeners.web.address: an address to listen on such as 127.0.0.1:8080; nothing'],
  ],
  [
    '{ address: ":0", pool: p }',
    ['listeners.web.protocol: one of http, https, tcp, udp, forward; nothing'],
  ],
  [
    '{ address: ":0", protocol: https, pool: p }',
    ['listeners.web.tls: a map of keys and values; nothing'],
  ],
  [
    '{ address: ":0", protocol: tpc, pool: p }',
    [
      'listeners.web.protocol: one of http, https, tcp, udp, forward; "tpc" (text); did you mean tcp?',
    ],
  ],
  ['{ address: ":0", protocol: tcp }', ['listeners.web: pool, routes or both; neither']],
  [
    '{ address: ":0", protocol: tcp, pool: pp }',
    ['listeners.web.pool: the name of a pool; "pp" (text); did you mean p?'],
  ],
  [
    '{ address: ":0", protocol: tcp, pool: other }',
    ['listeners.web.pool: the name of a pool; "other" (text); the pools are p, api'],
  ],
  ['{ address: ":0", protocol: http }', ['listeners.web: exactly one of routes and pool; neither']],
  [
    '{ address: ":0", protocol: http, pool: p, routes: [{ pool: p }] }',
    [
      'listeners.web: exactly one of routes and pool; both; pool is short for one route that takes everything',
    ],
  ],
  [
    '{ address: ":0", protocol: http, routes: [] }',
    ['listeners.web.routes: at least one route; an empty list'],
  ],
  [
    '{ address: ":0", protocol: http, routes: { pool: p } }',
    ['listeners.web.routes: a list of routes; a map of pool'],
  ],
  [
    '{ address: ":0", protocol: tcp, pool: p, maxSessions: 5 }',
    [
      'listeners.web.maxSessions: one of the keys address, protocol, pool, routes, tls, trustedProxies, proxyProtocol, timeouts, idleTimeout, maxConnections, splice, accessLog; the unknown key "maxSessions"',
    ],
  ],
  [
    '{ address: ":0", protocol: udp, pool: p, maxSessions: 0 }',
    ['listeners.web.maxSessions: a whole number from 1 to 1,000,000; 0 (number)'],
  ],
  [
    '{ address: ":0", protocol: http, pool: p, forwarded: true }',
    ['listeners.web.forwarded: one of replace, append, off; true (boolean)'],
  ],
  [
    '{ address: ":0", protocol: http, pool: p, splice: on }',
    ['listeners.web.splice: one of auto, never, always; "on" (text)'],
  ],
  [
    '{ address: ":0", protocol: tcp, pool: p, accessLog: "" }',
    ['listeners.web.accessLog: true (standard output), false, or the name of a file; "" (text)'],
  ],
  [
    '{ address: ":0", protocol: tcp, pool: p, max_connections: 5 }',
    [
      'listeners.web.max_connections: one of the keys address, protocol, pool, routes, tls, trustedProxies, proxyProtocol, timeouts, idleTimeout, maxConnections, splice, accessLog; the unknown key "max_connections"; did you mean maxConnections?',
    ],
  ],
  [
    '{ address: ":0", protocol: http, pool: p, trustedProxies: [10.0.0.1/8, "::1/129", localhost, "::1/0", 1.2.3.4] }',
    [
      `listeners.web.trustedProxies[0]: ${RANGE}; "10.0.0.1/8" (text); the block that holds this address is 10.0.0.0/8`,
      `listeners.web.trustedProxies[1]: ${RANGE}; "::1/129" (text); an IPv6 block has at most 128 bits`,
      `listeners.web.trustedProxies[2]: ${RANGE}; "localhost" (text); names are not looked up here`,
      `listeners.web.trustedProxies[3]: ${RANGE}; "::1/0" (text); the block that holds this address is ::/0`,
    ],
  ],
]);

describeTable("a listener's address", address, [
  [
    '8080',
    [
      'listeners.web.address: an address to listen on such as 127.0.0.1:8080; 8080 (number); for every interface write ":8080"',
    ],
  ],
  [
    '"8080"',
    [
      `listeners.web.address: ${LISTEN}; "8080" (text); for port 8080 on every interface write ":8080"`,
    ],
  ],
  ['"*:80"', [`listeners.web.address: ${LISTEN}; "*:80" (text); for every interface write ":80"`]],
  [
    'localhost',
    [`listeners.web.address: ${LISTEN}; "localhost" (text); add a port: localhost:8080`],
  ],
  [
    '"::1"',
    [
      `listeners.web.address: ${LISTEN}; "::1" (text); put IPv6 addresses in brackets and add a port: [::1]:8080`,
    ],
  ],
  [
    '"fe80:0:0:0:0:0:0:1:80"',
    [
      `listeners.web.address: ${LISTEN}; "fe80:0:0:0:0:0:0:1:80" (text); put IPv6 addresses in brackets: [fe80:0:0:0:0:0:0:1]:80`,
    ],
  ],
  ['"[::1]"', [`listeners.web.address: ${LISTEN}; "[::1]" (text); add a port: [::1]:8080`]],
  [
    '"[fe80::1%eth0]:80"',
    [
      `listeners.web.address: ${LISTEN}; "[fe80::1%eth0]:80" (text); zone ids (%) are not supported: use an address without one`,
    ],
  ],
  ['"[zz]:80"', [`listeners.web.address: ${LISTEN}; "[zz]:80" (text); zz is not an IPv6 address`]],
  [
    '"127.0.0.1:65536"',
    [`listeners.web.address: ${LISTEN}; "127.0.0.1:65536" (text); ports go from 0 to 65535`],
  ],
  [
    '"256.0.0.1:80"',
    [
      `listeners.web.address: ${LISTEN}; "256.0.0.1:80" (text); 256.0.0.1 is neither an IPv4 address nor a host name`,
    ],
  ],
  [
    '"127.1:80"',
    [
      `listeners.web.address: ${LISTEN}; "127.1:80" (text); 127.1 is neither an IPv4 address nor a host name`,
    ],
  ],
  [
    '"http://127.0.0.1:80"',
    [
      `listeners.web.address: ${LISTEN}; "http://127.0.0.1:80" (text); the protocol has a key of its own: leave it out here`,
    ],
  ],
  [
    '"127.0.0.1: 80"',
    [`listeners.web.address: ${LISTEN}; "127.0.0.1: 80" (text); leave out the space`],
  ],
  [
    '/run/x.sock',
    [
      `listeners.web.address: ${LISTEN}; "/run/x.sock" (text); for a unix socket write unix:/run/x.sock`,
    ],
  ],
  [
    '"unix:"',
    [
      `listeners.web.address: ${LISTEN}; "unix:" (text); add the path of the socket file: unix:/run/app.sock`,
    ],
  ],
  [
    '"unix:@x"',
    [
      `listeners.web.address: ${LISTEN}; "unix:@x" (text); abstract sockets are not supported: use a socket file`,
    ],
  ],
  [
    `"unix:/${'x'.repeat(107)}"`,
    [
      `listeners.web.address: ${LISTEN}; "unix:/${'x'.repeat(54)}…" (text); socket paths hold at most 107 bytes, this has 108`,
    ],
  ],
]);

describeTable('addresses of listeners together', (text) => `${POOLS}\nlisteners: ${text}`, [
  [
    '{ a: { address: ":80", protocol: http, pool: p }, b: { address: "0.0.0.0:80", protocol: tcp, pool: p } }',
    ['listeners.b.address: an address of its own; "0.0.0.0:80" (text); listener a has it already'],
  ],
  [
    '{ a: { address: "[::1]:80", protocol: udp, pool: p }, b: { address: "[0::1]:80", protocol: udp, pool: p } }',
    ['listeners.b.address: an address of its own; "[0::1]:80" (text); listener a has it already'],
  ],
  [
    '{ a: { address: "unix:x", protocol: tcp, pool: p }, b: { address: "unix:/etc/sluice/x", protocol: tcp, pool: p } }',
    [
      'listeners.b.address: an address of its own; "unix:/etc/sluice/x" (text); listener a has it already',
    ],
  ],
  [
    '{ a: { address: "unix:x", protocol: udp, pool: p } }',
    ['listeners.a.address: an IP address and port: udp has no unix sockets; "unix:x" (text)'],
  ],
]);

describeTable('durations and sizes', timeout, [
  ['5', [`listeners.web.timeouts.connect: ${DURATION}; 5 (number); add a unit: 5s or 5ms`]],
  ['"5"', [`listeners.web.timeouts.connect: ${DURATION}; "5" (text); add a unit: 5s or 5ms`]],
  ['0s', [`listeners.web.timeouts.connect: ${DURATION}; "0s" (text); the least is 1ms`]],
  [
    '0.5ms',
    [
      `listeners.web.timeouts.connect: ${DURATION}; "0.5ms" (text); whole milliseconds are the finest step`,
    ],
  ],
  [
    '-5s',
    [`listeners.web.timeouts.connect: ${DURATION}; "-5s" (text); units are ms, s, m, h and d`],
  ],
  ['3 minutes', [`listeners.web.timeouts.connect: ${DURATION}; "3 minutes" (text); write 3m`]],
  ['10sec', [`listeners.web.timeouts.connect: ${DURATION}; "10sec" (text); write 10s`]],
  ['30S', [`listeners.web.timeouts.connect: ${DURATION}; "30S" (text); write 30s`]],
  ['1w', [`listeners.web.timeouts.connect: ${DURATION}; "1w" (text); units are ms, s, m, h and d`]],
  ['25d', [`listeners.web.timeouts.connect: ${DURATION}; "25d" (text); the most is 24d`]],
  [
    'never',
    [`listeners.web.timeouts.connect: ${DURATION}; "never" (text); units are ms, s, m, h and d`],
  ],
  ['[5s]', [`listeners.web.timeouts.connect: ${DURATION}; a list of 1`]],
]);

describeTable('limits', limit, [
  [
    'head: 60KiB, headerCount: 0',
    ['listeners.web.limits.headerCount: a whole number from 1 to 256; 0 (number)'],
  ],
  [
    'head: 100',
    ['listeners.web.limits.head: a size from 1KiB to 64KiB, such as 64KiB; 100 (number)'],
  ],
  [
    'head: 2MiB',
    ['listeners.web.limits.head: a size from 1KiB to 64KiB, such as 64KiB; "2MiB" (text)'],
  ],
  [
    'head: 32 kilobytes',
    [
      'listeners.web.limits.head: a size from 1KiB to 64KiB, such as 64KiB; "32 kilobytes" (text); units are KiB, MiB, GiB (1024) and kB, MB, GB (1000); a plain number is bytes',
    ],
  ],
  [
    'body: 1.0001KiB',
    [
      'listeners.web.limits.body: a size such as 10MB or 64KiB; "1.0001KiB" (text); this is not a whole number of bytes',
    ],
  ],
  [
    'body: -1',
    ['listeners.web.limits.body: a size such as 64KiB, or a number of bytes; -1 (number)'],
  ],
  [
    'body: true',
    ['listeners.web.limits.body: a size such as 64KiB, or a number of bytes; true (boolean)'],
  ],
  [
    'head: 4KiB, target: 8KiB',
    [
      'listeners.web.limits.target: no more than limits.head, which holds the target too; "8KiB" (text)',
    ],
  ],
]);

describeTable('a pool', pool, [
  ['{}', ['pools.p.targets: a list of targets; nothing']],
  ['["127.0.0.1:1"]', ['pools.p: a map of keys and values; a list of 1']],
  ['{ targets: [] }', ['pools.p.targets: at least one target; an empty list']],
  ['{ targets: "127.0.0.1:1" }', ['pools.p.targets: a list of targets; "127.0.0.1:1" (text)']],
  [
    '{ targets: ["127.0.0.1:1"], strategy: round_robin }',
    [
      'pools.p.strategy: one of round-robin, random, least-connections, ip-hash, power-of-two-choices, maglev; "round_robin" (text); did you mean round-robin?',
    ],
  ],
  [
    '{ targets: ["127.0.0.1:1"], strategy: p2c }',
    [
      'pools.p.strategy: one of round-robin, random, least-connections, ip-hash, power-of-two-choices, maglev; "p2c" (text); did you mean power-of-two-choices?',
    ],
  ],
  [
    '{ targets: ["127.0.0.1:1"], retries: 11 }',
    ['pools.p.retries: auto or a whole number from 0 to 10; 11 (number)'],
  ],
  [
    '{ targets: ["127.0.0.1:1"], eject: { after: -1 } }',
    ['pools.p.eject.after: a whole number from 0 to 1,000; -1 (number)'],
  ],
  [
    '{ targets: ["127.0.0.1:1"], eject: { for: 2m } }',
    ['pools.p.eject.for: eject.for to be no longer than eject.max; 2m and 60s'],
  ],
  [
    '{ targets: ["127.0.0.1:1"], eject: { max: 1s } }',
    ['pools.p.eject.max: eject.for to be no longer than eject.max; 2s and 1s'],
  ],
  [
    '{ targets: ["127.0.0.1:1"], server: x }',
    [
      'pools.p.server: one of the keys targets, strategy, hostHeader, retries, eject, keepAlive, tls, parent, proxyProtocol; the unknown key "server"',
    ],
  ],
]);

describeTable('a target', target, [
  [
    '3000',
    [
      'pools.p.targets[0]: an address such as 127.0.0.1:3000, or a map with address and weight; 3000 (number); say on which host: "127.0.0.1:3000"',
    ],
  ],
  ['":3000"', [`pools.p.targets[0]: ${TARGET}; ":3000" (text); say on which host: 127.0.0.1:3000`]],
  [
    '"127.0.0.1:0"',
    [`pools.p.targets[0]: ${TARGET}; "127.0.0.1:0" (text); ports go from 1 to 65535`],
  ],
  ['localhost', [`pools.p.targets[0]: ${TARGET}; "localhost" (text); add a port: localhost:8080`]],
  [
    '"http://a.test/api"',
    [
      `pools.p.targets[0]: ${TARGET}; "http://a.test/api" (text); a target is an address alone; put /api into addPrefix of the route`,
    ],
  ],
  [
    '"tcp://a.test:1"',
    [`pools.p.targets[0]: ${TARGET}; "tcp://a.test:1" (text); write the address alone: a.test:1`],
  ],
  [
    '{ address: "127.0.0.1:1", weight: 0 }',
    ['pools.p.targets[0].weight: a whole number from 1 to 1,000; 0 (number)'],
  ],
  [
    '{ adress: "127.0.0.1:1" }',
    [
      "pools.p.targets[0].address: a target's address such as 127.0.0.1:8080; nothing",
      'pools.p.targets[0].adress: one of the keys address, weight; the unknown key "adress"; did you mean address?',
    ],
  ],
  [
    '"127.0.0.1:1", { address: "http://127.0.0.1:1", weight: 2 }, "A.test:80", "http://a.test"',
    [
      'pools.p.targets[1].address: a target that the pool does not have yet; "http://127.0.0.1:1" (text); it is targets[0] already; for a larger share give that one a weight',
      'pools.p.targets[3]: a target that the pool does not have yet; "http://a.test" (text); it is targets[2] already; for a larger share give that one a weight',
    ],
  ],
]);

describeTable(
  'a pool that a udp listener uses',
  (text) =>
    `listeners: { m: { address: ":0", protocol: udp, pool: p } }\npools: { p: { targets: [ ${text} ] } }`,
  [
    [
      '"unix:/a", "127.0.0.1:1"',
      [
        'pools.p.targets[0]: an IP address and port: the udp listener m uses this pool; "unix:/a" (text)',
      ],
    ],
  ],
);
