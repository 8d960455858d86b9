// The one normal form of a request path. Requests are routed on it and forwarded in it, so that Sluice and a
// target never read one path in two ways. The same rules are native/http/path; test/vectors/path.txt binds both.
import { type Parsed, parsed, refused } from './parsed.ts';

/** What may not stand in a path at all: controls, space, non-ASCII, backslash, `#`, and `?` (the query is cut off before). */
const NOT_IN_PATH = /[^\x21-\x7e]|[\\#?]/;
const NOT_IN_QUERY = /[^\x21-\x7e]|#/;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})|%00/;
const ESCAPE = /%[0-9A-Fa-f]{2}/g;
/** RFC 3986 section 2.3. */
const UNRESERVED = /[A-Za-z0-9\-._~]/;

/**
 * The normal form of a path without its query, or null when the request must be refused with 400.
 * Escaped unreserved characters are decoded, other escapes stay with upper-case digits, dot segments are
 * removed (escaped ones too), climbing above the root is refused; `//` and `%2F` stay as they are.
 */
export function normalizePath(path: string): string | null {
  if (path.charCodeAt(0) !== 0x2f || NOT_IN_PATH.test(path)) return null;
  if (!path.includes('%')) return path.includes('/.') ? removeDotSegments(path) : path;
  if (BAD_ESCAPE.test(path)) return null;
  const decoded = path.replace(ESCAPE, (found) => {
    const character = String.fromCharCode(Number.parseInt(found.slice(1), 16));
    return UNRESERVED.test(character) ? character : found.toUpperCase();
  });
  return decoded.includes('/.') ? removeDotSegments(decoded) : decoded;
}

/** A query is forwarded untouched, or refused with 400 when it holds controls, space, non-ASCII or `#`. */
export function isQueryAllowed(query: string): boolean {
  return !NOT_IN_QUERY.test(query);
}

function removeDotSegments(path: string): string | null {
  const segments = path.split('/').slice(1);
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === '..') {
      if (kept.pop() === undefined) return null;
    } else if (segment !== '.') {
      kept.push(segment);
    }
  }
  const last = segments.at(-1);
  if (last === '.' || last === '..') kept.push('');
  return `/${kept.join('/')}`;
}

export type PathPattern =
  | { readonly kind: 'any' }
  | { readonly kind: 'exact' | 'prefix'; readonly value: string };

/** Reads `match.path`: `/exact`, `/prefix/*` or `/*`. */
export function parsePathPattern(text: string): Parsed<PathPattern> {
  const expected = 'a path such as /status, a prefix such as /api/*, or /*';
  if (text === '/*') return parsed({ kind: 'any' });
  if (text === '*') return refused(expected, 'write /* for every path');
  const isPrefix = text.endsWith('/*');
  const value = isPrefix ? text.slice(0, -2) : text;
  if (value.includes('*')) {
    const hint = /[^/]\*$/.test(text)
      ? `a prefix ends on a segment border: write ${text.slice(0, -1)}/*`
      : 'a * may only stand at the end, after a slash; use pathRegex for more';
    return refused(expected, hint);
  }
  const problem = describeAbnormalPath(value);
  if (problem !== null) return refused(expected, problem);
  return parsed({ kind: isPrefix ? 'prefix' : 'exact', value });
}

/** Reads `stripPrefix` and `addPrefix`; a trailing slash is dropped. */
export function parsePathPrefix(text: string): Parsed<string> {
  const expected = 'a path that begins with a slash, such as /api';
  if (/^\/+$/.test(text))
    return refused(expected, 'a prefix of / alone changes nothing: leave it out');
  if (text.endsWith('/*')) return refused(expected, `write it without the *: ${text.slice(0, -2)}`);
  const value = text.endsWith('/') ? text.slice(0, -1) : text;
  const problem = describeAbnormalPath(value);
  return problem === null ? parsed(value) : refused(expected, problem);
}

/** Why no request path can ever equal this text, or null when one can. */
function describeAbnormalPath(text: string): string | null {
  if (!text.startsWith('/')) return `begin with a slash: /${text}`;
  if (text.includes('?')) return 'routes look at the path only: leave out the query';
  const normal = normalizePath(text);
  if (normal === text) return null;
  if (normal !== null) return `paths are compared in normal form: write ${normal}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range says "not printable ASCII".
  const isForeign = /[^\x00-\x7f]/.test(text);
  const escaped = isForeign ? escapeForeign(text) : text;
  return normalizePath(escaped) === escaped && escaped !== text
    ? `paths are compared in escaped form: write ${escaped}`
    : 'controls, spaces, backslashes, #, broken escapes and climbing above the root are refused in requests too';
}

function escapeForeign(text: string): string {
  return Buffer.from(text).reduce(
    (done, byte) =>
      done + (byte < 0x80 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase()}`),
    '',
  );
}
