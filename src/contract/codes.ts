// The tables that TypeScript and C++ share. `npm run codes` prints native/generated/codes.h from this
// file and CI compares the two, so a number means the same on both sides of the addon boundary.
// The order of every table is its numbering: append, never reorder.

/** Who a failure is attributed to. */
export const SIDES = ['none', 'client', 'upstream', 'internal'] as const;
export type Side = (typeof SIDES)[number];

/** Whether the same request may be tried again on another upstream. */
export const RETRIES = ['never', 'ifReused', 'always'] as const;
export type Retry = (typeof RETRIES)[number];

export interface ErrorCodeInfo {
  /** HTTP status of the generated answer; 0 where the failure has no HTTP answer. */
  readonly status: number;
  /** The `error` parameter of Proxy-Status (RFC 9209 section 2.3). */
  readonly proxyStatus: string;
  readonly side: Side;
  readonly retry: Retry;
  readonly meaning: string;
}

/** Every way in which work can fail, each with a stable name. */
export const ERROR_CODES = {
  none: { status: 0, proxyStatus: '', side: 'none', retry: 'never', meaning: 'No error.' },
  request_malformed: {
    status: 400,
    proxyStatus: 'http_request_error',
    side: 'client',
    retry: 'never',
    meaning: 'The request violates RFC 9112 or its framing is ambiguous.',
  },
  request_timeout: {
    status: 408,
    proxyStatus: 'http_request_error',
    side: 'client',
    retry: 'never',
    meaning: 'The request head did not arrive in time.',
  },
  request_body_timeout: {
    status: 408,
    proxyStatus: 'http_request_error',
    side: 'client',
    retry: 'never',
    meaning: 'The request body stopped arriving.',
  },
  request_body_too_large: {
    status: 413,
    proxyStatus: 'http_request_error',
    side: 'client',
    retry: 'never',
    meaning: 'The request body exceeds limits.bodyBytes.',
  },
  request_target_too_long: {
    status: 414,
    proxyStatus: 'http_request_error',
    side: 'client',
    retry: 'never',
    meaning: 'The request target exceeds limits.targetBytes.',
  },
  request_head_too_large: {
    status: 431,
    proxyStatus: 'http_request_error',
    side: 'client',
    retry: 'never',
    meaning: 'The request head exceeds limits.headBytes or limits.headerCount.',
  },
  request_coding_unknown: {
    status: 501,
    proxyStatus: 'http_request_error',
    side: 'client',
    retry: 'never',
    meaning: 'The request uses a transfer coding other than chunked.',
  },
  request_version_unsupported: {
    status: 505,
    proxyStatus: 'http_request_error',
    side: 'client',
    retry: 'never',
    meaning: 'The request names an HTTP major version other than 1.',
  },
  request_expectation_failed: {
    status: 417,
    proxyStatus: 'http_request_error',
    side: 'client',
    retry: 'never',
    meaning: 'The request has an expectation other than 100-continue.',
  },
  no_route: {
    status: 404,
    proxyStatus: 'destination_not_found',
    side: 'client',
    retry: 'never',
    meaning: 'No route of the listener matches the request.',
  },
  no_target: {
    status: 503,
    proxyStatus: 'destination_unavailable',
    side: 'upstream',
    retry: 'never',
    meaning: 'No target of the pool is available.',
  },
  connect_refused: {
    status: 502,
    proxyStatus: 'connection_refused',
    side: 'upstream',
    retry: 'always',
    meaning: 'The target refused the connection.',
  },
  connect_timeout: {
    status: 504,
    proxyStatus: 'connection_timeout',
    side: 'upstream',
    retry: 'always',
    meaning: 'The target did not accept the connection in time.',
  },
  connect_unreachable: {
    status: 502,
    proxyStatus: 'destination_ip_unroutable',
    side: 'upstream',
    retry: 'always',
    meaning: 'There is no way to the target.',
  },
  connect_failed: {
    status: 502,
    proxyStatus: 'destination_unavailable',
    side: 'upstream',
    retry: 'always',
    meaning: 'Connecting to the target failed for another reason.',
  },
  upstream_closed: {
    status: 502,
    proxyStatus: 'connection_terminated',
    side: 'upstream',
    retry: 'ifReused',
    meaning: 'The target closed the connection before it answered.',
  },
  upstream_reset: {
    status: 502,
    proxyStatus: 'connection_terminated',
    side: 'upstream',
    retry: 'ifReused',
    meaning: 'The target reset the connection before it answered.',
  },
  response_malformed: {
    status: 502,
    proxyStatus: 'http_protocol_error',
    side: 'upstream',
    retry: 'never',
    meaning: 'The response violates RFC 9112 or its framing is ambiguous.',
  },
  response_head_too_large: {
    status: 502,
    proxyStatus: 'http_response_header_section_size',
    side: 'upstream',
    retry: 'never',
    meaning: 'The response head exceeds limits.headBytes or limits.headerCount.',
  },
  response_incomplete: {
    status: 502,
    proxyStatus: 'http_response_incomplete',
    side: 'upstream',
    retry: 'never',
    meaning: 'The response ended before its body was complete.',
  },
  response_timeout: {
    status: 504,
    proxyStatus: 'http_response_timeout',
    side: 'upstream',
    retry: 'never',
    meaning: 'The target did not begin its answer in time.',
  },
  response_body_timeout: {
    status: 504,
    proxyStatus: 'connection_read_timeout',
    side: 'upstream',
    retry: 'never',
    meaning: 'The response body stopped arriving.',
  },
  upgrade_failed: {
    status: 502,
    proxyStatus: 'http_upgrade_failed',
    side: 'upstream',
    retry: 'never',
    meaning: 'The target switched protocols without having been asked to.',
  },
  client_aborted: {
    status: 0,
    proxyStatus: '',
    side: 'client',
    retry: 'never',
    meaning: 'The client went away before its work was done.',
  },
  client_stalled: {
    status: 0,
    proxyStatus: '',
    side: 'client',
    retry: 'never',
    meaning: 'The client stopped reading its answer.',
  },
  idle_timeout: {
    status: 0,
    proxyStatus: '',
    side: 'none',
    retry: 'never',
    meaning: 'Nothing moved in either direction for the idle timeout.',
  },
  connection_limit: {
    status: 503,
    proxyStatus: 'connection_limit_reached',
    side: 'client',
    retry: 'never',
    meaning: 'The listener has maxConnections open already.',
  },
  out_of_descriptors: {
    status: 503,
    proxyStatus: 'connection_limit_reached',
    side: 'internal',
    retry: 'never',
    meaning: 'The process or the machine has no file descriptor left.',
  },
  out_of_memory: {
    status: 503,
    proxyStatus: 'proxy_internal_error',
    side: 'internal',
    retry: 'never',
    meaning: 'The kernel or the worker has no memory left for this.',
  },
  out_of_ports: {
    status: 503,
    proxyStatus: 'proxy_internal_error',
    side: 'internal',
    retry: 'always',
    meaning: 'No local port is left for a connection to the target.',
  },
  session_evicted: {
    status: 0,
    proxyStatus: '',
    side: 'internal',
    retry: 'never',
    meaning: 'The UDP session table was full and this least recently used session went.',
  },
  target_unreachable: {
    status: 0,
    proxyStatus: '',
    side: 'upstream',
    retry: 'never',
    meaning: 'ICMP said that nothing listens at the UDP target.',
  },
  datagram_dropped: {
    status: 0,
    proxyStatus: '',
    side: 'internal',
    retry: 'never',
    meaning: 'A datagram could not be sent on and was dropped.',
  },
  internal: {
    status: 500,
    proxyStatus: 'proxy_internal_error',
    side: 'internal',
    retry: 'never',
    meaning: 'A bug in the proxy.',
  },
  tls_handshake_failed: {
    status: 0,
    proxyStatus: '',
    side: 'client',
    retry: 'never',
    meaning: 'The TLS handshake with the client failed, or what it sent was no TLS.',
  },
  handshake_timeout: {
    status: 0,
    proxyStatus: '',
    side: 'client',
    retry: 'never',
    meaning: 'The client did not finish its TLS handshake or PROXY header in time.',
  },
  tls_name_unknown: {
    status: 0,
    proxyStatus: '',
    side: 'client',
    retry: 'never',
    meaning: 'The client asked by SNI for a name that the listener does not serve.',
  },
  client_certificate_rejected: {
    status: 0,
    proxyStatus: '',
    side: 'client',
    retry: 'never',
    meaning: 'The client showed no certificate where one is required, or one that does not hold.',
  },
  plain_on_tls: {
    status: 400,
    proxyStatus: 'http_request_error',
    side: 'client',
    retry: 'never',
    meaning: 'A plain HTTP request came to a listener that speaks TLS.',
  },
  misdirected: {
    status: 421,
    proxyStatus: 'destination_not_found',
    side: 'client',
    retry: 'never',
    meaning: 'The request names a host that no certificate of its TLS listener is for.',
  },
  upstream_tls_failed: {
    status: 502,
    proxyStatus: 'tls_protocol_error',
    side: 'upstream',
    retry: 'always',
    meaning: 'The TLS handshake with the target failed.',
  },
  upstream_certificate_rejected: {
    status: 502,
    proxyStatus: 'tls_certificate_error',
    side: 'upstream',
    retry: 'always',
    meaning: 'The certificate of the target does not hold.',
  },
  proxy_header_bad: {
    status: 0,
    proxyStatus: '',
    side: 'client',
    retry: 'never',
    meaning: 'A trusted proxy sent a malformed PROXY header, or none where one is required.',
  },
  proxy_auth_required: {
    status: 407,
    proxyStatus: 'http_request_denied',
    side: 'client',
    retry: 'never',
    meaning: 'The client of a forward proxy gave no user and password, or wrong ones.',
  },
  destination_malformed: {
    status: 400,
    proxyStatus: 'http_request_error',
    side: 'client',
    retry: 'never',
    meaning: 'The client of a forward proxy asked for something that is no host and port.',
  },
  destination_denied: {
    status: 403,
    proxyStatus: 'http_request_denied',
    side: 'client',
    retry: 'never',
    meaning: 'A rule denies the destination, or its port is not one of those permitted.',
  },
  destination_forbidden: {
    status: 403,
    proxyStatus: 'destination_ip_prohibited',
    side: 'client',
    retry: 'never',
    meaning: 'The destination has only addresses that are not public.',
  },
  name_not_found: {
    status: 502,
    proxyStatus: 'dns_error',
    side: 'upstream',
    retry: 'never',
    meaning: 'The name of the destination has no address.',
  },
  name_timeout: {
    status: 504,
    proxyStatus: 'dns_timeout',
    side: 'upstream',
    retry: 'never',
    meaning: 'No name server answered for the name of the destination.',
  },
  proxy_loop: {
    status: 502,
    proxyStatus: 'proxy_loop_detected',
    side: 'client',
    retry: 'never',
    meaning: 'The request has come through this proxy before, or asks for the proxy itself.',
  },
  user_limit: {
    status: 429,
    proxyStatus: 'connection_limit_reached',
    side: 'client',
    retry: 'never',
    meaning: 'The user has as many connections open as permitted.',
  },
  user_quota: {
    status: 429,
    proxyStatus: 'http_request_denied',
    side: 'client',
    retry: 'never',
    meaning: 'The user has moved as many bytes today as permitted.',
  },
  parent_refused: {
    status: 502,
    proxyStatus: 'destination_unavailable',
    side: 'upstream',
    retry: 'always',
    meaning: 'A parent proxy refused to connect, or did not answer as one.',
  },
  socks_malformed: {
    status: 0,
    proxyStatus: '',
    side: 'client',
    retry: 'never',
    meaning: 'The client of a forward proxy began neither as HTTP nor as SOCKS, or broke off.',
  },
} as const satisfies Record<string, ErrorCodeInfo>;

