// The generators must notice a target that is wrong: here each meets one that answers, but not with what was
// asked for. Builds them first. Run with: node --import tsx --test test/load/*.test.ts
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import {
  buildPrograms,
  type Origin,
  run,
  runAlone,
  SHORT,
  spoiled,
  startOrigin,
  withTcp,
  withUdp,
} from './programs.ts';

before(buildPrograms);

describe('load-tcp', () => {
  it('counts the echoes of a target that sends back what it gets', async () => {
    const { code, stdout } = await withTcp(
      (socket) => socket.pipe(socket),
      (port) => run('load-tcp', port, '--mode', 'pingpong', '--connections', '3', ...SHORT),
    );
    assert.equal(code, 0);
    const { messages, totalMessages, wrong } = JSON.parse(stdout);
    assert.ok(messages > 0 && totalMessages >= messages);
    assert.equal(wrong, 0);
  });

  it('fails its check on an echo with one wrong bit', async () => {
    const { code, stderr } = await withTcp(
      (socket) => socket.on('data', (data) => socket.write(spoiled(data))),
      (port) => run('load-tcp', port, '--mode', 'pingpong', ...SHORT),
    );
    assert.equal(code, 1);
    assert.match(stderr, /check/);
  });

  it('reports an echo that turns wrong after the check', async () => {
    let echoes = 0;
    const { code, stdout } = await withTcp(
      (socket) =>
        socket.on('data', (data) => {
          echoes += 1;
          socket.write(echoes > 20 ? spoiled(data) : data);
        }),
      (port) => run('load-tcp', port, '--mode', 'pingpong', '--connections', '1', ...SHORT),
    );
    assert.equal(code, 1);
    assert.ok(JSON.parse(stdout).wrong > 0);
  });

  it('fails its check on a stream of other bytes, and on one cut short', async () => {
    for (const answer of [
      (socket: Socket) => void socket.write(Buffer.alloc(16 * 1024 * 1024)),
      (socket: Socket) => void socket.end(),
    ]) {
      const { code } = await withTcp(answer, (port) =>
        run('load-tcp', port, '--mode', 'pull', ...SHORT),
      );
      assert.equal(code, 1);
    }
  });

  it('fails its check on a sink that swallowed fewer bytes than were sent', async () => {
    const { code } = await withTcp(
      (socket) => {
        let bytes = 0n;
        socket.on('data', (data) => {
          bytes += BigInt(data.length);
        });
        socket.on('end', () => {
          const answer = Buffer.alloc(16);
          answer.writeBigUInt64LE(bytes - 1n);
          socket.end(answer);
        });
      },
      (port) => run('load-tcp', port, '--mode', 'push', '--check-mib', '1', ...SHORT),
    );
    assert.equal(code, 1);
  });
});

describe('load-udp', () => {
  it('counts lost datagrams and goes on', async () => {
    let datagrams = 0;
    const { code, stdout } = await withUdp(
      (data, reply) => {
        datagrams += 1;
        if (datagrams % 10 !== 0) reply(data);
      },
      (port) => run('load-udp', port, '--flows', '2', '--timeout', '0.02', ...SHORT),
    );
    assert.equal(code, 0);
    const { echoed, lost, wrong } = JSON.parse(stdout);
    assert.ok(lost > 0 && echoed > lost);
    assert.equal(wrong, 0);
  });

  it('counts a wrong, a shortened and a doubled reply as no answer', async () => {
    let datagrams = 0;
    const { code, stdout } = await withUdp(
      (data, reply) => {
        datagrams += 1;
        if (datagrams === 20) reply(spoiled(data));
        else if (datagrams === 21) reply(data.subarray(1));
        else reply(data);
        if (datagrams === 22) reply(data);
      },
      // So many at once that those three are sent however slow it is.
      (port) =>
        run('load-udp', port, '--flows', '1', '--outstanding', '32', '--timeout', '1', ...SHORT),
    );
    assert.equal(code, 1);
    const { wrong, doubled, late } = JSON.parse(stdout);
    assert.deepEqual({ wrong, doubled, late }, { wrong: 2, doubled: 1, late: 0 });
  });

  it('ends when nothing answers at all', async () => {
    const { code, stderr } = await withUdp(
      () => {},
      (port) => run('load-udp', port, '--flows', '1', ...SHORT),
    );
    assert.equal(code, 1);
    assert.match(stderr, /check/);
  });
});

