// load-http against targets that do HTTP in unusual but right ways, and against targets that do it wrong.
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { before, describe, it } from 'node:test';
import { buildPrograms, pattern, run, SHORT, spoiled, withHttp } from './programs.ts';

const BODY = pattern(100);
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n';
const ANSWER = Buffer.concat([Buffer.from(HEAD), BODY]);
const ONE = ['--connections', '1', ...SHORT];
/** Requests of the check, which has to succeed before a target may begin to misbehave. */
const CHECKS = 3;

type Answer = (socket: Socket, request: number) => void;

const load = (answer: Answer, ...parameters: string[]) =>
  withHttp(answer, (port) => run('load-http', port, ...parameters));

before(buildPrograms);

describe('load-http counts as right', () => {
  it('an answer with a length', async () => {
    let answered = 0;
    const { code, json, stderr } = await load(
      (socket) => {
        answered += 1;
        socket.write(ANSWER);
      },
      ...['--connections', '5', '--expect-bytes', '100', ...SHORT],
    );
    assert.equal(code, 0, stderr);
    assert.equal(json.totalRequests, answered);
    assert.equal(json.totalBytes, answered * 100);
    assert.ok((json.requests ?? 0) > 0 && json.wrong === 0 && json.lost === 0);
  });

  it('an answer that comes byte by byte, chunked, after a 100, with extensions and trailers', async () => {
    const text = Buffer.concat([
      Buffer.from(
        'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 \r\nTransfer-Encoding:chunked\r\n\r\n',
      ),
      Buffer.from('1;a="b"\r\n'),
      BODY.subarray(0, 1),
      Buffer.from('\r\n063 \r\n'),
      BODY.subarray(1),
      Buffer.from('\r\n0\r\nDigest: x\r\n\r\n'),
    ]);
    const { code, json, stderr } = await load(
      (socket) => {
        let sent = 0;
        const next = () => {
          if (sent === text.length) return;
          socket.write(text.subarray(sent, sent + 1));
          sent += 1;
          setImmediate(next);
        };
        next();
      },
      ...['--expect-bytes', '100', ...ONE],
    );
    assert.equal(code, 0, stderr);
    assert.ok((json.totalRequests ?? 0) >= CHECKS && json.wrong === 0 && json.lost === 0);
  });

  it('an answer that ends with its connection, and connects again for the next', async () => {
    for (const head of [
      'HTTP/1.1 200 OK\r\n\r\n',
      HEAD.replace('\r\n', '\r\nConnection: close\r\n'),
    ]) {
      const { code, json, stderr } = await load(
        (socket) => socket.end(Buffer.concat([Buffer.from(head), BODY])),
        ...ONE,
      );
      assert.equal(code, 0, stderr);
      assert.equal(json.reconnected, json.totalRequests);
      assert.equal(json.lost, 0);
    }
  });

  it('any bytes of the first length, when no certain ones are expected', async () => {
    const { code, stderr } = await load(
      (socket) => socket.write('HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\nok'),
      ...['--expect-body', 'any', '--expect-status', '201', ...SHORT],
    );
    assert.equal(code, 0, stderr);
  });

  it('one answer for each connection, without reuse', async () => {
    const sockets = new Set<Socket>();
    const { code, json, stderr } = await load(
      (socket) => {
        sockets.add(socket);
        socket.end(ANSWER);
      },
      ...['--reuse', 'off', '--connections', '3', ...SHORT],
    );
    assert.equal(code, 0, stderr);
    assert.equal(json.totalRequests, sockets.size);
  });
});

