// One route as a location of nginx. Locations are regular expressions in the order of the routes: nginx takes the first
// that matches, as long as there is no other kind of location but the last one, which takes the rest.
import { STATUS_CODES } from 'node:http';
import type { Config } from '../config/config.ts';
import { editAnswer, isSame, PLAIN_TEXT } from './answer.ts';
import { comment, type ExportSettings, type NamedField, type Notes } from './exported.ts';
import {
  authorityOf,
  decodePath,
  type PlacedRoute,
  poolOf,
  type Route,
  retriesOf,
} from './facts.ts';
import { addedFields, editRequest, editResponse, hostField, setHeaders } from './nginx-fields.ts';
import { block, type Definitions, literal } from './nginx-text.ts';
import { clientTlsLines } from './nginx-tls.ts';
import type { Upstreams } from './nginx-upstream.ts';
import { pcreLiteral, toPcre } from './pcre.ts';

/** Answers with these are redirections to nginx, and their text is the Location. */
const REDIRECTS = [301, 302, 303, 307, 308];

export interface LocationContext {
  readonly config: Config;
  readonly upstreams: Upstreams;
  readonly definitions: Definitions;
  readonly notes: Notes;
  readonly settings: ExportSettings;
  /** The listener's number, for names of variables. */
  readonly listenerIndex: number;
  readonly scheme: 'http' | 'https';
  /** What every target gets beside Host and what concerns the connection. */
  readonly fields: readonly NamedField[];
  /** Connection and Upgrade, by whether the pool keeps connections. */
  readonly connection: (keepsAlive: boolean) => readonly NamedField[];
  /** What the server block says already. */
  readonly inherited: readonly string[];
}

/** Under its own path, or under a name that somebody else sends its requests to. */
export function location(place: PlacedRoute, context: LocationContext, name?: string): string[] {
  const { route, path } = place;
  const title = route.name === null ? path : `${path}, ${route.name}`;
  const expression = pathExpression(route);
  const own = expression === null ? '/' : `~ ${literal(expression)}`;
  return [...comment(title), ...block(`location ${name ?? own}`, action(place, context))];
}

/** What takes the requests that no route matches. */
export function notFound(definitions: Definitions, name = '/'): string[] {
  return block(`location ${name}`, [
    `default_type "${PLAIN_TEXT}";`,
    `return 404 ${definitions.value(`404 ${STATUS_CODES[404]}\n`)};`,
  ]);
}

/** What the decoded path of a route's requests has in it; null when every path will do. */
export function pathExpression({ match: { path, pathRegex } }: Route): string | null {
  if (pathRegex !== null) return toPcre(pathRegex);
  if (path === null || path.kind === 'any') return null;
  const text = pcreLiteral(decodePath(path.value));
  return path.kind === 'exact' ? `^${text}\\z` : `^${text}(?:/|\\z)`;
}

function action(place: PlacedRoute, context: LocationContext): string[] {
  const { route } = place;
  const escapes = escapeNotes(place, context.notes);
  if (route.respond !== null) return [...escapes, ...respond(place, route.respond, context)];
  if (route.redirect !== null) return [...escapes, ...redirect(place, route.redirect, context)];
  if (route.pool === null) throw new TypeError('a checked route has exactly one action');
  return [...escapes, ...forward(place, route.pool, context)];
}

/** nginx looks at decoded paths, we at normal forms in which some escapes stay. */
function escapeNotes({ route, path }: PlacedRoute, notes: Notes): string[] {
  const { match } = route;
  const where = [
    ...(match.pathRegex?.includes('%') === true ? [`${path}.match.pathRegex`] : []),
    ...(/%2F/.test(match.path !== null && match.path.kind !== 'any' ? match.path.value : '')
      ? [`${path}.match.path`]
      : []),
    ...(/%2F/.test(route.stripPrefix) ? [`${path}.stripPrefix`] : []),
    ...(/%2F/.test(route.addPrefix) ? [`${path}.addPrefix`] : []),
  ];
  return where.flatMap((at) =>
    notes.warn(at, 'nginx compares and changes paths with escapes decoded'),
  );
}

function forward(place: PlacedRoute, poolName: string, context: LocationContext): string[] {
  const { route, path } = place;
  const { definitions, notes } = context;
  const pool = poolOf(context.config, poolName);
  const host = hostField(
    route.hostHeader ?? pool.hostHeader,
    pool.targets.map(({ address }) => authorityOf(address)),
    route.hostHeader === null ? `pools.${poolName}` : path,
    definitions,
    notes,
  );
  const edited = editRequest(
    [host.field, ...context.connection(pool.keepAlive.maxIdle > 0), ...context.fields],
    route.requestHeaders,
    path,
    definitions,
    notes,
  );
  const headers = setHeaders(edited.fields);
  const isInherited = headers.join() === context.inherited.join();
  const retries = retriesOf(pool);
  const secure = clientTlsLines(poolName, pool, context.settings, notes);
  return [
    ...rewrites(route, definitions),
    ...host.comments,
    ...edited.comments,
    ...(isInherited ? [] : headers),
    ...editResponse(route, path, definitions, notes),
    ...(pool.proxyProtocol === 'off'
      ? []
      : notes.warn(
          `pools.${poolName}.proxyProtocol`,
          'nginx sends PROXY headers from tcp listeners only: left out',
        )),
    ...(pool.targets.length > 1 || retries > 0
      ? [`proxy_next_upstream_tries ${retries + 1};`]
      : []),
    ...secure,
    `proxy_pass ${secure.length === 0 ? 'http' : 'https'}://${context.upstreams.nameOf(poolName)};`,
  ];
}

