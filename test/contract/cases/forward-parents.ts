// Forward proxies that hand their work on to others.
import assert from 'node:assert/strict';
import { eventually, within } from '../../support/deadline.ts';
import { chunk, ok } from '../../support/http-target.ts';
import {
  type HttpParentOptions,
  type Parent,
  type SocksParentOptions,
  startHttpParent,
  startSocksParent,
} from '../../support/parent-proxy.ts';
import { selfSigned } from '../../support/pki.ts';
import { fieldValue, fieldValues } from '../../support/strict-http.ts';
import { freeAddress, startEchoTarget } from '../../support/tcp-target.ts';
import { type Case, type CaseContext, type Feature, offering } from '../case.ts';
import { absolute, ask, basic, connect, forwardProxy, INSTANCE, openTunnel } from '../forward.ts';

const VIA_PARENTS = { rules: [{ name: 'up', match: {}, action: 'allow', via: 'parents' }] };

const parents = (targets: readonly unknown[], pool: object = {}): object => ({
  parents: { parent: 'http', targets, ...pool },
});

async function httpParent(test: CaseContext, options: HttpParentOptions = {}): Promise<Parent> {
  return test.own(await startHttpParent(options));
}

async function socksParent(test: CaseContext, options: SocksParentOptions = {}): Promise<Parent> {
  return test.own(await startSocksParent(options));
}

