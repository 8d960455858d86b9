// What every engine is: it carries a plan out. The three implementations never import each other, and an
// engine sees a Plan and nothing else of the configuration. All methods run on the JavaScript main thread.
import type { SocketAddress } from '../contract/address.ts';
import type { Protocol } from '../contract/codes.ts';
import type { Plan } from '../plan/plan.ts';

export const ENGINE_NAMES = ['native', 'uws', 'js'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** What an engine can honour. A plan that needs more is refused at start, by name. */
export interface Capabilities {
  readonly protocols: readonly Protocol[];
  /** More than one worker thread. */
  readonly workers: boolean;
  /** Kernel splicing of bulk streams (`splice: always` needs it; `auto` does not). */
  readonly splice: boolean;
  /** Unix socket listeners. */
  readonly unixListeners: boolean;
  /** TLS, ended at listeners and spoken to targets. */
  readonly tls: boolean;
  /** PROXY headers, accepted by listeners and sent to targets. */
  readonly proxyProtocol: boolean;
  /** Forward proxies to which netfilter redirects connections. */
  readonly transparent: boolean;
}

/** What the workers of the native engine wait on. */
export type LoopName = 'epoll' | 'io_uring';

export interface LoopInUse {
  readonly name: LoopName;
  /** Why it is not io_uring, or, if it is, what is wrong with it; '' where there is nothing to say. */
  readonly reason: string;
}

export interface EngineOptions {
  /** Worker threads; engines without workers take 1. */
  readonly workers: number;
  /** Of each worker, for engines that have workers. `auto`, and unless said: io_uring where the kernel grants a sound one. */
  readonly loop?: 'auto' | LoopName;
  /** Problems of the engine as a whole that have no caller to be thrown at. */
  readonly onWarning: (message: string) => void;
  /** Whom the workers of forward proxies ask; without it names do not resolve and passwords are wrong. */
  readonly oracle?: Oracle;
}

/** What only the control plane knows. Answers come in their own time; none is a rejection. */
export interface Oracle {
  addressesOf(host: string): Promise<NameAnswer>;
  /** `file` as the plan's users say. */
  isPassword(file: string, name: string, password: string): Promise<boolean>;
}

export interface NameAnswer {
  /** Empty when there is an error. In the order in which they are to be tried. */
  readonly addresses: readonly { readonly family: 'ipv4' | 'ipv6'; readonly host: string }[];
  /** How long the answer holds; 0 = for this one question. */
  readonly ttlMs: number;
  readonly error: 'none' | 'name_not_found' | 'name_timeout';
}

/** Health of a target as the engine sees it. */
export interface TargetState {
  /** Set aside after failures; traffic passes it over until `ejectedForMs` has run down. */
  readonly isEjected: boolean;
  readonly ejectedForMs: number;
  /** Requests or connections in flight over all workers. */
  readonly inFlight: number;
}

/** What a user of forward proxies has used since the engine started; `bytesToday` since midnight, local time. */
export interface UserState {
  /** Requests and tunnels at this time, over all workers. */
  readonly active: number;
  readonly requests: number;
  /** Towards destinations, and back. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly bytesToday: number;
}

export interface Engine {
  readonly name: EngineName;
  readonly capabilities: Capabilities;
  readonly workers: number;
  /** Null for engines without workers, and before the first plan. */
  readonly loop?: LoopInUse | null;
  /** Why the kernel does not seal TLS for this engine, '' where it does; null where the engine never asks it to. */
  readonly kernelTlsProblem?: string | null;

  /**
   * Carries `plan` out. The first call starts the engine: it binds every listener, or none: on failure it
   * throws SluiceError `listen_failed`, `log_unwritable` or `plan_rejected` whose message names the listener
   * and the remedy, with nothing left open. Later calls reload: listeners that kept their name, address and protocol keep
   * their sockets, live flows keep the plan they began with; on failure the old plan stays in force.
   * Resolves once every worker has taken the plan over.
   * Returns the bound address of each listener of the plan, in order (port 0 replaced by the real one).
   */
  apply(plan: Plan): Promise<readonly SocketAddress[]>;

  /**
   * Adds up the shards into `into`, for the plan last applied: STATS_STRIDE doubles an entity, entities in the
   * order listeners, routes, pools, targets (see contract/codes.ts for the layout within one). Counters of
   * entities that survive a reload (same names) go on. Does not stop a worker. `into` must hold statsLength(plan).
   */
  readStats(into: Float64Array): void;

  /** One entry a target of the plan last applied, in order. */
  targetStates(): readonly TargetState[];

  /** One entry a user of the plan last applied: its tables of users in order, and those of each in order. */
  userStates(): readonly UserState[];

  /**
   * Stops accepting, lets what is in flight finish (HTTP answers get `Connection: close`) for up to `graceMs`,
   * then closes what is left. Idle keep-alive connections close at once; graceMs 0 closes everything now.
   * Resolves when nothing is left open; calling it again is harmless.
   */
  close(graceMs: number): Promise<void>;
}
