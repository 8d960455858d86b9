// In an open loop work arrives whether or not the target keeps up: whoever comes while it stalls waits, and that has
// to show. Counts are asserted, not times: how many waited follows from the rate and the length of the stall.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  buildPrograms,
  type Outcome,
  pattern,
  run,
  withHttp,
  withTcp,
  withUdp,
} from './programs.ts';

const STALL_MS = 300;
const RATE = 500;
const CHECKS = 5;
const ANSWER = Buffer.concat([
  Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n'),
  pattern(100),
]);

/** Calls back as usual but for one time, when the whole target stands still for a while. */
function stalling(): (then: () => void) => void {
  let calls = 0;
  return (then) => {
    calls += 1;
    if (calls === 50) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STALL_MS);
    then();
  };
}

type Load = (loop: readonly string[]) => Promise<Outcome>;

const LOADS: Readonly<Record<string, Load>> = {
  'load-http': (loop) => {
    const soon = stalling();
    return withHttp(
      (socket) => soon(() => socket.write(ANSWER)),
      (port) => run('load-http', port, '--connections', '4', ...loop),
    );
  },
  'load-tcp': (loop) => {
    const soon = stalling();
    return withTcp(
      (socket) => socket.on('data', (data) => soon(() => socket.write(data))),
      (port) => run('load-tcp', port, '--connections', '4', ...loop),
    );
  },
  'load-tcp --mode connect': (loop) => {
    const soon = stalling();
    return withTcp(
      (socket) => {
        socket.on('data', (data) => soon(() => socket.write(data)));
        socket.on('end', () => socket.end());
      },
      (port) => run('load-tcp', port, '--mode', 'connect', '--connections', '4', ...loop),
    );
  },
  'load-udp': (loop) => {
    const soon = stalling();
    return withUdp(
      (data, reply) => soon(() => reply(data)),
      (port) =>
        run('load-udp', port, '--flows', '2', '--outstanding', '2', '--timeout', '2', ...loop),
    );
  },
};

const SAMPLE = ['--warmup', '0', '--seconds', '1', '--histogram'] as const;

const sum = (buckets: readonly (readonly [number, number])[]): number =>
  buckets.reduce((total, [, count]) => total + count, 0);

/** Samples of a latency of more than a sixth of the stall. */
const waiting = ({ json }: Outcome): number =>
  sum((json.histogram ?? []).filter(([upToUs]) => upToUs > (STALL_MS * 1_000) / 6));

before(buildPrograms);

for (const [name, load] of Object.entries(LOADS)) {
  describe(name, () => {
    it('charges a stall to everybody who came meanwhile, and not to those who were under way', async () => {
      const open = await load(['--arrival', 'fixed', '--rate', `${RATE}`, ...SAMPLE]);
      assert.equal(open.code, 0, open.stderr);
      // Of the 150 that come while it stands still, 125 come early enough to wait for a sixth of that.
      assert.ok(waiting(open) >= 100, `${waiting(open)} waited`);
      assert.equal(open.json.lost, 0);
    });

    it('loses in a closed loop what an open one shows', async () => {
      const closed = await load([...SAMPLE]);
      assert.equal(closed.code, 0, closed.stderr);
      assert.ok(waiting(closed) < 50, `${waiting(closed)} waited`);
    });

    for (const arrival of ['fixed', 'poisson']) {
      it(`sends about what was intended with ${arrival} arrivals`, async () => {
        const { code, json, stderr } = await load([
          ...['--arrival', arrival, '--rate', `${RATE}`, ...SAMPLE],
        ]);
        assert.equal(code, 0, stderr);
        const sampled = json.sampled ?? 0;
        assert.ok(sampled > RATE * 0.7 && sampled < RATE * 1.3, `${sampled}`);
      });
    }

    it('puts each sample in one bucket of its histogram, in ascending order', async () => {
      for (const loop of [[], ['--arrival', 'poisson', '--rate', '300']]) {
        const { json } = await load([...loop, ...SAMPLE]);
        const buckets = json.histogram ?? [];
        assert.ok(buckets.length > 1);
        assert.equal(sum(buckets), json.sampled);
        assert.ok(buckets.every(([, count]) => count > 0));
        assert.deepEqual(
          buckets,
          buckets.toSorted(([a], [b]) => a - b),
        );
      }
    });
  });
}

describe('a queue that is full', () => {
  const loop = [
    ...['--arrival', 'fixed', '--rate', '1000', '--queue', '10', '--timeout', '0.3'],
    ...['--warmup', '0', '--seconds', '0.3'],
  ];

  it('drops what arrives, which is lost like what is never answered', async () => {
    const { code, json } = await withHttp(
      (socket, request) => {
        if (request <= 3) socket.write(ANSWER);
      },
      (port) => run('load-http', port, '--connections', '2', ...loop),
    );
    assert.equal(code, 1);
    const { dropped = 0, lost, stalled } = json;
    assert.ok(dropped > 100);
    assert.deepEqual({ lost, stalled }, { lost: dropped + 10 + 2, stalled: 2 });
  });

  it('does the same with datagrams', async () => {
    let datagrams = 0;
    const { json } = await withUdp(
      (data, reply) => {
        datagrams += 1;
        if (datagrams <= 2) reply(data);
      },
      (port) => run('load-udp', port, '--flows', '2', '--outstanding', '1', ...loop),
    );
    const { dropped = 0, lost = 0, totalEchoed } = json;
    assert.ok(dropped > 100 && lost >= dropped + 2);
    assert.equal(totalEchoed, 2);
  });
});

describe('load-udp', () => {
  it('counts an answer after the timeout as late and not as lost', async () => {
    let datagrams = 0;
    const { code, json } = await withUdp(
      (data, reply) => {
        datagrams += 1;
        if (datagrams === CHECKS) setTimeout(() => reply(data), 1000);
        else reply(data);
      },
      (port) =>
        run(
          'load-udp',
          port,
          ...['--flows', '1', '--outstanding', '1', '--timeout', '0.5', ...SAMPLE],
          ...['--seconds', '2'],
        ),
    );
    assert.equal(code, 0);
    assert.ok((json.late ?? 0) >= 1);
    assert.equal(json.lost, 0);
  });
});
