// Routes of a listener as rules of HAProxy. The first rule that matches writes the route's number down, and what
// follows asks for the number, so that rewriting a path cannot change which route a request has.
import { STATUS_CODES } from 'node:http';
import type { PoolConfig } from '../config/config.ts';
import { editAnswer, isSame, PLAIN_TEXT } from './answer.ts';
import { comment, type NamedField, type Notes } from './exported.ts';
import { matchesEveryPath, type PlacedRoute, type Route, takesEverything } from './facts.ts';
import { certificateConditions } from './haproxy-client-certificates.ts';
import { editRules } from './haproxy-fields.ts';
import { canBeNamed, commonAuthority } from './haproxy-pool.ts';
import { plain, value, when, word } from './haproxy-text.ts';
import { pcreLiteral, toPcre } from './pcre.ts';

/** Headers of an answer that fit on the line of its rule; the others get rules of their own. */
const MAX_HEADERS = 12;
const UNDECIDED = '!{ var(txn.route) -m found }';

/** Whether requests need a choice among routes at all. */
export function isOnlyRoute(routes: readonly PlacedRoute[]): boolean {
  const [first] = routes;
  return first !== undefined && first.route.match.host === null && takesEverything(first.route);
}

/** The condition under which a request has this route; '' where there is no other. */
export function conditionOf({ index }: PlacedRoute, isOnly: boolean): string {
  return isOnly ? '' : `{ var(txn.route) -m int ${index} }`;
}

export function chooseRules(routes: readonly PlacedRoute[]): string[] {
  const hosts = routes.some(({ route }) => route.match.host !== null);
  return [
    ...(hosts ? ['http-request set-var(txn.host) req.hdr(host),host_only,rtrim(.),lower'] : []),
    ...routes.map((place, i) =>
      [
        `http-request set-var(txn.route) int(${place.index})`,
        [...(i === 0 ? [] : [UNDECIDED]), ...matchConditions(place.route)].join(' '),
      ]
        .filter((part) => part !== '')
        .join(' if '),
    ),
    when(UNDECIDED, plainAnswer(404)),
  ];
}

/** An answer that says its status and nothing else. */
export function plainAnswer(status: number): string {
  const body = word(`${status} ${STATUS_CODES[status] ?? ''}\n`);
  return `http-request return status ${status} content-type ${word(PLAIN_TEXT)} string ${body}`;
}

function matchConditions({ match }: Route): string[] {
  const { host, path, pathRegex } = match;
  return [
    ...certificateConditions(match),
    ...(host === null
      ? []
      : [`{ var(txn.host) -m ${host.kind === 'exact' ? 'str' : 'end'} -- ${word(host.value)} }`]),
    ...(pathRegex === null ? [] : [`{ path -m reg -- ${word(toPcre(pathRegex))} }`]),
    ...(path === null || path.kind === 'any' ? [] : [pathCondition(path)]),
  ];
}

/** With a slash behind it, `/api` begins with `/api/` as `/api/x` does, and `/apix` does not. */
function pathCondition({
  kind,
  value: text,
}: {
  readonly kind: 'exact' | 'prefix';
  readonly value: string;
}): string {
  return kind === 'exact'
    ? `{ path -m str -- ${word(text)} }`
    : `{ path,concat(/) -m beg -- ${word(`${text}/`)} }`;
}

/** stripPrefix and addPrefix. The exact path first: what the other rule leaves is not to be stripped again. */
export function rewriteRules({ stripPrefix, addPrefix }: Route, condition: string): string[] {
  const strip = pcreLiteral(stripPrefix);
  return [
    ...(strip === ''
      ? []
      : [
          `http-request replace-path ${word(`^${strip}$`)} /`,
          `http-request replace-path ${word(`^${strip}/(.*)$`)} ${word('/\\1')}`,
        ]),
    ...(addPrefix === '' ? [] : [`http-request set-path ${word(`${plain(addPrefix)}%[path]`)}`]),
  ].map((rule) => when(condition, rule));
}

export function answerRules(
  place: PlacedRoute,
  condition: string,
  scheme: string,
  notes: Notes,
): string[] {
  const { route } = place;
  const made = route.respond === null ? redirection(route, scheme) : response(route.respond);
  const fields = editAnswer(made.fields, route);
  const type = fields.find(({ name }) => isSame(name, 'Content-Type'))?.value;
  const others = fields.filter(({ name }) => !isSame(name, 'Content-Type'));
  const near = others.slice(0, MAX_HEADERS);
  const format = (field: NamedField): string =>
    made.formats.has(field.name) &&
    !route.responseHeaders.some(({ name }) => isSame(name, field.name))
      ? word(field.value)
      : value(field.value);
  return [
    ...(made.body.includes('\0')
      ? notes.warn(`${place.path}.respond.body`, 'HAProxy ends a text at a NUL')
      : []),
    ...(route.redirect === null ? [] : rewriteRules(route, condition)),
    ...others
      .slice(MAX_HEADERS)
      .map((field) =>
        when(condition, `http-after-response add-header ${word(field.name)} ${format(field)}`),
      ),
    when(
      condition,
      [
        `http-request return status ${made.status}`,
        ...(made.body === '' ? [] : [`content-type ${word(type ?? 'application/octet-stream')}`]),
        ...(made.body === '' ? [] : [`string ${word(made.body)}`]),
        ...near.map((field) => `hdr ${word(field.name)} ${format(field)}`),
      ].join(' '),
    ),
  ];
}

