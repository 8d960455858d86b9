import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  COUNTERS,
  ERROR_CODE_NAMES,
  HISTOGRAM_BUCKETS,
  STATS_STRIDE,
} from '../../../../src/contract/codes.ts';
import { EntityStats, histogramBucket } from '../../../../src/engine/shared/entity-stats.ts';

function shardOf(stats: EntityStats): Float64Array {
  const shard = new Float64Array(STATS_STRIDE);
  stats.copyTo(shard, 0);
  return shard;
}

test('everything under 512 ns falls into the first bucket', () => {
  assert.equal(histogramBucket(0), 0);
  assert.equal(histogramBucket(511), 0);
  assert.equal(histogramBucket(512), 1);
});

test('everything from 2^37 ns up falls into the last bucket', () => {
  assert.equal(histogramBucket(2 ** 37), HISTOGRAM_BUCKETS - 1);
  assert.equal(histogramBucket(2 ** 50), HISTOGRAM_BUCKETS - 1);
  assert.equal(histogramBucket(2 ** 37 - 1), HISTOGRAM_BUCKETS - 2);
});

test('every power of two is cut into 32 equal buckets', () => {
  for (let shift = 9; shift < 37; shift++) {
    for (let sub = 0; sub < 32; sub++) {
      const low = 2 ** shift + sub * 2 ** (shift - 5);
      const bucket = 1 + (shift - 9) * 32 + sub;
      assert.equal(histogramBucket(low), bucket);
      assert.equal(histogramBucket(low + 2 ** (shift - 5) - 1), bucket);
    }
  }
});

test('counters, errors, histogram and sum lie where the contract says', () => {
  const stats = new EntityStats();
  stats.add('bytes_in', 7);
  stats.add('active');
  stats.add('active', -1);
  stats.error('connect_refused');
  stats.latency(0.001);
  stats.latency(2);
  const shard = shardOf(stats);
  assert.equal(shard[COUNTERS.indexOf('bytes_in')], 7);
  assert.equal(shard[COUNTERS.indexOf('active')], 0);
  assert.equal(shard[COUNTERS.length + ERROR_CODE_NAMES.indexOf('connect_refused')], 1);
  const histogramAt = COUNTERS.length + ERROR_CODE_NAMES.length;
  assert.equal(shard[histogramAt + histogramBucket(1000)], 1);
  assert.equal(shard[histogramAt + histogramBucket(2e6)], 1);
  assert.equal(shard[STATS_STRIDE - 1], 2_001_000);
});

test('no error is not counted as one', () => {
  const stats = new EntityStats();
  stats.error('none');
  assert.ok(shardOf(stats).every((cell) => cell === 0));
});

test('answers are counted by the class of their status', () => {
  const stats = new EntityStats();
  for (const status of [101, 200, 204, 302, 404, 499, 502]) stats.status(status);
  const counted = ['status_1xx', 'status_2xx', 'status_3xx', 'status_4xx', 'status_5xx'] as const;
  assert.deepEqual(
    counted.map((name) => stats.get(name)),
    [1, 2, 1, 2, 1],
  );
});
