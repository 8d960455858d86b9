// What is said about each mistake in forward proxies, their rules, lists, parents and the resolver, word for word.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeTable, POOLS, problemsOf, type Row } from './mistakes.ts';

const forward = (text: string) => `listeners: { p: { protocol: forward, ${text} } }`;
const rule = (text: string) =>
  `${forward(`rules: [${text}]`)}\npools: { plain: { targets: ["127.0.0.1:1"] }, up: { targets: ["127.0.0.1:2"], parent: http } }\nlists: { ads: ads.txt }`;
const match = (text: string) => rule(`{ match: { ${text} }, action: deny }`);
const users = (text: string) => forward(`users: ${text}`);
const pool = (text: string) =>
  `${forward('rules: [{ action: allow, via: up }]')}\npools: { up: { targets: ["127.0.0.1:1"], ${text} } }`;
const resolver = (text: string) => `${forward('deny: []')}\nresolver: { ${text} }`;

describeTable('a forward listener', forward, [
  ['accept: []', ['listeners.p.accept: at least one of http, socks5 and socks4; an empty list']],
  [
    'accept: [socks]',
    [
      'listeners.p.accept[0]: one of http, socks5, socks4; "socks" (text); say which: socks5, socks4',
    ],
  ],
  [
    'pool: p',
    [
      'listeners.p.pool: one of the keys address, protocol, accept, tls, transparent, users, openToAll, deny, rules, default, denyPage, connectPorts, socksPorts, privateDestinations, anonymity, sourceAddresses, pac, trustedProxies, proxyProtocol, timeouts, limits, maxConnections, splice, accessLog; the unknown key "pool"',
    ],
  ],
  ['default: block', ['listeners.p.default: allow or deny; "block" (text)']],
  [
    'anonymity: high',
    ['listeners.p.anonymity: one of transparent, anonymous, elite; "high" (text)'],
  ],
  [
    'connectPorts: [0]',
    [
      'listeners.p.connectPorts[0]: a port, or ports such as 8000-8099; "0" (text); ports go from 1 to 65535',
    ],
  ],
  [
    'connectPorts: ["90-80"]',
    [
      'listeners.p.connectPorts[0]: a port, or ports such as 8000-8099; "90-80" (text); the lower one comes first',
    ],
  ],
  [
    'deny: ["*"]',
    [
      'listeners.p.deny[0]: a host, *.host, an address or a block such as 10.0.0.0/8; "*" (text); leave hosts out to match every destination',
    ],
  ],
  [
    'deny: ["10.0.0.1/8"]',
    [
      'listeners.p.deny[0]: a host, *.host, an address or a block such as 10.0.0.0/8; "10.0.0.1/8" (text); the block that holds this address is 10.0.0.0/8',
    ],
  ],
  [
    'sourceAddresses: ["192.0.2.1:80"]',
    ['listeners.p.sourceAddresses[0]: an address of this machine; "192.0.2.1:80" (text)'],
  ],
  [
    'limits: { head: 1KiB, target: 2KiB }',
    [
      'listeners.p.limits.target: no more than limits.head, which holds the target too; "2KiB" (text)',
    ],
  ],
  [
    'proxyProtocol: required',
    [
      'listeners.p.proxyProtocol: trustedProxies beside it: nobody else is believed; "required" (text); name the addresses of the proxies in front: trustedProxies: ["10.0.0.0/8"]',
    ],
  ],
  [
    'tls: { certificates: [{ cert: a, key: b }], minVersion: TLSv1.3, maxVersion: TLSv1.2 }',
    [
      'listeners.p.tls.minVersion: a version no newer than maxVersion; "TLSv1.3" (text) and "TLSv1.2" (text)',
    ],
  ],
  [
    'tls: { certificates: [{ cert: a, key: b }], clientCertificates: { ca: c, headers: { subject: X-Subject } } }',
    [
      'listeners.p.tls.clientCertificates.headers: no headers: destinations are not told who the client is; a map of subject',
    ],
  ],
  [
    'transparent: true, accept: [http], pac: true, users: users.txt',
    [
      'listeners.p.accept: no accept beside transparent: true; a list of 1; clients that are redirected do not know of the proxy; have another listener for those that do',
      'listeners.p.pac: no pac beside transparent: true; true (boolean); clients that are redirected do not know of the proxy; have another listener for those that do',
      'listeners.p.users: no users beside transparent: true; "users.txt" (text); clients that are redirected do not know of the proxy; have another listener for those that do',
    ],
  ],
]);