interface Made {
  readonly status: number;
  readonly fields: readonly NamedField[];
  readonly body: string;
  /** Names of the fields whose values are formats already. */
  readonly formats: ReadonlySet<string>;
}

function response({ status, headers, body }: NonNullable<Route['respond']>): Made {
  const hasType = headers.some(({ name }) => isSame(name, 'Content-Type'));
  const own = hasType || body === '' ? [] : [{ name: 'Content-Type', value: PLAIN_TEXT }];
  return { status, fields: [...own, ...headers], body, formats: new Set() };
}

function redirection(route: Route, scheme: string): Made {
  if (route.redirect === null) throw new TypeError('a checked route has exactly one action');
  const { to, status } = route.redirect;
  const parts = {
    scheme,
    host: '%[req.hdr(host)]',
    hostname: '%[req.hdr(host),host_only]',
    path: '%[path]',
    // The question mark only where there is a query.
    query: '%[var(txn.query)]',
  };
  const location = to.map(({ part, text }) => (part === 'literal' ? plain(text) : parts[part]));
  return {
    status,
    fields: [
      { name: 'Location', value: location.join('') },
      { name: 'Content-Type', value: PLAIN_TEXT },
    ],
    body: `${status} ${STATUS_CODES[status] ?? ''}\n`,
    formats: new Set(['Location']),
  };
}

/** What is done to a request on its way to a target, and to the answer. */
export function forwardRules(
  { route, path }: PlacedRoute,
  poolName: string,
  pool: PoolConfig,
  condition: string,
  notes: Notes,
): string[] {
  return [
    ...rewriteRules(route, condition),
    ...hostRules(route, path, poolName, pool, condition, notes),
    ...editRules('http-request', route.requestHeaders, condition),
    ...editRules('http-response', route.responseHeaders, condition),
  ];
}

/** Whether the section of the pool is to name its targets. */
export function isNamed(route: Route, pool: PoolConfig): boolean {
  const setting = route.hostHeader ?? pool.hostHeader;
  return setting.kind === 'target' && commonAuthority(pool) === null && canBeNamed(pool);
}

function hostRules(
  route: Route,
  path: string,
  poolName: string,
  pool: PoolConfig,
  condition: string,
  notes: Notes,
): string[] {
  const setting = route.hostHeader ?? pool.hostHeader;
  if (setting.kind === 'client' || isNamed(route, pool)) return [];
  const set = (text: string): string =>
    when(condition, `http-request set-header Host ${value(text)}`);
  if (setting.kind === 'literal') return [set(setting.value)];
  const common = commonAuthority(pool);
  if (common !== null) return [set(common)];
  const at = route.hostHeader === null ? `pools.${poolName}` : path;
  return notes.warn(
    `${at}.hostHeader`,
    "HAProxy cannot say each target's address as Host when one is IPv6 or a socket file: it passes on the client's",
  );
}

export function titleOf({ route, path }: PlacedRoute): string[] {
  return comment(route.name === null ? path : `${path}, ${route.name}`);
}

/** Paths are compared in normal form; HAProxy has to be asked for it, and only where a path matters. */
export function normalRules(routes: readonly PlacedRoute[]): string[] {
  const matters = routes.some(
    ({ route }) =>
      !matchesEveryPath(route) ||
      route.stripPrefix !== '' ||
      route.addPrefix !== '' ||
      route.redirect?.to.some(({ part }) => part === 'path') === true,
  );
  if (!matters) return [];
  return [
    when(`{ path -m reg -- ${word('[\\\\#]|%00')} }`, plainAnswer(400)),
    'http-request normalize-uri percent-decode-unreserved strict if { path -m sub % }',
    'http-request normalize-uri percent-to-uppercase strict if { path -m sub % }',
    'http-request normalize-uri path-strip-dot if { path -m sub /. }',
    // Without a condition: HAProxy 2.6 reads one as another normalization, unless climbing is to be forgiven.
    'http-request normalize-uri path-strip-dotdot',
    when(`{ path -m reg -- ${word('^/\\.\\.(/|$)')} }`, plainAnswer(400)),
  ];
}

export function queryRules(routes: readonly PlacedRoute[]): string[] {
  const isAsked = routes.some(
    ({ route }) => route.redirect?.to.some(({ part }) => part === 'query') === true,
  );
  return isAsked
    ? [`http-request set-var-fmt(txn.query) ${word('?%[query]')} if { query,length gt 0 }`]
    : [];
}
