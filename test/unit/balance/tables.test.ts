import assert from 'node:assert/strict';
import { test } from 'node:test';
import { murmur3 } from '../../../src/balance/hash.ts';
import { MAGLEV_SIZE, maglev } from '../../../src/balance/maglev.ts';
import { strategyOf } from '../../../src/balance/registry.ts';
import { MAX_PERIOD, weightedSequence } from '../../../src/balance/weighted-sequence.ts';
import { STRATEGIES } from '../../../src/contract/codes.ts';
import { numbers, readVectors } from './vectors.ts';

test('tables are those of the shared vectors', () => {
  const vectors = readVectors('table');
  assert.ok(vectors.length > 10);
  for (const { line, words } of vectors) {
    const [kind, input, ...rest] = words;
    if (kind === 'sequence') {
      assert.deepEqual([...weightedSequence(numbers(input))], numbers(rest[0]), line);
    } else if (kind === 'maglev') {
      const targets = input!.split(',').map((entry) => {
        const [name, weight] = entry.split('=') as [string, string];
        return { name, weight: Number(weight) };
      });
      const table = maglev.buildTable(targets);
      assert.equal(table.length, MAGLEV_SIZE);
      assert.deepEqual(
        targets.map((_, i) => table.filter((p) => p === i).length),
        numbers(rest[1]),
        line,
      );
      assert.deepEqual([...table.subarray(0, 32)], numbers(rest[2]), line);
      const bytes = new DataView(new ArrayBuffer(table.length * 4));
      table.forEach((position, i) => {
        bytes.setUint32(i * 4, position, true);
      });
      assert.equal(murmur3(new Uint8Array(bytes.buffer), 0), Number(rest[0]), line);
    } else {
      assert.fail(`unknown vector: ${line}`);
    }
  }
});

test('every strategy is registered under its own name', () => {
  for (const name of STRATEGIES) assert.equal(strategyOf(name).name, name);
});

test('every table entry is a position, for pools of every shape', () => {
  const pools = [[], [1], [3], [1, 1], [1000, 1], [997, 991, 3], Array<number>(300).fill(2)];
  for (const name of STRATEGIES) {
    for (const weights of pools) {
      const table = strategyOf(name).buildTable(
        weights.map((weight, i) => ({ name: `t${i}`, weight })),
      );
      if (weights.length === 0 || name === 'least-connections') assert.equal(table.length, 0);
      else assert.ok(table.every((position) => position < weights.length) && table.length > 0);
    }
  }
});

test('a target of twice the weight has twice the turns, never bunched', () => {
  const table = [...weightedSequence([6, 3, 1])];
  assert.equal(table.length, 10);
  assert.equal(table.filter((p) => p === 0).length, 6);
  assert.equal(table.filter((p) => p === 1).length, 3);
  assert.ok(!`${table.join('')}${table.join('')}`.includes('000'));
});

test('weights whose period would be too long are scaled down and nobody is left out', () => {
  const weights = Array.from({ length: 500 }, (_, i) => (i === 0 ? 1 : 500 + i));
  const table = weightedSequence(weights);
  assert.ok(table.length <= MAX_PERIOD);
  const total = weights.reduce((a, b) => a + b);
  const turns = new Array<number>(weights.length).fill(0);
  for (const position of table) turns[position]!++;
  turns.forEach((count, i) => {
    const share = (weights[i]! / total) * table.length;
    assert.ok(count >= 1 && Math.abs(count - share) <= 1.5, `target ${i}: ${count} of ${share}`);
  });
});

test('maglev: when one of ten targets goes, its entries move and few others do', () => {
  const targets = Array.from({ length: 10 }, (_, i) => ({ name: `10.0.0.${i}:80`, weight: 1 }));
  const before = maglev.buildTable(targets);
  const after = maglev.buildTable(targets.slice(0, 9));
  const isKept = before.map((position, i) => (position === 9 || after[i] === position ? 1 : 0));
  const moved = before.length - isKept.reduce((a, b) => a + b);
  // Section 5.3 of the paper measures up to a few percent at this size.
  assert.ok(moved / before.length < 0.05, `${moved} of ${before.length} moved`);
});

test('maglev: the order in which targets are written does not matter', () => {
  const targets = ['x', 'y', 'z', 'w'].map((name, i) => ({ name, weight: i + 1 }));
  const reversed = [...targets].reverse();
  const a = maglev.buildTable(targets);
  const b = maglev.buildTable(reversed);
  assert.ok(a.every((position, i) => targets[position] === reversed[b[i]!]));
});
