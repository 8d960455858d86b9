// A pool as one plan has it: its targets, alive, and the act of choosing one of them. The cursor outlives the
// plan, so that a reload does not begin a round-robin anew. Main thread; owned by a LivePlan.
import { hashKey } from '../../balance/hash.ts';
import { lastResort } from '../../balance/last-resort.ts';
import { strategyOf } from '../../balance/registry.ts';
import { createRng } from '../../balance/rng.ts';
import type { PickInput, Strategy } from '../../balance/strategy.ts';
import { clientKeyBytes } from '../../contract/address.ts';
import type { PlanPool } from '../../plan/plan.ts';
import type { EntityStats } from './entity-stats.ts';
import type { LiveTarget } from './target.ts';

export interface PoolCursor {
  next: number;
}

const random = createRng((Math.random() * 2 ** 32) >>> 0);

export class LivePool {
  readonly plan: PlanPool;
  readonly stats: EntityStats;
  readonly targets: readonly LiveTarget[];
  readonly #strategy: Strategy;
  readonly #input: PickInput;
  // What the pick in progress is for; strategies read them through #input.
  #clientHost = '';
  #tried: readonly LiveTarget[] = [];
  #nowMs = 0;

  constructor(
    plan: PlanPool,
    stats: EntityStats,
    targets: readonly LiveTarget[],
    cursor: PoolCursor,
  ) {
    this.plan = plan;
    this.stats = stats;
    this.targets = targets;
    this.#strategy = strategyOf(plan.strategy);
    const readClientHost = () => this.#clientHost;
    this.#input = {
      table: plan.table,
      weights: targets.map((target) => target.plan.weight),
      nextCursor: () => cursor.next++,
      get key() {
        return hashKey(clientKeyBytes(readClientHost()));
      },
      random,
      isUsable: (position) => this.#isUsable(position),
      inFlight: (position) => targets[position]?.inFlight ?? 0,
    };
  }

  /**
   * A target that was not tried yet, or null when there is none. When all that is left is set aside, the one
   * with the least time to go is tried: that beats refusing.
   */
  pick(clientHost: string, tried: readonly LiveTarget[]): LiveTarget | null {
    this.#clientHost = clientHost;
    this.#tried = tried;
    this.#nowMs = performance.now();
    const position = this.#strategy.pick(this.#input);
    if (position >= 0) return this.targets[position] ?? null;
    const last = lastResort({
      count: this.targets.length,
      isEligible: (i) => !this.#isTried(i),
      ejectedUntilMs: (i) => this.targets[i]?.ejectedUntilMs ?? 0,
    });
    return this.targets[last] ?? null;
  }

  #isUsable(position: number): boolean {
    const target = this.targets[position];
    return target !== undefined && !target.isEjected(this.#nowMs) && !this.#isTried(position);
  }

  #isTried(position: number): boolean {
    if (this.#tried.length === 0) return false;
    const target = this.targets[position];
    return target !== undefined && this.#tried.includes(target);
  }
}
