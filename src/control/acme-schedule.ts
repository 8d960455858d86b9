// When a certificate by ACME is renewed, and when what failed is tried again. Pure.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const MAX_BACK_OFF_MS = 6 * HOUR;
/** A directory that asks for more is asked again all the same. */
const MAX_RETRY_AFTER_MS = 7 * DAY;
const MAX_JITTER_MS = 6 * HOUR;

export interface Lifetime {
  /** When it was obtained: directories date certificates back, and a lifetime that is short begins here. */
  readonly obtainedMs: number;
  readonly notAfterMs: number;
}

/**
 * `renewBeforeMs` before the end or where the last third begins, whichever is later: a certificate of six days is not
 * renewed every hour because thirty days are configured. `jitter` in [0, 1) takes up to a tenth of what then is left.
 */
export function renewalAt(
  { obtainedMs, notAfterMs }: Lifetime,
  renewBeforeMs: number,
  jitter: number,
): number {
  const lastThird = notAfterMs - (notAfterMs - obtainedMs) / 3;
  const due = Math.max(notAfterMs - renewBeforeMs, lastThird);
  return due + jitter * Math.min((notAfterMs - due) / 10, MAX_JITTER_MS);
}

export interface Failure {
  /** How many in a row, this one too. */
  readonly failures: number;
  /** What the directory asked for; 0 = nothing. */
  readonly retryAfterMs: number;
  /** Until what is served expires; 0 or less when nothing valid is served. */
  readonly leftMs: number;
  readonly jitter: number;
}

/** A minute, doubling up to six hours, but never past half of the time that is left; what the directory asks for wins. */
export function retryDelay({ failures, retryAfterMs, leftMs, jitter }: Failure): number {
  const doubled = Math.min(MINUTE * 2 ** Math.min(failures - 1, 20), MAX_BACK_OFF_MS);
  const inTime = leftMs > 0 ? Math.min(doubled, Math.max(MINUTE, leftMs / 2)) : doubled;
  return Math.max(inTime, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS)) * (1 + jitter / 10);
}
