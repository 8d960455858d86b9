// Plain HTTP through a forward proxy: requests in absolute form, to whichever origin they name.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { deferred, eventually, within } from '../../support/deadline.ts';
import { requestBytes } from '../../support/http-client.ts';
import { chunk, ok, response } from '../../support/http-target.ts';
import { fieldValue, fieldValues } from '../../support/strict-http.ts';
import { freeAddress } from '../../support/tcp-target.ts';
import { type Case, type Feature, offering } from '../case.ts';
import { absolute, ask, forwardProxy, INSTANCE } from '../forward.ts';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const cases: Case[] = [
  {
    name: 'a request in absolute form reaches its origin in origin form, with the Host of its target',
    run: async (test) => {
      const origin = await test.httpTarget({ name: 'origin' });
      const { port } = await forwardProxy(test);
      const authority = `site.test:${origin.port}`;
      const answer = await ask(test, port, `http://${authority}/a/b?c=d&e`, { Accept: '*/*' });
      assert.equal(answer.status, 200);
      assert.equal(answer.text, 'origin');
      const request = await origin.next();
      assert.equal(request.target, '/a/b?c=d&e');
      assert.deepEqual(fieldValues(request.fields, 'host'), [authority]);
      assert.equal(fieldValue(request.fields, 'accept'), '*/*');
      assert.equal(fieldValue(request.fields, 'via'), `1.1 ${INSTANCE}`);
      assert.equal(answer.value('via'), `1.1 ${INSTANCE}`);
      assert.deepEqual(origin.violations, []);
    },
  },
  {
    name: 'one connection of a client serves several origins, and each origin gets its own connection back',
    run: async (test) => {
      const origins = [await test.httpTarget({ name: 'a' }), await test.httpTarget({ name: 'b' })];
      const { port, engine } = await forwardProxy(test);
      const client = await test.http(port);
      for (let round = 0; round < 3; round++) {
        for (const [i, origin] of origins.entries()) {
          client.send(absolute('GET', `http://site.test:${origin.port}/${round}`));
          assert.equal((await client.response()).text, i === 0 ? 'a' : 'b');
        }
      }
      for (const origin of origins) {
        assert.deepEqual(
          origin.requests.map(({ target, turn }) => [target, turn]),
          [
            ['/0', 0],
            ['/1', 1],
            ['/2', 2],
          ],
        );
      }
      assert.equal(engine.stats().listener('egress').connections, 1);
      assert.equal(engine.stats().listener('egress').requests, 6);
      await eventually(
        'the last to be counted',
        () => engine.stats().route('egress', 'default').status_2xx === 6,
      );
      assert.equal(engine.stats().pool('egress/direct').requests, 6);
      assert.equal(engine.stats().target('egress/direct', 'direct').connections, 2);
      await eventually('nothing to be in flight', () => engine.inFlight === 0);
    },
  },
  {
    name: 'two clients share connections to an origin, one request after the other',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test);
      await ask(test, port, `http://site.test:${origin.port}/1`);
      await ask(test, port, `http://site.test:${origin.port}/2`);
      assert.equal(origin.accepts, 1);
    },
  },
  {
    name: 'an address is reached like a name, in IPv4 and in IPv6',
    run: async (test) => {
      const v4 = await test.httpTarget({ name: 'v4' });
      const v6 = await test.httpTarget({ name: 'v6', host: '::1' });
      const { port, oracle } = await forwardProxy(test);
      assert.equal((await ask(test, port, `http://127.0.0.1:${v4.port}/`)).text, 'v4');
      assert.equal((await ask(test, port, `http://[::1]:${v6.port}/`)).text, 'v6');
      assert.equal((await ask(test, port, `http://[0:0::0:1]:${v6.port}/`)).text, 'v6');
      assert.deepEqual(oracle.askedNames, []);
    },
  },
  {
    name: 'an absolute target without a path asks for /, with a query for /?query',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test);
      for (const tail of ['', '?q=1', '/?q=2', '/./a/../b']) {
        await ask(test, port, `http://site.test:${origin.port}${tail}`);
      }
      assert.deepEqual(
        origin.requests.map(({ target }) => target),
        ['/', '/?q=1', '/?q=2', '/b'],
      );
    },
  },
  {
    name: 'the scheme and the host of a target are taken in any case, and a trailing dot is no other host',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port, oracle } = await forwardProxy(test);
      for (const url of ['HTTP://site.test', 'http://SITE.Test', 'http://site.test.']) {
        const answer = await ask(test, port, `${url}:${origin.port}/`);
        assert.equal(answer.status, 200, url);
      }
      assert.deepEqual(new Set(oracle.askedNames), new Set(['site.test']));
    },
  },
  {
    name: 'bodies go through in every framing, with their trailers, both ways',
    run: async (test) => {
      const origin = await test.httpTarget({
        answer: ({ method, body, framing }) =>
          method === 'PUT'
            ? [
                'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n',
                chunk('chunk'),
                '0\r\nX-Sum: 1\r\n\r\n',
              ]
            : ok(`${framing}:${body.toString()}`),
      });
      const { port } = await forwardProxy(test);
      const client = await test.http(port);
      const url = `http://site.test:${origin.port}/`;
      client.send(absolute('POST', url, {}, 'hello'));
      assert.equal((await client.response()).text, 'length:hello');
      const host = `Host: site.test:${origin.port}`;
      client.send(`POST ${url} HTTP/1.1\r\n${host}\r\nTransfer-Encoding: chunked\r\n\r\n`);
      client.send('5\r\nhello\r\n6\r\n world\r\n0\r\nX-Check: yes\r\n\r\n');
      assert.equal((await client.response()).text, 'chunked:hello world');
      assert.equal(fieldValue(origin.requests[1]!.trailers, 'x-check'), 'yes');
      client.send(absolute('PUT', url, {}, 'x'));
      const answer = await client.response();
      assert.equal(answer.text, 'chunk');
      assert.equal(fieldValue(answer.trailers, 'x-sum'), '1');
      assert.deepEqual(origin.violations, []);
    },
  },
  {
    name: 'HEAD, 204 and 304 have no body, and the next request follows on both connections',
    run: async (test) => {
      const origin = await test.httpTarget({
        answer: ({ method, target }) =>
          method === 'HEAD'
            ? 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n'
            : target === '/204'
              ? 'HTTP/1.1 204 No Content\r\n\r\n'
              : target === '/304'
                ? 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'
                : ok('fine'),
      });
      const { port } = await forwardProxy(test);
      const client = await test.http(port);
      const url = `http://site.test:${origin.port}`;
      client.send(absolute('HEAD', `${url}/`));
      assert.equal((await client.response('HEAD')).value('content-length'), '1234');
      for (const status of [204, 304]) {
        client.send(absolute('GET', `${url}/${status}`));
        assert.equal((await client.response()).status, status);
      }
      client.send(absolute('GET', `${url}/`));
      assert.equal((await client.response()).text, 'fine');
      assert.equal(origin.accepts, 1);
    },
  },
  {
    name: 'interim responses pass, and Expect: 100-continue holds a body back until the origin asks for it',
    run: async (test) => {
      const origin = await test.httpTarget({
        onHead: ({ connection }) => {
          connection.send('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n');
          connection.send('HTTP/1.1 100 Continue\r\n\r\n');
        },
      });
      const { port } = await forwardProxy(test);
      const client = await test.http(port);
      const authority = `site.test:${origin.port}`;
      client.send(
        `POST http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`,
      );
      assert.equal((await client.any()).status, 103);
      assert.equal((await client.any()).status, 100);
      client.send('body');
      assert.equal((await client.response()).status, 200);
      assert.equal((await origin.next()).body.toString(), 'body');
    },
  },
  {
    name: 'an upgrade in absolute form becomes a tunnel once the origin has switched',
    run: async (test) => {
      const origin = await test.httpTarget({
        answer: () =>
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\ngreeting',
      });
      const { port } = await forwardProxy(test);
      const client = await test.http(port);
      client.send(
        absolute('GET', `http://site.test:${origin.port}/chat`, {
          Connection: 'Upgrade',
          Upgrade: 'raw',
        }),
      );
      client.send('early');
      assert.equal((await client.response()).status, 101);
      await client.connection.receivedText('greeting');
      const [upstream] = origin.connections;
      await upstream!.receivedText('\r\n\r\nearly');
      upstream!.send('pong');
      await client.connection.receivedText('pong');
    },
  },
  {
    name: 'large bodies go through whole, both ways',
    run: async (test) => {
      const payload = randomBytes(8 * MIB);
      const origin = await test.httpTarget({ record: true, answer: ({ body }) => ok(body) });
      const { port, engine } = await forwardProxy(test);
      const client = await test.http(port);
      client.send(absolute('POST', `http://site.test:${origin.port}/`, {}, payload));
      const answer = await client.response('POST', 60_000);
      assert.equal(sha256(answer.body), sha256(payload));
      const seen = engine.stats().listener('egress');
      assert.equal(seen.bytes_in, payload.length);
      assert.equal(seen.bytes_out, payload.length);
    },
  },
  {
    name: 'a client that goes away in the middle of a response ends the work at the origin',
    run: async (test) => {
      const origin = await test.httpTarget({
        answer: () => 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun',
      });
      const { port, engine } = await forwardProxy(test);
      const client = await test.http(port);
      client.send(absolute('GET', `http://site.test:${origin.port}/`));
      await client.connection.receivedText('begun');
      client.connection.reset();
      await within(origin.connections[0]!.closed, 'the end at the origin');
      await eventually('nothing to be in flight', () => engine.inFlight === 0);
      assert.equal(engine.stats().listener('egress').errors.client_aborted, 1);
    },
  },
  {
    name: 'an origin that breaks off in the middle of a response breaks off the answer',
    run: async (test) => {
      const origin = await test.httpTarget({
        answer: ({ connection }) => {
          connection.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
        },
      });
      const { port, engine } = await forwardProxy(test);
      const client = await test.http(port);
      client.send(absolute('GET', `http://site.test:${origin.port}/`));
      await within(client.closed, 'the close');
      assert.match(client.connection.text, /half$/);
      assert.equal(engine.stats().listener('egress').errors.response_incomplete, 1);
    },
  },
  {
    name: 'a pooled connection that the origin has closed meanwhile is replaced without a word',
    run: async (test) => {
      const origin = await test.httpTarget({
        answer: ({ connection, turn }) => {
          if (turn > 0) connection.reset();
          else connection.send(ok('fine'));
        },
      });
      const { port } = await forwardProxy(test);
      const client = await test.http(port);
      for (let i = 0; i < 3; i++) {
        client.send(absolute('GET', `http://site.test:${origin.port}/${i}`));
        assert.equal((await client.response()).text, 'fine');
      }
    },
  },
  {
    name: 'an origin that refuses, vanishes or answers nonsense: 502 or 504, and the connection goes on',
    run: async (test) => {
      const dead = await freeAddress();
      const hole = await test.blackhole();
      const nonsense = await test.httpTarget({ answer: () => 'nonsense\r\n\r\n' });
      const alive = await test.httpTarget();
      const { port, engine } = await forwardProxy(test, {
        names: { 'dead.test': [dead.host] },
        listener: { timeouts: { connect: '300ms' } },
      });
      const client = await test.http(port);
      for (const [authority, status, error] of [
        [`dead.test:${dead.port}`, 502, 'connection_refused'],
        [dead.text, 502, 'connection_refused'],
        [`site.test:${hole.port}`, 504, 'connection_timeout'],
        [`site.test:${nonsense.port}`, 502, 'http_protocol_error'],
        ['nowhere.test', 502, 'dns_error'],
      ] as const) {
        client.send(absolute('GET', `http://${authority}/`));
        const answer = await client.response();
        assert.equal(answer.status, status, authority);
        assert.equal(answer.value('proxy-status'), `sluice; error=${error}`, authority);
      }
      client.send(absolute('GET', `http://site.test:${alive.port}/`));
      assert.equal((await client.response()).status, 200);
      const { errors } = engine.stats().listener('egress');
      assert.equal(errors.connect_refused, 2);
      assert.equal(errors.connect_timeout, 1);
      assert.equal(errors.response_malformed, 1);
      assert.equal(errors.name_not_found, 1);
    },
  },
  {
    name: 'requests that are sent at once are answered in their order',
    run: async (test) => {
      const slow = await test.httpTarget({ name: 'slow', answer: () => ['', ok('slow')] });
      const fast = await test.httpTarget({ name: 'fast' });
      const { port } = await forwardProxy(test);
      const client = await test.http(port);
      client.send(
        Buffer.concat(
          [slow, fast, slow, fast].map((origin) =>
            absolute('GET', `http://site.test:${origin.port}/`),
          ),
        ),
      );
      for (const text of ['slow', 'fast', 'slow', 'fast'])
        assert.equal((await client.response()).text, text);
    },
  },
  {
    name: 'HTTP/1.0 is served and closed',
    run: async (test) => {
      const origin = await test.httpTarget({ name: 'old' });
      const { port } = await forwardProxy(test);
      const client = await test.http(port);
      client.send(`GET http://site.test:${origin.port}/ HTTP/1.0\r\n\r\n`);
      assert.equal((await client.response()).text, 'old');
      await within(client.closed, 'the close');
      assert.equal(fieldValue((await origin.next()).fields, 'host'), `site.test:${origin.port}`);
    },
  },
  {
    name: 'what a proxy is told ends there: hop-by-hop fields, those that Connection names, and logins',
    run: async (test) => {
      const origin = await test.httpTarget({
        answer: () =>
          response(200, {
            'Proxy-Authenticate': 'Basic realm="x"',
            'Keep-Alive': 'timeout=5',
            'X-Kept': 'yes',
          }),
      });
      const { port } = await forwardProxy(test);
      const answer = await ask(test, port, `http://site.test:${origin.port}/`, {
        'Proxy-Connection': 'keep-alive',
        'Proxy-Authorization': 'Basic dXNlcjpzZWNyZXQ=',
        Connection: 'keep-alive, X-Private',
        'Keep-Alive': 'timeout=5',
        'X-Private': 'x',
        TE: 'gzip',
        Authorization: 'Bearer mine',
        Cookie: 'a=b',
      });
      const { fields } = await origin.next();
      for (const gone of [
        'proxy-connection',
        'proxy-authorization',
        'keep-alive',
        'x-private',
        'te',
      ]) {
        assert.equal(fieldValue(fields, gone), undefined, gone);
      }
      assert.equal(fieldValue(fields, 'authorization'), 'Bearer mine');
      assert.equal(fieldValue(fields, 'cookie'), 'a=b');
      assert.equal(answer.value('x-kept'), 'yes');
      assert.equal(answer.value('proxy-authenticate'), undefined);
      assert.equal(answer.value('keep-alive'), undefined);
    },
  },
  {
    name: 'HTTP is refused where it is not accepted',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port, engine } = await forwardProxy(test, { listener: { accept: ['socks5'] } });
      const client = await test.http(port);
      client.send(absolute('GET', `http://site.test:${origin.port}/`));
      assert.equal((await client.response()).status, 400);
      await within(client.closed, 'the close');
      assert.equal(engine.stats().listener('egress').errors.request_malformed, 1);
      assert.equal(origin.accepts, 0);
    },
  },
  {
    name: 'SOCKS is closed without a word where it is not accepted',
    run: async (test) => {
      const { port, engine } = await forwardProxy(test, { listener: { accept: ['http'] } });
      for (const version of [5, 4]) {
        const client = await test.connect(port);
        client.send(Uint8Array.of(version, 1, 0));
        await within(client.ended, 'the close');
        assert.equal(client.received.length, 0);
      }
      assert.equal(engine.stats().listener('egress').errors.socks_malformed, 2);
    },
  },
  {
    name: 'the head of a request may come byte by byte',
    run: async (test) => {
      const origin = await test.httpTarget({ name: 'patient' });
      const { port } = await forwardProxy(test);
      const client = await test.http(port);
      for (const byte of absolute('GET', `http://site.test:${origin.port}/`)) {
        await client.connection.sent(Uint8Array.of(byte));
      }
      assert.equal((await client.response()).text, 'patient');
    },
  },
  {
    name: 'a request head that does not end in time: 408; a connection that says nothing is closed',
    run: async (test) => {
      const { port } = await forwardProxy(test, {
        listener: { timeouts: { requestHeader: '1s' } },
      });
      const begun = await test.http(port);
      begun.send('GET http://site');
      const silent = await test.http(port);
      assert.equal((await begun.response()).status, 408);
      await within(begun.closed, 'the close');
      await within(silent.closed, 'the close');
      assert.equal(silent.connection.received.length, 0);
    },
  },
  {
    name: 'limits hold as they do for reverse proxies: 414, 431 and 413',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test, {
        listener: { limits: { target: 200, head: '4KiB', body: 10 } },
      });
      const url = `http://site.test:${origin.port}/`;
      for (const [bytes, status] of [
        [absolute('GET', `${url}${'x'.repeat(300)}`), 414],
        [absolute('GET', url, { 'X-Large': 'x'.repeat(5000) }), 431],
        [absolute('POST', url, {}, 'x'.repeat(11)), 413],
      ] as const) {
        const client = await test.http(port);
        client.send(bytes);
        assert.equal((await client.response()).status, status);
      }
      assert.equal(origin.requests.length, 0);
    },
  },
  {
    name: 'a connection of a client is closed when it is idle, and refused beyond maxConnections',
    run: async (test) => {
      const gate = deferred<void>();
      const origin = await test.httpTarget({ answer: () => gate.promise.then(() => ok('')) });
      const { port, engine } = await forwardProxy(test, {
        listener: { timeouts: { keepAlive: '200ms' }, maxConnections: 1 },
      });
      const client = await test.http(port);
      client.send(absolute('GET', `http://site.test:${origin.port}/`));
      await origin.received(1);
      const second = await test.http(port);
      assert.equal((await second.response()).status, 503);
      gate.resolve();
      assert.equal((await client.response()).status, 200);
      await within(client.closed, 'the close');
      assert.equal(engine.stats().listener('egress').errors.connection_limit, 1);
    },
  },
  {
    name: 'a proxy that closes lets a request finish, says so, and leaves nobody waiting',
    run: async (test) => {
      const origin = await test.httpTarget({ answer: () => undefined });
      const { port, engine } = await forwardProxy(test);
      const [client, idle] = [await test.http(port), await test.http(port)];
      client.send(absolute('GET', `http://site.test:${origin.port}/`));
      const { connection } = await origin.next();
      const closed = engine.close(10_000);
      await within(idle.closed, 'the idle connection to close');
      connection.send(ok('done'));
      const answer = await client.response();
      assert.equal(answer.text, 'done');
      assert.equal(answer.value('connection'), 'close');
      await within(closed, 'the engine to close');
    },
  },
];

