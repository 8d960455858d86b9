// Where clients of a forward proxy may go: rules in their order, and the pages that say no.
import assert from 'node:assert/strict';
import { buildHostSet } from '../../../src/plan/host-set.ts';
import { eventually } from '../../support/deadline.ts';
import type { ClientResponse } from '../../support/http-client.ts';
import { type Case, type CaseContext, type Feature, offering } from '../case.ts';
import { absolute, ask, basic, connect, type ForwardUnderTest, forwardProxy } from '../forward.ts';
import { logFile, records } from './access-log.ts';

/** The status of a request to each URL, on one connection. */
async function statuses(
  test: CaseContext,
  { port }: ForwardUnderTest,
  urls: readonly string[],
): Promise<number[]> {
  const client = await test.http(port);
  const found: number[] = [];
  for (const url of urls) {
    client.send(absolute('GET', url));
    found.push((await client.response()).status);
  }
  return found;
}

const denied = (answer: ClientResponse): void => {
  assert.equal(answer.status, 403);
  assert.equal(answer.value('proxy-status'), 'sluice; error=http_request_denied');
  assert.equal(answer.value('content-type'), 'text/html; charset=utf-8');
};

const ALL_DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const cases: Case[] = [
  {
    name: 'the first rule that matches decides, and each counts and logs what it decided',
    run: async (test) => {
      const accessLog = await logFile(test);
      const origin = await test.httpTarget();
      const proxy = await forwardProxy(test, {
        names: { 'a.test': ['127.0.0.1'], 'b.test': ['127.0.0.1'] },
        listener: {
          accessLog,
          rules: [
            { name: 'one', match: { hosts: ['a.test'] }, action: 'allow' },
            { name: 'two', match: { hosts: ['a.test', 'b.test'] }, action: 'deny' },
          ],
        },
      });
      const urls = ['a', 'b', 'site'].map((name) => `http://${name}.test:${origin.port}/`);
      assert.deepEqual(await statuses(test, proxy, urls), [200, 403, 200]);
      await eventually(
        'the last to be counted',
        () => proxy.engine.stats().route('egress', 'default').status_2xx === 1,
      );
      const stats = proxy.engine.stats();
      assert.equal(stats.route('egress', 'one').status_2xx, 1);
      assert.equal(stats.route('egress', 'two').status_4xx, 1);
      assert.equal(stats.route('egress', 'two').errors.destination_denied, 1);
      assert.equal(stats.route('egress', 'default').requests, 1);
      const logged = await records(accessLog, 3);
      assert.deepEqual(
        logged.map(({ route, error }) => [route, error]),
        [
          ['one', null],
          ['two', 'destination_denied'],
          ['default', null],
        ],
      );
      // A name that is denied is not even looked up.
      assert.ok(!proxy.oracle.askedNames.includes('b.test'));
    },
  },
  {
    name: 'deny is a first rule, and default: deny lets only what is allowed through',
    run: async (test) => {
      const origin = await test.httpTarget();
      const proxy = await forwardProxy(test, {
        names: { 'a.test': ['127.0.0.1'], 'b.a.test': ['127.0.0.1'] },
        listener: {
          deny: ['b.a.test'],
          rules: [{ match: { hosts: ['*.test'] }, action: 'allow' }],
          default: 'deny',
        },
      });
      const urls = ['http://a.test', 'http://b.a.test', 'http://127.0.0.1', 'http://site.test'];
      const found = await statuses(
        test,
        proxy,
        urls.map((url) => `${url}:${origin.port}/`),
      );
      assert.deepEqual(found, [200, 403, 403, 200]);
      assert.equal(proxy.engine.stats().route('egress', 'deny').errors.destination_denied, 1);
      assert.equal(proxy.engine.stats().route('egress', 'default').errors.destination_denied, 1);
    },
  },
  {
    name: 'a suffix is everything below it and not it itself, on label borders, in any case, dot or none',
    run: async (test) => {
      const proxy = await forwardProxy(test, {
        listener: { rules: [{ match: { hosts: ['*.bad.test'] }, action: 'deny' }] },
      });
      const found = await statuses(test, proxy, [
        'http://x.bad.test/',
        'http://x.y.bad.test/',
        'http://X.BAD.Test/',
        'http://x.bad.test./',
        'http://x.bad.test:8080/',
        // Nothing denies these: they have no address.
        'http://bad.test/',
        'http://notbad.test/',
        'http://x.bad.test.com/',
      ]);
      assert.deepEqual(found, [403, 403, 403, 403, 403, 502, 502, 502]);
    },
  },
  {
    name: 'lists hold names, what is below them, and blocks of addresses',
    run: async (test) => {
      const hosts = buildHostSet([
        { host: 'ads.test', exact: true, subdomains: false },
        { host: 'track.test', exact: true, subdomains: true },
      ]);
      const blocks = [{ family: 'ipv4', host: '127.0.0.2', bits: 31 }] as const;
      const origin = await test.httpTarget({ host: '0.0.0.0' });
      const proxy = await forwardProxy(test, {
        names: { 'hidden.test': ['127.0.0.3'], 'www.ads.test': ['127.0.0.1'] },
        lists: { ads: '/ads.txt' },
        files: { lists: new Map([['ads', { digest: 'one', hosts, blocks }]]) },
        listener: { rules: [{ name: 'ads', match: { lists: ['ads'] }, action: 'deny' }] },
      });
      const found = await statuses(
        test,
        proxy,
        [
          'ads.test',
          'www.ads.test',
          'track.test',
          'a.b.track.test',
          '127.0.0.2',
          'hidden.test',
          '127.0.0.1',
        ].map((host) => `http://${host}:${origin.port}/`),
      );
      assert.deepEqual(found, [403, 200, 403, 403, 403, 403, 200]);
    },
  },
  {
    name: 'a list that has changed is followed by the next request, on connections that are open too',
    run: async (test) => {
      const list = (host: string) => ({
        lists: new Map([
          [
            'ads',
            {
              digest: host,
              hosts: buildHostSet([{ host, exact: true, subdomains: false }]),
              blocks: [],
            },
          ],
        ]),
      });
      const proxy = await forwardProxy(test, {
        lists: { ads: '/ads.txt' },
        files: list('first.test'),
        listener: { rules: [{ match: { lists: ['ads'] }, action: 'deny' }] },
      });
      const client = await test.http(proxy.port);
      const status = async (host: string): Promise<number> => {
        client.send(absolute('GET', `http://${host}/`));
        return (await client.response()).status;
      };
      assert.deepEqual([await status('first.test'), await status('second.test')], [403, 502]);
      proxy.engine.replaceFiles(list('second.test'));
      await proxy.engine.apply(proxy.config);
      assert.deepEqual([await status('first.test'), await status('second.test')], [502, 403]);
    },
  },
  {
    name: 'a name is in a block by the addresses that it has, each judged by itself',
    run: async (test) => {
      const origin = await test.httpTarget({ host: '0.0.0.0' });
      const proxy = await forwardProxy(test, {
        names: {
          'in.test': ['127.0.0.9'],
          'out.test': ['127.0.0.1'],
          'both.test': ['127.0.0.9', '127.0.0.1'],
        },
        listener: {
          rules: [{ name: 'block', match: { hosts: ['127.0.0.8/30'] }, action: 'deny' }],
        },
      });
      const urls = ['in.test', 'out.test', 'both.test', '127.0.0.9', '127.0.0.1'];
      const found = await statuses(
        test,
        proxy,
        urls.map((host) => `http://${host}:${origin.port}/`),
      );
      assert.deepEqual(found, [403, 200, 200, 403, 200]);
      // Of both addresses the one that is not denied was connected to.
      const peers = origin.connections.map(({ socket }) => socket.localAddress);
      assert.deepEqual(new Set(peers), new Set(['127.0.0.1']));
      assert.equal(proxy.engine.stats().route('egress', 'block').requests, 2);
    },
  },
  {
    name: 'a rule that needs the addresses of a name that has none: 502',
    run: async (test) => {
      const proxy = await forwardProxy(test, {
        names: { 'slow.test': 'name_timeout' },
        listener: { rules: [{ match: { hosts: ['10.0.0.0/8'] }, action: 'deny' }] },
      });
      const urls = ['http://nowhere.test/', 'http://slow.test/'];
      assert.deepEqual(await statuses(test, proxy, urls), [502, 504]);
    },
  },
  {
    name: 'rules look at the port, of names and of addresses',
    run: async (test) => {
      const [open, shut] = [await test.httpTarget(), await test.httpTarget()];
      const proxy = await forwardProxy(test, {
        listener: { rules: [{ match: { ports: [shut.port] }, action: 'deny' }] },
      });
      const urls = [`site.test:${open.port}`, `site.test:${shut.port}`, `127.0.0.1:${shut.port}`];
      const found = await statuses(
        test,
        proxy,
        urls.map((authority) => `http://${authority}/`),
      );
      assert.deepEqual(found, [200, 403, 403]);
      assert.equal((await connect(await test.http(proxy.port), urls[1]!)).status, 403);
      assert.equal((await connect(await test.http(proxy.port), urls[0]!)).status, 200);
    },
  },
  {
    name: 'rules look at the method, which is CONNECT for tunnels',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test, {
        listener: { rules: [{ match: { methods: ['POST', 'CONNECT'] }, action: 'deny' }] },
      });
      const client = await test.http(port);
      const url = `http://site.test:${origin.port}/`;
      for (const [method, status] of [
        ['GET', 200],
        ['POST', 403],
        ['PUT', 200],
      ] as const) {
        client.send(absolute(method, url, { 'Content-Length': '0' }));
        assert.equal((await client.response()).status, status, method);
      }
      denied(await connect(client, `site.test:${origin.port}`));
    },
  },
  {
    name: 'rules look at the path in its normal form, and never hold for tunnels by it',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test, {
        listener: {
          rules: [
            { match: { path: '/ads/*' }, action: 'deny' },
            { match: { path: '/exact' }, action: 'deny' },
          ],
        },
      });
      const client = await test.http(port);
      for (const [path, status] of [
        ['/ads', 403],
        ['/ads/x', 403],
        ['/a/../ads/x', 403],
        ['/%61ds/x', 403],
        ['/ads?x', 403],
        ['/adsx', 200],
        ['/exact', 403],
        ['/exact/', 200],
        ['/?/ads/', 200],
      ] as const) {
        client.send(absolute('GET', `http://site.test:${origin.port}${path}`));
        assert.equal((await client.response()).status, status, path);
      }
      assert.equal((await connect(client, `site.test:${origin.port}`)).status, 200);
    },
  },
  {
    name: "rules look at the client's address",
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test, {
        listener: {
          rules: [{ match: { clients: ['127.0.0.64/26'] }, action: 'deny' }],
        },
      });
      for (const [localAddress, status] of [
        ['127.0.0.63', 200],
        ['127.0.0.64', 403],
        ['127.0.0.127', 403],
        ['127.0.0.128', 200],
      ] as const) {
        const client = await test.http(port, { localAddress });
        client.send(absolute('GET', `http://site.test:${origin.port}/`));
        assert.equal((await client.response()).status, status, localAddress);
      }
    },
  },
  {
    name: 'rules look at the client that a PROXY header speaks for',
    needs: (capabilities) => capabilities.proxyProtocol,
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test, {
        listener: {
          proxyProtocol: 'required',
          trustedProxies: ['127.0.0.1'],
          rules: [{ match: { clients: ['192.0.2.7'] }, action: 'deny' }],
        },
      });
      for (const [host, status] of [
        ['192.0.2.7', 403],
        ['192.0.2.8', 200],
      ] as const) {
        const client = await test.http(port);
        client.send(`PROXY TCP4 ${host} 198.51.100.1 1234 80\r\n`);
        client.send(absolute('GET', `http://site.test:${origin.port}/`));
        assert.equal((await client.response()).status, status, host);
      }
    },
  },
  {
    name: 'rules look at the user',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test, {
        users: { ann: 'a', bob: 'b' },
        listener: { rules: [{ match: { users: ['bob'] }, action: 'deny' }] },
      });
      const url = `http://site.test:${origin.port}/`;
      assert.equal((await ask(test, port, url, basic('ann:a'))).status, 200);
      denied(await ask(test, port, url, basic('bob:b')));
    },
  },
  {
    name: 'rules look at the time: a window of the whole week always holds, one on no day that is near never does',
    run: async (test) => {
      const origin = await test.httpTarget();
      const url = `http://site.test:${origin.port}/`;
      // Neither yesterday, today nor tomorrow, whatever midnight does while the case runs.
      const today = new Date().getDay();
      const far = ALL_DAYS.filter((_, day) => ![6, 0, 1].includes((day - today + 7) % 7));
      for (const [times, status] of [
        [[{}], 403],
        [
          [
            { from: '12:00', to: '00:00' },
            { from: '00:00', to: '12:00' },
          ],
          403,
        ],
        [
          [
            { from: '18:00', to: '06:00' },
            { from: '06:00', to: '18:00' },
          ],
          403,
        ],
        [[{ days: far }], 200],
        [[{ days: far, from: '22:00', to: '02:00' }], 200],
        [[{ days: far }, {}], 403],
      ] as const) {
        const { port } = await forwardProxy(test, {
          listener: { rules: [{ match: { times }, action: 'deny' }] },
        });
        assert.equal((await ask(test, port, url)).status, status, JSON.stringify(times));
      }
    },
  },
  {
    name: 'all conditions of a rule must hold, and of hosts, blocks and lists one',
    run: async (test) => {
      const origin = await test.httpTarget({ host: '0.0.0.0' });
      const { port } = await forwardProxy(test, {
        names: { 'a.test': ['127.0.0.1'], 'b.test': ['127.0.0.5'] },
        listener: {
          rules: [{ match: { hosts: ['a.test', '127.0.0.5'], methods: ['PUT'] }, action: 'deny' }],
        },
      });
      const client = await test.http(port);
      for (const [method, host, status] of [
        ['PUT', 'a.test', 403],
        ['PUT', 'b.test', 403],
        ['GET', 'a.test', 200],
        ['GET', 'b.test', 200],
        ['PUT', 'site.test', 200],
      ] as const) {
        const url = `http://${host}:${origin.port}/`;
        client.send(absolute(method, url, { 'Content-Length': '0' }));
        assert.equal((await client.response()).status, status, `${method} ${host}`);
      }
    },
  },
  {
    name: 'CONNECT goes to 443 and 563 unless said otherwise, plain HTTP to any port',
    run: async (test) => {
      const origin = await test.httpTarget();
      const proxy = await forwardProxy(test, { listener: { connectPorts: [443, 563] } });
      const { port, engine } = proxy;
      const client = await test.http(port);
      const answer = await connect(client, `site.test:${origin.port}`);
      denied(answer);
      assert.match(answer.text, /its port is not permitted/);
      assert.equal(engine.stats().route('egress', 'default').errors.destination_denied, 1);
      assert.equal((await connect(client, 'site.test:444')).status, 403);
      // Permitted, and nobody is there.
      assert.equal((await connect(client, 'nowhere.test:443')).status, 502);
      assert.equal((await connect(client, 'nowhere.test:563')).status, 502);
      assert.deepEqual(await statuses(test, proxy, [`http://site.test:${origin.port}/`]), [200]);
      assert.equal(origin.accepts, 1);
    },
  },
  {
    name: 'a denial is a page in HTML that says what and why, and the connection goes on',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test, { listener: { deny: ['bad.test'] } });
      const client = await test.http(port);
      client.send(absolute('GET', 'http://bad.test/'));
      const page = await client.response();
      denied(page);
      assert.match(page.text, /<b>bad\.test<\/b>: a rule denies it\./);
      client.send(absolute('HEAD', 'http://bad.test/'));
      assert.equal((await client.response('HEAD')).status, 403);
      client.send(absolute('POST', 'http://bad.test/', {}, 'a body that nobody reads'));
      assert.equal((await client.response('POST')).status, 403);
      denied(await connect(client, 'bad.test:443'));
      client.send(absolute('GET', `http://site.test:${origin.port}/`));
      assert.equal((await client.response()).status, 200);
    },
  },
  {
    name: 'a page of one’s own is filled in, escaped, and braces that mean nothing stay',
    run: async (test) => {
      const page =
        '<p title="{reason}">{host}|{port}|{rule}|{client}|{user}|{other}|{host}</p> ü {';
      const { port } = await forwardProxy(test, {
        users: { '<b>"ann"&\'': 'x' },
        files: { texts: new Map([['/page.html', Buffer.from(page)]]) },
        listener: {
          denyPage: '/page.html',
          rules: [{ name: 'no <script>', match: { hosts: ['bad.test'] }, action: 'deny' }],
        },
      });
      const answer = await ask(test, port, 'http://bad.test:81/', basic('<b>"ann"&\':x'));
      denied(answer);
      const user = '&lt;b&gt;&quot;ann&quot;&amp;&#39;';
      assert.equal(
        answer.body.toString('utf8'),
        `<p title="a rule denies it">bad.test|81|no &lt;script&gt;|127.0.0.1|${user}|{other}|bad.test</p> ü {`,
      );
    },
  },
  {
    name: 'rules that have changed hold from the next request on, on connections that are open too',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port, engine, config } = await forwardProxy(test);
      const client = await test.http(port);
      const url = `http://site.test:${origin.port}/`;
      client.send(absolute('GET', url));
      assert.equal((await client.response()).status, 200);
      const { egress } = (config as { listeners: { egress: object } }).listeners;
      await engine.apply({ listeners: { egress: { ...egress, deny: ['site.test'] } } });
      client.send(absolute('GET', url));
      denied(await client.response());
      assert.equal(engine.port('egress'), port);
    },
  },
  {
    name: 'transparent: a connection that nobody redirected is closed without a word, and counted',
    needs: (capabilities) => capabilities.transparent,
    run: async (test) => {
      const { engine, port } = await forwardProxy(test, { listener: { transparent: true } });
      for (const request of ['GET / HTTP/1.1\r\nHost: site.test\r\n\r\n', '\u0005\u0001\u0000']) {
        const client = await test.connect(port);
        client.send(request);
        await client.ended;
        assert.equal(client.text, '');
      }
      const { errors, active, requests } = engine.stats().listener('egress');
      // The first where netfilter knows of the connection, the second where it does not.
      assert.equal(errors.proxy_loop + errors.destination_malformed, 2);
      assert.equal(active, 0);
      assert.equal(requests, 2);
    },
  },
  {
    name: 'transparent: true is refused by name by engines that cannot be',
    needs: (capabilities) => !capabilities.transparent,
    run: async (test) => {
      const { checkCapabilities } = await import('../../../src/engine/select.ts');
      const { engine } = await forwardProxy(test, { listener: { transparent: true } });
      assert.throws(() => checkCapabilities(engine.engine, engine.plan), {
        code: 'engine_unsupported',
        message:
          /^listeners\.egress\.transparent: true: engine \w+ does not offer it: use engine native$/,
      });
    },
  },
];

export const forwardPolicy: Feature = {
  name: 'forward: policy',
  cases: offering(['forward'], cases),
};
