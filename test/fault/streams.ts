// TCP flows that end in every way there is. What arrives is always the beginning of what was sent, and all of it
// where the end was orderly.
import assert from 'node:assert/strict';
import { tcpConfig } from '../contract/config.ts';
import { eventually, within } from '../support/deadline.ts';
import type { Random } from '../support/random.ts';
import { connectRaw, type RawConnection } from '../support/raw-connection.ts';
import { startEngine } from '../support/running-engine.ts';
import { startTcpTarget, type TcpTarget } from '../support/tcp-target.ts';
import type { Scenario } from './suite.ts';

type Ending =
  | 'client first'
  | 'target first'
  | 'both at once'
  | 'client resets'
  | 'target resets'
  | 'both reset';

const ENDINGS: readonly Ending[] = [
  'client first',
  'target first',
  'both at once',
  'client resets',
  'target resets',
  'both reset',
];

/** Sends in pieces of random sizes, single bytes among them. */
async function sendPieces(connection: RawConnection, bytes: Buffer, random: Random): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const size = random.pick([1, 2, 100, 1460, 20_000, 200_000]);
    await connection.sent(bytes.subarray(at, at + size));
    at += size;
  }
}

function assertBegins(received: Buffer, sent: Buffer, what: string): void {
  assert.ok(
    received.equals(sent.subarray(0, received.length)),
    `${what}: other bytes than were sent`,
  );
}

async function flow(
  port: number,
  target: TcpTarget,
  byMark: Map<string, RawConnection>,
  mark: string,
  random: Random,
) {
  const client = await connectRaw(port);
  // The first eight bytes tell the target's side which flow this is.
  client.send(mark);
  await eventually(`flow ${mark} at the target`, () => byMark.has(mark) || claim(target, byMark));
  const upstream = byMark.get(mark)!;
  const ending = random.pick(ENDINGS);
  const there = random.bytes(random.pick([0, 1, 1000, 100_000]));
  const back = random.bytes(random.pick([0, 1, 1000, 100_000]));
  const sending = [sendPieces(client, there, random), sendPieces(upstream, back, random)];
  const isOrderly =
    ending === 'client first' || ending === 'target first' || ending === 'both at once';
  if (isOrderly) {
    await Promise.all(sending);
    await endOrderly(ending, client, upstream);
    assert.equal(client.received.length, back.length, `${ending}: bytes at the client`);
    assert.equal(
      upstream.received.length,
      mark.length + there.length,
      `${ending}: bytes at the target`,
    );
  } else {
    if (ending !== 'target resets') client.reset();
    if (ending !== 'client resets') upstream.reset();
    await Promise.allSettled(sending);
    await within(Promise.all([client.ended, upstream.ended]), `${ending}: the end on both sides`);
  }
  assertBegins(client.received, back, ending);
  assertBegins(upstream.received.subarray(mark.length), there, ending);
  client.close();
  upstream.close();
}

async function endOrderly(
  ending: Ending,
  client: RawConnection,
  upstream: RawConnection,
): Promise<void> {
  if (ending === 'both at once') {
    client.end();
    upstream.end();
    await within(Promise.all([client.ended, upstream.ended]), 'both ends');
    return;
  }
  const [first, second] = ending === 'client first' ? [client, upstream] : [upstream, client];
  first.end();
  await within(second.ended, `${ending}: the first FIN on the other side`);
  assert.equal(first.hasEnded, false, `${ending}: a FIN that nobody sent`);
  second.end();
  await within(first.ended, `${ending}: the second FIN`);
}

/** Files the target's connections under the marks that have arrived on them. */
function claim(target: TcpTarget, byMark: Map<string, RawConnection>): boolean {
  for (const connection of target.connections) {
    if (connection.received.length >= 8) byMark.set(connection.text.slice(0, 8), connection);
  }
  return false;
}

export const tcpFaults: readonly Scenario[] = [
  {
    name: 'three hundred TCP flows that end in every way lose and invent no byte',
    deadlineMs: 60_000,
    run: async ({ create, scope, random }) => {
      const target = scope.own(await startTcpTarget());
      const engine = scope.own(
        await startEngine(create, tcpConfig([target.address]), { workers: 2 }),
      );
      const byMark = new Map<string, RawConnection>();
      let started = 0;
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          while (started < 300) {
            const mark = String(started++).padStart(8, '0');
            await flow(engine.port('db'), target, byMark, mark, random);
          }
        }),
      );
      // A flow leaves its target before it leaves the listener.
      await eventually(
        'every flow to be gone',
        () => engine.inFlight === 0 && engine.stats().listener('db').active === 0,
      );
      assert.equal(engine.stats().listener('db').connections, 300);
    },
  },
];
