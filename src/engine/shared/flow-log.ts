// The access log's record of a tcp connection or a udp session. Main thread.
import type { ErrorCode } from '../../contract/codes.ts';
import type { LiveListener } from './live-plan.ts';

export interface FlowEnd {
  readonly clientName: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  readonly target: string | null;
  readonly code: ErrorCode;
}

export function logFlow({ plan, log, stats }: LiveListener, end: FlowEnd): void {
  if (log === null) return;
  const record = {
    time: new Date().toISOString(),
    client: end.clientName,
    listener: plan.name,
    bytesIn: end.bytesIn,
    bytesOut: end.bytesOut,
    durationMs: roundMs(end.durationMs),
    target: end.target,
    error: end.code === 'none' ? null : end.code,
  };
  log.write(record, stats);
}

/** Microseconds are as fine as anybody reads. */
export function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