export type ErrorCode = keyof typeof ERROR_CODES;
export const ERROR_CODE_NAMES = Object.keys(ERROR_CODES) as ErrorCode[];

/** Number of an error code as it crosses the addon boundary. */
export function errorCodeNumber(code: ErrorCode): number {
  return ERROR_CODE_NAMES.indexOf(code);
}

/** Upstream, but of what the client asked for: a parent that will not go there is none the worse. */
const NOT_THE_TARGETS: readonly ErrorCode[] = [
  'no_target',
  'upgrade_failed',
  'name_not_found',
  'name_timeout',
  'parent_refused',
];

/** Whether a failure says something about the target, and so counts towards its ejection. */
export function isTargetFault(code: ErrorCode): boolean {
  return ERROR_CODES[code].side === 'upstream' && !NOT_THE_TARGETS.includes(code);
}

/** Raised whenever src/plan/encode.ts changes what it writes. */
export const PLAN_LAYOUT = 6;
/** The first four bytes of an encoded plan. */
export const PLAN_MAGIC = 0x534c5000 + PLAN_LAYOUT;

export const PROTOCOLS = ['http', 'tcp', 'udp', 'forward'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export const STRATEGIES = [
  'round-robin',
  'random',
  'least-connections',
  'ip-hash',
  'power-of-two-choices',
  'maglev',
] as const;
export type StrategyName = (typeof STRATEGIES)[number];

export const FORWARDED_MODES = ['replace', 'append', 'off'] as const;
export type ForwardedMode = (typeof FORWARDED_MODES)[number];

export const SPLICE_MODES = ['auto', 'never', 'always'] as const;
export type SpliceMode = (typeof SPLICE_MODES)[number];

export const ADDRESS_FAMILIES = ['ipv4', 'ipv6', 'unix'] as const;
export type AddressFamily = (typeof ADDRESS_FAMILIES)[number];

export const HOST_MATCHES = ['any', 'exact', 'suffix'] as const;
export const PATH_MATCHES = ['any', 'exact', 'prefix', 'regex'] as const;
export const ACTIONS = ['pool', 'respond', 'redirect', 'deny'] as const;
export const HOST_HEADERS = ['client', 'target', 'literal'] as const;
export const EDIT_OPS = ['set', 'add', 'remove'] as const;
export type EditOp = (typeof EDIT_OPS)[number];
export const REDIRECT_PARTS = ['literal', 'scheme', 'host', 'path', 'query', 'hostname'] as const;
export type RedirectPart = (typeof REDIRECT_PARTS)[number];

/** Mozilla's recommendations for servers, by name. */
export const TLS_PROFILES = ['intermediate', 'modern', 'old'] as const;
export type TlsProfile = (typeof TLS_PROFILES)[number];
/** Whether a listener asks clients for a certificate. */
export const CLIENT_CERTIFICATE_MODES = ['off', 'request', 'require'] as const;
export type ClientCertificateMode = (typeof CLIENT_CERTIFICATE_MODES)[number];
/** What headers can tell of a client's certificate. */
export const CERTIFICATE_FIELDS = [
  'verified',
  'subject',
  'issuer',
  'serial',
  'fingerprint',
  'names',
  'notBefore',
  'notAfter',
  'certificate',
] as const;
export type CertificateField = (typeof CERTIFICATE_FIELDS)[number];
/** What a route asks of the client's certificate. */
export const CERTIFICATE_MATCHES = ['any', 'verified', 'none'] as const;
export type CertificateMatchKind = (typeof CERTIFICATE_MATCHES)[number];
/** Whether connections begin with a PROXY header, where they come from trusted proxies. */
export const PROXY_ACCEPTS = ['off', 'optional', 'required'] as const;
export type ProxyAccept = (typeof PROXY_ACCEPTS)[number];
/** The version of the PROXY header that targets are sent. */
export const PROXY_SENDS = ['off', 'v1', 'v2'] as const;
export type ProxySend = (typeof PROXY_SENDS)[number];

/** What clients of a forward proxy may speak, told apart by the first byte. */
export const FORWARD_ACCEPTS = ['http', 'socks5', 'socks4'] as const;
export type ForwardAccept = (typeof FORWARD_ACCEPTS)[number];
/** What a forward proxy tells of its clients and of itself. */
export const ANONYMITIES = ['transparent', 'anonymous', 'elite'] as const;
export type Anonymity = (typeof ANONYMITIES)[number];
/** How work given to a target of a pool reaches its destination: the target is it, there is no target, or the target is a proxy. */
export const POOL_KINDS = ['targets', 'direct', 'http-parent', 'socks5-parent'] as const;
export type PoolKind = (typeof POOL_KINDS)[number];
/** What the page that tells of a denial is made of. */
export const PAGE_PARTS = ['literal', 'host', 'port', 'rule', 'client', 'user', 'reason'] as const;
export type PagePart = (typeof PAGE_PARTS)[number];
/** What workers ask the control plane. */
export const QUESTIONS = ['addresses', 'password'] as const;
export type QuestionKind = (typeof QUESTIONS)[number];
/** What an address is, as far as a forward proxy cares: all but public ones are refused unless permitted. */
export const ADDRESS_CLASSES = [
  'public',
  'loopback',
  'private',
  'link-local',
  'multicast',
  'reserved',
] as const;
export type AddressClass = (typeof ADDRESS_CLASSES)[number];

/**
 * The counters of one entity (listener, route, pool or target), in this order in every shard. `active` is
 * a gauge, all others only grow. Bytes are payload as seen on the client's side for listeners, routes and
 * pools, and on the upstream's side for targets: `bytes_in` travels towards the target.
 */
export const COUNTERS = [
  'connections',
  'active',
  'requests',
  'status_1xx',
  'status_2xx',
  'status_3xx',
  'status_4xx',
  'status_5xx',
  'bytes_in',
  'bytes_out',
  'datagrams_in',
  'datagrams_out',
  'retries',
  'log_dropped',
  'tls_handshakes',
  'tls_resumed',
] as const;
export type Counter = (typeof COUNTERS)[number];

/**
 * Latency histogram: log-linear over nanoseconds. Bucket 0 holds everything under 2^HISTOGRAM_MIN_SHIFT ns;
 * then each power of two is cut into HISTOGRAM_SUB equal buckets, up to 2^HISTOGRAM_MAX_SHIFT ns; the last
 * bucket holds everything above. A bucket's midpoint is within 1/64 = 1.6 % of any value in it.
 */
export const HISTOGRAM_MIN_SHIFT = 9;
export const HISTOGRAM_MAX_SHIFT = 37;
export const HISTOGRAM_SUB = 32;
export const HISTOGRAM_BUCKETS = (HISTOGRAM_MAX_SHIFT - HISTOGRAM_MIN_SHIFT) * HISTOGRAM_SUB + 2;

/** Doubles that one entity occupies in a stats snapshot: counters, errors by code, histogram, its sum in ns. */
export const STATS_STRIDE = COUNTERS.length + ERROR_CODE_NAMES.length + HISTOGRAM_BUCKETS + 1;

/**
 * Names the tables above and the layout of an encoded plan: an addon that was built from others is refused.
 * FNV-1a over their JSON.
 */
export const ABI = abiOf(
  JSON.stringify([
    PLAN_LAYOUT,
    ERROR_CODE_NAMES,
    PROTOCOLS,
    STRATEGIES,
    FORWARDED_MODES,
    SPLICE_MODES,
    ADDRESS_FAMILIES,
    HOST_MATCHES,
    PATH_MATCHES,
    ACTIONS,
    HOST_HEADERS,
    EDIT_OPS,
    REDIRECT_PARTS,
    CLIENT_CERTIFICATE_MODES,
    CERTIFICATE_FIELDS,
    CERTIFICATE_MATCHES,
    PROXY_ACCEPTS,
    PROXY_SENDS,
    FORWARD_ACCEPTS,
    ANONYMITIES,
    POOL_KINDS,
    PAGE_PARTS,
    QUESTIONS,
    ADDRESS_CLASSES,
    COUNTERS,
    HISTOGRAM_BUCKETS,
  ]),
);

function abiOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return hash.toString(16).padStart(8, '0');
}
