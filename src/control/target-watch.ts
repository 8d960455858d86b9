// Tells when targets are set aside and when they come back, by looking at the engine's states on a timer. Main
// thread; what happens between two looks goes unseen, so it is for people and alerts, not for decisions.
import type { Engine } from '../engine/engine.ts';
import type { Plan } from '../plan/plan.ts';

export interface TargetNews {
  readonly pool: string;
  readonly target: string;
}

export interface TargetWatchOptions {
  readonly engine: Engine;
  /** The plan that the engine carries out; null while that is changing. */
  readonly currentPlan: () => Plan | null;
  readonly onEjected: (news: TargetNews & { readonly forMs: number }) => void;
  readonly onRestored: (news: TargetNews) => void;
  readonly intervalMs?: number;
}

export interface TargetWatch {
  close(): void;
}

/** Runs until it is closed, and keeps the process alive until then, as an open listener does. */
export function watchTargets(options: TargetWatchOptions): TargetWatch {
  const { engine, currentPlan, onEjected, onRestored, intervalMs = 500 } = options;
  let ejected = new Map<string, TargetNews>();
  const look = (): void => {
    const plan = currentPlan();
    if (!plan) return;
    const states = engine.targetStates();
    const now = new Map<string, TargetNews>();
    for (const target of plan.targets) {
      const state = states[target.index];
      if (!state?.isEjected) continue;
      const pool = plan.pools[target.pool]?.name ?? '';
      const key = `${pool}/${target.name}`;
      const news = { pool, target: target.name };
      now.set(key, news);
      if (!ejected.has(key)) onEjected({ ...news, forMs: state.ejectedForMs });
    }
    for (const [key, news] of ejected) if (!now.has(key)) onRestored(news);
    ejected = now;
  };
  const timer = setInterval(look, intervalMs);
  return { close: () => clearInterval(timer) };
}
