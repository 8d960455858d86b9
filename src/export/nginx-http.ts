// HTTP listeners as server blocks of nginx: one for each host that the routes name and one for all others, each with the
// routes that its requests can meet, in order.
import type { Config, HttpListenerConfig } from '../config/config.ts';
import { DEFAULT_HTTP } from './defaults.ts';
import { duration, type ExportSettings, type Notes } from './exported.ts';
import {
  addressText,
  httpListeners,
  idleComments,
  isAnyPort,
  type NamedListener,
  type PlacedRoute,
  reachable,
  routesOf,
  schemeOf,
  takesEverything,
} from './facts.ts';
import {
  askedOf,
  asksForCertificate,
  certificateFields,
  numberedLocations,
} from './nginx-client-certificates.ts';
import { connectionFields, passedFields, setHeaders } from './nginx-fields.ts';
import { listenerFields } from './nginx-forwarded.ts';
import { believedProxies, httpLog, limitConnections, listenOptions } from './nginx-listener.ts';
import { type LocationContext, location, notFound } from './nginx-route.ts';
import { type Host, namesKnown, securityOf, serverName } from './nginx-security.ts';
import { block, Definitions, literal } from './nginx-text.ts';
import { certificateLines } from './nginx-tls.ts';
import { upstreamsOf } from './nginx-upstream.ts';

export function httpContext(config: Config, settings: ExportSettings, notes: Notes): string[] {
  const listeners = httpListeners(config);
  if (listeners.length === 0) return [];
  const pools = new Set<string>();
  for (const listener of listeners) {
    for (const { route } of routesOf(listener)) if (route.pool !== null) pools.add(route.pool);
  }
  const definitions = new Definitions();
  const upstreams = upstreamsOf(config, pools, 'http', settings, notes);
  const servers = listeners.flatMap((listener) =>
    isAnyPort(listener.listener.address)
      ? notes.warn(`${listener.path}.address`, 'nginx cannot listen on any free port: left out')
      : serversOf(listener, { config, upstreams, definitions, notes, settings }),
  );
  return block('http', [
    ...general(settings),
    ...nameTables(listeners, settings),
    ...fieldTables(listeners),
    ...definitions.lines,
    ...upstreams.lines,
    ...servers,
  ]);
}

function general(settings: ExportSettings): string[] {
  const { folder } = settings;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return [
    ...(folder === undefined
      ? []
      : temporary.map((name) => `${name}_temp_path ${literal(`${folder}/${name}`)};`)),
    'access_log off;',
    'tcp_nodelay on;',
    'server_tokens off;',
    'types { }',
    'merge_slashes off;',
    'absolute_redirect off;',
    'keepalive_requests 1000000000;',
    'proxy_http_version 1.1;',
    'proxy_redirect off;',
    'proxy_request_buffering off;',
    'proxy_max_temp_file_size 0;',
    'proxy_next_upstream error timeout;',
    // What these fields would have nginx do is the client's to see, not ours to follow.
    'proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset;',
    ...passedFields(),
  ];
}

/** nginx's tables of names have to be told when names are long or many. */
function nameTables(
  listeners: readonly NamedListener<HttpListenerConfig>[],
  settings: ExportSettings,
): string[] {
  const names = listeners
    .flatMap(routesOf)
    .map(({ route }) => (route.match.host === null ? '' : serverName(route.match.host)))
    .concat(
      listeners.flatMap(({ listener }) =>
        listener.protocol === 'https' ? namesKnown(listener.tls, settings) : [],
      ),
    );
  const longest = Math.max(0, ...names.map((name) => name.length));
  return [
    ...(longest > 30
      ? [`server_names_hash_bucket_size ${2 ** Math.ceil(Math.log2(longest + 64))};`]
      : []),
    ...(names.length > 200 ? [`server_names_hash_max_size ${names.length * 8};`] : []),
  ];
}

function fieldTables(listeners: readonly NamedListener<HttpListenerConfig>[]): string[] {
  const names = listeners
    .flatMap(routesOf)
    .flatMap(({ route }) => [...route.requestHeaders, ...route.responseHeaders])
    .map(({ name }) => name)
    .concat(listeners.flatMap(({ listener }) => Object.values(askedOf(listener)?.headers ?? {})));
  const longest = Math.max(0, ...names.map((name) => name.length));
  return [
    'proxy_headers_hash_max_size 2048;',
    `proxy_headers_hash_bucket_size ${2 ** Math.ceil(Math.log2(Math.max(128, longest + 32)))};`,
  ];
}

type Shared = Pick<LocationContext, 'config' | 'upstreams' | 'definitions' | 'notes' | 'settings'>;

