// What becomes of header fields at a proxy, by name: which end here, which a client may not have removed, which
// only look like others. The same lists as in native/http. Names are in lower case. Pure.
import type { HeaderEdit } from '../../plan/plan.ts';

/** Fields in a row: name, value, name, value … as node:http gives and takes them. */
export type FlatFields = readonly string[];

/** RFC 9110 section 7.6.1, and what proxies of old made of it. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Never forwarded in a request besides: httpoxy, and the settings of an upgrade that we do not relay. */
const REQUEST_ONLY = new Set(['proxy', 'http2-settings']);

/** Fields about the hops before us; whether they are believed is the listener's decision. */
const FORWARDED_PREFIX = 'x-forwarded-';
const FORWARDED = new Set(['forwarded', 'x-real-ip']);

/** Fields that mean something to a proxy, besides any that begins with `x-forwarded-`. */
const MEANT_FOR_PROXIES = new Set([
  ...HOP_BY_HOP,
  ...REQUEST_ONLY,
  ...FORWARDED,
  'host',
  'content-length',
  'content-type',
  'expect',
  'proxy-status',
  'authorization',
  'cookie',
  'set-cookie',
  'sec-websocket-version',
  'date',
  'server',
  'location',
]);

/** What Connection may not remove: a client could otherwise take away what we add or what identifies it. */
const NOT_NOMINABLE = new Set(['authorization', 'cookie', 'set-cookie', 'expect', ...FORWARDED]);

export function isForwardedField(name: string): boolean {
  return FORWARDED.has(name) || name.startsWith(FORWARDED_PREFIX);
}

/** Whether a request field ends here, whatever the listener and the route say. */
export function endsInRequest(name: string): boolean {
  return HOP_BY_HOP.has(name) || REQUEST_ONLY.has(name) || isUnderscoreTwin(name);
}

export function endsInResponse(name: string): boolean {
  return HOP_BY_HOP.has(name);
}

export function isNominable(name: string): boolean {
  return !NOT_NOMINABLE.has(name) && !name.startsWith(FORWARDED_PREFIX);
}

/** Many applications cannot tell `_` from `-`: a field whose twin means something here never leaves. */
function isUnderscoreTwin(name: string): boolean {
  return name.includes('_') && isMeantForProxies(name.replaceAll('_', '-'));
}

export function isMeantForProxies(name: string): boolean {
  return MEANT_FOR_PROXIES.has(name) || name.startsWith(FORWARDED_PREFIX);
}

/** Names that edits take away, in lower case: the fields that came under them are not forwarded. */
export function editedAway(edits: readonly HeaderEdit[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { op, name } of edits) if (op !== 'add') names.add(name.toLowerCase());
  return names;
}

/** Puts in what edits set and add, in order; a later set or remove takes away what an earlier edit put in. */
export function applyEdits(fields: string[], edits: readonly HeaderEdit[]): void {
  edits.forEach(({ op, name, value }, i) => {
    if (op !== 'remove' && !editedAway(edits.slice(i + 1)).has(name.toLowerCase())) {
      fields.push(name, value);
    }
  });
}

/** The elements of a comma-separated list, trimmed, empty ones too. */
export function listElements(value: string): string[] {
  return value.split(',').map((element) => element.trim());
}
