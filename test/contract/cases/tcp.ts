// Layer 4: bytes between a client and a target, untouched.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { settled, within } from '../../support/deadline.ts';
import type { RawConnection } from '../../support/raw-connection.ts';
import { type Case, type CaseContext, type Feature, offering } from '../case.ts';
import { tcpConfig } from '../config.ts';

const MIB = 1024 * 1024;

/** Client and target of one relayed connection. */
async function relayed(
  test: CaseContext,
  listener: object = {},
): Promise<[RawConnection, RawConnection]> {
  const target = await test.tcpTarget();
  const engine = await test.engine(tcpConfig([target.address], listener));
  const client = await test.connect(engine.port('db'));
  return [client, await target.next()];
}

/** Writes `total` bytes as fast as `connection` takes them; resolves with their hash once all are written. */
async function pour(connection: RawConnection, total: number, block: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for (let sent = 0; sent < total; sent += block.length) {
    hash.update(block);
    await connection.sent(block);
  }
  connection.end();
  return hash.digest('hex');
}

/** Hash and count of everything up to the other side's FIN. */
async function drainHash(connection: RawConnection): Promise<{ hash: string; length: number }> {
  const hash = createHash('sha256');
  let length = 0;
  connection.socket.on('data', (bytes: Buffer) => {
    hash.update(bytes);
    length += bytes.length;
  });
  await within(connection.ended, 'the end of the stream', 20_000);
  return { hash: hash.digest('hex'), length };
}

/** Transfers 64 MiB each way at once. */
async function transferBothWays(test: CaseContext, listener: object): Promise<void> {
  const target = await test.tcpTarget({ record: false });
  const engine = await test.engine(tcpConfig([target.address], listener));
  const client = await test.connect(engine.port('db'), { record: false });
  const upstream = await target.next();
  const there = drainHash(upstream);
  const back = drainHash(client);
  const [sent, returned] = await Promise.all([
    pour(client, 64 * MIB, randomBytes(MIB)),
    pour(upstream, 64 * MIB, randomBytes(MIB + 4096).subarray(0, MIB)),
  ]);
  assert.deepEqual(await there, { hash: sent, length: 64 * MIB });
  assert.deepEqual(await back, { hash: returned, length: 64 * MIB });
}

/** `reader` does not read: `writer` must be held back, and nothing may be lost once `reader` goes on. */
async function holdsBack(writer: RawConnection, reader: RawConnection): Promise<void> {
  const total = 96 * MIB;
  reader.socket.pause();
  const written = pour(writer, total, randomBytes(256 * 1024));
  const accepted = await settled(() => writer.socket.bytesWritten - writer.socket.writableLength);
  assert.ok(accepted < 48 * MIB, `${accepted} bytes were taken while nobody read`);
  const read = drainHash(reader);
  reader.socket.resume();
  assert.deepEqual(await read, { hash: await written, length: total });
}

