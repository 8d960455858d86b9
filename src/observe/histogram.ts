// Reads the latency histogram whose layout contract/codes.ts tells. The buckets are filled by the engines.
import {
  HISTOGRAM_BUCKETS,
  HISTOGRAM_MAX_SHIFT,
  HISTOGRAM_MIN_SHIFT,
  HISTOGRAM_SUB,
} from '../contract/codes.ts';

/** Milliseconds. Quantiles are within 1.6 % of the true value; all are 0 when nothing was measured. */
export interface LatencyStats {
  readonly count: number;
  readonly meanMs: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p99_9: number;
  /** Upper edge of the highest bucket that was hit. */
  readonly max: number;
}

interface BucketEdges {
  readonly lowNs: number;
  readonly highNs: number;
}

/** The nanoseconds that a bucket holds: [lowNs, highNs). */
export function bucketEdges(bucket: number): BucketEdges {
  if (bucket === 0) return { lowNs: 0, highNs: 2 ** HISTOGRAM_MIN_SHIFT };
  if (bucket === HISTOGRAM_BUCKETS - 1) {
    return { lowNs: 2 ** HISTOGRAM_MAX_SHIFT, highNs: 2 ** HISTOGRAM_MAX_SHIFT };
  }
  const step = bucket - 1;
  const widthNs = 2 ** (HISTOGRAM_MIN_SHIFT + Math.floor(step / HISTOGRAM_SUB)) / HISTOGRAM_SUB;
  const lowNs = widthNs * (HISTOGRAM_SUB + (step % HISTOGRAM_SUB));
  return { lowNs, highNs: lowNs + widthNs };
}

export function summarizeLatency(buckets: Float64Array, sumNs: number): LatencyStats {
  const count = buckets.reduce((total, hits) => total + hits, 0);
  const toMs = (ns: number) => ns / 1e6;
  const quantile = (q: number): number => {
    const { lowNs, highNs } = bucketEdges(bucketAt(buckets, Math.max(1, Math.ceil(q * count))));
    return count === 0 ? 0 : toMs((lowNs + highNs) / 2);
  };
  const last = buckets.findLastIndex((hits) => hits > 0);
  return {
    count,
    meanMs: count === 0 ? 0 : toMs(sumNs / count),
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
    p99_9: quantile(0.999),
    max: last < 0 ? 0 : toMs(bucketEdges(last).highNs),
  };
}

/** The bucket that holds the rank-th smallest value. */
function bucketAt(buckets: Float64Array, rank: number): number {
  let seen = 0;
  return Math.max(
    0,
    buckets.findIndex((hits) => {
      seen += hits;
      return seen >= rank;
    }),
  );
}