describeTable('users of a forward listener', users, [
  ['{}', ['listeners.p.users.file: the name of a file of users; nothing']],
  ['3', ['listeners.p.users: a file of users, or a map; 3 (number)']],
  [
    '{ file: u, realm: "a\\"b" }',
    ['listeners.p.users.realm: up to 100 ASCII characters, no quotes; "a\\"b" (text)'],
  ],
  [
    '{ file: u, limits: { bandwith: 1MB } }',
    [
      'listeners.p.users.limits.bandwith: one of the keys bandwidth, connections, quota; the unknown key "bandwith"; did you mean bandwidth?',
    ],
  ],
  [
    '{ file: u, each: { "a:b": {} } }',
    [
      'listeners.p.users.each["a:b"]: the name of a user: up to 255 printable characters without a colon; "a:b" (text)',
    ],
  ],
]);

describeTable('a rule', rule, [
  [
    '{ action: block }',
    ['listeners.p.rules[0].action: allow or deny; "block" (text); did you mean deny?'],
  ],
  ['{ match: {} }', ['listeners.p.rules[0].action: allow or deny; nothing']],
  [
    '{ action: allow, via: plain }',
    [
      'listeners.p.rules[0].via: a pool whose targets are proxies; "plain" (text); if they are, add parent: http or parent: socks5 to pools.plain',
    ],
  ],
  [
    '{ action: allow, via: upp }',
    ['listeners.p.rules[0].via: the name of a pool; "upp" (text); did you mean up?'],
  ],
  [
    '{ action: deny, via: up }',
    ['listeners.p.rules[0].via: no via beside action: deny; "up" (text)'],
  ],
]);

describeTable('match of a rule', match, [
  [
    'lists: [adds]',
    ['listeners.p.rules[0].match.lists[0]: the name of a list; "adds" (text); did you mean ads?'],
  ],
  [
    'lists: [x]',
    ['listeners.p.rules[0].match.lists[0]: the name of a list; "x" (text); the lists are ads'],
  ],
  [
    'users: [alice]',
    [
      'listeners.p.rules[0].match.users: users of the listener beside it, which tell clients apart; none; add users: users.txt to the listener',
    ],
  ],
  [
    'hosts: ["127.1"]',
    [
      'listeners.p.rules[0].match.hosts[0]: a host, *.host, an address or a block such as 10.0.0.0/8; "127.1" (text)',
    ],
  ],
  [
    'methods: [get]',
    [
      'listeners.p.rules[0].match.methods[0]: a method such as GET; "get" (text); methods are written in capitals',
    ],
  ],
  ...(
    [
      ['clients', 'address or block'],
      ['hosts', 'destination'],
      ['lists', 'name of a list'],
      ['ports', 'port'],
      ['methods', 'method'],
      ['times', 'time'],
    ] as const
  ).map(
    ([key, what]): Row => [
      `${key}: []`,
      [
        `listeners.p.rules[0].match.${key}: at least one ${what}; an empty list; leave ${key} out where it does not matter`,
      ],
    ],
  ),
  [
    'times: [{ days: [] }]',
    ['listeners.p.rules[0].match.times[0].days: at least one day; an empty list'],
  ],
  [
    'times: [{ from: "25:00" }]',
    ['listeners.p.rules[0].match.times[0].from: a time of day such as 08:00; "25:00" (text)'],
  ],
  [
    'times: [{ to: 1800 }]',
    ['listeners.p.rules[0].match.times[0].to: a time of day such as 08:00; 1800 (number)'],
  ],
  [
    'clients: [lan]',
    [
      'listeners.p.rules[0].match.clients[0]: an address or a block such as 10.0.0.0/8 or fd00::/8; "lan" (text); names are not looked up here',
    ],
  ],
]);

describeTable('users in match of a rule', (text) => forward(`users: u, rules: [${text}]`), [
  [
    '{ match: { users: [] }, action: allow }',
    [
      'listeners.p.rules[0].match.users: at least one user; an empty list; leave users out where it does not matter',
    ],
  ],
]);

describeTable('a pool of parents', pool, [
  [
    'strategy: random',
    [
      'listeners.p.rules[0].via: a pool whose targets are proxies; "up" (text); if they are, add parent: http or parent: socks5 to pools.up',
    ],
  ],
  ['parent: socks', ['pools.up.parent: http, socks5, or a map with protocol; "socks" (text)']],
  [
    'parent: { protocol: http, username: me }',
    ['pools.up.parent.username: password beside username; none'],
  ],
  [
    'parent: { protocol: http, password: secret }',
    ['pools.up.parent.password: username beside password; none'],
  ],
  [
    'parent: http, proxyProtocol: v2, hostHeader: target',
    [
      'pools.up.proxyProtocol: no proxyProtocol beside parent; "v2" (text)',
      'pools.up.hostHeader: no hostHeader beside parent; "target" (text)',
    ],
  ],
  ...(['username', 'password'] as const).map(
    (key): Row => [
      `parent: ${JSON.stringify({ protocol: 'socks5', username: 'u', password: 'p', [key]: 'é'.repeat(128) })}`,
      [
        `pools.up.parent.${key}: at most 255 bytes as UTF-8: SOCKS5 has room for no more; 256 bytes`,
      ],
    ],
  ),
  ['parent: socks5, tls: true', ['pools.up.tls: no TLS: SOCKS5 has none; true (boolean)']],
]);

