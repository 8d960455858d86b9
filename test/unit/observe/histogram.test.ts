import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HISTOGRAM_BUCKETS } from '../../../src/contract/codes.ts';
import { bucketEdges, summarizeLatency } from '../../../src/observe/histogram.ts';

function bucketOf(ns: number): number {
  for (let i = 0; i < HISTOGRAM_BUCKETS - 1; i++) if (ns < bucketEdges(i).highNs) return i;
  return HISTOGRAM_BUCKETS - 1;
}

function histogramOf(valuesNs: readonly number[]): Float64Array {
  const buckets = new Float64Array(HISTOGRAM_BUCKETS);
  for (const value of valuesNs) buckets[bucketOf(value)]!++;
  return buckets;
}

test('buckets join without gap or overlap, each at most 1/32 wide', () => {
  for (let i = 1; i < HISTOGRAM_BUCKETS - 1; i++) {
    const { lowNs, highNs } = bucketEdges(i);
    assert.equal(lowNs, bucketEdges(i - 1).highNs);
    assert.ok((highNs - lowNs) / lowNs <= 1 / 32);
  }
  assert.equal(bucketEdges(HISTOGRAM_BUCKETS - 1).lowNs, bucketEdges(HISTOGRAM_BUCKETS - 2).highNs);
});

test('buckets are those of native/base/histogram.h', () => {
  // Worked out by hand from its formula: 1 + (shift - 9) * 32 + (ns >> (shift - 5)) - 32.
  assert.equal(bucketOf(511), 0);
  assert.equal(bucketOf(512), 1);
  assert.equal(bucketOf(1023), 32);
  assert.equal(bucketOf(1024), 33);
  assert.equal(bucketOf(1_000_000), 1 + (19 - 9) * 32 + (1_000_000 >> 14) - 32);
});

test('nothing measured is all zeros', () => {
  const latency = summarizeLatency(new Float64Array(HISTOGRAM_BUCKETS), 0);
  assert.deepEqual(latency, { count: 0, meanMs: 0, p50: 0, p90: 0, p99: 0, p99_9: 0, max: 0 });
});

test('quantiles are within 1.6 % of the true ones and the mean is exact', () => {
  const values = Array.from({ length: 10_000 }, (_, i) => (i + 1) * 10_000);
  const sum = values.reduce((a, b) => a + b);
  const latency = summarizeLatency(histogramOf(values), sum);
  assert.equal(latency.count, 10_000);
  assert.equal(latency.meanMs, sum / 10_000 / 1e6);
  const expected = { p50: 50, p90: 90, p99: 99, p99_9: 99.9 };
  for (const [name, ms] of Object.entries(expected)) {
    const measured = latency[name as keyof typeof expected];
    assert.ok(Math.abs(measured - ms) / ms <= 0.016, `${name}: ${measured}`);
  }
  assert.ok(latency.max >= 100 && latency.max <= 100 * 1.04);
});

test('one slow value among many is the maximum and no median', () => {
  const latency = summarizeLatency(histogramOf([...Array<number>(99).fill(2000), 5e9]), 1);
  assert.ok(latency.p50 < 0.0021 && latency.p99 < 0.0021);
  assert.ok(latency.p99_9 > 4900 && latency.max > 5000);
});
