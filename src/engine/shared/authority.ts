// A request's authority (RFC 9110 section 7.2), judged as strictly as native/http does it. Pure.

export interface Authority {
  /** Without the colon of an empty port. */
  readonly text: string;
  /** Without port, as received; an IPv6 address keeps its brackets. */
  readonly host: string;
  /** null when it was not written. */
  readonly port: number | null;
}

// reg-name without escapes, which would give one host two spellings, and without the comma.
const AUTHORITY = /^(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9\-._~!$&'()*+;=]+)(?::([0-9]{0,5}))?$/;
const TWO_COLONS = /:.*:/;

export function parseAuthority(text: string): Authority | null {
  const match = AUTHORITY.exec(text);
  if (match === null) return null;
  const [, host = '', digits = ''] = match;
  if (host.startsWith('[') && !TWO_COLONS.test(host)) return null;
  if (digits === '') return { text: host, host, port: null };
  const port = Number(digits);
  return port <= 65535 ? { text, host, port } : null;
}

/** Whether both name the same place under a scheme whose port is `defaultPort`. */
export function isSameAuthority(a: Authority, b: Authority, defaultPort: number): boolean {
  const isSameHost = a.host.toLowerCase() === b.host.toLowerCase();
  return isSameHost && (a.port ?? defaultPort) === (b.port ?? defaultPort);
}
