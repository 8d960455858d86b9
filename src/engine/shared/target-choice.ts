// Which targets of its pool an exchange tries, one after the other. Main thread; owned by its exchange.
import type { LivePool } from './pool.ts';
import type { LiveTarget } from './target.ts';

export class TargetChoice {
  readonly pool: LivePool;
  readonly #clientHost: string;
  readonly #tried: LiveTarget[] = [];
  #hasRepeatedStale = false;

  constructor(pool: LivePool, clientHost: string) {
    this.pool = pool;
    this.#clientHost = clientHost;
  }

  first(): LiveTarget | null {
    return this.#pick();
  }

  /** After a stale connection the same target once more, on a new one; else another while retries last. */
  next(last: LiveTarget, isStale: boolean): LiveTarget | null {
    if (isStale && !this.#hasRepeatedStale) {
      this.#hasRepeatedStale = true;
      return last;
    }
    return this.#tried.length > this.pool.plan.retries ? null : this.#pick();
  }

  #pick(): LiveTarget | null {
    const target = this.pool.pick(this.#clientHost, this.#tried);
    if (target !== null) this.#tried.push(target);
    return target;
  }
}
