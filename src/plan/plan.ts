// The plan: the compiled, immutable, index-based form of a configuration. An engine sees this and nothing
// else. Made by compile.ts (pure), handed to an engine whole, never changed afterwards; a reload makes a new
// one with a higher version. native/plan/plan.h mirrors these tables field for field and encode.ts writes
// them in this order.
import type { SocketAddress } from '../contract/address.ts';
import type {
  Anonymity,
  CertificateField,
  CertificateMatchKind,
  ClientCertificateMode,
  EditOp,
  ForwardAccept,
  ForwardedMode,
  PagePart,
  PoolKind,
  Protocol,
  ProxyAccept,
  ProxySend,
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
import type { Secret } from '../contract/secret.ts';

export interface Plan {
  readonly version: number;
  readonly listeners: readonly PlanListener[];
  readonly routes: readonly PlanRoute[];
  readonly pools: readonly PlanPool[];
  readonly targets: readonly PlanTarget[];
  /** What listeners end TLS with; listeners that are served alike do not share one. */
  readonly serverTls: readonly PlanServerTls[];
  /** What pools speak TLS to their targets with. */
  readonly clientTls: readonly PlanClientTls[];
  /** What makes listeners forward proxies. */
  readonly forwards: readonly PlanForward[];
  /** Lists of destinations that rules name. */
  readonly lists: readonly PlanList[];
  /** Users of forward proxies, a table a file. */
  readonly users: readonly PlanUsers[];
}

export interface PlanListener {
  readonly index: ListenerIndex;
  readonly name: string;
  readonly address: SocketAddress;
  readonly protocol: Protocol;
  /** The listener's routes in matching order; empty for tcp and udp. forward: one a rule, in their order. */
  readonly routes: IndexRange;
  /** Where a udp listener sends everything, and a tcp listener what no name route takes; null for http. */
  readonly pool: PoolIndex | null;
  /** tcp: routes by ClientHello, in matching order. Empty and no serverTls: it is not looked for. */
  readonly nameRoutes: readonly PlanNameRoute[];
  /** Position in the plan's serverTls; null when the listener does not end TLS. */
  readonly serverTls: number | null;
  /** Position in the plan's forwards; null unless the protocol is forward. */
  readonly forward: number | null;
  /** Whether connections from trustedProxies begin with a PROXY header; udp: each datagram. */
  readonly proxyProtocol: ProxyAccept;
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
  /** From a connection to the end of its PROXY header, TLS handshake or ClientHello, absolute. */
  readonly handshakeMs: number;
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
  readonly certificate: CertificateMatch;
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

/** What the client's TLS certificate must be; '' = anything. `fingerprint`: SHA-256, lower-case digits. */
export interface CertificateMatch {
  readonly kind: CertificateMatchKind;
  readonly commonName: string;
  readonly fingerprint: string;
}

/** Where a tcp listener sends connections whose ClientHello asks for this. */
export interface PlanNameRoute {
  /** The name asked for (SNI). */
  readonly host: HostMatch;
  /** One of these must be offered; empty = whatever is. */
  readonly alpn: readonly string[];
  readonly pool: PoolIndex;
}

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
    }
  /** forward: the rule refuses. */
  | { readonly kind: 'deny' };

/**
 * `scheme` is http or https, `host` the request's authority with its port, `hostname` without, `path` the path after stripPrefix and addPrefix,
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
  /** The PROXY header that connections to targets begin with, which are not kept; udp: each datagram. */
  readonly proxyProtocol: ProxySend;
  /**
   * `direct`: the pool of a forward proxy that connects by itself; its one target stands for all destinations and its
   * address is never used. Parents: targets are proxies.
   */
  readonly kind: PoolKind;
  /** What parents are logged in to with: `name:password`; '' = nothing. */
  readonly login: Secret;
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
  /** Position in the plan's clientTls; null = plain. */
  readonly clientTls: number | null;
  /** The name to ask for and to find in the certificate: a host name, an IP address, or ''. */
  readonly serverName: string;
}

/** What a handshake may be agreed on. Names are OpenSSL's, best first, joined with colons; versions as on the wire. */
export interface PlanTlsTerms {
  /** 0x0301 (TLS 1.0) to 0x0304 (TLS 1.3). */
  readonly minVersion: number;
  readonly maxVersion: number;
  /** Up to TLS 1.2. */
  readonly ciphers: string;
  /** Of TLS 1.3. */
  readonly cipherSuites: string;
  readonly curves: string;
  /** The kernel may seal what is bulky, where it offers that. */
  readonly kernelTls: boolean;
}

/** A certificate with its chain and its key, as PEM. */
export interface PlanCertificate {
  /** Where it comes from, for errors: the name of its file, or `acme example.com`. */
  readonly name: string;
  readonly chain: string;
  readonly key: Secret;
  /** OCSP response in DER; empty = none. */
  readonly ocsp: Uint8Array;
}

