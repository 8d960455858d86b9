// Moves a request's body from the client to the target: backpressure, the size limit, the idle timeout, trailers.
// Main thread; one per attempt that got connected, at most one an exchange.
import type { ClientRequest } from 'node:http';
import type { ErrorCode } from '../../contract/codes.ts';
import type { RequestSource } from './client-side.ts';
import { StallTimer } from './stall-timer.ts';
import { type Toll, TollGate } from './toll.ts';
import { allowedTrailers, areTooManyTrailers } from './trailers.ts';

export interface RequestBodyOptions {
  readonly from: RequestSource;
  readonly to: ClientRequest;
  /** 0 = unlimited. */
  readonly limitBytes: number;
  readonly idleMs: number;
  readonly isChunked: boolean;
  /** Names, in lower case, that no trailer may have. */
  readonly withheld: ReadonlySet<string>;
  readonly toll: Toll | null;
  readonly onBytes: (count: number) => void;
  /** All of it is written. */
  readonly onEnd: () => void;
  readonly onFailed: (code: ErrorCode) => void;
}

/** Returns what stops it. */
export function pumpRequestBody(options: RequestBodyOptions): () => void {
  const { from, to, limitBytes, idleMs, isChunked, withheld, onBytes, onEnd, onFailed } = options;
  let total = 0;
  let isHeldBack = false;
  let isStopped = false;
  const stall = new StallTimer(idleMs, () => {
    fail(isHeldBack ? 'response_timeout' : 'request_body_timeout');
  });
  const gate = new TollGate(options.toll, () => goOn());

  const stop = (): void => {
    if (isStopped) return;
    isStopped = true;
    stall.disarm();
    gate.stop();
    from.off('data', onData);
    from.off('end', onSourceEnd);
    to.off('drain', onDrain);
    // What comes from now on waits for the next attempt, or for somebody to let it pass.
    if (!from.readableEnded) from.pause();
  };
  const fail = (code: ErrorCode): void => {
    stop();
    onFailed(code);
  };
  const onData = (chunk: Buffer): void => {
    stall.arm();
    total += chunk.length;
    if (limitBytes > 0 && total > limitBytes) {
      fail('request_body_too_large');
      return;
    }
    if (!gate.pass(chunk.length)) {
      fail('user_quota');
      return;
    }
    onBytes(chunk.length);
    if (!to.write(chunk)) isHeldBack = true;
    if (isHeldBack || gate.isShut) from.pause();
    if (gate.isShut) stall.disarm();
  };
  const onDrain = (): void => {
    isHeldBack = false;
    goOn();
  };
  const goOn = (): void => {
    if (!gate.isShut) stall.arm();
    if (!isHeldBack && !gate.isShut) from.resume();
  };
  const onSourceEnd = (): void => {
    stop();
    if (areTooManyTrailers(from.rawTrailers)) {
      fail('request_malformed');
      return;
    }
    if (isChunked) to.addTrailers(allowedTrailers(from.rawTrailers, withheld));
    to.end();
    onEnd();
  };

  if (from.readableEnded) {
    onSourceEnd();
    return stop;
  }
  to.on('drain', onDrain);
  from.on('end', onSourceEnd);
  from.on('data', onData);
  from.resume();
  stall.arm();
  return stop;
}