const http: Case[] = [
  {
    name: 'an http parent gets plain requests in absolute form, by name, on connections that are kept',
    run: async (test) => {
      const parent = await test.httpTarget({ takes: 'proxy', name: 'parent' });
      const { port, oracle, engine } = await forwardProxy(test, {
        listener: VIA_PARENTS,
        pools: parents([parent.address]),
      });
      const client = await test.http(port);
      for (const url of [
        'http://only-parent.test/a?b',
        'http://other.test:81',
        'http://x.test:80/?y',
      ]) {
        client.send(absolute('GET', url));
        const answer = await client.response();
        assert.equal(answer.text, 'parent');
        assert.equal(answer.value('via'), `1.1 ${INSTANCE}`);
      }
      assert.deepEqual(
        parent.requests.map(({ target, fields, turn }) => [
          target,
          fieldValues(fields, 'host'),
          turn,
        ]),
        [
          ['http://only-parent.test/a?b', ['only-parent.test'], 0],
          ['http://other.test:81/', ['other.test:81'], 1],
          ['http://x.test:80/?y', ['x.test:80'], 2],
        ],
      );
      assert.deepEqual(oracle.askedNames, []);
      assert.deepEqual(parent.violations, []);
      await eventually(
        'the last to be counted',
        () => engine.stats().route('egress', 'up').status_2xx === 3,
      );
      assert.equal(engine.stats().target('parents', parent.address).requests, 3);
    },
  },
  {
    name: 'bodies, trailers and upgrades go through an http parent',
    run: async (test) => {
      const parent = await test.httpTarget({
        takes: 'proxy',
        answer: ({ method, body }) =>
          method === 'GET'
            ? 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\nhi'
            : [
                'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
                chunk(body),
                '0\r\nX-Sum: 1\r\n\r\n',
              ],
      });
      const { port } = await forwardProxy(test, {
        listener: VIA_PARENTS,
        pools: parents([parent.address]),
      });
      const client = await test.http(port);
      client.send(absolute('POST', 'http://far.test/', {}, 'hello'));
      const answer = await client.response('POST');
      assert.equal(answer.text, 'hello');
      assert.equal(fieldValue(answer.trailers, 'x-sum'), '1');
      const fields = { Connection: 'upgrade', Upgrade: 'raw' };
      client.send(absolute('GET', 'http://far.test/', fields));
      assert.equal((await client.response()).status, 101);
      await client.connection.receivedText('hi');
    },
  },
  {
    name: 'an http parent is asked for tunnels by CONNECT, by name, and what comes behind its consent is the tunnel’s',
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const parent = await httpParent(test);
      const { port, oracle, engine } = await forwardProxy(test, {
        listener: VIA_PARENTS,
        pools: parents([parent.address]),
      });
      const client = await openTunnel(test, port, `only-parent.test:${target.port}`);
      client.send('through two');
      await client.connection.receivedText('through two');
      assert.equal(client.rest.toString(), 'through two');
      const authority = `only-parent.test:${target.port}`;
      assert.deepEqual(parent.asked, [
        `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`,
      ]);
      assert.deepEqual(oracle.askedNames, []);
      client.connection.end();
      await within(client.closed, 'the close');
      await eventually('it to be counted', () => engine.inFlight === 0);
      const seen = engine.stats().target('parents', parent.address);
      assert.equal(seen.bytes_in, 11);
      assert.equal(seen.connections, 1);
    },
  },
  {
    name: 'a parent that speaks at once is heard: interim responses are skipped, the rest is the tunnel’s',
    run: async (test) => {
      const parent = await httpParent(test, {
        answer: () =>
          'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 whatever it says\r\nContent-Length: 4\r\n\r\n220 hello',
      });
      const { port } = await forwardProxy(test, {
        listener: VIA_PARENTS,
        pools: parents([parent.address]),
      });
      const client = await openTunnel(test, port, 'far.test:25');
      await client.connection.receivedText('220 hello');
      assert.equal(client.rest.toString(), '220 hello');
    },
  },
  {
    name: 'a parent is logged in to with its own login, never with that of a client',
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const parent = await httpParent(test);
      const origin = await test.httpTarget({ takes: 'proxy' });
      const login = { protocol: 'http', username: 'me', password: 'p:ä' };
      const { port } = await forwardProxy(test, {
        users: { ann: 'a' },
        listener: {
          rules: [
            { match: { methods: ['CONNECT'] }, action: 'allow', via: 'parents' },
            { match: {}, action: 'allow', via: 'plain' },
          ],
        },
        pools: {
          parents: { parent: login, targets: [parent.address] },
          plain: { parent: login, targets: [origin.address] },
        },
      });
      const expected = basic('me:p:ä')['Proxy-Authorization'];
      await openTunnel(test, port, `far.test:${target.port}`, basic('ann:a'));
      assert.match(parent.asked[0]!, new RegExp(`\r\nProxy-Authorization: ${expected}\r\n\r\n$`));
      await ask(test, port, 'http://far.test/', basic('ann:a'));
      const { fields } = await origin.next();
      assert.deepEqual(fieldValues(fields, 'proxy-authorization'), [expected]);
    },
  },
  {
    name: 'a parent that is down is passed over for the next, for requests and for tunnels',
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const dead = (await freeAddress()).text;
      const alive = await httpParent(test);
      const origin = await test.httpTarget({ takes: 'proxy', name: 'other parent' });
      const { port, engine } = await forwardProxy(test, {
        listener: {
          rules: [
            { match: { methods: ['CONNECT'] }, action: 'allow', via: 'parents' },
            { match: {}, action: 'allow', via: 'plain' },
          ],
        },
        pools: {
          parents: { parent: 'http', targets: [dead, alive.address] },
          plain: { parent: 'http', targets: [dead, origin.address] },
        },
      });
      for (let i = 0; i < 4; i++) {
        const client = await openTunnel(test, port, `far.test:${target.port}`);
        client.send('x');
        await client.connection.receivedText('x');
        assert.equal((await ask(test, port, 'http://far.test/')).text, 'other parent');
      }
      assert.ok(engine.stats().listener('egress').retries > 0);
      assert.ok(engine.stats().target('parents', dead).errors.connect_refused > 0);
    },
  },
  {
    name: 'all parents down: 502, and a parent that vanished: 504',
    run: async (test) => {
      const dead = [(await freeAddress()).text, (await freeAddress()).text];
      const hole = await test.blackhole();
      const { port } = await forwardProxy(test, {
        listener: {
          timeouts: { connect: '300ms' },
          rules: [
            { match: { hosts: ['slow.test'] }, action: 'allow', via: 'hole' },
            { match: {}, action: 'allow', via: 'parents' },
          ],
        },
        pools: { ...parents(dead), hole: { parent: 'http', targets: [hole.address] } },
      });
      const client = await test.http(port);
      for (const [host, status, error] of [
        ['far.test', 502, 'connection_refused'],
        ['slow.test', 504, 'connection_timeout'],
      ] as const) {
        const tunnel = await connect(client, `${host}:443`);
        assert.equal(tunnel.status, status);
        assert.equal(tunnel.value('proxy-status'), `sluice; error=${error}`);
        client.send(absolute('GET', `http://${host}/`));
        assert.equal((await client.response()).status, status);
      }
    },
  },
  {
    name: 'a parent that connects and then says nothing takes no longer than timeouts.connect: 504',
    run: async (test) => {
      const silent = await test.tcpTarget();
      const { port } = await forwardProxy(test, {
        listener: { ...VIA_PARENTS, timeouts: { connect: '300ms' } },
        pools: parents([silent.address]),
      });
      const answer = await connect(await test.http(port), 'far.test:443');
      assert.equal(answer.status, 504);
      await within((await silent.next()).ended, 'the end at the parent');
    },
  },
  {
    name: 'a parent that refuses or answers nonsense is passed over; when all do: 502 parent_refused',
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const alive = await httpParent(test);
      for (const answer of [
        'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n',
        'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno',
        'HTTP/1.1 503 Service Unavailable\r\n\r\n',
        'HTTP/1.1 301 Moved\r\nLocation: http://x/\r\n\r\n',
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
        'HTTP/2 200\r\n\r\n',
        'SSH-2.0-OpenSSH_9\r\n\r\n',
        '\u0000\u0001\r\n\r\n',
      ]) {
        const refusing = await httpParent(test, { answer: () => answer });
        const { port, engine } = await forwardProxy(test, {
          listener: {
            rules: [
              { match: { hosts: ['one.test'] }, action: 'allow', via: 'one' },
              { match: {}, action: 'allow', via: 'both' },
            ],
          },
          pools: {
            one: { parent: 'http', targets: [refusing.address] },
            both: { parent: 'http', targets: [refusing.address, alive.address] },
          },
        });
        const client = await test.http(port);
        const refused = await connect(client, `one.test:${target.port}`);
        assert.equal(refused.status, 502, answer);
        assert.equal(refused.value('proxy-status'), 'sluice; error=destination_unavailable');
        assert.equal(engine.stats().listener('egress').errors.parent_refused, 1);
        assert.equal((await connect(client, `two.test:${target.port}`)).status, 200, answer);
        await eventually('no connection to be kept', () =>
          refusing.target.connections.every((connection) => connection.hasEnded),
        );
      }
    },
  },
  {
    name: 'a parent that refuses a destination is none the worse: it is not set aside',
    run: async (test) => {
      const refusing = await httpParent(test, { answer: () => 'HTTP/1.1 403 Forbidden\r\n\r\n' });
      const socks = await socksParent(test, { code: 2 });
      for (const [address, protocol] of [
        [refusing.address, 'http'],
        [socks.address, 'socks5'],
      ] as const) {
        const { port, engine } = await forwardProxy(test, {
          listener: VIA_PARENTS,
          pools: parents([address], { parent: protocol, eject: { after: 1, for: '60s' } }),
        });
        const answer = await connect(await test.http(port), 'dead.test:443');
        assert.equal(answer.status, 502);
        assert.equal(engine.stats().target('parents', address).errors.parent_refused, 1);
        assert.equal(engine.targetState('parents', address).isEjected, false);
      }
    },
  },
  {
    name: 'an http parent is asked for OPTIONS of a whole host without a path',
    run: async (test) => {
      const parent = await test.httpTarget({ takes: 'proxy' });
      const { port } = await forwardProxy(test, {
        listener: VIA_PARENTS,
        pools: parents([parent.address]),
      });
      const client = await test.http(port);
      client.send(absolute('OPTIONS', 'http://far.test'));
      assert.equal((await client.response()).status, 200);
      assert.equal((await parent.next()).target, 'http://far.test');
    },
  },
  {
    name: 'a parent whose answer to CONNECT never ends: 502',
    run: async (test) => {
      const parent = await httpParent(test, {
        answer: () => `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(200_000)}`,
      });
      const { port } = await forwardProxy(test, {
        listener: VIA_PARENTS,
        pools: parents([parent.address]),
      });
      assert.equal((await connect(await test.http(port), 'far.test:443')).status, 502);
    },
  },
  {
    name: 'a 407 of a parent is meant for us: the client gets 502; other answers are the destination’s',
    run: async (test) => {
      const parent = await test.httpTarget({
        takes: 'proxy',
        answer: ({ target }) =>
          target === 'http://far.test/404'
            ? 'HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone'
            : 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\n\r\n',
      });
      const { port, engine } = await forwardProxy(test, {
        listener: VIA_PARENTS,
        pools: parents([parent.address]),
      });
      const refused = await ask(test, port, 'http://far.test/');
      assert.equal(refused.status, 502);
      assert.equal(refused.value('proxy-authenticate'), undefined);
      assert.equal(engine.stats().listener('egress').errors.parent_refused, 1);
      assert.equal((await ask(test, port, 'http://far.test/404')).status, 404);
    },
  },
  {
    name: 'parents are reached over TLS',
    needs: (capabilities) => capabilities.tls,
    run: async (test) => {
      const echo = test.own(await startEchoTarget());
      const { certPem: cert, keyPem: key } = await selfSigned();
      const pair = { cert, key };
      const parent = await httpParent(test, { tls: pair });
      const plain = await test.httpTarget({ takes: 'proxy', tls: pair, name: 'secure parent' });
      const tls = { verify: false };
      const { port } = await forwardProxy(test, {
        listener: {
          rules: [
            { match: { methods: ['CONNECT'] }, action: 'allow', via: 'parents' },
            { match: {}, action: 'allow', via: 'plain' },
          ],
        },
        pools: {
          parents: { parent: 'http', targets: [parent.address], tls },
          plain: { parent: 'http', targets: [plain.address], tls },
        },
      });
      const client = await openTunnel(test, port, `far.test:${echo.port}`);
      client.send('sealed once');
      await client.connection.receivedText('sealed once');
      assert.equal((await ask(test, port, 'http://far.test/')).text, 'secure parent');
      assert.equal((await plain.next()).target, 'http://far.test/');
    },
  },
  {
    name: 'which destinations go to a parent is for the rules to say; an address that is not public goes to none',
    run: async (test) => {
      const parent = await test.httpTarget({ takes: 'proxy', name: 'parent' });
      const origin = await test.httpTarget({ name: 'direct' });
      const { port } = await forwardProxy(test, {
        listener: {
          rules: [
            {
              match: { hosts: ['*.far.test', '10.0.0.0/8', '192.0.2.1'] },
              action: 'allow',
              via: 'parents',
            },
          ],
        },
        names: { 'inside.test': ['10.1.2.3'] },
        pools: parents([parent.address]),
      });
      const textOf = async (url: string) => (await ask(test, port, url)).text;
      assert.equal(await textOf('http://a.far.test/'), 'parent');
      assert.equal(await textOf(`http://site.test:${origin.port}/`), 'direct');
      // The rule needed the addresses of the name; the parent is given the name.
      assert.equal(await textOf('http://inside.test/'), 'parent');
      for (const host of ['10.1.2.3', '192.0.2.1']) {
        const answer = await ask(test, port, `http://${host}/`);
        assert.equal(answer.status, 403, host);
        assert.equal(answer.value('proxy-status'), 'sluice; error=destination_ip_prohibited');
      }
      assert.deepEqual(
        parent.requests.map(({ target }) => target),
        ['http://a.far.test/', 'http://inside.test/'],
      );
    },
  },
];

