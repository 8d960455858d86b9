// The origin's HTTP, with node:http and with raw sockets: every byte is as promised, and nothing that a client sends
// makes it do anything but answer or close.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { buildPrograms, type Origin, pattern, run, SHORT, startOrigin } from './programs.ts';

let origin: Origin;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

before(async () => {
  buildPrograms();
  origin = await startOrigin();
});

after(() => {
  agent.destroy();
  origin?.child.kill();
});

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

async function ask(path: string, { method = 'GET', headers = {}, body }: Asked = {}) {
  const asked = request({ port: origin.ports.http, path, method, headers, agent });
  asked.end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return { answer, status: answer.statusCode, body: await buffer(answer) };
}

/** What comes back, to the end of the connection, for these bytes. */
async function say(bytes: string | Buffer): Promise<string> {
  const socket = connect(origin.ports.http, '127.0.0.1');
  socket.on('error', () => {});
  socket.end(bytes);
  try {
    return await text(socket.setEncoding('latin1'));
  } catch {
    return ''; // a reset is an answer too
  }
}

describe('the origin answers', () => {
  it('100 bytes at its root', async () => {
    const { answer, body } = await ask('/');
    assert.equal(answer.headers['content-length'], '100');
    assert.ok(answer.headers.date);
    assert.deepEqual(body, pattern(100));
  });

  for (const bytes of [0, 1, 65_535, 65_536, 262_139, 262_140, 5_000_000]) {
    it(`${bytes} bytes of the pattern, in one piece or in chunks`, async () => {
      assert.deepEqual((await ask(`/bytes/${bytes}`)).body, pattern(bytes));
      for (const chunk of [Math.max(1, bytes), Math.max(7, bytes >> 3), 262_139, 10_000_000]) {
        const { answer, body } = await ask(`/chunked/${bytes}/${chunk}`);
        assert.equal(answer.headers['transfer-encoding'], 'chunked');
        assert.deepEqual(body, pattern(bytes));
      }
    });
  }

  it('chunks of a single byte', async () => {
    assert.deepEqual((await ask('/chunked/3000/1')).body, pattern(3000));
  });

  it('when a delay has passed, and others meanwhile', async () => {
    const order: string[] = [];
    const late = [
      ...['/delay/800', '/bytes/5?delay=600', '/chunked/5/2?x=1&delay=400', '/delay/200/bytes/9'],
      '/',
    ];
    await Promise.all(
      late.map(async (path) => {
        const answer = await say(`GET ${path} HTTP/1.1\r\nConnection: close\r\n\r\n`);
        assert.match(answer, /^HTTP\/1\.1 200 /);
        order.push(path);
      }),
    );
    assert.deepEqual(order, late.toReversed());
  });

  it('how much it was sent, and whether that was the pattern', async () => {
    for (const bytes of [0, 1, 100_000, 3_000_000]) {
      for (const headers of [
        { 'content-length': `${bytes}` },
        { 'transfer-encoding': 'chunked' },
      ]) {
        const posted = await ask('/any', { method: 'POST', headers, body: pattern(bytes) });
        assert.deepEqual(JSON.parse(String(posted.body)), { bytes, isPattern: true });
      }
    }
    const put = await ask('/any', { method: 'PUT', body: Buffer.from('hello') });
    assert.deepEqual(JSON.parse(String(put.body)), { bytes: 5, isPattern: false });
  });

  it('HEAD without a body, a GET with one, 404 and 405, all on one connection', async () => {
    const head = await ask('/bytes/9', { method: 'HEAD' });
    assert.equal(head.answer.headers['content-length'], '9');
    assert.equal(head.body.length, 0);
    const framed = { headers: { 'content-length': '9' }, body: pattern(9) };
    assert.deepEqual((await ask('/bytes/3', framed)).body, pattern(3));
    for (const path of [
      '/nope',
      '/bytes/',
      '/bytes/x',
      '/bytes/-1',
      '/chunked/5',
      '/chunked/5/0',
    ]) {
      assert.equal((await ask(path)).status, 404, path);
    }
    assert.equal((await ask('/', { method: 'DELETE' })).status, 405);
    assert.equal(head.answer.socket, (await ask('/')).answer.socket);
  });

  it('requests in a row in their order, however they are cut', async () => {
    const all =
      'GET /bytes/3 HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nokGET /delay/5 HTTP/1.1\r\n\r\n' +
      'GET http://any/chunked/3/2 HTTP/1.1\r\nConnection: close\r\n\r\n';
    const socket = connect({ port: origin.ports.http, host: '127.0.0.1', noDelay: true });
    const answers = text(socket.setEncoding('latin1'));
    for (const byte of all) {
      socket.write(byte);
      await new Promise(setImmediate);
    }
    const bytes = pattern(100).toString('latin1');
    const bodies = (await answers).split('HTTP/1.1 200 OK').map((one) => one.split('\r\n\r\n')[1]);
    assert.deepEqual(bodies.slice(1), [
      bytes.slice(0, 3),
      '{"bytes":2,"isPattern":false}\n',
      bytes,
      `2\r\n${bytes.slice(0, 2)}\r\n1\r\n${bytes[2]}\r\n0`,
    ]);
  });

  it('100 to who waits for it, and HTTP/1.0 without chunks', async () => {
    const socket = connect(origin.ports.http, '127.0.0.1').setEncoding('latin1');
    socket.write('POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n');
    const [first] = await once(socket, 'data');
    assert.equal(first, 'HTTP/1.1 100 Continue\r\n\r\n');
    socket.end('ok');
    assert.match(await text(socket), /"bytes":2/);
    const old = await say('GET /chunked/100/7 HTTP/1.0\r\n\r\n');
    assert.match(old, /Content-Length: 100\r\nConnection: close\r\n\r\n/);
    assert.ok(old.endsWith(pattern(100).toString('latin1')));
  });
});

