// The generators must notice a target that is wrong: here each meets one that answers, but not with what was
// asked for. Builds them first. Run with: node --import tsx --test test/load/*.test.ts
import assert from 'node:assert/strict';
import {
  type ChildProcessWithoutNullStreams,
  execFile,
  execFileSync,
  spawn,
} from 'node:child_process';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');
const SOURCES = join(ROOT, 'native', 'load');
const PROGRAMS = join(ROOT, 'build', 'load');
const SHORT = ['--warmup', '0', '--seconds', '0.2'];

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, port: number, ...parameters: string[]): Promise<Outcome> {
  const all = ['--to', `127.0.0.1:${port}`, ...parameters];
  return new Promise((resolve) => {
    const child = execFile(join(PROGRAMS, program), all, (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
    child.stdin?.end();
  });
}

async function withTcp<T>(
  answer: (socket: Socket) => void,
  use: (port: number) => Promise<T>,
): Promise<T> {
  const sockets = new Set<Socket>();
  const listener: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => {}));
    answer(socket);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  try {
    return await use((listener.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    listener.close();
  }
}

async function withUdp<T>(
  answer: (data: Buffer, reply: (data: Buffer) => void) => void,
  use: (port: number) => Promise<T>,
): Promise<T> {
  const socket = createSocket('udp4');
  socket.on('message', (data: Buffer, { port, address }: RemoteInfo) => {
    answer(data, (back) => socket.send(back, port, address));
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  try {
    return await use(socket.address().port);
  } finally {
    socket.close();
  }
}

/** A copy with one bit of the last byte turned. */
function spoiled(data: Buffer): Buffer {
  const copy = Buffer.from(data);
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
  return copy;
}

before(() => {
  execFileSync('make', ['-s', '-C', SOURCES], { stdio: 'inherit' });
});

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
      (port) => run('load-udp', port, '--flows', '1', '--timeout', '0.02', ...SHORT),
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
  let origin: ChildProcessWithoutNullStreams | null = null;

  after(() => origin?.kill());

  it('agrees with the generators on every byte, and ends with its standard input', async () => {
    origin = spawn(join(PROGRAMS, 'origin'));
    const [line] = await once(origin.stdout, 'data');
    const ports = JSON.parse(String(line));
    for (const [mode, port] of [
      ['pingpong', ports.echo],
      ['pull', ports.source],
      ['push', ports.sink],
    ]) {
      const { code, stderr } = await run('load-tcp', port, '--mode', mode, ...SHORT);
      assert.equal(code, 0, `${mode}: ${stderr}`);
    }
    const large = await run('load-udp', ports.udp, '--flows', '2', '--size', '65507', ...SHORT);
    assert.equal(large.code, 0, large.stderr);
    origin.stdin.end();
    const [code] = await once(origin, 'exit');
    assert.equal(code, 0);
  });
});
