// The statistics of one entity (listener, route, pool or target): a shard of doubles laid out as
// contract/codes.ts says. The js engine has one thread and therefore one shard an entity. A shard lives as
// long as a plan in force or a flow in progress names its entity. Nothing here allocates after construction.
import {
  COUNTERS,
  type Counter,
  ERROR_CODE_NAMES,
  type ErrorCode,
  HISTOGRAM_BUCKETS,
  HISTOGRAM_MAX_SHIFT,
  HISTOGRAM_MIN_SHIFT,
  HISTOGRAM_SUB,
  STATS_STRIDE,
} from '../../contract/codes.ts';

const COUNTER_CELL = Object.fromEntries(COUNTERS.map((name, i) => [name, i])) as Record<
  Counter,
  number
>;
const ERROR_CELL = Object.fromEntries(
  ERROR_CODE_NAMES.map((name, i) => [name, COUNTERS.length + i]),
) as Record<ErrorCode, number>;
const HISTOGRAM_CELL = COUNTERS.length + ERROR_CODE_NAMES.length;
const LATENCY_SUM_CELL = HISTOGRAM_CELL + HISTOGRAM_BUCKETS;
const NS_PER_MS = 1e6;
const SUB_BITS = Math.log2(HISTOGRAM_SUB);

export class EntityStats {
  readonly #cells = new Float64Array(STATS_STRIDE);

  add(counter: Counter, n = 1): void {
    this.#bump(COUNTER_CELL[counter], n);
  }

  error(code: ErrorCode): void {
    if (code !== 'none') this.#bump(ERROR_CELL[code], 1);
  }

  /** One answer, by the class of its status. */
  status(status: number): void {
    const statusClass = Math.floor(status / 100);
    if (statusClass >= 1 && statusClass <= 5)
      this.#bump(COUNTER_CELL.status_1xx + statusClass - 1, 1);
  }

  latency(ms: number): void {
    const ns = Math.max(0, Math.round(ms * NS_PER_MS));
    this.#bump(HISTOGRAM_CELL + histogramBucket(ns), 1);
    this.#bump(LATENCY_SUM_CELL, ns);
  }

  get(counter: Counter): number {
    return this.#cells[COUNTER_CELL[counter]] ?? 0;
  }

  errorCount(code: ErrorCode): number {
    return this.#cells[ERROR_CELL[code]] ?? 0;
  }

  copyTo(into: Float64Array, offset: number): void {
    into.set(this.#cells, offset);
  }

  #bump(cell: number, n: number): void {
    this.#cells[cell] = (this.#cells[cell] ?? 0) + n;
  }
}

/** The histogram bucket of a duration in whole nanoseconds; native/base/histogram.h computes the same. */
export function histogramBucket(ns: number): number {
  if (ns < 2 ** HISTOGRAM_MIN_SHIFT) return 0;
  const shift = highestBit(ns);
  if (shift >= HISTOGRAM_MAX_SHIFT) return HISTOGRAM_BUCKETS - 1;
  const sub = Math.floor(ns / 2 ** (shift - SUB_BITS)) - HISTOGRAM_SUB;
  return 1 + (shift - HISTOGRAM_MIN_SHIFT) * HISTOGRAM_SUB + sub;
}

function highestBit(value: number): number {
  const high = Math.floor(value / 2 ** 32);
  return high > 0 ? 63 - Math.clz32(high) : 31 - Math.clz32(value);
}
