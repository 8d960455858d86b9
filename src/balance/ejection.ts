// Passive ejection: a target that fails is set aside for a while. This is the one place that says how;
// native/balance/ejection.cc does the same.
//
// - `ejectAfter` failures in a row (connect failures, resets before an answer) eject a target; 0 = never.
// - The first ejection lasts ejectMs, each one in a row twice as long as the last, up to maxEjectMs.
// - While a target is ejected its failures count for nothing: they are of work begun before, or of a last resort.
// - One success ends the row of failures and of ejections. It does not end an ejection that is running.
// - An ejection ends by itself; there is nothing to do when it does.

export interface EjectionPolicy {
  readonly ejectAfter: number;
  readonly ejectMs: number;
  readonly maxEjectMs: number;
}

/** Lives as long as plans name the target. */
export interface EjectionState {
  /** In a row. */
  failures: number;
  /** In a row. */
  ejections: number;
  /** On a monotonic clock; 0 = never ejected. */
  ejectedUntilMs: number;
}

export function isEjected(state: EjectionState, nowMs: number): boolean {
  return state.ejectedUntilMs > nowMs;
}

/** True when this failure has ejected the target. */
export function onFailure(policy: EjectionPolicy, state: EjectionState, nowMs: number): boolean {
  if (policy.ejectAfter === 0 || isEjected(state, nowMs)) return false;
  state.failures++;
  if (state.failures < policy.ejectAfter) return false;
  state.ejectedUntilMs = nowMs + Math.min(policy.ejectMs * 2 ** state.ejections, policy.maxEjectMs);
  state.ejections++;
  state.failures = 0;
  return true;
}

export function onSuccess(state: EjectionState): void {
  if (state.failures !== 0) state.failures = 0;
  if (state.ejections !== 0) state.ejections = 0;
}
