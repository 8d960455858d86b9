// What a forward proxy tells of its clients and of itself, how it knows itself again, and the script with which browsers
// find it.
import assert from 'node:assert/strict';
import { eventually, within } from '../../support/deadline.ts';
import { requestBytes } from '../../support/http-client.ts';
import { type Case, type Feature, offering } from '../case.ts';
import { absolute, ask, basic, connect, forwardProxy, openTunnel } from '../forward.ts';

const pac: Case[] = [
  {
    name: '/proxy.pac sends everything to the proxy that it was read from, without a login',
    run: async (test) => {
      const { port } = await forwardProxy(test, {
        users: { ann: 'a' },
        listener: { pac: true },
      });
      const client = await test.http(port);
      for (const [host, way] of [
        ['proxy.test:3128', 'PROXY proxy.test:3128'],
        ['proxy.test', 'PROXY proxy.test:80'],
        ['[::1]:3128', 'PROXY [::1]:3128'],
        // Not a host: the address that the client came to.
        ['a;DIRECT', `PROXY 127.0.0.1:${port}`],
      ] as const) {
        client.send(requestBytes('GET', '/proxy.pac', { Host: host }));
        const answer = await client.response();
        assert.equal(answer.status, 200, host);
        assert.equal(answer.value('content-type'), 'application/x-ns-proxy-autoconfig');
        assert.equal(runPac(answer.text), way);
      }
      client.send(requestBytes('HEAD', '/proxy.pac', { Host: 'proxy.test' }));
      assert.equal((await client.response('HEAD')).status, 200);
      client.send(absolute('GET', 'http://site.test/proxy.pac'));
      assert.equal((await client.response()).status, 407);
    },
  },
  {
    name: 'a PAC file of one’s own is served as it is',
    run: async (test) => {
      const script = 'function FindProxyForURL(url, host) { return "DIRECT"; } // ü';
      const { port } = await forwardProxy(test, {
        files: { texts: new Map([['/own.pac', Buffer.from(script)]]) },
        listener: { pac: '/own.pac' },
      });
      const client = await test.http(port);
      client.send(requestBytes('GET', '/proxy.pac', { Host: 'proxy.test' }));
      assert.equal((await client.response()).body.toString('utf8'), script);
    },
  },
  {
    name: 'no other path, no other method, and no PAC where none is served: 400',
    run: async (test) => {
      const { port } = await forwardProxy(test, { listener: { pac: true } });
      const { port: without } = await forwardProxy(test);
      for (const [where, method, path] of [
        [port, 'POST', '/proxy.pac'],
        [port, 'GET', '/'],
        [port, 'GET', '/proxy.pac/x'],
        [without, 'GET', '/proxy.pac'],
      ] as const) {
        const client = await test.http(where);
        client.send(requestBytes(method, path, { Host: 'proxy.test', 'Content-Length': '0' }));
        const answer = await client.response(method);
        assert.equal(answer.status, 400, `${method} ${path}`);
        await within(client.closed, 'the close');
      }
    },
  },
];

/** What a browser makes of the script. */
function runPac(script: string): string {
  return new Function('url', 'host', `${script}; return FindProxyForURL(url, host);`)(
    'http://a.test/',
    'a.test',
  ) as string;
}

const loops: Case[] = [
  {
    name: 'a request that bears our name in Via has been here before: 502, and the connection goes on',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port, engine } = await forwardProxy(test, { users: { ann: 'a' } });
      const url = `http://site.test:${origin.port}/`;
      const client = await test.http(port);
      for (const via of [
        '1.1 sluice-under-test',
        '1.0 fred, 1.1 SLUICE-under-test (Sluice)',
        'HTTP/1.1 a.test:80 (x),1.1\tsluice-under-test',
      ]) {
        client.send(absolute('GET', url, { Via: via }));
        const answer = await client.response();
        assert.equal(answer.status, 502, via);
        assert.equal(answer.value('proxy-status'), 'sluice; error=proxy_loop_detected');
      }
      const answer = await connect(client, `site.test:${origin.port}`, {
        Via: '1.1 sluice-under-test',
      });
      assert.equal(answer.status, 502);
      assert.equal(engine.stats().listener('egress').errors.proxy_loop, 4);
      for (const via of ['1.1 sluice-under-test-2', '1.1 other (sluice-under-test)']) {
        client.send(absolute('GET', url, { Via: via, ...basic('ann:a') }));
        assert.equal((await client.response()).status, 200, via);
      }
      assert.equal(origin.requests.length, 2);
    },
  },
  {
    name: 'a destination that is the proxy itself: 502, by address, by name and on a wildcard listener',
    run: async (test) => {
      const one = await forwardProxy(test, { names: { 'self.test': ['127.0.0.1'] } });
      const wild = await forwardProxy(test, {
        listener: { address: '0.0.0.0:0', openToAll: true },
      });
      for (const [port, host] of [
        [one.port, '127.0.0.1'],
        [one.port, '[::ffff:127.0.0.1]'],
        [one.port, 'self.test'],
        [wild.port, '127.0.0.1'],
        [wild.port, '127.1.2.3'],
      ] as const) {
        const client = await test.http(port);
        client.send(absolute('GET', `http://${host}:${port}/`));
        assert.equal((await client.response()).status, 502, host);
        const answer = await connect(client, `${host}:${port}`);
        assert.equal(answer.status, 502, host);
        assert.equal(answer.value('proxy-status'), 'sluice; error=proxy_loop_detected');
      }
      assert.equal(one.engine.stats().listener('egress').connections, 3);
      // Another address of this machine is another destination.
      const refused = await connect(await test.http(one.port), `127.9.9.9:${one.port}`);
      assert.equal(refused.value('proxy-status'), 'sluice; error=connection_refused');
      await eventually('nothing to be in flight', () => one.engine.inFlight === 0);
    },
  },
];