/** Each is answered 400 with the connection closed behind it, and no origin hears of it. */
const SMUGGLING: Readonly<Record<string, (authority: string) => string>> = {
  'a Host that contradicts the target': (a) =>
    `GET http://${a}/ HTTP/1.1\r\nHost: other.test\r\n\r\n`,
  'a Host with another port than the target': (a) =>
    `GET http://${a}/ HTTP/1.1\r\nHost: site.test:1\r\n\r\n`,
  'two Hosts': (a) => `GET http://${a}/ HTTP/1.1\r\nHost: ${a}\r\nHost: ${a}\r\n\r\n`,
  'no Host': (a) => `GET http://${a}/ HTTP/1.1\r\nAccept: */*\r\n\r\n`,
  'Content-Length and Transfer-Encoding': (a) =>
    `POST http://${a}/ HTTP/1.1\r\nHost: ${a}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'two Content-Lengths': (a) =>
    `POST http://${a}/ HTTP/1.1\r\nHost: ${a}\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody`,
  'a fragment': (a) => `GET http://${a}/#f HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a fragment right behind the host': (a) => `GET http://${a}#f HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a user': (a) => `GET http://user@${a}/ HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a user and a password': (a) => `GET http://user:secret@${a}/ HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a host behind an at sign': (a) => `GET http://site.test:80@${a}/ HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a backslash': (a) => `GET http://${a}\\@site.test/ HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a space in the target': (a) => `GET http://${a}/a b HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a path that climbs out': (a) => `GET http://${a}/../x HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'another scheme': (a) => `GET https://${a}/ HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'the scheme of files': () => 'GET file:///etc/passwd HTTP/1.1\r\nHost: site.test\r\n\r\n',
  ftp: (a) => `GET ftp://${a}/ HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a target in origin form': (a) => `GET / HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'the form with two slashes and no scheme': (a) => `GET //${a}/ HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'OPTIONS *': (a) => `OPTIONS * HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a target in authority form without CONNECT': (a) => `GET ${a} HTTP/1.1\r\nHost: ${a}\r\n\r\n`,
  'a field name that ends in a space': (a) =>
    `GET http://${a}/ HTTP/1.1\r\nHost: ${a}\r\nX-A : b\r\n\r\n`,
  'a folded field': (a) => `GET http://${a}/ HTTP/1.1\r\nHost: ${a}\r\nX-A: b\r\n c\r\n\r\n`,
};

const smuggling: Case[] = Object.entries(SMUGGLING).map(([what, bytes]) => ({
  name: `${what}: 400, closed, and nothing forwarded`,
  run: async (test) => {
    const origin = await test.httpTarget();
    const { port, oracle } = await forwardProxy(test, { names: { 'other.test': ['127.0.0.1'] } });
    const client = await test.http(port);
    const authority = `site.test:${origin.port}`;
    client.send(bytes(authority));
    client.send(requestBytes('GET', `http://${authority}/smuggled`, { Host: authority }));
    assert.equal((await client.response()).status, 400);
    await within(client.closed, 'the close');
    assert.equal(client.rest.length, 0);
    await ask(test, port, `http://${authority}/fence`);
    assert.deepEqual(
      origin.heads.map(({ target }) => target),
      ['/fence'],
    );
    assert.deepEqual(oracle.askedNames, ['site.test']);
  },
}));

export const forwardHttp: Feature = {
  name: 'forward: http',
  cases: offering(['forward'], [...cases, ...smuggling]),
};
