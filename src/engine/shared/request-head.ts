// A request head, judged: what node's parser lets pass and RFC 9112 or this project does not is refused here, so
// that what leaves can be read in one way only. Reads a request, writes nothing. Pure.
import type { ErrorCode } from '../../contract/codes.ts';
import type { Destination } from '../../plan/destination-host.ts';
import type { PlanLimits } from '../../plan/plan.ts';
import { type Authority, isSameAuthority, parseAuthority } from './authority.ts';
import type { RawRequest } from './client-side.ts';
import { type FlatFields, isNominable, listElements } from './field-rules.ts';
import { readForwardTarget, readTarget, type Target } from './request-target.ts';

export interface RequestHead {
  readonly method: string;
  /** In normal form; `*` for OPTIONS *. */
  readonly path: string;
  /** With its `?`, or ''. */
  readonly query: string;
  /** Of an absolute target, else of Host; '' for HTTP/1.0 without either. */
  readonly authority: string;
  /** Where a forward proxy is asked to go; null for what asks the proxy itself, and for reverse proxies. */
  readonly destination: Destination | null;
  readonly minorVersion: number;
  readonly fields: FlatFields;
  /** Names that Connection gives up, in lower case. */
  readonly nominated: ReadonlySet<string>;
  readonly body: BodyFraming;
  readonly isIdempotent: boolean;
  /** The client waits for 100 (Continue) before it sends its body. */
  readonly expectsContinue: boolean;
  /** The protocol that a connection is to be switched to; null when none was asked for in a way that counts. */
  readonly upgrade: string | null;
  readonly acceptsTrailers: boolean;
}

export type BodyFraming =
  | { readonly kind: 'none' | 'chunked' }
  | { readonly kind: 'length'; readonly length: number };

export type HeadOutcome =
  | { readonly head: RequestHead }
  | { readonly code: Exclude<ErrorCode, 'none'> };

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);
/** Protocols that are HTTP again: whoever spoke them behind us would escape the rules kept here. */
const HIDDEN_HTTP = new Set(['h2c', 'h2', 'http', 'tls']);
const PROTOCOL = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:\/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const MAX_NOMINATIONS = 32;
/** `METHOD SP target SP HTTP/1.1 CRLF` and the empty line, without method and target. */
const LINE_OVERHEAD = 14;

/** Of a reverse proxy, or of a `forward` proxy, whose clients name their destination in the target. */
export function readRequestHead(
  request: RawRequest,
  limits: PlanLimits,
  kind: 'reverse' | 'forward' = 'reverse',
): HeadOutcome {
  const { httpVersionMajor: major, httpVersionMinor: minor, rawHeaders, method = '' } = request;
  const url = request.url ?? '';
  if (major !== 1) return refuse(major > 1 ? 'request_version_unsupported' : 'request_malformed');
  if (url.length > limits.targetBytes) return refuse('request_target_too_long');
  if (rawHeaders.length / 2 > limits.headerCount) return refuse('request_head_too_large');
  if (headBytes(method, url, rawHeaders) > limits.headBytes)
    return refuse('request_head_too_large');

  const known = collect(rawHeaders);
  const target = kind === 'forward' ? readForwardTarget(method, url) : readTarget(method, url);
  if (typeof target === 'string') return refuse(target);
  const authority = readAuthority(target, known.host, minor);
  if (authority === null) return refuse('request_malformed');
  const body = readFraming(known, minor);
  if (typeof body === 'string') return refuse(body);
  const connection = readConnection(known.connection);
  if (connection === null) return refuse('request_malformed');
  const hasBody = body.kind === 'chunked' || (body.kind === 'length' && body.length > 0);
  // Nobody could tell the content of a CONNECT from what is to go through the tunnel.
  if (method === 'CONNECT' && hasBody) return refuse('request_malformed');
  const expectations = minor > 0 ? known.expect.flatMap(listElements) : [];
  if (expectations.some((expectation) => expectation.toLowerCase() !== '100-continue')) {
    return refuse('request_expectation_failed');
  }
  const mayUpgrade = connection.hasUpgrade && minor > 0 && !hasBody;
  return {
    head: {
      method,
      path: target.path,
      query: target.query,
      authority: authority.text,
      destination: target.destination,
      minorVersion: minor,
      fields: rawHeaders,
      nominated: connection.nominated,
      body,
      isIdempotent: IDEMPOTENT.has(method),
      expectsContinue: expectations.length > 0 && hasBody,
      upgrade: mayUpgrade ? readUpgrade(known, method) : null,
      acceptsTrailers:
        minor > 0 && known.te.flatMap(listElements).some((te) => te.toLowerCase() === 'trailers'),
    },
  };
}