describeTable('the resolver', resolver, [
  [
    'servers: [dns.example]',
    [
      'resolver.servers[0]: the address of a name server, such as 9.9.9.9 or 127.0.0.1:5353; "dns.example" (text)',
    ],
  ],
  ['hosts: { a.test: [b.test] }', ['resolver.hosts["a.test"][0]: an IP address; "b.test" (text)']],
  [
    'hosts: { a.test: [192.0.2.1], A.test: [192.0.2.2] }',
    ['resolver.hosts["A.test"]: each host once; a.test and A.test'],
  ],
  ['minTtl: 2h', ['resolver.minTtl: minTtl to be no longer than maxTtl; 2h and 1h']],
  [
    'timeout: 0s',
    ['resolver.timeout: a duration such as 30s or 500ms; "0s" (text); the least is 1ms'],
  ],
]);

describeTable('what uses a pool of parents', (text) => text, [
  [
    `listeners: { w: { address: ":0", protocol: http, pool: up }, t: { address: ":0", protocol: tcp, pool: up } }
pools: { up: { targets: ["127.0.0.1:1"], parent: http } }`,
    [
      'listeners.w.pool: a pool of targets; "up" (text), whose targets are proxies; a pool with parent is for via in rules of forward listeners',
      'listeners.t.pool: a pool of targets; "up" (text), whose targets are proxies; a pool with parent is for via in rules of forward listeners',
    ],
  ],
  [
    `${forward('rules: [{ action: allow, via: up }]')}\npools: { up: { targets: ["tls://127.0.0.1:1"], parent: { protocol: socks5 } } }`,
    [
      'pools.up.targets[0]: an address without scheme, and no TLS: SOCKS5 has none; "127.0.0.1:1" (text)',
    ],
  ],
]);

describe('a proxy that everybody can reach and use', () => {
  const remedy =
    'add users: users.txt, or default: deny and rules that name clients, or listen on a loopback or private address; openToAll: true says that it is meant';
  const expected =
    'listeners.p.address: an address that only neighbours can reach, because everybody may use this proxy';
  const open = (address: string, way: string) => [
    `${expected}; "${address}" (text), and ${way}; ${remedy}`,
  ];

  it('is refused, naming the way in', () => {
    for (const address of [
      '0.0.0.0:3128',
      '[::]:3128',
      '8.8.8.8:3128',
      '[2606:4700::1]:3128',
      'proxy.example:3128',
    ]) {
      assert.deepEqual(
        problemsOf(forward(`address: "${address}"`)),
        open(address, 'default is allow'),
      );
    }
    const rules = [
      ['[{ action: allow }], default: deny', 'rules[0] allows every client'],
      [
        '[{ match: { ports: [25] }, action: deny }, { match: { hosts: [a.test] }, action: allow }], default: deny',
        'rules[1] allows every client',
      ],
      [
        '[{ match: { clients: ["0.0.0.0/0"] }, action: allow }], default: deny',
        'rules[0] allows every client',
      ],
      ['[{ match: { clients: ["10.0.0.0/8"] }, action: allow }]', 'default is allow'],
      ['[{ match: { clients: ["10.0.0.0/8"] }, action: deny }]', 'default is allow'],
    ];
    for (const [text, way] of rules) {
      assert.deepEqual(
        problemsOf(forward(`address: "0.0.0.0:3128", rules: ${text}`)),
        open('0.0.0.0:3128', way!),
      );
    }
    assert.deepEqual(
      problemsOf(
        forward(
          'address: "0.0.0.0:3128", tls: { certificates: [{ cert: a, key: b }], clientCertificates: { ca: c, mode: request } }',
        ),
      ),
      open('0.0.0.0:3128', 'default is allow'),
    );
  });

  it('is not one that is near, has users, knows its clients, or is meant to be open', () => {
    const fine = [
      ...[
        '127.0.0.1:1',
        ':3128',
        '[::1]:1',
        'localhost:1',
        '10.1.2.3:1',
        '172.20.0.1:1',
        '192.168.1.1:1',
        '100.64.0.1:1',
        '[fd00::1]:1',
        'unix:/run/p.sock',
      ].map((address) => `address: "${address}"`),
      ...[
        'users: users.txt',
        'openToAll: true',
        'transparent: true',
        'default: deny',
        'rules: [{ action: deny }, { action: allow }]',
        'rules: [{ match: { clients: ["10.0.0.0/8"] }, action: allow }], default: deny',
        'tls: { certificates: [{ cert: a, key: b }], clientCertificates: { ca: c } }',
      ].map((text) => `address: "0.0.0.0:3128", ${text}`),
    ];
    for (const text of fine) assert.deepEqual(problemsOf(forward(text)), [], text);
    assert.deepEqual(problemsOf(`${POOLS}\n${forward('address: 127.0.0.1:1')}`), []);
  });
});
