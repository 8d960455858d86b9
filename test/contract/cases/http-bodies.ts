// HTTP/1.1 bodies: every framing, both ways, streamed with backpressure and never buffered whole.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { deferred, eventually, pause, settled, within } from '../../support/deadline.ts';
import { fetchOnce, requestBytes } from '../../support/http-client.ts';
import { chunk, ok } from '../../support/http-target.ts';
import { fieldValue } from '../../support/strict-http.ts';
import type { Case, Feature } from '../case.ts';
import { httpConfig } from '../config.ts';

const MIB = 1024 * 1024;

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const cases: Case[] = [
  {
    name: 'relays a request body of known length',
    run: async (test) => {
      const target = await test.httpTarget({ answer: (r) => ok(r.body) });
      const engine = await test.engine(httpConfig([target.address]));
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'GET', 'OPTIONS']) {
        const answer = await fetchOnce(engine.port('web'), method, '/', {}, 'hello world');
        assert.equal(answer.text, 'hello world', method);
      }
      for (const request of target.requests) assert.equal(request.framing, 'length');
    },
  },
  {
    name: 'says Content-Length: 0 for an empty POST',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      await fetchOnce(engine.port('web'), 'POST', '/', { 'Content-Length': '0' });
      assert.equal(fieldValue((await target.next()).fields, 'content-length'), '0');
    },
  },
  {
    name: 'relays a chunked request body',
    run: async (test) => {
      const target = await test.httpTarget({ answer: (r) => ok(r.body) });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send('POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n');
      client.send('5\r\nhello\r\n6;name=value;q="a b"\r\n world\r\n0\r\n\r\n');
      assert.equal((await client.response()).text, 'hello world');
      const request = await target.next();
      assert.equal(request.framing, 'chunked');
      assert.deepEqual(target.violations, []);
    },
  },
  {
    name: 'relays request trailers',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(
        'POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n' +
          '3\r\nabc\r\n0\r\nX-Sum: 42\r\nAuthorization: evil\r\nHost: evil\r\n\r\n',
      );
      assert.equal((await client.response()).status, 200);
      const request = await target.next();
      assert.deepEqual(request.trailers, [{ name: 'X-Sum', value: '42' }]);
    },
  },
  {
    name: 'relays a response body of known length',
    run: async (test) => {
      const body = randomBytes(100_000);
      const target = await test.httpTarget({ answer: () => ok(body) });
      const engine = await test.engine(httpConfig([target.address]));
      const answer = await fetchOnce(engine.port('web'), 'GET', '/');
      assert.equal(answer.framing, 'length');
      assert.equal(sha256(answer.body), sha256(body));
    },
  },
  {
    name: 'relays a chunked response and its trailers',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: () => [
          'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4;x=y\r\nab',
          'cd\r\n',
          chunk('ef'),
          '0\r\nX-Sum: 6\r\nTransfer-Encoding: chunked\r\n\r\n',
        ],
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 2; i++) {
        const answer = await client.get('/', { TE: 'trailers' });
        assert.equal(answer.text, 'abcdef');
        assert.equal(answer.framing, 'chunked');
        assert.deepEqual(answer.trailers, [{ name: 'X-Sum', value: '6' }]);
      }
      assert.equal(target.connections.length, 1);
    },
  },
  {
    name: 'relays a response that is framed by the close, and keeps the client connection',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: async (r) => {
          r.connection.send('HTTP/1.1 200 OK\r\nX-Body: until close\r\n\r\nsome ');
          await pause(5);
          r.connection.end('more');
        },
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      const answer = await client.get('/');
      assert.equal(answer.text, 'some more');
      // Either way of ending it is right for an HTTP/1.1 client: chunks, or a close that was announced.
      if (answer.framing === 'close') {
        assert.equal(answer.value('connection')?.toLowerCase(), 'close');
        assert.equal(await within(client.closed, 'the close'), 'fin');
      } else {
        assert.equal(answer.framing, 'chunked');
        assert.equal((await client.get('/')).text, 'some more');
      }
    },
  },
  {
    name: 'carries 8 MiB each way, chunked and of known length, byte for byte',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: (r) =>
          r.framing === 'length'
            ? ok(r.body)
            : [
                'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
                Buffer.concat([
                  chunk(r.body.subarray(0, MIB)),
                  chunk(r.body.subarray(MIB)),
                  Buffer.from('0\r\n\r\n'),
                ]),
              ],
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      const body = randomBytes(8 * MIB);
      client.send(requestBytes('PUT', '/known', {}, body));
      const known = await client.response('PUT', 15_000);
      assert.equal(sha256(known.body), sha256(body));
      assert.equal(known.framing, 'length');
      client.send('PUT /chunked HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n');
      for (let at = 0; at < body.length; at += 300_000)
        client.send(chunk(body.subarray(at, at + 300_000)));
      client.send('0\r\n\r\n');
      const chunked = await client.response('PUT', 15_000);
      assert.equal(sha256(chunked.body), sha256(body));
      assert.equal(chunked.framing, 'chunked');
    },
  },
  {
    name: 'streams a request body on before it is complete',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nabc');
      await target.receivedHeads(1);
      const [upstream] = target.connections;
      await upstream!.receivedText('\r\n\r\nabc');
      client.send('def');
      await upstream!.receivedText('abcdef');
      client.send('ghi');
      assert.equal((await client.response()).status, 200);
      assert.equal((await target.next()).body.toString(), 'abcdefghi');
    },
  },
  {
    name: 'streams a response body on before it is complete',
    run: async (test) => {
      const more = [deferred<void>(), deferred<void>()];
      const target = await test.httpTarget({
        answer: async (r) => {
          r.connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n');
          await more[0]!.promise;
          r.connection.send('6\r\nsecond\r\n');
          await more[1]!.promise;
          r.connection.send('0\r\n\r\n');
        },
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(requestBytes('GET', '/'));
      await client.connection.receivedText('first');
      more[0]!.resolve();
      await client.connection.receivedText('second');
      more[1]!.resolve();
      assert.equal((await client.response()).text, 'firstsecond');
    },
  },
  {
    name: 'streams both ways at once',
    run: async (test) => {
      const target = await test.httpTarget({
        onHead: (head) => {
          const { socket } = head.connection;
          head.connection.send('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n');
          socket.on('data', (bytes: Buffer) => {
            for (const byte of bytes)
              if (byte >= 0x41 && byte <= 0x43) head.connection.send(Buffer.of(byte));
          });
        },
        answer: () => undefined,
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\n');
      await client.connection.receivedText('\r\n\r\n');
      for (const letter of ['A', 'B', 'C']) {
        client.send(letter);
        await client.connection.until(`an echo of ${letter}`, (b) =>
          b.includes(letter, b.length - 1) ? true : undefined,
        );
      }
      assert.equal((await client.response('POST')).text, 'ABC');
    },
  },
  {
    name: 'holds the target back while the client does not read its response',
    run: async (test) => {
      const total = 64 * MIB;
      const target = await test.httpTarget({
        answer: (r) => {
          r.connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`);
          for (let sent = 0; sent < total; sent += MIB)
            r.connection.socket.write(Buffer.alloc(MIB, 'x'));
        },
      });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.connect(engine.port('web'), { record: false });
      client.socket.pause();
      client.send(requestBytes('GET', '/'));
      await target.received(1);
      const upstream = target.connections[0]!.socket;
      const accepted = await settled(() => upstream.bytesWritten - upstream.writableLength);
      assert.ok(accepted < total / 2, `${accepted} bytes were taken while nobody read`);
      let length = 0;
      client.socket.on('data', (bytes: Buffer) => {
        length += bytes.length;
      });
      client.socket.resume();
      await eventually('the whole response', () => length > total, 15_000);
    },
  },
  {
    name: 'holds the client back while the target does not read its request',
    run: async (test) => {
      const total = 64 * MIB;
      const target = await test.httpTarget({ onHead: (head) => head.connection.socket.pause() });
      const engine = await test.engine(httpConfig([target.address]));
      const client = await test.http(engine.port('web'));
      client.send(`PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: ${total}\r\n\r\n`);
      await target.receivedHeads(1);
      const { socket } = client.connection;
      for (let sent = 0; sent < total; sent += MIB) socket.write(Buffer.alloc(MIB, 'x'));
      const accepted = await settled(() => socket.bytesWritten - socket.writableLength);
      assert.ok(accepted < total / 2, `${accepted} bytes were taken while nobody read`);
      target.connections[0]!.socket.resume();
      assert.equal((await client.response('PUT', 15_000)).status, 200);
      assert.equal((await target.next()).body.length, total);
    },
  },
];

export const httpBodies: Feature = { name: 'http bodies', cases };
