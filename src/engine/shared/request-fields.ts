// The fields that a target gets: the client's, without those that end here, with what the listener says about the
// client and what the route edits. Pure.
import type { PlanRoute, PlanTarget } from '../../plan/plan.ts';
import { type ClientFacts, clientFacts } from './client-certificate.ts';
import { applyEdits, editedAway, endsInRequest, isForwardedField } from './field-rules.ts';
import type { LiveListener } from './live-plan.ts';
import type { RequestHead } from './request-head.ts';

export interface ForwardContext {
  readonly listener: LiveListener;
  readonly route: PlanRoute;
  readonly target: PlanTarget;
  /** '' for clients of unix sockets. */
  readonly clientHost: string;
  /** What the client's certificate tells; null where none are asked for. */
  readonly facts: ClientFacts | null;
}

export function schemeOf({ tls }: LiveListener): 'http' | 'https' {
  return tls === null ? 'http' : 'https';
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Lists that every hop adds to, so that what is believed is continued rather than kept beside ours. */
const CONTINUED = new Set(['x-forwarded-for', 'forwarded']);

/**
 * `forwarded: replace` believes what only trusted proxies say about hops before them, `append` what anybody says,
 * and `off` leaves no trace: nothing is added and what the client said is removed.
 */
export function requestFields(head: RequestHead, context: ForwardContext): string[] {
  const { listener, route } = context;
  const mode = listener.plan.forwarded;
  const isBelieved =
    mode === 'append' || (mode === 'replace' && listener.isTrusted(context.clientHost));
  const edited = editedAway(route.requestEdits);
  const believed: Believed = new Map();
  const told = toldFields(listener, context.facts);
  const fields: string[] = ['Host', hostFor(head, context)];

  for (let i = 0; i + 1 < head.fields.length; i += 2) {
    const name = head.fields[i] ?? '';
    const value = head.fields[i + 1] ?? '';
    const key = name.toLowerCase();
    if (isForwardedField(key)) {
      if (!isBelieved) continue;
      believed.set(key, [...(believed.get(key) ?? []), value]);
      if (CONTINUED.has(key)) continue;
    }
    if (isKept(key, head) && !edited.has(key) && !told.names.has(key.replaceAll('_', '-'))) {
      fields.push(name, value);
    }
  }
  for (const { name, value } of told.fields) {
    if (!edited.has(name.toLowerCase())) fields.push(name, value);
  }
  addFraming(fields, head);
  if (head.upgrade !== null) fields.push('Connection', 'upgrade', 'Upgrade', head.upgrade);
  else if (head.acceptsTrailers) fields.push('Connection', 'TE', 'TE', 'trailers');
  if (mode !== 'off') addForwarded(fields, head, context, believed, edited);
  applyEdits(fields, route.requestEdits);
  return fields;
}

function isKept(key: string, head: RequestHead): boolean {
  if (key === 'host' || key === 'content-length') return false;
  if (key === 'expect') return head.minorVersion > 0;
  return !endsInRequest(key) && !head.nominated.has(key);
}

function hostFor({ authority }: RequestHead, { route, target }: ForwardContext): string {
  if (route.hostHeader.kind === 'literal') return route.hostHeader.value;
  // HTTP/1.0 may come without a host; HTTP/1.1 may not leave so.
  const isTargets = route.hostHeader.kind === 'target' || authority === '';
  return isTargets ? target.authority : authority;
}

/** Methods whose requests node:http sends without framing when they have no body. */
const BODYLESS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);

/** One canonical framing field. */
function addFraming(fields: string[], { body, method }: RequestHead): void {
  if (body.kind === 'chunked') fields.push('Transfer-Encoding', 'chunked');
  else if (body.kind === 'length') fields.push('Content-Length', String(body.length));
  else if (!BODYLESS.has(method)) fields.push('Content-Length', '0');
}

/** The values of each forwarded field that is believed, by lower-case name. */
type Believed = Map<string, readonly string[]>;

/**
 * X-Forwarded-For and Forwarded continue what is believed; the others say one thing, so that a believed value
 * stands and ours fills in where there is none.
 */
function addForwarded(
  fields: string[],
  { authority }: RequestHead,
  { clientHost, listener }: ForwardContext,
  believed: Believed,
  edited: ReadonlySet<string>,
): void {
  const client = clientHost === '' ? 'unknown' : clientHost;
  const add = (name: string, value: string): void => {
    const key = name.toLowerCase();
    if (edited.has(key) || value === '') return;
    const earlier = believed.get(key)?.filter((text) => text !== '') ?? [];
    if (CONTINUED.has(key)) fields.push(name, [...earlier, value].join(', '));
    else if (earlier.length === 0) fields.push(name, value);
  };
  add('X-Forwarded-For', client);
  add('X-Forwarded-Proto', schemeOf(listener));
  add('X-Forwarded-Host', authority);
  add('X-Real-IP', clientHost);
  add('Forwarded', forwardedElement(client, authority, schemeOf(listener)));
}

/** RFC 7239 section 4. */
function forwardedElement(client: string, authority: string, scheme: string): string {
  const node = client.includes(':') ? `"[${client}]"` : client;
  const host = TOKEN.test(authority) ? authority : `"${authority}"`;
  return authority === ''
    ? `for=${node};proto=${scheme}`
    : `for=${node};host=${host};proto=${scheme}`;
}

interface Told {
  /** Names, in lower case, that no client may use; with `_` for `-` many applications could not tell them apart. */
  readonly names: ReadonlySet<string>;
  readonly fields: ClientFacts['fields'];
}

const NOTHING_TOLD: Told = { names: new Set(), fields: [] };

/** The names that targets are told of the client's certificate with, in lower case. */
export function toldNames({ tls }: LiveListener): ReadonlySet<string> {
  const headers = tls?.plan.clientCertificates.headers ?? [];
  return new Set(headers.map(({ name }) => name.toLowerCase().replaceAll('_', '-')));
}

/** What targets are told of the client's certificate. */
function toldFields(listener: LiveListener, facts: ClientFacts | null): Told {
  const asked = listener.tls?.plan.clientCertificates;
  if (asked === undefined || asked.headers.length === 0) return NOTHING_TOLD;
  const names = toldNames(listener);
  // A connection of before a reload that asks for certificates has shown none.
  const { fields } = facts ?? clientFacts(asked, null) ?? NOTHING_TOLD;
  return { names, fields };
}