const cases: Case[] = [
  {
    name: 'relays bytes in both directions',
    run: async (test) => {
      const [client, upstream] = await relayed(test);
      client.send('question\0\xff');
      assert.equal((await upstream.receivedLength(10)).toString('latin1'), 'question\0\xff');
      upstream.send('answer');
      assert.equal((await client.receivedLength(6)).toString('latin1'), 'answer');
      client.send('more');
      assert.equal((await upstream.receivedLength(14)).toString('latin1'), 'question\0\xffmore');
    },
  },
  {
    name: 'lets the target speak first',
    run: async (test) => {
      const target = await test.tcpTarget({ onConnection: (c) => c.send('220 ready\r\n') });
      const engine = await test.engine(tcpConfig([target.address]));
      const client = await test.connect(engine.port('db'));
      await client.receivedText('220 ready\r\n');
    },
  },
  {
    name: 'delivers what a client sent and ended before the target was connected',
    run: async (test) => {
      const target = await test.tcpTarget();
      const engine = await test.engine(tcpConfig([target.address]));
      const client = await test.connect(engine.port('db'));
      client.end('early');
      const upstream = await target.next();
      await upstream.ended;
      assert.equal(upstream.text, 'early');
      upstream.end('late');
      await client.ended;
      assert.equal(client.text, 'late');
    },
  },
  {
    name: 'carries 64 MiB each way at once, byte for byte',
    run: (test) => transferBothWays(test, {}),
  },
  {
    name: 'carries 64 MiB each way at once when told never to splice',
    run: (test) => transferBothWays(test, { splice: 'never' }),
  },
  {
    name: 'carries 64 MiB each way at once when told always to splice',
    needs: (capabilities) => capabilities.splice,
    run: (test) => transferBothWays(test, { splice: 'always' }),
  },
  {
    name: 'holds the client back while the target does not read, and loses nothing',
    run: async (test) => {
      const target = await test.tcpTarget({ record: false });
      const engine = await test.engine(tcpConfig([target.address]));
      const client = await test.connect(engine.port('db'), { record: false });
      await holdsBack(client, await target.next());
    },
  },
  {
    name: 'holds the target back while the client does not read, and loses nothing',
    run: async (test) => {
      const target = await test.tcpTarget({ record: false });
      const engine = await test.engine(tcpConfig([target.address]));
      const client = await test.connect(engine.port('db'), { record: false });
      await holdsBack(await target.next(), client);
    },
  },
  {
    name: "passes the client's half-close on and still relays the target's answer",
    run: async (test) => {
      const [client, upstream] = await relayed(test);
      client.end('all of it');
      await within(upstream.ended, "the client's FIN at the target");
      assert.equal(upstream.text, 'all of it');
      upstream.send('first ');
      await client.receivedText('first ');
      upstream.end('last');
      await within(client.ended, "the target's FIN at the client");
      assert.equal(client.text, 'first last');
      assert.equal(await within(client.closed, 'the close'), 'fin');
      assert.equal(await within(upstream.closed, 'the close'), 'fin');
    },
  },
  {
    name: 'passes on a half-close that comes before the target is connected',
    run: async (test) => {
      const target = await test.tcpTarget();
      const engine = await test.engine(tcpConfig([target.address]));
      for (const bytes of ['', 'all of it']) {
        const client = await test.connect(engine.port('db'), { allowHalfOpen: true });
        client.end(bytes);
        const upstream = await target.next();
        await within(upstream.ended, "the client's FIN at the target");
        assert.equal(upstream.text, bytes);
        upstream.end('answer');
        await within(client.closed, 'the close');
        assert.equal(client.text, 'answer');
      }
    },
  },
  {
    name: "passes the target's half-close on and still relays what the client sends",
    run: async (test) => {
      const [client, upstream] = await relayed(test);
      upstream.end('bye');
      await within(client.ended, "the target's FIN at the client");
      assert.equal(client.text, 'bye');
      client.send('one ');
      await upstream.receivedText('one ');
      client.end('two');
      await within(upstream.ended, "the client's FIN at the target");
      assert.equal(upstream.text, 'one two');
    },
  },
  {
    name: 'keeps every byte of a stream written one byte at a time',
    run: async (test) => {
      const [client, upstream] = await relayed(test);
      const bytes = randomBytes(500);
      for (const byte of bytes) await client.sent(Buffer.of(byte));
      assert.deepEqual(Buffer.from(await upstream.receivedLength(500)), bytes);
    },
  },
  {
    name: 'closes the target when the client resets',
    run: async (test) => {
      const [client, upstream] = await relayed(test);
      client.send('x');
      await upstream.receivedLength(1);
      client.reset();
      await within(upstream.ended, 'the end at the target');
    },
  },
  {
    name: 'closes the client when the target resets',
    run: async (test) => {
      const [client, upstream] = await relayed(test);
      client.send('x');
      await upstream.receivedLength(1);
      upstream.reset();
      await within(client.ended, 'the end at the client');
    },
  },
];

export const tcp: Feature = { name: 'tcp', cases: offering(['tcp'], cases) };
