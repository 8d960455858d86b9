import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKey } from '../../../src/balance/hash.ts';
import { lastResort } from '../../../src/balance/last-resort.ts';
import { strategyOf } from '../../../src/balance/registry.ts';
import { createRng } from '../../../src/balance/rng.ts';
import type { PickInput } from '../../../src/balance/strategy.ts';
import { STRATEGIES, type StrategyName } from '../../../src/contract/codes.ts';
import { numbers, readVectors } from './vectors.ts';

interface Pool {
  readonly strategy: StrategyName;
  readonly input: PickInput;
}

/** A pool with a cursor and random numbers of its own; `overrides` are what one pick sees. */
function makePool(strategy: StrategyName, weights: readonly number[], seed = 1): Pool {
  const table = strategyOf(strategy).buildTable(
    weights.map((weight, i) => ({ name: `t${i}`, weight })),
  );
  return poolOf(strategy, weights, table, seed);
}

function poolOf(
  strategy: StrategyName,
  weights: readonly number[],
  table: Uint32Array,
  seed: number,
): Pool {
  let cursor = 0;
  const input: PickInput = {
    table,
    weights,
    nextCursor: () => cursor++,
    key: 0,
    random: createRng(seed),
    isUsable: () => true,
    inFlight: () => 0,
  };
  return { strategy, input };
}

function pick({ strategy, input }: Pool, overrides: Partial<PickInput> = {}): number {
  return strategyOf(strategy).pick({ ...input, ...overrides });
}

function countPicks(count: number, times: number, choose: (i: number) => number): number[] {
  const counts = new Array<number>(count).fill(0);
  for (let i = 0; i < times; i++) counts[choose(i)]!++;
  return counts;
}

const clientKeys = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => hashKey(Uint8Array.of(10, 1, i >> 8, i & 255)));

test('picks are those of the shared vectors', () => {
  let pool = makePool('round-robin', []);
  let picks = 0;
  for (const { line, words } of readVectors('pick')) {
    const [kind, a, b, c, d, expected] = words;
    if (kind === 'pool') {
      const strategy = STRATEGIES.find((name) => name === a);
      assert.ok(strategy, line);
      pool = poolOf(strategy, numbers(c), Uint32Array.from(numbers(d)), Number(b));
    } else if (kind === 'pick') {
      const passedOver = [...numbers(b), ...numbers(c)];
      const inFlight = numbers(d);
      const picked = pick(pool, {
        key: Number(a),
        isUsable: (position) => !passedOver.includes(position),
        inFlight: (position) => inFlight[position] ?? 0,
      });
      assert.equal(picked, Number(expected), line);
      picks++;
    } else if (kind === 'last') {
      const ineligible = [...numbers(a), ...numbers(b)];
      const until = numbers(c);
      const picked = lastResort({
        count: until.length,
        isEligible: (position) => !ineligible.includes(position),
        ejectedUntilMs: (position) => until[position]!,
      });
      assert.equal(picked, Number(d), line);
    } else {
      assert.fail(`unknown vector: ${line}`);
    }
  }
  assert.ok(picks > 100);
});

test('no strategy picks an unusable target, and each finds the last usable one', () => {
  for (const name of STRATEGIES) {
    const pool = makePool(name, [1000, 1, 1, 7, 1]);
    for (const key of clientKeys(50)) {
      assert.equal(pick(pool, { key, isUsable: (i) => i === 2 }), 2, name);
      assert.equal(pick(pool, { key, isUsable: () => false }), -1, name);
      assert.notEqual(pick(pool, { key, isUsable: (i) => i !== 0 }), 0, name);
    }
  }
});

test('round-robin: the others share evenly what an unusable target leaves', () => {
  const pool = makePool('round-robin', [1, 1, 1, 1]);
  const counts = countPicks(4, 3000, () => pick(pool, { isUsable: (i) => i !== 1 }));
  assert.deepEqual(counts, [1000, 0, 1000, 1000]);
});

test('least-connections: equal idle targets take turns, also when one is out', () => {
  const pool = makePool('least-connections', [1, 1, 1]);
  assert.deepEqual(
    countPicks(3, 300, () => pick(pool)),
    [100, 100, 100],
  );
  const counts = countPicks(3, 300, () => pick(pool, { isUsable: (i) => i !== 0 }));
  assert.deepEqual(counts, [0, 150, 150]);
});

test('least-connections: work that stays spreads by weight', () => {
  const pool = makePool('least-connections', [3, 1]);
  const busy = [0, 0];
  for (let i = 0; i < 400; i++) busy[pick(pool, { inFlight: (p) => busy[p]! })]!++;
  assert.deepEqual(busy, [300, 100]);
});

test('random and power-of-two-choices follow the weights and their seed', () => {
  for (const name of ['random', 'power-of-two-choices'] as const) {
    const run = (seed: number) => {
      const pool = makePool(name, [1, 1, 2], seed);
      return Array.from({ length: 4000 }, () => pick(pool));
    };
    assert.deepEqual(run(7), run(7));
    assert.notDeepEqual(run(7), run(8));
  }
  const picks = makePool('random', [1, 1, 2]);
  const [a = 0, b = 0, c = 0] = countPicks(3, 8000, () => pick(picks));
  assert.ok(Math.abs(a - 2000) < 200 && Math.abs(b - 2000) < 200 && Math.abs(c - 4000) < 200);
});

test('power-of-two-choices: the busiest of three is never picked', () => {
  const pool = makePool('power-of-two-choices', [1, 1, 1]);
  const counts = countPicks(3, 600, () => pick(pool, { inFlight: (i) => [5, 0, 1][i]! }));
  assert.equal(counts[0], 0);
  assert.ok(counts[1]! > counts[2]! && counts[2]! > 100);
});

for (const name of ['ip-hash', 'maglev'] as const) {
  test(`${name}: clients keep their target, and only those of a lost one move, to all others`, () => {
    const pool = makePool(name, [1, 1, 1, 1]);
    const keys = clientKeys(2000);
    const before = keys.map((key) => pick(pool, { key }));
    const after = keys.map((key) => pick(pool, { key, isUsable: (i) => i !== 2 }));
    const moved = [0, 0, 0, 0];
    keys.forEach((_, i) => {
      if (before[i] === 2) moved[after[i]!]!++;
      else assert.equal(after[i], before[i]);
    });
    assert.equal(moved[2], 0);
    assert.ok(
      [0, 1, 3].every((i) => moved[i]! > 100),
      String(moved),
    );
    assert.deepEqual(
      keys.map((key) => pick(pool, { key })),
      before,
    );
  });

  test(`${name}: clients spread by weight`, () => {
    const pool = makePool(name, [3, 1]);
    const keys = clientKeys(4000);
    const [heavy = 0] = countPicks(2, keys.length, (i) => pick(pool, { key: keys[i]! }));
    assert.ok(Math.abs(heavy - 3000) < 150, String(heavy));
  });
}