function refuse(code: Exclude<ErrorCode, 'none'>): HeadOutcome {
  return { code };
}

function headBytes(method: string, url: string, fields: FlatFields): number {
  let bytes = method.length + url.length + LINE_OVERHEAD;
  for (const text of fields) bytes += text.length + 2;
  return bytes;
}

type Known = Readonly<Record<KnownName, string[]>>;
type KnownName =
  | 'host'
  | 'connection'
  | 'content-length'
  | 'transfer-encoding'
  | 'expect'
  | 'upgrade'
  | 'te'
  | 'sec-websocket-version';

/** The values of the fields that decide something, in one pass. */
function collect(fields: FlatFields): Known {
  const known: Known = {
    host: [],
    connection: [],
    'content-length': [],
    'transfer-encoding': [],
    expect: [],
    upgrade: [],
    te: [],
    'sec-websocket-version': [],
  };
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] ?? '').toLowerCase();
    if (Object.hasOwn(known, name)) known[name as KnownName].push(fields[i + 1] ?? '');
  }
  return known;
}

const NO_AUTHORITY: Authority = { text: '', host: '', port: null };

function readAuthority(target: Target, hosts: readonly string[], minor: number): Authority | null {
  const [text, ...more] = hosts;
  if (more.length > 0 || (text === undefined && minor > 0)) return null;
  const fromHost = text === undefined ? NO_AUTHORITY : parseAuthority(text);
  if (fromHost === null || target.authority === null) return fromHost;
  const isContradicted =
    text !== undefined && !isSameAuthority(target.authority, fromHost, target.defaultPort);
  return isContradicted ? null : target.authority;
}

function readFraming(known: Known, minor: number): BodyFraming | Exclude<ErrorCode, 'none'> {
  const lengths = known['content-length'];
  const codings = known['transfer-encoding'];
  if (codings.length > 0) {
    if (lengths.length > 0 || minor === 0) return 'request_malformed';
    const coding = readCoding(codings);
    if (coding === 'chunked') return { kind: 'chunked' };
    return coding === 'unknown' ? 'request_coding_unknown' : 'request_malformed';
  }
  if (lengths.length === 0) return { kind: 'none' };
  const length = readLength(lengths);
  return length === null ? 'request_malformed' : { kind: 'length', length };
}

/** `chunked` for exactly that; `unknown` for other codings before a last `chunked`. */
export function readCoding(values: readonly string[]): 'chunked' | 'unknown' | 'malformed' {
  const codings = values.flatMap(listElements).map((coding) => coding.toLowerCase());
  const isWellFormed = codings.every((coding) => TOKEN.test(coding));
  if (!isWellFormed || codings.indexOf('chunked') !== codings.length - 1) return 'malformed';
  return codings.length === 1 ? 'chunked' : 'unknown';
}

/** null unless it stands there once, in digits, and is a length that this process can count to. */
export function readLength(values: readonly string[]): number | null {
  const [value = ''] = values;
  if (values.length !== 1 || !/^[0-9]{1,19}$/.test(value)) return null;
  const length = Number(value);
  return Number.isSafeInteger(length) ? length : null;
}

interface Connection {
  readonly nominated: ReadonlySet<string>;
  readonly hasUpgrade: boolean;
}

const NOTHING_NOMINATED: ReadonlySet<string> = new Set();

/** What Connection asks for; null when it names what nobody may take away. */
export function readConnection(values: readonly string[]): Connection | null {
  let nominated = NOTHING_NOMINATED;
  let hasUpgrade = false;
  for (const element of values.flatMap(listElements)) {
    const name = element.toLowerCase();
    if (name === '' || name === 'close' || name === 'keep-alive') continue;
    if (name === 'upgrade') hasUpgrade = true;
    else if (name === 'host' || name === 'content-length' || name === 'transfer-encoding')
      return null;
    else if (isNominable(name)) nominated = new Set([...nominated, name]);
    if (nominated.size > MAX_NOMINATIONS) return null;
  }
  return { nominated, hasUpgrade };
}

/** RFC 9110 section 7.8 and RFC 6455 section 4.1: the first protocol that may be relayed. */
function readUpgrade(known: Known, method: string): string | null {
  for (const protocol of known.upgrade.flatMap(listElements)) {
    const name = protocol.toLowerCase().split('/', 1)[0] ?? '';
    if (!PROTOCOL.test(protocol) || HIDDEN_HTTP.has(name)) continue;
    const versions = known['sec-websocket-version'];
    const isWebSocket = method === 'GET' && versions.length === 1 && versions[0] === '13';
    if (name !== 'websocket' || isWebSocket) return protocol;
  }
  return null;
}
