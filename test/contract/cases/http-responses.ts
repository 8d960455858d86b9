// HTTP/1.1 responses out of the ordinary: interim, early, bodyless; Expect.
import assert from 'node:assert/strict';
import { fetchOnce } from '../../support/http-client.ts';
import { ok, response } from '../../support/http-target.ts';
import { fieldValue, fieldValues } from '../../support/strict-http.ts';
import type { Case, Feature } from '../case.ts';
import { httpConfig } from '../config.ts';

const MIB = 1024 * 1024;

const cases: Case[] = [
  {
    name: 'relays 103 and 100 before the final response',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: () => [
          'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n',
          'HTTP/1.1 102 Processing\r\n\r\n',
          ok('final'),
        ],
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 2; i++) {
        const answer = await client.get('/');
        assert.deepEqual(
          answer.interim.map((r) => r.status),
          [103, 102],
        );
        assert.equal(fieldValue(answer.interim[0]!.fields, 'link'), '</a.css>; rel=preload');
        assert.equal(answer.text, 'final');
      }
    },
  },
  {
    name: 'gives no interim response to an HTTP/1.0 client',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: () => ['HTTP/1.1 103 Early Hints\r\n\r\n', ok('final')],
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send('GET / HTTP/1.0\r\nHost: test\r\n\r\n');
      const answer = await client.response();
      assert.deepEqual(answer.interim, []);
      assert.equal(answer.text, 'final');
    },
  },
  {
    name: 'forwards Expect: 100-continue and relays the 100 before the body is sent',
    run: async (test) => {
      const target = await test.httpTarget({
        onHead: (head) => {
          if (fieldValue(head.fields, 'expect'))
            head.connection.send('HTTP/1.1 100 Continue\r\n\r\n');
        },
        answer: (r) => ok(r.body),
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(
        'POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
      );
      assert.equal((await client.any('POST')).status, 100);
      client.send('later');
      assert.equal((await client.response('POST')).text, 'later');
    },
  },
  {
    name: 'relays a final response to Expect: 100-continue and never lets the body become a request',
    run: async (test) => {
      const target = await test.httpTarget({
        onHead: (head) => {
          if (head.target === '/no') head.connection.send(response(401, {}, 'no'));
        },
        answer: (r) => (r.target === '/no' ? undefined : ok('')),
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(
        'POST /no HTTP/1.1\r\nHost: test\r\nContent-Length: 38\r\nExpect: 100-continue\r\n\r\n',
      );
      assert.equal((await client.response('POST')).status, 401);
      client.send('GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n');
      await fetchOnce(engine.port('web'), 'GET', '/fence');
      assert.deepEqual(
        target.heads.map((h) => h.target),
        ['/no', '/fence'],
      );
    },
  },
  {
    name: 'refuses an expectation that it does not know with 417',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const answer = await fetchOnce(engine.port('web'), 'GET', '/', { Expect: 'miracles' });
      assert.equal(answer.status, 417);
      assert.equal(target.requests.length, 0);
    },
  },
  {
    name: 'gives HEAD, 204 and 304 no body and goes on',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) => {
          if (r.method === 'HEAD')
            return 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "h"\r\n\r\n';
          if (r.target === '/204') return 'HTTP/1.1 204 No Content\r\nX-Empty: yes\r\n\r\n';
          if (r.target === '/304') return 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n';
          return ok('body');
        },
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      const head = await client.request('HEAD', '/');
      assert.equal(head.value('content-length'), '1000');
      assert.equal((await client.get('/204')).value('x-empty'), 'yes');
      assert.equal((await client.get('/304')).value('etag'), '"x"');
      assert.equal((await client.get('/')).text, 'body');
      assert.equal(target.connections.length, 1);
    },
  },
  {
    name: 'relays HEAD of a chunked resource',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) =>
          r.method === 'HEAD'
            ? 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
            : ok('after'),
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      assert.equal((await client.request('HEAD', '/')).status, 200);
      assert.equal((await client.get('/')).text, 'after');
    },
  },
  {
    name: 'relays every repeated response field in order',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: () =>
          'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Two: 1\r\nX-Two: 2\r\nContent-Length: 0\r\n\r\n',
      });
      const engine = await test.engine(httpConfig([target.address]));
      const answer = await fetchOnce(engine.port('web'), 'GET', '/');
      assert.deepEqual(fieldValues(answer.fields, 'set-cookie'), ['a=1', 'b=2']);
      assert.deepEqual(fieldValues(answer.fields, 'x-two').join(', ').split(', '), ['1', '2']);
    },
  },
  {
    name: 'relays an early response while the client still uploads, without a deadlock',
    run: async (test) => {
      const target = await test.httpTarget({
        onHead: (head) => {
          if (head.target === '/upload')
            head.connection.send(response(413, { Connection: 'close' }, 'too much'));
        },
        answer: (r) => (r.target === '/upload' ? undefined : ok('')),
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(`POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: ${32 * MIB}\r\n\r\n`);
      client.send(Buffer.alloc(MIB));
      const answer = await client.response('POST');
      assert.equal(answer.status, 413);
      assert.equal(answer.text, 'too much');
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/after')).status, 200);
    },
  },
  {
    name: 'relays field values with obs-text unchanged',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) => ok('', { 'X-Back': fieldValue(r.fields, 'x-there') ?? '' }),
      });
      const engine = await test.engine(httpConfig([target.address]));
      const answer = await fetchOnce(engine.port('web'), 'GET', '/', {
        'X-There': 'caf\xe9 \x80\xff',
      });
      assert.equal(answer.value('x-back'), 'caf\xe9 \x80\xff');
    },
  },
];

export const httpResponses: Feature = { name: 'http responses', cases };