/** nginx rewrites decoded paths, and escapes the result when it forwards it. */
function rewrites({ stripPrefix, addPrefix }: Route, definitions: Definitions): string[] {
  const add = decodePath(addPrefix);
  const strip = pcreLiteral(decodePath(stripPrefix));
  const rewrite = (regex: string, to: string): string =>
    `rewrite ${literal(`(?s)${regex}`)} ${to} break;`;
  return [
    ...(strip === ''
      ? []
      : [
          rewrite(`^${strip}/(.*)\\z`, definitions.template([`${add}/`, '$1', ''])),
          rewrite(`^${strip}\\z`, definitions.value(`${add}/`)),
        ]),
    ...(add === '' ? [] : [rewrite('^(.*)\\z', definitions.template([add, '$1', '']))]),
  ];
}

function respond(
  { route, path }: PlacedRoute,
  { status, headers, body }: NonNullable<Route['respond']>,
  context: LocationContext,
): string[] {
  const { definitions } = context;
  const hasBody = body !== '' && status !== 204 && status !== 304;
  const type = headers.some(({ name }) => isSame(name, 'Content-Type')) || !hasBody;
  const fields = editAnswer(
    [...(type ? [] : [{ name: 'Content-Type', value: PLAIN_TEXT }]), ...headers],
    route,
  );
  if (REDIRECTS.includes(status)) return respondElsewhere(status, fields, body, path, context);
  return [
    ...answerFields(fields, `${path}.respond.headers`, context),
    `return ${status} ${hasBody ? definitions.value(body) : definitions.empty()};`,
  ];
}

function respondElsewhere(
  status: number,
  fields: readonly NamedField[],
  body: string,
  path: string,
  context: LocationContext,
): string[] {
  const target = fields.find(({ name }) => isSame(name, 'Location'))?.value ?? '';
  const others = fields.filter(
    ({ name }) => !isSame(name, 'Location') && !isSame(name, 'Content-Type'),
  );
  return [
    ...(body === ''
      ? []
      : context.notes.warn(`${path}.respond.body`, `nginx has a page of its own for ${status}`)),
    ...(target === ''
      ? context.notes.warn(`${path}.respond`, `nginx sends an empty Location with ${status}`)
      : []),
    ...answerFields(others, `${path}.respond.headers`, context),
    `return ${status} ${target === '' ? context.definitions.empty() : context.definitions.value(target)};`,
  ];
}

function redirect(
  { route, path, index }: PlacedRoute,
  { to, status }: NonNullable<Route['redirect']>,
  context: LocationContext,
): string[] {
  const { definitions } = context;
  const variables = {
    host: () => ['$http_host'],
    hostname: () => [hostName(definitions)],
    path: () => [rawPath(route, `${context.listenerIndex}_${index}`, definitions)],
    query: () => ['$is_args', '$args'],
  };
  // Pieces of text and variables in turn.
  const words: string[] = [''];
  for (const { part, text } of to) {
    if (part === 'literal' || part === 'scheme') {
      words.push(`${words.pop() ?? ''}${part === 'scheme' ? context.scheme : text}`);
    } else {
      for (const name of variables[part]()) words.push(name, '');
    }
  }
  const fields = editAnswer([], route);
  return [
    ...answerFields(fields, `${path}.responseHeaders`, context),
    `return ${status} ${definitions.template(words)};`,
  ];
}

/** The Host without its port. */
function hostName(definitions: Definitions): string {
  return definitions.variable('hostname', (name) =>
    block(`map $http_host ${name}`, ['default "";', `"~^(\\\\[[^\\\\]]*\\\\]|[^:]*)" $1;`]),
  );
}

/**
 * The path as the client wrote it, with the route's prefixes: nginx's own `$uri` is decoded, and what was escaped
 * in it could end the Location's line.
 */
function rawPath(route: Route, name: string, definitions: Definitions): string {
  const { stripPrefix, addPrefix } = route;
  const strip = pcreLiteral(stripPrefix);
  return definitions.variable(`path_${name}`, (variable) =>
    block(`map $request_uri ${variable}`, [
      `default ${definitions.value(`${addPrefix}/`)};`,
      ...(strip === ''
        ? []
        : [
            `${literal(`~^${strip}(/[^?]*)`)} ${definitions.template([addPrefix, '$1', ''])};`,
            `${literal(`~^${strip}(?:\\?|\\z)`)} ${definitions.value(`${addPrefix}/`)};`,
          ]),
      `"~^([^?]+)" ${definitions.template([addPrefix, '$1', ''])};`,
    ]),
  );
}

function answerFields(
  fields: readonly NamedField[],
  path: string,
  { definitions, notes }: LocationContext,
): string[] {
  const types = fields.filter(({ name }) => isSame(name, 'Content-Type'));
  const others = fields.filter(({ name }) => !isSame(name, 'Content-Type'));
  return [
    `default_type ${literal(types[0]?.value ?? '')};`,
    ...addedFields(others, path, definitions, notes),
    ...others
      .filter(({ name }) => isSame(name, 'Server') || isSame(name, 'Date'))
      .flatMap(({ name }) => notes.warn(path, `nginx sends a ${name} of its own beside this one`)),
  ];
}
