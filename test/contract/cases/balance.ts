// How a pool chooses, seen from outside: over real connections and over all workers.
import assert from 'node:assert/strict';
import { eventually } from '../../support/deadline.ts';
import { fetchOnce } from '../../support/http-client.ts';
import type { HttpTarget } from '../../support/http-target.ts';
import { freeAddress, startTcpTarget, type TcpTarget } from '../../support/tcp-target.ts';
import { type Case, type CaseContext, type Feature, offers } from '../case.ts';
import { httpConfig, tcpConfig } from '../config.ts';

async function httpTargets(test: CaseContext, ...names: string[]): Promise<HttpTarget[]> {
  return Promise.all(names.map((name) => test.httpTarget({ name })));
}

/** The names that answered `count` requests in a row, each on a connection of its own. */
async function sequence(port: number, count: number): Promise<string> {
  const names: string[] = [];
  for (let i = 0; i < count; i++) names.push((await fetchOnce(port, 'GET', '/')).text);
  return names.join('');
}

/** The first of its names, rotated so that sequences compare whatever target came first. */
function assertRotation(actual: string, pattern: string): void {
  assert.ok(
    (pattern + pattern).includes(actual.slice(0, pattern.length)),
    `${actual} against ${pattern}`,
  );
  for (let i = 0; i + pattern.length < actual.length; i++) {
    assert.equal(actual[i + pattern.length], actual[i], `${actual} does not repeat`);
  }
}

async function tcpTargets(test: CaseContext, count: number): Promise<TcpTarget[]> {
  return Promise.all(
    Array.from({ length: count }, () => test.tcpTarget({ onConnection: (c) => c.send('hi') })),
  );
}

const roundRobin: Case[] = [
  {
    name: 'round-robin alternates strictly between two targets, request by request',
    run: async (test) => {
      const targets = await httpTargets(test, 'a', 'b');
      const engine = await test.engine(httpConfig(targets.map((t) => t.address)), { workers: 2 });
      assertRotation(await sequence(engine.port('web'), 20), 'ab');
      const client = await test.http(engine.port('web'));
      let kept = '';
      for (let i = 0; i < 20; i++) kept += (await client.get('/')).text;
      assertRotation(kept, 'ab');
    },
  },
  {
    name: 'round-robin alternates over the whole process, over many connections and workers',
    run: async (test) => {
      const targets = await Promise.all(['a', 'b'].map((name) => test.httpTarget({ name })));
      const engine = await test.engine(httpConfig(targets.map((t) => t.address)), { workers: 2 });
      const clients = await Promise.all(
        Array.from({ length: 40 }, () => test.http(engine.port('web'))),
      );
      // One request at a time, each from another client: whichever worker has it, the other target answers.
      let answers = '';
      for (let round = 0; round < 3; round++) {
        for (const client of clients) answers += (await client.get('/')).text;
      }
      assertRotation(answers, 'ab');
      await Promise.all(clients.map((client) => client.get('/')));
      assert.equal(targets[0]!.requests.length, targets[1]!.requests.length);
    },
  },
  {
    name: 'round-robin alternates between connections over TCP',
    needs: offers('tcp'),
    run: async (test) => {
      const targets = await tcpTargets(test, 2);
      const engine = await test.engine(tcpConfig(targets.map((t) => t.address)), { workers: 2 });
      for (let i = 1; i <= 10; i++) {
        const client = await test.connect(engine.port('db'));
        await client.receivedText('hi');
        const counts = targets.map((t) => t.connections.length);
        assert.deepEqual(counts.toSorted(), [Math.floor(i / 2), Math.ceil(i / 2)]);
      }
    },
  },
  {
    name: 'round-robin spreads weights smoothly',
    run: async (test) => {
      const [a, b, c] = await httpTargets(test, 'a', 'b', 'c');
      const engine = await test.engine(
        httpConfig([
          { address: a!.address, weight: 4 },
          { address: b!.address, weight: 2 },
          c!.address,
        ]),
        { workers: 2 },
      );
      // The smooth weighted order of weights 4, 2, 1: no target comes in a burst.
      assertRotation(await sequence(engine.port('web'), 21), 'abacaba');
    },
  },
];