const socks: Case[] = [
  {
    name: 'a SOCKS parent is asked by name, for tunnels and for plain requests, whose connections are kept',
    run: async (test) => {
      const echo = test.own(await startEchoTarget());
      const origin = await test.httpTarget({ name: 'behind' });
      const parent = await socksParent(test);
      const { port, oracle } = await forwardProxy(test, {
        listener: VIA_PARENTS,
        pools: { parents: { parent: 'socks5', targets: [parent.address] } },
      });
      const client = await openTunnel(test, port, `far.test:${echo.port}`);
      client.send('sent');
      await client.connection.receivedText('sent');
      const plain = await test.http(port);
      for (const host of ['far.test', 'far.test', 'near.test']) {
        plain.send(absolute('GET', `http://${host}:${origin.port}/`));
        assert.equal((await plain.response()).text, 'behind');
      }
      assert.deepEqual(parent.asked, [
        `1 @far.test:${echo.port}`,
        `1 @far.test:${origin.port}`,
        `1 @near.test:${origin.port}`,
      ]);
      assert.equal((await origin.next()).target, '/');
      assert.deepEqual(oracle.askedNames, []);
    },
  },
  {
    name: 'a SOCKS parent is logged in to, and given addresses as addresses',
    run: async (test) => {
      const echo = test.own(await startEchoTarget());
      const parent = await socksParent(test, { login: 'me:p:ä' });
      const { port } = await forwardProxy(test, {
        listener: VIA_PARENTS,
        pools: {
          parents: {
            parent: { protocol: 'socks5', username: 'me', password: 'p:ä' },
            targets: [parent.address],
          },
        },
      });
      const client = await openTunnel(test, port, `127.0.0.1:${echo.port}`);
      client.send('sent');
      await client.connection.receivedText('sent');
      await openTunnel(test, port, `[::1]:${echo.port}`);
      assert.deepEqual(parent.asked, [
        `1 me:p:ä@127.0.0.1:${echo.port}`,
        `1 me:p:ä@[${'0'.repeat(31)}1]:${echo.port}`,
      ]);
    },
  },
  {
    name: 'a SOCKS parent that refuses, its client or its destination, or speaks nonsense: 502 parent_refused',
    run: async (test) => {
      const nonsense = await test.tcpTarget({
        onConnection: (connection) => connection.send('HTTP/1.1 400 Bad Request\r\n\r\n'),
      });
      const closing = await test.tcpTarget({ onConnection: (connection) => connection.end() });
      const wants = await socksParent(test, { login: 'me:right' });
      const refusing = await socksParent(test, { code: 5 });
      const wrong = { protocol: 'socks5', username: 'me', password: 'wrong' };
      for (const pool of [
        { parent: 'socks5', targets: [nonsense.address] },
        { parent: 'socks5', targets: [closing.address] },
        { parent: 'socks5', targets: [wants.address] },
        { parent: wrong, targets: [wants.address] },
        { parent: 'socks5', targets: [refusing.address] },
      ]) {
        const { port, engine } = await forwardProxy(test, {
          listener: VIA_PARENTS,
          pools: { parents: pool },
        });
        const client = await test.http(port);
        assert.equal((await connect(client, 'far.test:443')).status, 502, JSON.stringify(pool));
        client.send(absolute('GET', 'http://far.test/'));
        assert.equal((await client.response()).status, 502, JSON.stringify(pool));
        assert.equal(engine.stats().listener('egress').errors.parent_refused, 2);
      }
    },
  },
  {
    name: 'a SOCKS parent that is down or refuses is passed over for the next',
    run: async (test) => {
      const echo = test.own(await startEchoTarget());
      const origin = await test.httpTarget({ answer: () => ok('behind') });
      const dead = (await freeAddress()).text;
      const refusing = await socksParent(test, { code: 1 });
      const alive = await socksParent(test);
      const { port } = await forwardProxy(test, {
        listener: VIA_PARENTS,
        pools: {
          parents: { parent: 'socks5', targets: [dead, refusing.address, alive.address] },
        },
      });
      for (let i = 0; i < 3; i++) {
        const client = await openTunnel(test, port, `far.test:${echo.port}`);
        client.send('x');
        await client.connection.receivedText('x');
        assert.equal((await ask(test, port, `http://far.test:${origin.port}/`)).text, 'behind');
      }
    },
  },
];

export const forwardParents: Feature = {
  name: 'forward: parents',
  cases: offering(['forward'], [...http, ...socks]),
};
