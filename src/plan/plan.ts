// The plan: the compiled, immutable, index-based form of a configuration. An engine sees this and nothing
// else. Made by compile.ts (pure), handed to an engine whole, never changed afterwards; a reload makes a new
// one with a higher version. native/plan/plan.h mirrors these tables field for field and encode.ts writes
// them in this order.
import type { SocketAddress } from '../contract/address.ts';
import type {
  EditOp,
  ForwardedMode,
  Protocol,
  RedirectPart,
  SpliceMode,
  StrategyName,
} from '../contract/codes.ts';
import type {
  IndexRange,
  ListenerIndex,
  PoolIndex,
  RouteIndex,
  TargetIndex,
} from '../contract/ids.ts';

export interface Plan {
  readonly version: number;
  readonly listeners: readonly PlanListener[];
  readonly routes: readonly PlanRoute[];
  readonly pools: readonly PlanPool[];
  readonly targets: readonly PlanTarget[];
}

export interface PlanListener {
  readonly index: ListenerIndex;
  readonly name: string;
  readonly address: SocketAddress;
  readonly protocol: Protocol;
  /** The listener's routes in matching order; empty for tcp and udp. */
  readonly routes: IndexRange;
  /** Where a tcp or udp listener sends everything; null for http. */
  readonly pool: PoolIndex | null;
  /** Open connections over all workers; the newest beyond is refused. 0 = unlimited. */
  readonly maxConnections: number;
  /** null = no access log, '-' = stdout, else an absolute path. */
  readonly accessLog: string | null;
  readonly forwarded: ForwardedMode;
  readonly trustedProxies: readonly Cidr[];
  readonly splice: SpliceMode;
  readonly timeouts: PlanTimeouts;
  readonly limits: PlanLimits;
  /** udp: sessions per process; the least recently used goes when one more is needed. */
  readonly maxSessions: number;
  /** udp: close a session after so many replies; 0 = only the idle timeout ends it. */
  readonly responses: number;
}

/** All in milliseconds, all > 0. */
export interface PlanTimeouts {
  readonly connectMs: number;
  /** http: from the first byte (or accept) to the end of the request head, absolute. */
  readonly requestHeaderMs: number;
  /** http: longest pause within a body, either way. */
  readonly bodyIdleMs: number;
  /** http: from the request's last byte to the response head. */
  readonly responseHeaderMs: number;
  /** http: an idle client connection between requests. */
  readonly keepAliveMs: number;
  /** tcp, udp and upgraded tunnels: nothing moved in either direction. */
  readonly idleMs: number;
}

export interface PlanLimits {
  readonly headBytes: number;
  readonly headerCount: number;
  readonly targetBytes: number;
  /** Largest request body; 0 = unlimited. */
  readonly bodyBytes: number;
}

export interface Cidr {
  readonly family: 'ipv4' | 'ipv6';
  readonly host: string;
  readonly bits: number;
}

export interface PlanRoute {
  readonly index: RouteIndex;
  readonly listener: ListenerIndex;
  /** For stats and logs: the route's own name, else its match as text, unique within the listener. */
  readonly name: string;
  readonly host: HostMatch;
  readonly path: PathMatch;
  readonly action: RouteAction;
  /** '' or a path without trailing slash, removed from the front of the path on segment borders. */
  readonly stripPrefix: string;
  /** '' or a path without trailing slash, put in front of the (stripped) path. */
  readonly addPrefix: string;
  readonly hostHeader: HostHeader;
  readonly requestEdits: readonly HeaderEdit[];
  readonly responseEdits: readonly HeaderEdit[];
}

/** Values are lower-case and without port. A suffix begins with a dot: `.example.com`. */
export type HostMatch =
  | { readonly kind: 'any' }
  | { readonly kind: 'exact' | 'suffix'; readonly value: string };

/** A prefix has no trailing slash: `/api` matches `/api`, `/api/` and `/api/x`, not `/apix`. */
export type PathMatch =
  | { readonly kind: 'any' }
  | { readonly kind: 'exact' | 'prefix'; readonly value: string }
  | { readonly kind: 'regex'; readonly source: string; readonly dfa: Dfa };

/**
 * A regular expression compiled to a table, so that every engine matches alike and in time linear in the
 * path. Bytes fall into `classCount` classes; `next[state * classCount + class]` is the next state. State 0
 * is the dead state (a path that reaches it cannot match any more), state 1 the start.
 */
export interface Dfa {
  readonly classCount: number;
  /** 256 entries: byte -> class. */
  readonly classes: Uint8Array;
  readonly next: Uint16Array;
  /** One entry a state: 1 when a path that ends here matches. */
  readonly accepting: Uint8Array;
}

export type RouteAction =
  | { readonly kind: 'pool'; readonly pool: PoolIndex }
  | {
      readonly kind: 'respond';
      readonly status: number;
      readonly headers: readonly { readonly name: string; readonly value: string }[];
      readonly body: Uint8Array;
    }
  | {
      readonly kind: 'redirect';
      readonly status: number;
      readonly location: readonly LocationPart[];
    };

/**
 * `scheme` is http, `host` the request's authority with its port, `path` the path after stripPrefix and addPrefix,
 * `query` the query with its question mark, or nothing.
 */
export interface LocationPart {
  readonly part: RedirectPart;
  /** The text of a literal, '' otherwise. */
  readonly text: string;
}

export type HostHeader =
  | { readonly kind: 'client' | 'target' }
  | { readonly kind: 'literal'; readonly value: string };

/** `name` is kept as written and compared without case. `value` is '' for remove. */
export interface HeaderEdit {
  readonly op: EditOp;
  readonly name: string;
  readonly value: string;
}

export interface PlanPool {
  readonly index: PoolIndex;
  readonly name: string;
  readonly strategy: StrategyName;
  readonly targets: IndexRange;
  /** What the strategy indexes (see src/balance): entries are positions within `targets`. */
  readonly table: Uint32Array;
  /** Other targets tried after the first failed before answering. */
  readonly retries: number;
  /** Consecutive failures after which a target is set aside; 0 = never. */
  readonly ejectAfter: number;
  /** First ejection; doubles with each one in a row up to maxEjectMs. */
  readonly ejectMs: number;
  readonly maxEjectMs: number;
  /** http: idle upstream connections are closed after this long. */
  readonly idleMs: number;
  /** http: idle upstream connections kept per target and worker. */
  readonly maxIdle: number;
}

export interface PlanTarget {
  readonly index: TargetIndex;
  readonly pool: PoolIndex;
  /** As configured, for stats and logs: `127.0.0.1:3000`, or `name:port/address` for one of a name's. */
  readonly name: string;
  /** Host header under `hostHeader: target`. */
  readonly authority: string;
  readonly address: SocketAddress;
  readonly weight: number;
}
