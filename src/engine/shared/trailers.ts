// Trailers that may be forwarded (RFC 9110 section 6.5.1): nothing for framing, routing, authentication, modifying
// the request, or how to read the content. The same rules as in native/http/chunked. Pure.
import { type FlatFields, isMeantForProxies } from './field-rules.ts';

/** More than this is an attack on whoever stores them. */
const MAX_TRAILERS = 64;

const FORBIDDEN_PREFIXES = ['content-', 'if-', 'proxy-', 'sec-', 'access-control-'];
const FORBIDDEN = new Set([
  'accept-ranges',
  'age',
  'allow',
  'alt-svc',
  'authentication-info',
  'cache-control',
  'cookie2',
  'expires',
  'max-forwards',
  'pragma',
  'priority',
  'range',
  'referer',
  'retry-after',
  'set-cookie2',
  'strict-transport-security',
  'user-agent',
  'vary',
  'via',
  'warning',
  'www-authenticate',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method-override',
]);

export function areTooManyTrailers(raw: FlatFields): boolean {
  return raw.length / 2 > MAX_TRAILERS;
}

/** The trailer fields that may be forwarded, in pairs. `withheld`: names in lower case that may not. */
export function allowedTrailers(
  raw: FlatFields,
  withheld: ReadonlySet<string> = new Set(),
): [string, string][] {
  const allowed: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const key = name.toLowerCase();
    if (isAllowed(key) && !withheld.has(key)) allowed.push([name, raw[i + 1] ?? '']);
  }
  return allowed;
}

function isAllowed(name: string): boolean {
  if (name.includes('_') || FORBIDDEN.has(name)) return false;
  if (FORBIDDEN_PREFIXES.some((prefix) => name.startsWith(prefix))) return false;
  return name === 'server' || !isMeantForProxies(name);
}
