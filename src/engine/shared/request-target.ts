// The target of a request (RFC 9112 section 3.2), in the forms that a reverse proxy takes and in those that a forward proxy
// does. Pure.
import type { ErrorCode } from '../../contract/codes.ts';
import { type Destination, parseDestination } from '../../plan/destination-host.ts';
import { isQueryAllowed, normalizePath } from '../../plan/match.ts';
import { type Authority, parseAuthority } from './authority.ts';

export interface Target {
  /** In normal form; `*` for what concerns a target as a whole; '' for CONNECT. */
  readonly path: string;
  readonly query: string;
  /** Of an absolute target and of CONNECT. */
  readonly authority: Authority | null;
  /** The port that goes without saying in Host. */
  readonly defaultPort: number;
  /** null for reverse proxies, and for what a forward proxy is asked itself. */
  readonly destination: Destination | null;
}

export type BadTarget = Extract<ErrorCode, 'request_malformed' | 'destination_malformed'>;

const DEFAULT_PORTS: Readonly<Record<string, number>> = { 'http://': 80, 'https://': 443 };

/** The three forms that a reverse proxy takes. */
export function readTarget(method: string, url: string): Target | BadTarget {
  if (method === 'CONNECT') return 'request_malformed';
  if (url === '*') return method === 'OPTIONS' ? asterisk() : 'request_malformed';
  if (url.startsWith('/')) return originForm(url);
  const scheme = /^https?:\/\//i.exec(url)?.[0] ?? '';
  const defaultPort = DEFAULT_PORTS[scheme.toLowerCase()];
  if (defaultPort === undefined) return 'request_malformed';
  const { text, tail } = splitAbsolute(url.slice(scheme.length));
  const authority = parseAuthority(text);
  if (authority === null) return 'request_malformed';
  return absoluteForm(method, tail, { authority, defaultPort, destination: null });
}

/** The two forms that name a destination, and the one that asks for something of our own. */
export function readForwardTarget(method: string, url: string): Target | BadTarget {
  if (method === 'CONNECT') return authorityForm(url);
  if (url.startsWith('/')) return originForm(url);
  const scheme = /^http:\/\//i.exec(url)?.[0] ?? '';
  if (scheme === '') return 'destination_malformed';
  const { text, tail } = splitAbsolute(url.slice(scheme.length));
  const destination = parseDestination(text, 80);
  const authority = parseAuthority(text);
  if (destination === null || authority === null) return 'destination_malformed';
  return absoluteForm(method, tail, { authority, defaultPort: 80, destination });
}

function asterisk(): Target {
  return { path: '*', query: '', authority: null, defaultPort: 80, destination: null };
}

function originForm(url: string): Target | BadTarget {
  return withPath(url, { authority: null, defaultPort: 80, destination: null });
}

function authorityForm(url: string): Target | BadTarget {
  const destination = parseDestination(url, null);
  const authority = parseAuthority(url);
  if (destination === null || authority === null) return 'destination_malformed';
  // Many clients leave the port out of Host.
  return { path: '', query: '', authority, defaultPort: destination.port, destination };
}

type Where = Pick<Target, 'authority' | 'defaultPort' | 'destination'>;

function absoluteForm(method: string, tail: string, where: Where): Target | BadTarget {
  // RFC 9112 section 3.2.4: OPTIONS without a path asks about the target as a whole.
  if (tail === '') return { path: method === 'OPTIONS' ? '*' : '/', query: '', ...where };
  return withPath(tail.startsWith('?') ? `/${tail}` : tail, where);
}

/** The authority of an absolute target, and the rest. */
function splitAbsolute(rest: string): { readonly text: string; readonly tail: string } {
  const end = rest.search(/[/?]/);
  return end < 0 ? { text: rest, tail: '' } : { text: rest.slice(0, end), tail: rest.slice(end) };
}

function withPath(text: string, where: Where): Target | BadTarget {
  const mark = text.indexOf('?');
  const path = normalizePath(mark < 0 ? text : text.slice(0, mark));
  const query = mark < 0 ? '' : text.slice(mark);
  return path === null || !isQueryAllowed(query) ? 'request_malformed' : { path, query, ...where };
}