const loads: Case[] = [
  {
    name: 'least-connections goes where least is in flight',
    needs: offers('tcp'),
    run: async (test) => {
      const targets = await tcpTargets(test, 3);
      const engine = await test.engine(
        tcpConfig(
          targets.map((t) => t.address),
          {},
          { strategy: 'least-connections' },
        ),
        { workers: 2 },
      );
      const connect = async () => {
        const client = await test.connect(engine.port('db'));
        await client.receivedText('hi');
        return client;
      };
      for (let i = 0; i < 9; i++) await connect();
      assert.deepEqual(
        targets.map((t) => t.open),
        [3, 3, 3],
      );
      for (const connection of targets[1]!.connections) connection.reset();
      await eventually('the second target to be free', () => engine.inFlight === 6);
      for (let i = 0; i < 3; i++) await connect();
      assert.deepEqual(
        targets.map((t) => t.open),
        [3, 3, 3],
      );
    },
  },
  {
    name: 'least-connections weighs',
    needs: offers('tcp'),
    run: async (test) => {
      const targets = await tcpTargets(test, 2);
      const weighted = [
        { address: targets[0]!.address, weight: 3 },
        { address: targets[1]!.address, weight: 1 },
      ];
      const engine = await test.engine(tcpConfig(weighted, {}, { strategy: 'least-connections' }));
      for (let i = 0; i < 12; i++) await (await test.connect(engine.port('db'))).receivedText('hi');
      assert.deepEqual(
        targets.map((t) => t.open),
        [9, 3],
      );
    },
  },
  {
    name: 'power-of-two-choices avoids the target that is much busier',
    needs: offers('tcp'),
    run: async (test) => {
      const targets = await tcpTargets(test, 2);
      const engine = await test.engine(
        tcpConfig(
          targets.map((t) => t.address),
          {},
          { strategy: 'power-of-two-choices' },
        ),
      );
      // Of two targets both are always compared, so the loads never differ by more than one.
      for (let i = 1; i <= 20; i++) {
        await (await test.connect(engine.port('db'))).receivedText('hi');
        const [a, b] = targets.map((t) => t.open);
        assert.ok(Math.abs(a! - b!) <= 1, `${a} and ${b}`);
      }
    },
  },
  {
    name: 'random uses every target',
    run: async (test) => {
      const targets = await httpTargets(test, 'a', 'b', 'c');
      const engine = await test.engine(
        httpConfig(
          targets.map((t) => t.address),
          {},
          { strategy: 'random' },
        ),
      );
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 200; i++) await client.get('/');
      for (const target of targets)
        assert.ok(target.requests.length > 20, `${target.requests.length}`);
    },
  },
  {
    name: 'random weighs',
    run: async (test) => {
      const [a, b] = await httpTargets(test, 'a', 'b');
      const engine = await test.engine(
        httpConfig([{ address: a!.address, weight: 9 }, b!.address], {}, { strategy: 'random' }),
      );
      const client = await test.http(engine.port('web'));
      for (let i = 0; i < 300; i++) await client.get('/');
      assert.ok(a!.requests.length > 220 && b!.requests.length > 3, `${a!.requests.length} of 300`);
    },
  },
];

/** Clients on ten addresses, twice each; resolves with the target that each address got, which must not change. */
async function stickiness(test: CaseContext, strategy: string): Promise<string> {
  const targets = await httpTargets(test, 'a', 'b', 'c');
  const engine = await test.engine(
    httpConfig(
      targets.map((t) => t.address),
      {},
      { strategy },
    ),
    { workers: 2 },
  );
  const ask = async (i: number) => {
    const from = { localAddress: `127.0.1.${i + 1}` };
    return (await fetchOnce(engine.port('web'), 'GET', '/', {}, '', from)).text;
  };
  const addresses = Array.from({ length: 24 }, (_, i) => i);
  const first = (await Promise.all(addresses.map(ask))).join('');
  const second = (await Promise.all(addresses.map(ask))).join('');
  assert.equal(second, first);
  assert.equal(new Set(first).size, 3, `${first} leaves a target out`);
  return first;
}

const hashes: Case[] = [
  {
    name: 'ip-hash keeps a client address at one target',
    run: async (test) => {
      await stickiness(test, 'ip-hash');
    },
  },
  {
    name: 'maglev keeps a client address at one target',
    run: async (test) => {
      await stickiness(test, 'maglev');
    },
  },
  {
    name: 'a hash moves only the clients of a target that is set aside',
    run: async (test) => {
      const targets = [
        ...(await httpTargets(test, 'a', 'b')),
        await test.httpTarget({ name: 'c' }),
      ];
      const engine = await test.engine(
        httpConfig(
          targets.map((t) => t.address),
          {},
          { strategy: 'maglev' },
        ),
      );
      const ask = async (i: number) => {
        const from = { localAddress: `127.0.1.${i + 1}` };
        return (await fetchOnce(engine.port('web'), 'GET', '/', {}, '', from)).text;
      };
      const before: string[] = [];
      for (let i = 0; i < 24; i++) before.push(await ask(i));
      await targets[2]!.close();
      for (let i = 0; i < 24; i++) {
        const now = await ask(i);
        assert.notEqual(now, 'c');
        if (before[i] !== 'c') assert.equal(now, before[i]);
      }
    },
  },
];