export interface PlanServerTls {
  readonly certificates: readonly PlanCertificate[];
  /** What a name is served with: positions in `certificates`, one a type of key. The first serves unknown names. */
  readonly identities: readonly (readonly number[])[];
  /** Lower-case; `*.example.com` stands for exactly one label. An exact name wins. */
  readonly names: readonly PlanServerName[];
  /** What clients that offer `acme-tls/1` alone get (RFC 8737). */
  readonly challenges: readonly PlanServerName[];
  /** Handshakes for other names end with unrecognized_name, requests for them with 421. */
  readonly rejectsUnknownNames: boolean;
  readonly terms: PlanTlsTerms;
  /** Best first; empty = none is agreed on. */
  readonly alpn: readonly string[];
  readonly sessionTickets: boolean;
  readonly sessionSeconds: number;
  readonly clientCertificates: PlanClientCertificates;
}

export interface PlanServerName {
  readonly name: string;
  /** Position in `identities`. */
  readonly identity: number;
}

export interface PlanClientCertificates {
  readonly mode: ClientCertificateMode;
  /** PEM; '' when mode is off. */
  readonly ca: string;
  /** PEM; '' = none are looked at. */
  readonly crl: string;
  /** Headers that tell targets of the certificate; the client's own of these names are removed. */
  readonly headers: readonly { readonly field: CertificateField; readonly name: string }[];
}

export interface PlanClientTls {
  readonly verify: boolean;
  /** PEM; '' only when verify is false. */
  readonly ca: string;
  /** PEM; '' = none are looked at. */
  readonly crl: string;
  /** What targets that ask get to see. */
  readonly certificate: PlanCertificate | null;
  /** SHA-256, lower-case digits; empty = any. */
  readonly fingerprints: readonly string[];
  readonly terms: PlanTlsTerms;
}

/** A forward proxy: what its clients may speak, who they are, where they may go. Index-aligned with its listener's routes. */
export interface PlanForward {
  readonly accepts: readonly ForwardAccept[];
  /** Connections come by netfilter's REDIRECT and go to where they were going. */
  readonly isTransparent: boolean;
  /** Position in the plan's users; null = nobody is asked who they are. */
  readonly users: number | null;
  readonly realm: string;
  /** The first that matches decides, by the listener's route of the same position; the last matches everything. */
  readonly rules: readonly PlanRule[];
  readonly connectPorts: readonly PortRange[];
  readonly socksPorts: readonly PortRange[];
  /** Addresses that are not public and may be reached all the same. */
  readonly privateDestinations: readonly Cidr[];
  readonly anonymity: Anonymity;
  /** Where connections go out from, in turn, with port 0; empty = the kernel chooses. */
  readonly sources: readonly SocketAddress[];
  /** HTML of denials. */
  readonly page: readonly PagePiece[];
  /** What `/proxy.pac` answers; null = 400, as any other path. Empty: one that sends everything to the listener. */
  readonly pac: Uint8Array | null;
  /** What Via calls this proxy; a request that bears it has been here before. */
  readonly viaName: string;
}

export interface PagePiece {
  readonly part: PagePart;
  /** The text of a literal, '' otherwise. */
  readonly text: string;
}

/** Both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/**
 * All conditions given must hold; an empty one always holds. Of the destination there are three: one of `hosts`, `blocks`
 * and `lists` must hold when any is given.
 */
export interface PlanRule {
  readonly clients: readonly Cidr[];
  readonly users: readonly string[];
  readonly hosts: readonly HostMatch[];
  readonly blocks: readonly Cidr[];
  /** Positions in the plan's lists. */
  readonly lists: readonly number[];
  readonly ports: readonly PortRange[];
  /** In capitals; tunnels have CONNECT or SOCKS. */
  readonly methods: readonly string[];
  /** Of plain HTTP requests alone: other than `any`, it holds for nothing else. */
  readonly path: PathMatch;
  readonly times: readonly TimeWindow[];
}

/** By local time. `toMinute` <= `fromMinute`: it ends on the day after the one that it began on. */
export interface TimeWindow {
  /** Bit 0 = Sunday. */
  readonly days: number;
  /** Of the day, 0 to 1439. */
  readonly fromMinute: number;
  /** 1 to 1440, not included. */
  readonly toMinute: number;
}

export interface PlanList {
  readonly name: string;
  /** Of its contents: equal digests, equal lists. */
  readonly digest: string;
  /** Names, laid out as host-set.ts says. */
  readonly hosts: Uint8Array;
  readonly blocks: readonly Cidr[];
}

export interface PlanUsers {
  /** The file, as the engine names it when it asks about a password. */
  readonly file: string;
  /** Of the file's contents and the limits: verdicts are good for one version alone. */
  readonly digest: string;
  readonly users: readonly PlanUser[];
}

/** 0 = unlimited. */
export interface PlanUser {
  readonly name: string;
  readonly bytesPerSecond: number;
  readonly connections: number;
  readonly bytesPerDay: number;
}
