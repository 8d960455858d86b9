// A target as it lives: what is in flight, its ejection, its idle upstream connections, its statistics. Found
// again by name and address when the next plan names the same target, so that a reload forgets nothing; retired
// when no plan does. Main thread; owned by EntityTable (live-plan.ts).
import {
  type EjectionPolicy,
  type EjectionState,
  isEjected,
  onFailure,
  onSuccess,
} from '../../balance/ejection.ts';
import { type ErrorCode, isTargetFault } from '../../contract/codes.ts';
import { assertNever } from '../../contract/ids.ts';
import type { PlanPool, PlanTarget } from '../../plan/plan.ts';
import type { TargetState } from '../engine.ts';
import type { TargetTls } from './client-tls.ts';
import type { EntityStats } from './entity-stats.ts';
import { OriginAgent, openDirectly } from './origin-agent.ts';
import { connectThroughParent } from './parent.ts';
import { UpstreamAgent } from './upstream-agent.ts';

export class LiveTarget {
  readonly plan: PlanTarget;
  readonly stats: EntityStats;
  /** null: it is spoken to in plain. */
  readonly tls: TargetTls | null;
  readonly agent: UpstreamAgent;
  inFlight = 0;
  readonly #ejection: EjectionState = { failures: 0, ejections: 0, ejectedUntilMs: 0 };
  #policy: EjectionPolicy = { ejectAfter: 0, ejectMs: 0, maxEjectMs: 0 };

  constructor(plan: PlanTarget, stats: EntityStats, tls: TargetTls | null, pool: PlanPool) {
    this.plan = plan;
    this.stats = stats;
    this.tls = tls;
    this.agent = agentFor(plan, tls, pool);
  }

  /** Takes the settings of the plan in force over. */
  adopt(pool: PlanPool): void {
    this.#policy = pool;
    this.agent.limit({ maxIdle: pool.maxIdle, idleMs: pool.idleMs });
    // Those that wait have no PROXY header.
    if (pool.proxyProtocol !== 'off') this.agent.closeIdle();
  }

  isEjected(nowMs: number): boolean {
    return isEjected(this.#ejection, nowMs);
  }

  get ejectedUntilMs(): number {
    return this.#ejection.ejectedUntilMs;
  }

  begin(): void {
    this.inFlight++;
    this.stats.add('active');
  }

  end(): void {
    this.inFlight--;
    this.stats.add('active', -1);
  }

  succeeded(): void {
    onSuccess(this.#ejection);
  }

  failed(code: ErrorCode): void {
    this.stats.error(code);
    if (isTargetFault(code)) onFailure(this.#policy, this.#ejection, performance.now());
  }

  state(nowMs: number): TargetState {
    const ejectedForMs = Math.max(0, this.#ejection.ejectedUntilMs - nowMs);
    return { isEjected: ejectedForMs > 0, ejectedForMs, inFlight: this.inFlight };
  }

  /** No plan names the target any more. What is in flight ends by itself; nothing is kept for later. */
  retire(): void {
    this.agent.limit({ maxIdle: 0, idleMs: 1 });
    this.agent.closeIdle();
  }
}

function agentFor({ address }: PlanTarget, tls: TargetTls | null, pool: PlanPool): UpstreamAgent {
  switch (pool.kind) {
    case 'targets':
    case 'http-parent':
      return new UpstreamAgent(address, tls);
    case 'direct':
      return new OriginAgent(openDirectly);
    case 'socks5-parent':
      return new OriginAgent(({ destination }, { connectMs: timeoutMs, preface }, handlers) =>
        connectThroughParent({ pool, address, tls, destination, timeoutMs, preface }, handlers),
      );
    default:
      return assertNever(pool.kind);
  }
}
