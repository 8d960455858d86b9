// Where one request ends and the next one begins, in the moments when that is hardest to know: an answer that
// comes while part of the body sits in a pipe, a client that has said its last byte.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { deferred, eventually, pause, settled, within } from '../support/deadline.ts';
import { openHttp, requestBytes } from '../support/http-client.ts';
import { ok, startHttpTarget } from '../support/http-target.ts';
import { type NativeUnderTest, onBothLoops } from '../support/native-under-test.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { startEngine } from '../support/running-engine.ts';
import { Scope } from '../support/scope.ts';
import { startTcpTarget } from '../support/tcp-target.ts';

const scoped = (run: (scope: Scope) => Promise<void>) => async () => {
  const scope = new Scope();
  try {
    await run(scope);
  } finally {
    await scope.close();
  }
};

const config = (target: string, listener: object = {}): object => ({
  listeners: { web: { address: '127.0.0.1:0', protocol: 'http', pool: 'all', ...listener } },
  pools: { all: { targets: [target], retries: 0 } },
});

const UPGRADE = 'GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n';

function describeNative({ name, create }: NativeUnderTest): void {
  describe(`${name}: the seam between a request and what follows`, () => {
    it(
      'does not take the next request for the rest of a body that an early answer left in the pipe',
      scoped(async (scope) => {
        // The target reads nothing once it has the head, so that the body backs up into the pipe.
        const unixPath = join(tmpdir(), `sluice-seam-${process.pid}.sock`);
        const target = scope.own(
          await startTcpTarget({ unixPath, onConnection: ({ socket }) => socket.pause() }),
        );
        const engine = scope.own(
          await startEngine(create, config(target.address, { splice: 'always' })),
        );
        const upload = async (length: number) => {
          const client = scope.own(await openHttp(engine.port('web')));
          const before = engine.stats().listener('web').bytes_in;
          client.send(`POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${length}\r\n\r\n`);
          // The head travels alone, so that the body is spliced from its first byte.
          const upstream = await target.next();
          client.send(Buffer.alloc(length, 'x'));
          const taken = await settled(() => engine.stats().listener('web').bytes_in - before);
          return { client, upstream, taken };
        };
        // How much the kernel holds varies: it must leave a rest, and one that the proxy still skips.
        const tryOnce = async () => {
          const probe = await upload(8 << 20);
          probe.client.close();
          const length = probe.taken + 40_000;
          return { length, ...(await upload(length)) };
        };
        const fits = ({ length, taken }: { length: number; taken: number }) =>
          taken < length && length - taken < 60_000;
        let attempt = await tryOnce();
        for (let i = 0; i < 8 && !fits(attempt); i++) {
          attempt.client.close();
          attempt = await tryOnce();
        }
        assert.ok(fits(attempt), 'part of the body waits in the proxy');
        const { client, upstream } = attempt;
        upstream.send(ok('early'));
        assert.equal((await client.response('POST')).text, 'early');
        client.send(requestBytes('GET', '/next'));
        const next = await target.next();
        next.socket.resume();
        await next.receivedText('GET /next HTTP/1.1\r\n');
        next.send(ok('next'));
        assert.equal((await client.response()).text, 'next');
      }),
    );

    it(
      'tells the target of an upgraded connection that its client had ended before the switch',
      scoped(async (scope) => {
        const go = deferred<void>();
        const target = scope.own(
          await startHttpTarget({
            answer: async () => {
              await go.promise;
              return 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n';
            },
          }),
        );
        const engine = scope.own(await startEngine(create, config(target.address)));
        const client = scope.own(await connectRaw(engine.port('web')));
        client.end(UPGRADE);
        await target.received(1);
        await pause(20);
        go.resolve();
        await client.receivedText('101');
        const [upstream] = target.connections;
        await within(upstream!.ended, 'the end of the client to reach the target');
      }),
    );

    it(
      'does not wait for the rest of a pipelined body whose client has ended',
      scoped(async (scope) => {
        const go = deferred<void>();
        const target = scope.own(
          await startHttpTarget({
            answer: async () => {
              await go.promise;
              return ok('first');
            },
          }),
        );
        const engine = scope.own(await startEngine(create, config(target.address)));
        const client = scope.own(await connectRaw(engine.port('web')));
        client.end(
          `${requestBytes('GET', '/')}POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc`,
        );
        await target.received(1);
        await pause(20);
        go.resolve();
        await within(client.closed, 'the connection to close');
        assert.equal(client.text.split('HTTP/1.1 ').length - 1, 1, 'one answer');
        await eventually('nothing to be in flight', () => engine.inFlight === 0);
      }),
    );

    it(
      'blames a target that takes no more of a spliced body, not its client',
      scoped(async (scope) => {
        const target = scope.own(
          await startTcpTarget({ onConnection: ({ socket }) => socket.pause() }),
        );
        const engine = scope.own(
          await startEngine(
            create,
            config(target.address, { splice: 'always', timeouts: { bodyIdle: '300ms' } }),
          ),
        );
        const client = scope.own(await openHttp(engine.port('web')));
        client.send(`POST / HTTP/1.1\r\nHost: test\r\nContent-Length: ${64 << 20}\r\n\r\n`);
        await target.next();
        client.send(Buffer.alloc(64 << 20));
        assert.equal((await client.response('POST')).status, 504);
        // Counted once the answer is on its way.
        await eventually(
          'the failure to be counted for the target',
          () => engine.stats().listener('web').errors.response_timeout === 1,
        );
      }),
    );
  });

  describe(`${name}: what a failure is counted as`, () => {
    it(
      'counts a target that refuses once for one attempt',
      scoped(async (scope) => {
        // A socket file that is not there: connecting fails at once.
        const nobody = `unix:${join(tmpdir(), `sluice-nobody-${process.pid}.sock`)}`;
        const engine = scope.own(await startEngine(create, config(nobody)));
        const client = scope.own(await openHttp(engine.port('web')));
        assert.equal((await client.get('/')).status, 502);
        await eventually('the request to be counted', () => engine.stats().pool('all').timed === 1);
        const { errors } = engine.stats().target('all', nobody);
        assert.equal(errors.connect_refused, 1);
      }),
    );
  });
}

await onBothLoops(describeNative);