describe('the origin and load-http', () => {
  for (const parameters of [
    ['--path', '/', '--expect-bytes', '100'],
    ['--path', '/bytes/1048576', '--expect-bytes', '1048576', '--connections', '3'],
    ['--path', '/chunked/300000/999', '--expect-bytes', '300000', '--connections', '3'],
    ['--path', '/delay/5/bytes/9', '--arrival', 'poisson', '--rate', '300'],
    ['--reuse', 'off', '--connections', '8'],
    ['--method', 'POST', '--body-bytes', '3000000', '--connections', '2'],
    ['--header', 'Accept: text/html'],
  ]) {
    it(`agree on ${parameters.join(' ')}`, async () => {
      const { code, json, stderr } = await run(
        'load-http',
        origin.ports.http,
        ...parameters,
        ...SHORT,
      );
      assert.equal(code, 0, stderr);
      assert.ok((json.totalRequests ?? 0) > 0 && json.lost === 0);
    });
  }
});

describe('the origin refuses with 400', () => {
  for (const bytes of [
    'nonsense\r\n\r\n',
    'GET / HTTP/2.0\r\n\r\n',
    'GET  / HTTP/1.1\r\n\r\n',
    'GET / HTTP/1.1\r\nno colon\r\n\r\n',
    'GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
    'GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n',
    'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n',
  ]) {
    it(JSON.stringify(bytes.slice(0, 60)), async () => {
      assert.match(await say(bytes), /^HTTP\/1\.1 400 .*\r\nConnection: close\r\n/s);
    });
  }

  it('or a reset, whose head is endless', async () => {
    assert.match(await say(`GET / HTTP/1.1\r\nA: ${'a'.repeat(300_000)}`), /^(HTTP\/1\.1 400 |$)/);
  });

  it('survives garbage', async () => {
    let state = 42;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const right = Buffer.from(
      'POST /chunked/5/2?delay=1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n',
    );
    for (let i = 0; i < 400; i++) {
      const noise = Buffer.from(Array.from({ length: 1 + random(300) }, () => random(256)));
      const spoiledRequest = Buffer.from(right);
      for (let k = 0; k <= random(4); k++) spoiledRequest[random(right.length)] = random(256);
      await say(i % 2 === 0 ? noise : spoiledRequest);
    }
    assert.equal(origin.child.exitCode, null);
    assert.deepEqual((await ask('/')).body, pattern(100));
  });
});
