// What is counted and logged about one exchange. It knows who counts what; the exchange tells it what happened.
// Listener, route and pool count what the client sees; the target counts what it did, failed attempts included.
// Main thread; owned by its exchange.
import type { ErrorCode } from '../../contract/codes.ts';
import type { RawRequest } from './client-side.ts';
import type { EntityStats } from './entity-stats.ts';
import { roundMs } from './flow-log.ts';
import type { LiveListener, LiveRoute } from './live-plan.ts';
import type { RequestHead } from './request-head.ts';
import type { LiveTarget } from './target.ts';

export class ExchangeRecord {
  readonly #listener: LiveListener;
  readonly #clientName: string;
  readonly #beganMs = performance.now();
  /** Who sees what the client sees. */
  readonly #seen: EntityStats[];
  route: LiveRoute | null = null;
  /** Of a forward proxy: who asks, and where a tunnel leads. */
  user: string | null = null;
  destination: string | null = null;
  /** Bytes of the request's body that went to a target. */
  sentBytes = 0;
  #bytesOut = 0;
  #method: string | null = null;
  #host: string | null = null;
  #path: string | null = null;
  #target: LiveTarget | null = null;
  #isTargetBusy = false;
  #targetName: string | null = null;
  #targetBeganMs = 0;
  #upstreamMs: number | null = null;
  #status: number | null = null;
  #error: ErrorCode = 'none';

  constructor(listener: LiveListener, clientName: string) {
    this.#listener = listener;
    this.#clientName = clientName;
    this.#seen = [listener.stats];
    listener.stats.add('requests');
  }

  reads({ method, url }: Pick<RawRequest, 'method' | 'url'>): void {
    this.#method = method ?? null;
    this.#path = url ?? null;
  }

  routed(head: Pick<RequestHead, 'authority'>, route: LiveRoute): void {
    this.route = route;
    this.#host = head.authority === '' ? null : head.authority;
    for (const stats of route.pool === null ? [route.stats] : [route.stats, route.pool.stats]) {
      this.#seen.push(stats);
      stats.add('requests');
      stats.add('active');
    }
  }

  tries(target: LiveTarget): void {
    this.#target = target;
    this.#targetName = target.plan.name;
    this.#isTargetBusy = true;
    this.#targetBeganMs = performance.now();
    target.stats.add('requests');
    target.begin();
  }

  /** The attempt in progress is given up for another. */
  retries(): void {
    for (const stats of this.#seen) stats.add('retries');
    this.#target?.stats.add('retries');
  }

  /** The attempt in progress has failed. A stale connection is not held against the target. */
  failed(code: ErrorCode, isStale: boolean): void {
    if (!isStale) this.#target?.failed(code);
    this.released();
  }

  /** The target's response head is here. */
  answeredBy(status: number): void {
    this.#upstreamMs = performance.now() - this.#targetBeganMs;
    this.#target?.succeeded();
    this.#target?.stats.status(status);
  }

  /** There is a connection, and nobody says more than that. */
  connected(): void {
    this.#upstreamMs = performance.now() - this.#targetBeganMs;
    this.#target?.succeeded();
  }

  /** The client's answer has begun. */
  answers(status: number): void {
    this.#status = status;
    for (const stats of this.#seen) stats.status(status);
  }

  /** The target has nothing more to do with this exchange. */
  released(): void {
    if (!this.#isTargetBusy || this.#target === null) return;
    this.#isTargetBusy = false;
    this.#target.end();
  }

  bytesIn(count: number): void {
    this.sentBytes += count;
    for (const stats of this.#seen) stats.add('bytes_in', count);
    this.#target?.stats.add('bytes_in', count);
  }

  bytesOut(count: number): void {
    this.#bytesOut += count;
    for (const stats of this.#seen) stats.add('bytes_out', count);
    if (this.#isTargetBusy) this.#target?.stats.add('bytes_out', count);
  }

  error(code: ErrorCode): void {
    if (this.#error === 'none') this.#error = code;
  }

  end(code: ErrorCode): void {
    this.error(code);
    this.released();
    const durationMs = performance.now() - this.#beganMs;
    this.#seen.forEach((stats, i) => {
      if (i > 0) stats.add('active', -1);
      stats.error(this.#error);
      stats.latency(durationMs);
    });
    this.#target?.stats.latency(durationMs);
    this.#log(durationMs);
  }

  #log(durationMs: number): void {
    const { plan, log, stats } = this.#listener;
    if (log === null) return;
    log.write(
      {
        time: new Date().toISOString(),
        client: this.#clientName,
        listener: plan.name,
        route: this.route?.plan.name ?? null,
        method: this.#method,
        host: this.#host,
        path: this.#path,
        ...(plan.forward === null ? {} : { user: this.user, destination: this.destination }),
        status: this.#status,
        bytesIn: this.sentBytes,
        bytesOut: this.#bytesOut,
        durationMs: roundMs(durationMs),
        upstreamMs: this.#upstreamMs === null ? null : roundMs(this.#upstreamMs),
        target: this.#targetName,
        error: this.#error === 'none' ? null : this.#error,
      },
      stats,
    );
  }
}
