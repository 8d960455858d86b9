// Moves a response's body from the target to the client: backpressure, the idle timeout, trailers. Main thread; one
// an exchange.
import type { IncomingMessage } from 'node:http';
import type { ErrorCode } from '../../contract/codes.ts';
import type { ClientSide } from './client-side.ts';
import { StallTimer } from './stall-timer.ts';
import { type Toll, TollGate } from './toll.ts';
import { allowedTrailers } from './trailers.ts';
import { isTruncated } from './wire.ts';

export interface ResponseBodyOptions {
  readonly from: IncomingMessage;
  readonly to: ClientSide;
  readonly idleMs: number;
  readonly isChunked: boolean;
  /** The end of the target's connection is the end of the body. */
  readonly isUntilClose: boolean;
  readonly toll: Toll | null;
  /** Writes the head: once, before anything else is written. */
  readonly onBegin: () => void;
  readonly onBytes: (count: number) => void;
  /** The target has sent all of it. What is written may still be on its way to the client. */
  readonly onEnd: () => void;
  readonly onFailed: (code: ErrorCode) => void;
}

/** Returns what stops it; until then a client that does not take the last of it is noticed, too. */
export function pumpResponseBody(options: ResponseBodyOptions): () => void {
  const { from, to, idleMs, isChunked, isUntilClose, onBegin, onBytes, onEnd, onFailed } = options;
  let isHeldBack = false;
  const stall = new StallTimer(idleMs, () => {
    stop();
    onFailed(isHeldBack ? 'client_stalled' : 'response_body_timeout');
  });
  const gate = new TollGate(options.toll, () => goOn());
  let hasBegun = false;
  const begin = (): void => {
    if (hasBegun) return;
    hasBegun = true;
    onBegin();
  };
  // The head leaves with the first of the body, but does not wait for it. A target that contradicts itself within
  // its first bytes has not got through to the client yet.
  const flush = setImmediate(() => {
    begin();
    to.flush();
  });

  const stop = (): void => {
    clearImmediate(flush);
    stall.disarm();
    gate.stop();
    from.off('data', onData).off('end', onSourceEnd);
    offDrain();
  };
  const onData = (chunk: Buffer): void => {
    stall.arm();
    if (!gate.pass(chunk.length)) {
      stop();
      onFailed('user_quota');
      return;
    }
    begin();
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
    if (isUntilClose && isTruncated(from.socket)) {
      stop();
      onFailed('response_incomplete');
      return;
    }
    clearImmediate(flush);
    begin();
    isHeldBack = true;
    stall.arm();
    to.end(null, isChunked ? allowedTrailers(from.rawTrailers) : []);
    onEnd();
  };

  const offDrain = to.onDrain(onDrain);
  from.on('end', onSourceEnd).on('data', onData);
  stall.arm();
  return stop;
}
