// Clients and targets that leave in the middle.
import assert from 'node:assert/strict';
import { eventually, within } from '../../support/deadline.ts';
import { fetchOnce, requestBytes } from '../../support/http-client.ts';
import { chunk, ok } from '../../support/http-target.ts';
import type { Case, Feature } from '../case.ts';
import { httpConfig } from '../config.ts';

const clients: Case[] = [
  {
    name: 'a client that leaves while it waits takes its request away from the target',
    run: async (test) => {
      const target = await test.httpTarget({ answer: () => undefined });
      const engine = await test.engine(httpConfig([target.address]));
      for (const leave of ['close', 'reset'] as const) {
        const client = await test.http(engine.port('web'));
        client.send(requestBytes('GET', '/'));
        const request = await target.next();
        client.connection[leave]();
        await within(request.connection.ended, 'the end at the target');
      }
      await eventually(
        'both to be counted',
        () => engine.stats().listener('web').errors.client_aborted === 2,
      );
      await eventually('nothing to be in flight', () => engine.inFlight === 0);
      await eventually('nothing to be active', () => engine.stats().listener('web').active === 0);
    },
  },
  {
    name: 'a client that leaves while it uploads takes its request away from the target',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(
        'POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
      );
      await target.receivedHeads(1);
      await target.connections[0]!.receivedText('abc');
      client.connection.reset();
      await within(target.connections[0]!.ended, 'the end at the target');
      assert.equal(target.requests.length, 0);
      await eventually('nothing to be in flight', () => engine.inFlight === 0);
    },
  },
  {
    name: 'a client that ends in the middle of its body gets no complete request to the target',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf');
      await target.receivedHeads(1);
      client.connection.end();
      await within(target.connections[0]!.ended, 'the end at the target');
      await within(client.closed, 'the close');
      assert.equal(target.requests.length, 0);
    },
  },
  {
    name: 'a client that leaves while its response streams stops the target',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) => {
          r.connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
          const timer = setInterval(() => r.connection.send(chunk('x'.repeat(1000))), 2);
          r.connection.closed.then(() => clearInterval(timer));
        },
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(requestBytes('GET', '/'));
      await client.connection.receivedLength(5000);
      client.connection.reset();
      await within(target.connections[0]!.ended, 'the end at the target');
      await eventually('nothing to be in flight', () => engine.inFlight === 0);
    },
  },
  {
    name: 'a client that leaves within a request head costs the target nothing',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      for (const part of [
        'G',
        'GET / HTT',
        'GET / HTTP/1.1\r\nHost: te',
        'GET / HTTP/1.1\r\nHost: test\r\n',
      ]) {
        const client = await test.http(engine.port('web'));
        client.send(part);
        client.connection.end();
        await within(client.closed, 'the close');
      }
      await eventually('nothing to be active', () => engine.stats().listener('web').active === 0);
      assert.equal(target.connections.length, 0);
    },
  },
  {
    name: 'a client that half-closes after its request still gets its response',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.connection.end(requestBytes('GET', '/'));
      assert.equal((await client.response()).text, 'target');
      await within(client.closed, 'the close');
    },
  },
];

/** A target that begins an answer and breaks off; the client must be able to see that it is not whole. */
function cutShort(name: string, how: 'end' | 'reset', head: string, part: string): Case {
  return {
    name,
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) => {
          if (r.target !== '/cut') return ok('whole');
          r.connection.send(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${part}`);
          r.connection.socket.write('', () => setTimeout(() => r.connection[how](), 10));
          return undefined;
        },
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(requestBytes('GET', '/cut'));
      // A cut can only be seen at the end; an answer of our own in its place may leave the connection open.
      await client.connection.receivedText('HTTP/1.1 ');
      if (!client.connection.text.startsWith('HTTP/1.1 502')) {
        await within(client.closed, 'the close');
      }
      const { text } = client.connection;
      assert.doesNotMatch(text, /\r\n0\r\n\r\n$/, 'a last chunk was made up');
      if (text.startsWith('HTTP/1.1 200')) await assert.rejects(client.response());
      else assert.equal((await client.response()).status, 502);
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/whole')).text, 'whole');
      await eventually(
        'the error to be counted',
        () => engine.stats().listener('web').errorTotal === 1,
      );
    },
  };
}

const targets: Case[] = [
  cutShort(
    'a target that ends before its Content-Length',
    'end',
    'Content-Length: 100',
    'only this',
  ),
  cutShort(
    'a target that resets before its Content-Length',
    'reset',
    'Content-Length: 100',
    'only this',
  ),
  cutShort(
    'a target that ends before its last chunk',
    'end',
    'Transfer-Encoding: chunked',
    '4\r\nonly\r\n4\r\nth',
  ),
  cutShort(
    'a target that resets between chunks',
    'reset',
    'Transfer-Encoding: chunked',
    '4\r\nonly\r\n',
  ),
  cutShort(
    'a target that sends a bad chunk size',
    'end',
    'Transfer-Encoding: chunked',
    '4\r\nonly\r\nnonsense\r\nthis\r\n0\r\n\r\n',
  ),
  {
    name: 'bytes after a complete response reach nobody',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) =>
          r.target === '/poison'
            ? 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON'
            : ok('clean'),
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      assert.equal((await client.get('/poison')).text, 'good');
      for (let i = 0; i < 3; i++) assert.equal((await client.get('/')).text, 'clean');
      assert.doesNotMatch(client.connection.text, /POISON/);
      await within(target.connections[0]!.closed, 'the end of the poisoned connection');
    },
  },
];

export const httpAborts: Feature = { name: 'http aborts', cases: [...clients, ...targets] };
