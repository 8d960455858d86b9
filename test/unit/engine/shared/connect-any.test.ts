import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { SocketAddress } from '../../../../src/contract/address.ts';
import { connectToAny } from '../../../../src/engine/shared/connect-any.ts';
import { within } from '../../../support/deadline.ts';
import { freeAddress, startTcpTarget } from '../../../support/tcp-target.ts';

const at = (host: string, port: number): SocketAddress => ({
  family: host.includes(':') ? 'ipv6' : 'ipv4',
  host,
  port,
});

/** The address that was connected to, or the code. */
function outcome(addresses: readonly SocketAddress[], source: string | null = null) {
  return within(
    new Promise<string>((resolve) => {
      connectToAny(
        { addresses, sourceOf: () => source, timeoutMs: 10_000 },
        {
          onConnected: (socket: Socket) => {
            resolve(`${socket.remoteAddress} from ${socket.localAddress}`);
            socket.destroy();
          },
          onFailed: resolve,
        },
      );
    }),
    'an outcome',
  );
}

test('the first address that can be connected to is, in order and without waiting for what fails', async () => {
  const target = await startTcpTarget({ host: '0.0.0.0' });
  const dead = await freeAddress();
  const { port } = target;
  try {
    assert.equal(await outcome([at('127.0.0.1', port)]), '127.0.0.1 from 127.0.0.1');
    const afterDead = [at(dead.host, dead.port), at('127.0.0.2', port)];
    assert.match(await outcome(afterDead), /^127\.0\.0\.2 /);
    assert.equal(await outcome([at('127.0.0.1', port)], '127.0.0.9'), '127.0.0.1 from 127.0.0.9');
  } finally {
    await target.close();
  }
});

test('families alternate, beginning with that of the first', async () => {
  const target = await startTcpTarget({ host: '::1' });
  const dead = Array.from({ length: 3 }, () => at('127.77.255.253', target.port));
  try {
    // Had the third of one family come before the first of the other, it would have been tried and failed as well.
    assert.match(await outcome([...dead, at('::1', target.port)]), /^::1 /);
  } finally {
    await target.close();
  }
});

test('when all fail the last tells why', async () => {
  const dead = await freeAddress();
  const refused = at(dead.host, dead.port);
  assert.equal(await outcome([refused, refused]), 'connect_refused');
});

test('whoever cancels is told nothing', async () => {
  const target = await startTcpTarget();
  const told: unknown[] = [];
  const cancel = connectToAny(
    {
      addresses: [at('127.0.0.1', target.port), at('127.0.0.1', target.port)],
      sourceOf: () => null,
      timeoutMs: 10_000,
    },
    { onConnected: (socket) => told.push(socket), onFailed: (code) => told.push(code) },
  );
  cancel();
  await outcome([at('127.0.0.1', target.port)]);
  assert.deepEqual(told, []);
  await target.close();
});
