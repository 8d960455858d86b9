// Load through a forward proxy: requests in absolute form, and tunnels that CONNECT opens. A proxy that refuses, that
// mixes tunnels up or that sends bytes of its own through one is noticed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import {
  buildPrograms,
  type Origin,
  run,
  runAlone,
  SHORT,
  spoiled,
  startOrigin,
  withHttp,
  withTcp,
} from './programs.ts';

const ESTABLISHED = 'HTTP/1.1 200 Connection established\r\n\r\n';
let origin: Origin;

before(async () => {
  buildPrograms();
  origin = await startOrigin();
});
after(() => origin.child.kill());

/** Calls `connected` with the name that CONNECT gave, and passes what follows it on to whatever that returns. */
function withConnect<T>(
  connected: (client: Socket, name: string) => Socket | undefined,
  use: (port: number) => Promise<T>,
): Promise<T> {
  return withTcp((client) => {
    client.once('data', (head) => {
      const [, name = ''] = /^CONNECT (\S+) HTTP\/1\.1\r\nHost: \S+\r\n\r\n$/.exec(`${head}`) ?? [];
      const upstream = connected(client, name);
      if (!upstream) return;
      upstream.on('error', () => client.destroy());
      client.on('error', () => upstream.destroy());
      client.on('data', (data) => upstream.write(data));
      upstream.on('data', (data) => client.write(data));
      // As proxies do that know no half of a connection.
      client.on('end', () => upstream.destroy());
      client.on('close', () => upstream.destroy());
      upstream.on('end', () => client.end());
    });
  }, use);
}

/** A proxy as it should be; `transform` may change what comes back. */
function withProxy<T>(use: (port: number) => Promise<T>): Promise<T> {
  return withConnect((client, name) => {
    const [host, port] = name.split(':');
    const upstream = connect(Number(port), host);
    upstream.once('connect', () => client.write(ESTABLISHED));
    return upstream;
  }, use);
}

const through = (port: number) => ['--origin', `127.0.0.1:${port}`, ...SHORT];

describe('load-tcp through tunnels', () => {
  for (const [mode, role, parameters] of [
    ['connect', 'echo', ['--connections', '4']],
    ['pingpong', 'echo', ['--connections', '4', '--size', '4096']],
    ['pull', 'source', ['--check-mib', '1']],
    ['push', 'sink', ['--check-mib', '1']],
  ] as const) {
    it(`does ${mode}, and counts the tunnels`, async () => {
      const { code, stderr, json } = await withProxy((port) =>
        run('load-tcp', port, '--mode', mode, ...parameters, ...through(origin.ports[role])),
      );
      assert.equal(code, 0, stderr);
      const { tunnels = 0, totalMessages = 0, totalBytes = 0 } = json;
      if (mode === 'connect') assert.ok(tunnels >= totalMessages && totalMessages > 3);
      else assert.equal(tunnels, mode === 'pingpong' ? 4 : 3); // the check of streams has its own
      assert.ok(totalBytes > 0);
    });
  }

  it('names the origin in CONNECT', async () => {
    const names = new Set<string>();
    await withConnect(
      (client, name) => {
        names.add(name);
        client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
        return undefined;
      },
      (port) => run('load-tcp', port, '--mode', 'connect', '--origin', '127.0.0.1:99', ...SHORT),
    );
    assert.deepEqual([...names], ['127.0.0.1:99']);
  });

  for (const mode of ['connect', 'pingpong', 'pull', 'push'] as const) {
    it(`fails its check when ${mode} is refused, and says how`, async () => {
      const { code, stderr } = await withConnect(
        (client) => {
          client.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
          return undefined;
        },
        (port) => run('load-tcp', port, '--mode', mode, ...through(1)),
      );
      assert.equal(code, 1);
      assert.match(stderr, /CONNECT was answered with 'HTTP\/1\.1 403 Forbidden'/);
    });
  }

  it('counts a tunnel that is refused later', async () => {
    let tunnels = 0;
    const { code, json } = await withConnect(
      (client) => {
        tunnels += 1;
        // After three of the check one is let through, and one is not: both begin at once.
        if (tunnels % 5 === 0) {
          client.end('HTTP/1.0 503 Busy\r\n\r\n');
          return undefined;
        }
        client.write(ESTABLISHED);
        return connect(origin.ports.echo);
      },
      (port) => run('load-tcp', port, '--mode', 'connect', '--connections', '2', ...through(1)),
    );
    assert.equal(code, 1);
    assert.ok((json.handshakeFailures ?? 0) > 0 && (json.totalMessages ?? 0) > 3);
  });

  it('waits for the whole answer to CONNECT, in however many pieces it comes', async () => {
    const { code, stderr } = await withConnect(
      (client) => {
        const pieces = ['HT', 'TP/1.0 200 OK\r\nVia: x\r', '\n\r', '\n'];
        const next = (): void => {
          const piece = pieces.shift();
          if (piece !== undefined) client.write(piece, () => setImmediate(next));
        };
        next();
        return connect(origin.ports.echo);
      },
      (port) => run('load-tcp', port, '--mode', 'connect', '--connections', '2', ...through(1)),
    );
    assert.equal(code, 0, stderr);
  });

  it('takes no bytes from a tunnel that it has sent none into', async () => {
    const { code, stderr } = await withConnect(
      (client) => {
        client.write(`${ESTABLISHED}early`);
        return connect(origin.ports.echo);
      },
      (port) => run('load-tcp', port, '--mode', 'connect', ...through(1)),
    );
    assert.equal(code, 1);
    assert.match(stderr, /before any were sent/);
  });

  it('fails its check on an echo with one wrong bit', async () => {
    const { code, stderr } = await withConnect(
      (client) => {
        client.write(ESTABLISHED);
        client.on('data', (data) => client.write(spoiled(data)));
        return undefined;
      },
      (port) => run('load-tcp', port, '--mode', 'connect', ...through(1)),
    );
    assert.equal(code, 1);
    assert.match(stderr, /other bytes/);
  });

  it('fails its check on a sink that tells of fewer bytes, and on one with a wrong beginning', async () => {
    for (const spoil of [
      (data: Buffer, offset: number) => (offset === 0 ? data.subarray(1) : data),
      (data: Buffer, offset: number) => (offset === 0 ? spoiled(data) : data),
    ]) {
      const { code } = await withConnect(
        (client) => {
          client.write(ESTABLISHED);
          const upstream = connect(origin.ports.sink);
          let offset = 0;
          client.on('data', (data) => {
            upstream.write(spoil(data, offset));
            offset += data.length;
          });
          client.on('close', () => upstream.destroy());
          upstream.on('error', () => client.destroy());
          upstream.pipe(client);
          return undefined;
        },
        (port) => run('load-tcp', port, '--mode', 'push', '--check-mib', '1', ...through(1)),
      );
      assert.equal(code, 1);
    }
  });
});