const privacy: Case[] = (
  [
    {
      anonymity: 'transparent',
      request: {
        via: '1.0 before, 1.1 sluice-under-test',
        'x-forwarded-for': '192.0.2.1, 127.0.0.1',
        forwarded: 'for=192.0.2.1, for=127.0.0.1;host=;proto=http',
        'x-forwarded-proto': 'http',
        'x-forwarded-host': '=',
        'x-real-ip': '127.0.0.1',
        'client-ip': '192.0.2.1',
        'user-agent': 'browser',
        'sec-ch-ua': '"x"',
      },
      response: '1.1 origin, 1.1 sluice-under-test',
    },
    {
      anonymity: 'anonymous',
      request: {
        via: '1.0 before, 1.1 sluice-under-test',
        'user-agent': 'browser',
        'sec-ch-ua': '"x"',
      },
      response: '1.1 origin, 1.1 sluice-under-test',
    },
    {
      anonymity: 'elite',
      request: { 'user-agent': 'browser', 'sec-ch-ua': '"x"' },
      response: '1.1 origin',
    },
  ] as const
).map(({ anonymity, request, response }) => ({
  name: `anonymity: ${anonymity} tells destinations exactly so much`,
  run: async (test) => {
    const origin = await test.httpTarget({
      answer: () => 'HTTP/1.1 200 OK\r\nVia: 1.1 origin\r\nContent-Length: 0\r\n\r\n',
    });
    const { port } = await forwardProxy(test, { listener: { anonymity } });
    const authority = `site.test:${origin.port}`;
    const answer = await ask(test, port, `http://${authority}/`, {
      'User-Agent': 'browser',
      'Sec-CH-UA': '"x"',
      Via: '1.0 before',
      'X-Forwarded-For': '192.0.2.1',
      Forwarded: 'for=192.0.2.1',
      'Client-IP': '192.0.2.1',
      ...(anonymity === 'transparent' ? {} : TELLING),
    });
    const { fields } = await origin.next();
    const joined = new Map<string, string>();
    for (const { name, value } of fields) {
      const key = name.toLowerCase();
      joined.set(key, joined.has(key) ? `${joined.get(key)}, ${value}` : value);
    }
    // Of the connection between the two of us.
    for (const name of ['host', 'connection']) joined.delete(name);
    const expected = Object.entries(request).map(([name, value]) => [
      name,
      value === '=' ? authority : value.replace('host=', `host="${authority}"`),
    ]);
    assert.deepEqual(
      Object.fromEntries([...joined].toSorted()),
      Object.fromEntries(expected.toSorted()),
    );
    const vias = answer.fields.filter(({ name }) => name.toLowerCase() === 'via');
    assert.equal(vias.map(({ value }) => value).join(', '), response);
    assert.equal(answer.value('x-forwarded-for'), undefined);
  },
}));

const TELLING = {
  'X-Forwarded-Host': 'home.test',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Port': '1',
  'X-Forwarded-Server': 'home.test',
  'X-Forwarded-Anything': 'x',
  'X-Real-IP': '192.0.2.1',
  'Forwarded-For': '192.0.2.1',
  'X-Client-IP': '192.0.2.1',
  'X-Cluster-Client-IP': '192.0.2.1',
  'True-Client-IP': '192.0.2.1',
  'CF-Connecting-IP': '192.0.2.1',
};

const tunnelled: Case = {
  name: 'what is in a tunnel is nobody’s business: no field is added or removed in it',
  run: async (test) => {
    const target = await test.tcpTarget();
    const { port } = await forwardProxy(test, { listener: { anonymity: 'elite' } });
    const client = await openTunnel(test, port, `site.test:${target.port}`);
    const bytes = 'GET / HTTP/1.1\r\nVia: 1.1 me\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n';
    client.send(bytes);
    const upstream = await target.next();
    await upstream.receivedText('\r\n\r\n');
    assert.equal(upstream.text, bytes);
  },
};

export const forwardOwn: Feature = {
  name: 'forward: loops and PAC',
  cases: offering(['forward'], [...pac, ...loops]),
};

export const forwardPrivacy: Feature = {
  name: 'forward: privacy',
  cases: offering(['forward'], [...privacy, tunnelled]),
};
