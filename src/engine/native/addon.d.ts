// The typed boundary to C++: the reviewed contract of native/addon. JavaScript validates and words errors;
// C++ re-checks and answers with a code. Every call returns at once and none throws for a run-time fault.

/** What went wrong and where, for native-engine.ts to word. */
export interface NativeFailure {
  readonly kind: 'plan' | 'listen' | 'log' | 'resource' | 'tls';
  /** Index of the listener at fault, or -1. */
  readonly listener: number;
  /** The system's error name, `EADDRINUSE`, or ''. */
  readonly errno: string;
  readonly detail: string;
}

export interface NativeEngine {
  /**
   * Takes an encoded plan (src/plan/encode.ts). Binds what is new and posts the plan to the workers.
   * Returns the ports of the listeners in order, or what failed, in which case nothing has changed.
   */
  apply(encodedPlan: Uint8Array): readonly number[] | NativeFailure;
  /** What the workers wait on. Known once a plan was applied. */
  loop(): NativeLoop;
  /** Why this kernel does not seal TLS, or ''. */
  kernelTlsProblem(): string;
  /** True once every worker has taken over the plan last applied. */
  settled(): boolean;
  /** Copies the summed shards, laid out as Engine.readStats says. Returns the doubles written. */
  snapshot(into: Float64Array): number;
  /** Two doubles a target: milliseconds it stays ejected (0 = in use), requests in flight. Returns the doubles written. */
  targetStates(into: Float64Array): number;
  /** Six doubles a user, in the order of the plan's users: active, requests, bytes in, bytes out, bytes today, 0. */
  userStates(into: Float64Array): number;
  /** Whom workers ask: called on the main thread; `kind` indexes QUESTIONS. Before the first plan, once. */
  onQuestions(
    ask: (question: number, kind: number, subject: string, name: string, password: string) => void,
  ): void;
  /** `error` is an error code's number; `addresses` has 17 bytes each: the family's number, and 16 of the address. */
  answerName(question: number, error: number, ttlMs: number, addresses: Uint8Array): void;
  answerPassword(question: number, isRight: boolean): void;
  /** Stops accepting and lets work finish; may be called once. */
  drain(): void;
  /** Connections, requests and sessions that still live in the workers. */
  open(): number;
  /** Closes everything, joins the workers and flushes the logs. May be called at any time, more than once. */
  close(): void;
}

export interface NativeLoop {
  readonly name: 'epoll' | 'io_uring';
  /** Why it is not the io_uring that was asked for, or, on one, what is wrong with it; or ''. */
  readonly problem: string;
}

export interface NativeAddon {
  /** The codes table that the addon was built with; load.ts refuses a stale build. */
  readonly abi: string;
  createEngine(workers: number, loop: 'auto' | 'epoll' | 'io_uring'): NativeEngine;
}
