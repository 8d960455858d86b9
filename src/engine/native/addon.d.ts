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
  /** Why workers run on epoll though an io_uring was asked for, or ''. Known once a plan was applied. */
  loopProblem(): string;
  /** True once every worker has taken over the plan last applied. */
  settled(): boolean;
  /** Copies the summed shards, laid out as Engine.readStats says. Returns the doubles written. */
  snapshot(into: Float64Array): number;
  /** Two doubles a target: milliseconds it stays ejected (0 = in use), requests in flight. Returns the doubles written. */
  targetStates(into: Float64Array): number;
  /** Stops accepting and lets work finish; may be called once. */
  drain(): void;
  /** Connections, requests and sessions that still live in the workers. */
  open(): number;
  /** Closes everything, joins the workers and flushes the logs. May be called at any time, more than once. */
  close(): void;
}

export interface NativeAddon {
  /** The codes table that the addon was built with; load.ts refuses a stale build. */
  readonly abi: string;
  createEngine(workers: number, loop?: 'epoll' | 'io_uring'): NativeEngine;
}