describe('load-idle', () => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

  it('holds clients that were answered', async () => {
    const { code, stdout } = await withTcp(
      (socket) => socket.on('data', () => socket.write(answer)),
      (port) => run('load-idle', port, '--step', '3', '--steps', '1', '--body-bytes', '2'),
    );
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout.split('\n')[0] ?? ''), { open: 3, lost: 0 });
  });

  it('fails on an answer of another length', async () => {
    const { code } = await withTcp(
      (socket) => socket.on('data', () => socket.write(answer)),
      (port) => run('load-idle', port, '--step', '3', '--steps', '1', '--body-bytes', '1'),
    );
    assert.equal(code, 1);
  });
});

describe('origin', () => {
  let origin: Origin | null = null;

  after(() => origin?.child.kill());

  it('agrees with the generators on every byte, and ends with its standard input', async () => {
    origin = await startOrigin();
    const { ports, child } = origin;
    for (const [mode, port] of [
      ['pingpong', ports.echo],
      ['connect', ports.echo],
      ['pull', ports.source],
      ['push', ports.sink],
    ] as const) {
      const { code, stderr } = await run('load-tcp', port, '--mode', mode, ...SHORT);
      assert.equal(code, 0, `${mode}: ${stderr}`);
    }
    const large = await run('load-udp', ports.udp, '--flows', '2', '--size', '65507', ...SHORT);
    assert.equal(large.code, 0, large.stderr);
    child.stdin.end();
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  });
});

describe('self-tests', () => {
  for (const [program, ...parameters] of [
    ['load-http', ...SHORT],
    ['load-http', '--reuse', 'off', ...SHORT],
    ['load-http', '--method', 'POST', '--body-bytes', '70000', ...SHORT],
    ['load-http', '--expect-bytes', '1048576', '--connections', '2', ...SHORT],
    ['load-tcp', '--mode', 'pingpong', ...SHORT],
    ['load-tcp', '--mode', 'connect', ...SHORT],
    ['load-tcp', '--mode', 'pull', ...SHORT],
    ['load-tcp', '--mode', 'push', '--mirror-core', '0', ...SHORT],
    ['load-udp', ...SHORT],
    ['load-idle', '--step', '20', '--steps', '1'],
  ] as const) {
    it(`${program} ${parameters.join(' ')} reaches a ceiling of its own`, async () => {
      const { code, stderr, json } = await runAlone(program, '--self-test', ...parameters);
      assert.equal(code, 0, stderr);
      assert.equal(json.selfTest as unknown, true);
      assert.ok((json.rate ?? 0) > 0 && (json.ceiling ?? 0) > 0 && json.wrong === 0);
    });
  }
});

describe('arguments', () => {
  it('are refused when they are unknown, incomplete or without a meaning', async () => {
    for (const [program, parameters, expected] of [
      ['load-http', ['--to', '127.0.0.1:1', '--conections', '3'], /--conections/],
      ['load-http', ['--to', '127.0.0.1:1', '--body-bytes', '3'], /--body-bytes/],
      ['load-http', ['--to', '127.0.0.1:1', '--arrival', 'fixed'], /--rate/],
      ['load-http', ['--to', '127.0.0.1:1', '--rate', '5'], /--rate/],
      ['load-http', ['--to', '127.0.0.1:1', '--reuse', 'maybe'], /on, off/],
      ['load-http', ['--to'], /--to/],
      ['load-tcp', ['--to', '127.0.0.1:1', '--mode', 'pull', '--size', '5'], /--size/],
      ['load-tcp', ['--self-test', '--to', '127.0.0.1:1'], /--to/],
      ['load-udp', ['--to', '127.0.0.1:1', '--seconds', 'long'], /--seconds/],
      ['origin', ['--http', '70000'], /port/],
      ['origin', ['http'], /http/],
    ] as const) {
      const { code, stderr } = await runAlone(program, ...parameters);
      assert.equal(code, 1, `${program} ${parameters.join(' ')}`);
      assert.match(stderr, expected);
    }
  });
});