const ejection: Case[] = [
  {
    name: 'a target that refuses is set aside after the first failure and comes back',
    run: async (test) => {
      const { host, port, text: dead } = await freeAddress();
      const alive = await test.httpTarget({ name: 'alive' });
      const engine = await test.engine(
        httpConfig([dead, alive.address], {}, { eject: { after: 1, for: '1s', max: '1s' } }),
      );
      for (let i = 0; i < 10; i++)
        assert.equal((await fetchOnce(engine.port('web'), 'GET', '/')).text, 'alive');
      const state = engine.targetState('all', dead);
      assert.equal(state.isEjected, true);
      assert.ok(state.ejectedForMs > 0 && state.ejectedForMs <= 1000, `${state.ejectedForMs} ms`);
      await test.httpTarget({ name: 'back', host, port });
      await eventually('the target to be used again', async () => {
        const { text } = await fetchOnce(engine.port('web'), 'GET', '/');
        return text === 'back';
      });
      assert.equal(engine.targetState('all', dead).isEjected, false);
    },
  },
  {
    name: 'a target that fails again is set aside for longer, up to a maximum',
    run: async (test) => {
      const dead = (await freeAddress()).text;
      const alive = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([dead, alive.address], {}, { eject: { after: 1, for: '100ms', max: '250ms' } }),
      );
      let longest = 0;
      let failures = 0;
      while (failures < 4) {
        await fetchOnce(engine.port('web'), 'GET', '/');
        failures = engine.stats().target('all', dead).errors.connect_refused;
        longest = Math.max(longest, engine.targetState('all', dead).ejectedForMs);
      }
      assert.ok(longest > 100 && longest <= 250, `${longest} ms`);
    },
  },
  {
    name: 'eject.after counts failures in a row',
    run: async (test) => {
      const dead = (await freeAddress()).text;
      const alive = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([dead, alive.address], {}, { eject: { after: 3 } }),
      );
      const failures = () => engine.stats().target('all', dead).errors.connect_refused;
      while (failures() < 3) {
        assert.equal(engine.targetState('all', dead).isEjected, false);
        await fetchOnce(engine.port('web'), 'GET', '/');
      }
      assert.equal(engine.targetState('all', dead).isEjected, true);
    },
  },
  {
    name: 'eject.after 0 sets nothing aside',
    run: async (test) => {
      const dead = (await freeAddress()).text;
      const alive = await test.httpTarget();
      const engine = await test.engine(
        httpConfig([dead, alive.address], {}, { eject: { after: 0 } }),
      );
      for (let i = 0; i < 8; i++) await fetchOnce(engine.port('web'), 'GET', '/');
      assert.equal(engine.targetState('all', dead).isEjected, false);
      assert.ok(engine.stats().target('all', dead).errors.connect_refused >= 4);
    },
  },
  {
    name: 'when every target is set aside one is tried all the same',
    run: async (test) => {
      const free = [await freeAddress(), await freeAddress()];
      const engine = await test.engine(
        httpConfig(
          free.map((f) => f.text),
          {},
          { eject: { after: 1, for: '60s', max: '60s' } },
        ),
      );
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/')).status, 502);
      for (const { host, port } of free) await test.httpTarget({ name: 'up', host, port });
      assert.equal((await fetchOnce(engine.port('web'), 'GET', '/')).text, 'up');
    },
  },
  {
    name: 'a TCP target that is set aside gets no connection',
    needs: offers('tcp'),
    run: async (test) => {
      const { host, port, text: dead } = await freeAddress();
      const alive = await test.tcpTarget({ onConnection: (c) => c.send('hi') });
      const engine = await test.engine(
        tcpConfig([dead, alive.address], {}, { eject: { for: '60s' } }),
      );
      await (await test.connect(engine.port('db'))).receivedText('hi');
      await (await test.connect(engine.port('db'))).receivedText('hi');
      const back = test.own(await startTcpTarget({ host, port }));
      for (let i = 0; i < 6; i++) await (await test.connect(engine.port('db'))).receivedText('hi');
      assert.equal(back.connections.length, 0);
    },
  },
];

export const balance: Feature = { name: 'balance', cases: [...roundRobin, ...loads, ...hashes] };
export const ejections: Feature = { name: 'ejection', cases: ejection };