describe('a sink of the origin', () => {
  it('tells what it swallowed when the end is said, in pieces too', async () => {
    const socket = connect(origin.ports.sink).setNoDelay();
    await once(socket, 'connect');
    socket.write('1234the end of by');
    await new Promise((resolve) => setImmediate(resolve));
    socket.write('tes');
    const chunks = await socket.toArray();
    const answer = Buffer.concat(chunks);
    assert.equal(answer.readBigUInt64LE(0), 4n);
    assert.equal(answer.readBigUInt64LE(8), 1n); // 1234 is not how the pattern begins
  });
});

describe('load-http through a forward proxy', () => {
  it('asks in absolute form, with the same host', async () => {
    const heads: string[] = [];
    const body = Buffer.alloc(3);
    await withTcp(
      (socket) =>
        socket.on('data', (data) => {
          heads.push(`${data}`);
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        }),
      (port) =>
        run('load-http', port, '--origin', '127.0.0.1:99', '--expect-body', 'any', ...SHORT),
    );
    assert.equal(heads[0], 'GET http://127.0.0.1:99/ HTTP/1.1\r\nHost: 127.0.0.1:99\r\n\r\n');
  });

  it('is answered by the origin, which understands that form', async () => {
    const { code, stderr, json } = await run(
      'load-http',
      origin.ports.http,
      ...through(origin.ports.http),
    );
    assert.equal(code, 0, stderr);
    assert.ok((json.requests ?? 0) > 0);
  });

  it('notices a refusal', async () => {
    const { code, stderr } = await withHttp(
      (socket) => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'),
      (port) => run('load-http', port, ...through(99)),
    );
    assert.equal(code, 1);
    assert.match(stderr, /status 403/);
  });
});

describe('self-tests through tunnels', () => {
  for (const [program, ...parameters] of [
    ['load-http'],
    ['load-tcp', '--mode', 'connect'],
    ['load-tcp', '--mode', 'pingpong'],
    ['load-tcp', '--mode', 'pull'],
    ['load-tcp', '--mode', 'push'],
  ] as const) {
    it(`${program} ${parameters.join(' ')} reaches a ceiling of its own`, async () => {
      const { code, stderr, json } = await runAlone(
        program,
        ...['--self-test', '--origin', '127.0.0.1:1', ...parameters, ...SHORT],
      );
      assert.equal(code, 0, stderr);
      assert.ok((json.rate ?? 0) > 0 && (json.ceiling ?? 0) > 0 && json.wrong === 0);
    });
  }

  it('have no host beside that of the origin', async () => {
    const both = ['--origin', '127.0.0.1:1', '--host', 'other.test'];
    const { code, stderr } = await runAlone('load-http', '--self-test', ...both);
    assert.equal(code, 1);
    assert.match(stderr, /--host/);
  });
});
