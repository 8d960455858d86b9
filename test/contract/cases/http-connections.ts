// HTTP/1.1 connections: keep-alive on both sides, reuse, pipelining, HTTP/1.0.
import assert from 'node:assert/strict';
import { deferred, eventually, pause, within } from '../../support/deadline.ts';
import { fetchOnce, requestBytes } from '../../support/http-client.ts';
import { chunk, ok, response } from '../../support/http-target.ts';
import { fieldValue } from '../../support/strict-http.ts';
import type { Case, Feature } from '../case.ts';
import { httpConfig } from '../config.ts';

const cases: Case[] = [
  {
    name: 'relays a request and its response',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: () => response(201, { 'X-Answer': 'yes', 'Content-Type': 'text/x' }, 'made'),
      });
      const engine = await test.engine(httpConfig([target.address]));
      const answer = await fetchOnce(engine.port('web'), 'GET', '/a/b?c=d&e', { 'X-Ask': 'why' });
      assert.equal(answer.status, 201);
      assert.equal(answer.text, 'made');
      assert.equal(answer.value('x-answer'), 'yes');
      assert.equal(answer.value('content-type'), 'text/x');
      const request = await target.next();
      assert.equal(request.method, 'GET');
      assert.equal(request.target, '/a/b?c=d&e');
      assert.equal(fieldValue(request.fields, 'x-ask'), 'why');
      assert.equal(fieldValue(request.fields, 'host'), 'test');
      assert.deepEqual(target.violations, []);
    },
  },
  {
    name: 'answers many requests on one client connection and reuses one upstream connection',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 20; i++) assert.equal((await client.get(`/${i}`)).text, 'target');
      assert.equal(target.connections.length, 1);
      assert.deepEqual(
        target.requests.map((r) => r.target),
        Array.from({ length: 20 }, (_, i) => `/${i}`),
      );
    },
  },
  {
    name: 'reuses an upstream connection for another client',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      for (let i = 0; i < 5; i++) await fetchOnce(engine.port('web'), 'GET', '/');
      assert.equal(target.connections.length, 1);
    },
  },
  {
    name: 'closes after the response when the client says so',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      const answer = await client.get('/', { Connection: 'close' });
      assert.equal(answer.text, 'target');
      assert.equal(answer.value('connection')?.toLowerCase(), 'close');
      assert.equal(await within(client.closed, 'the close'), 'fin');
      await fetchOnce(engine.port('web'), 'GET', '/');
      assert.equal(target.connections.length, 1, "the client's close is not the target's");
    },
  },
  {
    name: 'the last answer arrives whole, whatever the client sends behind the request',
    run: async (test) => {
      const body = 'a'.repeat(100 * 1024);
      const target = await test.httpTarget({ answer: () => ok(body) });
      const engine = await test.engine(httpConfig([target.address]));
      for (const [i, version] of ['HTTP/1.1\r\nConnection: close', 'HTTP/1.0'].entries()) {
        const client = await test.http(engine.port('web'));
        // The answer waits in the kernel for a client that has not read it yet, and sends.
        client.connection.socket.pause();
        client.send(`GET / ${version}\r\nHost: test\r\n\r\n`);
        await target.received(i + 1);
        for (const surplus of ['GET /surplus HTTP/1.1\r\n', 'Host: test\r\n', '\r\n']) {
          await pause(50);
          await client.connection.sent(surplus);
        }
        client.connection.socket.resume();
        assert.equal((await client.response()).text, body, version);
        assert.equal(await within(client.closed, 'the close'), 'fin', version);
      }
      assert.equal(target.requests.length, 2);
    },
  },
  {
    name: 'does not reuse an upstream connection after the target said close',
    run: async (test) => {
      const target = await test.httpTarget({ answer: () => ok('done', { Connection: 'close' }) });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 3; i++) {
        const answer = await client.get('/');
        assert.equal(answer.text, 'done');
        assert.equal(
          answer.value('connection'),
          undefined,
          "the target's close is not the client's",
        );
      }
      assert.equal(target.connections.length, 3);
    },
  },
  {
    name: 'does not reuse an upstream connection after an HTTP/1.0 response',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) => {
          r.connection.end('HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold');
        },
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 2; i++) {
        const answer = await client.get('/');
        assert.equal(answer.text, 'old');
        assert.equal(answer.version, 'HTTP/1.1');
      }
      assert.equal(target.connections.length, 2);
    },
  },
  {
    name: 'answers an HTTP/1.0 client and closes',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send('GET /old HTTP/1.0\r\nHost: test\r\n\r\n');
      assert.equal((await client.response()).text, 'target');
      assert.equal(await within(client.closed, 'the close'), 'fin');
      const request = await target.next();
      assert.equal(request.version, 'HTTP/1.1');
    },
  },
  {
    name: 'gives an HTTP/1.0 client a chunked response without chunks',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: () => [
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
          chunk('abc'),
          chunk('def'),
          '0\r\n\r\n',
        ],
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send('GET / HTTP/1.0\r\nHost: test\r\n\r\n');
      const answer = await client.response();
      assert.equal(answer.text, 'abcdef');
      assert.equal(answer.framing, 'close');
      assert.equal(answer.value('transfer-encoding'), undefined);
    },
  },
  {
    name: 'answers pipelined requests in order',
    run: async (test) => {
      const slow = deferred<void>();
      const target = await test.httpTarget({
        answer: async (r) => {
          if (r.target === '/0') await slow.promise;
          return ok(`answer ${r.target}`);
        },
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(
        Buffer.concat(Array.from({ length: 10 }, (_, i) => requestBytes('GET', `/${i}`))),
      );
      await target.received(1);
      slow.resolve();
      for (let i = 0; i < 10; i++) assert.equal((await client.response()).text, `answer /${i}`);
    },
  },
  {
    name: 'answers a thousand pipelined requests, bodies among them',
    run: async (test) => {
      const target = await test.httpTarget({ answer: (r) => ok(`${r.target} ${r.body}`) });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      const requests = Array.from({ length: 1000 }, (_, i) =>
        i % 3 === 0 ? requestBytes('POST', `/${i}`, {}, `body ${i}`) : requestBytes('GET', `/${i}`),
      );
      client.send(Buffer.concat(requests));
      for (let i = 0; i < 1000; i++) {
        const wanted = i % 3 === 0 ? `/${i} body ${i}` : `/${i} `;
        assert.equal((await client.response()).text, wanted);
      }
      assert.deepEqual(target.violations, []);
    },
  },
  {
    name: 'serves a hundred clients at once, each its own answers',
    run: async (test) => {
      const target = await test.httpTarget({ answer: (r) => ok(r.target) });
      const engine = await test.engine(httpConfig([target.address]), { workers: 2 });
      const clients = Array.from({ length: 100 }, async (_, i) => {
        const client = await test.http(engine.port('web'));
        for (let k = 0; k < 5; k++)
          assert.equal((await client.get(`/${i}/${k}`)).text, `/${i}/${k}`);
      });
      await Promise.all(clients);
    },
  },
  {
    name: 'closes upstream connections that were idle for keepAlive.idle',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([target.address], {}, { keepAlive: { idle: '80ms' } }),
      );
      const client = await test.http(engine.port('web'));
      await client.get('/');
      await within(target.connections[0]!.ended, 'the idle connection to be closed');
      await client.get('/');
      assert.equal(target.connections.length, 2);
    },
  },
  {
    name: 'keeps no more than keepAlive.maxIdle upstream connections idle',
    run: async (test) => {
      const go = deferred<void>();
      const target = await test.httpTarget({
        answer: async () => {
          await go.promise;
          return ok('x');
        },
      });
      const engine = await test.engine(
        httpConfig([target.address], {}, { keepAlive: { maxIdle: 2 } }),
      );
      const clients = await Promise.all(
        Array.from({ length: 6 }, () => test.http(engine.port('web'))),
      );
      const answers = clients.map((client) => client.get('/'));
      await target.received(6);
      go.resolve();
      await Promise.all(answers);
      await eventually('all but two to be closed', () => target.open === 2);
    },
  },
  {
    name: 'relays heads of many long fields both ways',
    run: async (test) => {
      const fields = Object.fromEntries(
        Array.from({ length: 60 }, (_, i) => [`X-Field-${i}`, `${i}`.repeat(200)]),
      );
      const target = await test.httpTarget({ answer: () => ok('x', fields) });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 3; i++) {
        const answer = await client.get('/', fields);
        const request = await target.next();
        for (const [name, value] of Object.entries(fields)) {
          assert.equal(answer.value(name), value);
          assert.equal(fieldValue(request.fields, name), value);
        }
      }
    },
  },
  {
    name: 'relays to a target on a unix socket',
    run: async (test) => {
      const unixPath = await test.unixPath();
      const target = await test.httpTarget({ unixPath });
      const engine = await test.engine(httpConfig([`unix:${unixPath}`]));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 3; i++) assert.equal((await client.get('/')).text, 'target');
      assert.equal(target.connections.length, 1);
    },
  },
  {
    name: 'serves clients on a unix socket',
    needs: (capabilities) => capabilities.unixListeners,
    run: async (test) => {
      const unixPath = await test.unixPath();
      const target = await test.httpTarget();
      await test.engine(httpConfig([target.address], { address: `unix:${unixPath}` }));
      const client = await test.http(unixPath);
      assert.equal((await client.get('/')).text, 'target');
      assert.deepEqual(target.violations, []);
    },
  },
  {
    name: 'tolerates one empty line before a request',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 2; i++) {
        client.send(Buffer.concat([Buffer.from('\r\n'), requestBytes('GET', '/')]));
        assert.equal((await client.response()).status, 200);
      }
    },
  },
];

export const httpConnections: Feature = { name: 'http connections', cases };