function serversOf(listener: NamedListener<HttpListenerConfig>, shared: Shared): string[] {
  const { definitions, notes, settings } = shared;
  const secure = securityOf(listener, settings, notes);
  if (secure !== null && secure.files.length === 0) {
    return [
      ...secure.comments,
      ...notes.warn(`${listener.path}.tls`, 'nginx has no certificate for it: left out'),
    ];
  }
  const routes = routesOf(listener);
  const hosts = distinctHosts(routes, secure?.names ?? []);
  const connection = (keepsAlive: boolean) => connectionFields(keepsAlive, settings, definitions);
  const told = certificateFields(listener, definitions, notes);
  const fields = [...listenerFields(listener, definitions), ...told.fields];
  const inherited = setHeaders([
    { name: 'Host', value: '$http_host' },
    ...connection(true),
    ...fields,
  ]);
  const context: LocationContext = {
    ...shared,
    listenerIndex: listener.index,
    scheme: schemeOf(listener.listener),
    fields,
    connection,
    inherited,
  };
  const comments = [...(secure?.comments ?? []), ...told.comments];
  return hosts.flatMap((host, number) => {
    const { own, idle } = reachable(
      routes.filter(({ route }) => coversHost(route.match.host, host)),
    );
    const identity = secure === null ? null : secure.identityOf(host);
    // Nobody can ask for this host, because no certificate is for it.
    if (secure !== null && identity === null && host !== null) return [];
    const head = [
      ...(host === null ? comments : []),
      ...listen(listener, host === null, settings),
      ...(host === null ? [] : [`server_name ${literal(serverName(host))};`]),
      ...(secure === null ? [] : secure.lines),
    ];
    if (secure !== null && identity === null) {
      return block('server', [...head, 'ssl_reject_handshake on;', 'return 421;']);
    }
    const isNumbered = asksForCertificate(own);
    const locations = isNumbered
      ? [numberedLocations(own, `${listener.index}_${number}`, context)]
      : own.map((place) => location(place, context));
    const isInherited = own.some(
      ({ route }, i) =>
        route.pool !== null &&
        (isNumbered || locations[i]?.some((line) => /^\s*proxy_set_header/.test(line)) !== true),
    );
    const last = own.at(-1);
    return block('server', [
      ...head,
      ...certificateLines(identity ?? [], notes),
      ...serverSettings(listener, definitions, notes),
      ...(isInherited ? inherited : []),
      ...locations.flat(),
      ...idleComments(idle),
      ...(isNumbered || (last !== undefined && takesEverything(last.route))
        ? []
        : notFound(definitions)),
    ]);
  });
}

/** All others first: nginx gives the first block of an address what names no host of its. */
function distinctHosts(routes: readonly PlacedRoute[], names: readonly string[]): Host[] {
  const hosts = new Map<string, Host>([['', null]]);
  for (const name of names) {
    const isBelow = name.startsWith('*.');
    hosts.set(name, { kind: isBelow ? 'suffix' : 'exact', value: isBelow ? name.slice(1) : name });
  }
  for (const { route } of routes) {
    if (route.match.host !== null) hosts.set(serverName(route.match.host), route.match.host);
  }
  return [...hosts.values()];
}

/** Whether every request that `block` gets has a host that `wanted` matches; nginx picks the closest block. */
function coversHost(wanted: Host, block: Host): boolean {
  if (wanted === null) return true;
  if (block === null) return false;
  if (wanted.kind === 'exact') return block.kind === 'exact' && wanted.value === block.value;
  return block.kind === 'suffix'
    ? block.value.endsWith(wanted.value)
    : block.value.endsWith(wanted.value) && block.value.length > wanted.value.length;
}

function listen(
  { listener }: NamedListener<HttpListenerConfig>,
  isFirst: boolean,
  settings: ExportSettings,
): string[] {
  const { address } = listener;
  // An address has its options once, but for those that every block has to repeat.
  const secure = listener.protocol === 'https' ? ' ssl' : '';
  const told = listener.proxyProtocol === 'off' ? '' : ' proxy_protocol';
  const options = isFirst ? ` default_server${listenOptions(address, settings)}` : '';
  return [`listen ${literal(addressText(address))}${secure}${told}${options};`];
}

function serverSettings(
  { path, name, index, listener }: NamedListener<HttpListenerConfig>,
  definitions: Definitions,
  notes: Notes,
): string[] {
  const { timeouts, limits, maxConnections } = listener;
  const read = Math.max(timeouts.responseHeader, timeouts.bodyIdle);
  return [
    ...believedProxies(path, listener, notes),
    ...(listener.proxyProtocol === 'off' ? [] : ['real_ip_header proxy_protocol;']),
    `keepalive_timeout ${duration(timeouts.keepAlive)};`,
    `client_header_timeout ${duration(timeouts.requestHeader)};`,
    `client_body_timeout ${duration(timeouts.bodyIdle)};`,
    `send_timeout ${duration(timeouts.bodyIdle)};`,
    `client_max_body_size ${limits.body};`,
    `large_client_header_buffers 1 ${limits.head};`,
    ...(limits.headerCount === DEFAULT_HTTP.limits.headerCount
      ? []
      : notes.warn(`${path}.limits.headerCount`, 'nginx counts no headers')),
    ...(limits.target === DEFAULT_HTTP.limits.target || limits.target >= 65_535
      ? []
      : block(`if ($request_uri ~ ${literal(`(?s)^.{${limits.target + 1}}`)})`, ['return 414;'])),
    ...(maxConnections === 0
      ? []
      : [
          ...notes.warn(
            `${path}.maxConnections`,
            'nginx counts connections only while they have a request in flight, and answers 503 beyond',
          ),
          limitConnections(index, maxConnections, definitions),
        ]),
    `proxy_connect_timeout ${duration(timeouts.connect)};`,
    `proxy_send_timeout ${duration(timeouts.bodyIdle)};`,
    ...(timeouts.responseHeader === timeouts.bodyIdle
      ? []
      : notes.warn(
          `${path}.timeouts`,
          `nginx has one timeout for responseHeader and for pauses of a response: ${duration(read)}`,
        )),
    ...(timeouts.tunnelIdle === DEFAULT_HTTP.timeouts.tunnelIdle
      ? []
      : notes.warn(
          `${path}.timeouts.tunnelIdle`,
          `nginx ends upgraded connections after ${duration(read)} of silence`,
        )),
    `proxy_read_timeout ${duration(read)};`,
    ...httpLog(path, name, listener.accessLog, definitions, notes),
  ];
}