const WRONG: Readonly<Record<string, readonly [answer: Answer, expected: RegExp]>> = {
  'another status': [
    (socket) => socket.write(ANSWER.toString('latin1').replace('200', '503'), 'latin1'),
    /status 503 instead of 200/,
  ],
  'a wrong bit': [(socket) => socket.write(spoiled(ANSWER)), /another body/],
  'another length': [
    (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n'),
    /99 bytes instead of 100/,
  ],
  'a chunked body that is short': [
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n');
      socket.write(BODY.subarray(0, 1));
      socket.write('\r\n0\r\n\r\n');
    },
    /1 bytes instead of 100/,
  ],
  'a body that ends early with its connection': [
    (socket) =>
      socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), BODY.subarray(1)])),
    /another body|instead of 100/,
  ],
  'bytes after its answer': [
    (socket) => socket.write(Buffer.concat([ANSWER, Buffer.from('x')])),
    /bytes after the answer/,
  ],
  'bad chunks': [
    (socket) => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'),
    /chunks cannot be parsed/,
  ],
  'contradicting lengths': [
    (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Length: 1\r\n\r\n'),
    /head cannot be parsed/,
  ],
  'no HTTP': [(socket) => socket.write('SSH-2.0-OpenSSH\r\n\r\n'), /head cannot be parsed/],
  'an end in the middle': [(socket) => socket.end(ANSWER.subarray(0, 60)), /ended before/],
  silence: [() => {}, /no answer/],
};

describe('load-http does not begin with a target that answers with', () => {
  for (const [what, [answer, expected]] of Object.entries(WRONG)) {
    it(what, async () => {
      const { code, stderr, stdout } = await load(
        answer,
        ...['--expect-bytes', '100', '--timeout', '0.1', ...ONE],
      );
      assert.equal(code, 1);
      assert.match(stderr, expected);
      assert.equal(stdout, '');
    });
  }
});

describe('load-http notices, after the check,', () => {
  /** Right at first. */
  const turning = (bad: Answer): Answer => {
    return (socket, request) => {
      if (request <= CHECKS + 5) socket.write(ANSWER);
      else bad(socket, request);
    };
  };

  for (const what of ['another status', 'a wrong bit', 'another length', 'bad chunks', 'no HTTP']) {
    it(what, async () => {
      const [answer, expected] = WRONG[what] as (typeof WRONG)[string];
      const { code, stderr, json } = await load(turning(answer), ...ONE);
      assert.equal(code, 1);
      assert.match(stderr, expected);
      assert.ok((json.wrong ?? 0) > 0);
      assert.equal(json.lost, json.wrong);
    });
  }

  it('ends in the middle, goes on with another connection, and counts what was lost', async () => {
    const { code, json } = await load(
      (socket, request) =>
        request === CHECKS + 2 ? socket.end(ANSWER.subarray(0, 60)) : socket.write(ANSWER),
      ...ONE,
    );
    assert.equal(code, 1);
    const { closed, lost, wrong } = json;
    assert.deepEqual({ closed, lost, wrong }, { closed: 1, lost: 1, wrong: 0 });
    assert.ok((json.totalRequests ?? 0) > CHECKS + 2);
  });

  it('silence', async () => {
    const { code, json } = await load(
      (socket, request) => request <= CHECKS && socket.write(ANSWER),
      ...['--connections', '4', '--timeout', '1', ...SHORT],
    );
    assert.equal(code, 1);
    const { stalled, lost, late } = json;
    assert.deepEqual({ stalled, lost, late }, { stalled: 4, lost: 4, late: 0 });
  });

  it('answers after the timeout, which are late and not lost', async () => {
    const { code, json } = await load(
      (socket, request) => {
        setTimeout(() => socket.write(ANSWER), request === CHECKS + 1 ? 1200 : 0);
      },
      ...['--timeout', '1', '--seconds', '2', '--warmup', '0', '--connections', '1'],
    );
    assert.equal(code, 0);
    assert.ok((json.late ?? 0) >= 1);
    assert.equal(json.lost, 0);
  });

  it('a target that is gone', async () => {
    const { code, json } = await withHttp(
      (socket, request) => {
        if (request <= CHECKS) return socket.end(ANSWER);
        return socket.destroy();
      },
      (port) => run('load-http', port, '--reuse', 'off', ...ONE),
    );
    assert.equal(code, 1);
    assert.ok((json.closed ?? 0) > 0);
    const { code: none, stderr } = await run('load-http', 1, ...ONE);
    assert.equal(none, 1);
    assert.match(stderr, /no connection/);
  });
});
