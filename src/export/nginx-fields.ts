// Header fields in nginx: what a target gets and what a client gets. nginx inherits a list of fields only where there
// is no other one, so a list is always whole.
import type { HttpListenerConfig, RouteConfig } from '../config/config.ts';
import type { HeaderEditSetting, HostHeaderSetting } from '../config/schema-route.ts';
import { isSame } from './answer.ts';
import type { ExportSettings, NamedField, Notes } from './exported.ts';
import type { NamedListener } from './facts.ts';
import { block, type Definitions, literal } from './nginx-text.ts';

/** An empty value keeps nginx from passing on the client's. */
const NOTHING = '""';
/** Fields of one hop that nginx would pass on. */
const HOP_BY_HOP = ['Proxy', 'Proxy-Authorization', 'Proxy-Connection', 'Trailer'];
/** Those in use of the fields that begin with X-Forwarded-; nginx cannot name them all at once. */
const CLAIMS = ['Port', 'Prefix', 'Scheme', 'Server', 'Ssl', 'Uri'].map(
  (name) => `X-Forwarded-${name}`,
);
/** Fields of responses that nginx keeps for itself unless told otherwise. */
const OWN = [
  ...['Server', 'Date', 'X-Accel-Redirect', 'X-Accel-Expires', 'X-Accel-Limit-Rate'],
  ...['X-Accel-Buffering', 'X-Accel-Charset'],
];

/** What every target of a listener gets beside its Host and the route's edits. */
export function listenerFields(
  { index, listener }: NamedListener<HttpListenerConfig>,
  definitions: Definitions,
): NamedField[] {
  const fields: NamedField[] = HOP_BY_HOP.map((name) => ({ name, value: NOTHING }));
  const trusted = trustOf(index, listener, definitions);
  if (listener.forwarded !== 'append') {
    fields.push(
      ...CLAIMS.map((name) => ({ name, value: claim(index, name, trusted, definitions) })),
    );
  }
  fields.push(...forwardedFields(index, listener, trusted, definitions));
  return fields;
}

/** A variable that is 1 for clients that are believed under `replace`; null when nobody is. */
function trustOf(
  index: number,
  { forwarded, trustedProxies }: HttpListenerConfig,
  definitions: Definitions,
): string | null {
  if (forwarded !== 'replace' || trustedProxies.length === 0) return null;
  return definitions.variable(`trusted_${index}`, (name) =>
    block(`geo ${name}`, [
      'default 0;',
      ...trustedProxies.map(({ host, bits }) => `${host}/${bits} 1;`),
    ]),
  );
}

/** What a client says is dropped, unless it is one that is trusted. */
function claim(
  index: number,
  name: string,
  trusted: string | null,
  definitions: Definitions,
): string {
  if (trusted === null) return NOTHING;
  const key = name.toLowerCase().replaceAll('-', '_');
  return definitions.variable(`${key}_${index}`, (variable) =>
    block(`map ${trusted} ${variable}`, [`1 $http_${key};`, `default ${NOTHING};`]),
  );
}

function forwardedFields(
  index: number,
  listener: HttpListenerConfig,
  trusted: string | null,
  definitions: Definitions,
): NamedField[] {
  const names = [
    'X-Forwarded-For',
    'X-Forwarded-Proto',
    'X-Forwarded-Host',
    'X-Real-IP',
    'Forwarded',
  ];
  if (listener.forwarded === 'off') return names.map((name) => ({ name, value: NOTHING }));
  const own = ownForwarded(listener, definitions);
  return names.map((name, i) => {
    const ours = own[i] ?? NOTHING;
    if (listener.forwarded === 'replace' && trusted === null) return { name, value: ours };
    return { name, value: believed(index, name, ours, trusted, definitions) };
  });
}

function ownForwarded(listener: HttpListenerConfig, definitions: Definitions): string[] {
  const { address } = listener;
  const isLocal = address.kind === 'socket' && address.socket.family === 'unix';
  // A Host that could leave its quotes is not repeated.
  const host = definitions.variable('forwarded_host', (name) =>
    block(`map $http_host ${name}`, [
      'default "";',
      `"~^[A-Za-z0-9._-]+$" ";host=$http_host";`,
      `"~^[A-Za-z0-9._:%\\\\[\\\\]-]+$" ";host=\\"$http_host\\"";`,
    ]),
  );
  if (isLocal) {
    return ['unknown', 'http', '$http_host', NOTHING, `"for=unknown${host};proto=http"`];
  }
  const client = definitions.variable('forwarded_for', (name) =>
    block(`map $remote_addr ${name}`, ['default $remote_addr;', `"~:" "\\"[$remote_addr]\\"";`]),
  );
  return [
    '$remote_addr',
    'http',
    '$http_host',
    '$remote_addr',
    `"for=${client}${host};proto=http"`,
  ];
}

/** The value where what the client says may count: lists are continued, what says one thing stands. */
function believed(
  index: number,
  name: string,
  ours: string,
  trusted: string | null,
  definitions: Definitions,
): string {
  const key = name.toLowerCase().replaceAll('-', '_');
  const theirs = `$http_${key}`;
  const isList = name === 'X-Forwarded-For' || name === 'Forwarded';
  const inner = ours.replace(/^"|"$/g, '');
  const kept = definitions.variable(`${key}_kept_${index}`, (variable) =>
    block(`map ${theirs} ${variable}`, [
      `"" ${ours};`,
      `default ${isList ? `"${theirs}, ${inner}"` : theirs};`,
    ]),
  );
  if (trusted === null) return kept;
  return definitions.variable(`${key}_${index}`, (variable) =>
    block(`map ${trusted} ${variable}`, [`1 ${kept};`, `default ${ours};`]),
  );
}

/** Connection and Upgrade: none, or those of an upgrade that may be relayed. */
export function connectionFields(
  keepsAlive: boolean,
  settings: ExportSettings,
  definitions: Definitions,
): NamedField[] {
  const idle = keepsAlive ? NOTHING : 'close';
  if (settings.isLean === true) return [{ name: 'Connection', value: idle }];
  const upgrade = definitions.variable('upgrade', (name) =>
    block(`map $http_upgrade ${name}`, [
      'default $http_upgrade;',
      // Another HTTP inside would pass every rule by.
      '"~*(^|,)\\\\s*(h2c|http|tls)" "";',
    ]),
  );
  const connection = definitions.variable(keepsAlive ? 'connection' : 'connection_close', (name) =>
    block(`map ${upgrade} ${name}`, [`"" ${idle};`, 'default upgrade;']),
  );
  return [
    { name: 'Connection', value: connection },
    { name: 'Upgrade', value: upgrade },
  ];
}

export function hostField(
  setting: HostHeaderSetting,
  authorities: readonly string[],
  path: string,
  definitions: Definitions,
  notes: Notes,
): { readonly field: NamedField; readonly comments: readonly string[] } {
  if (setting.kind === 'client')
    return { field: { name: 'Host', value: '$http_host' }, comments: [] };
  const text = setting.kind === 'literal' ? setting.value : (authorities[0] ?? '');
  const field = { name: 'Host', value: definitions.value(text) };
  if (setting.kind === 'literal' || authorities.length === 1) return { field, comments: [] };
  return {
    field,
    comments: notes.warn(
      `${path}.hostHeader`,
      `nginx says what Host is before it picks: every target gets ${text}`,
    ),
  };
}

/** The fields with the route's edits done to them. */
export function editRequest(
  fields: readonly NamedField[],
  edits: readonly HeaderEditSetting[],
  path: string,
  definitions: Definitions,
  notes: Notes,
): { readonly fields: readonly NamedField[]; readonly comments: readonly string[] } {
  const done: NamedField[] = [...fields];
  const comments: string[] = [];
  for (const { op, name, value } of edits) {
    const isSaid = done.some((field) => isSame(field.name, name));
    if (op === 'add') {
      if (!isSaid) done.push(clientsOwn(name, path, comments, notes));
    } else {
      const kept = done.filter((field) => !isSame(field.name, name));
      done.splice(0, done.length, ...kept);
    }
    if (op !== 'remove' && value === '') {
      comments.push(
        ...notes.warn(`${path}.requestHeaders`, `nginx sends no ${name} without a value`),
      );
    }
    if (op === 'remove' || value === '') {
      if (op !== 'add') done.push({ name, value: NOTHING });
    } else {
      // Another value of the name takes the place of the word that there is to be none.
      const empty = done.findIndex((field) => isSame(field.name, name) && field.value === NOTHING);
      if (empty >= 0) done.splice(empty, 1);
      done.push({ name, value: definitions.value(value) });
    }
  }
  return { fields: done, comments };
}

/** What the client sent under that name, which nginx would leave out once there is another value. */
function clientsOwn(name: string, path: string, comments: string[], notes: Notes): NamedField {
  if (/^[A-Za-z0-9_-]+$/.test(name)) {
    return { name, value: `$http_${name.toLowerCase().replaceAll('-', '_')}` };
  }
  comments.push(
    ...notes.warn(`${path}.requestHeaders.add`, `nginx replaces the client's ${name} instead`),
  );
  return { name, value: NOTHING };
}

export function setHeaders(fields: readonly NamedField[]): string[] {
  return fields.map(({ name, value }) => `proxy_set_header ${literal(name)} ${value};`);
}

/** Fields of its own that nginx is to let through, without those that a route removes. */
export function passedFields(hidden: ReadonlySet<string> = new Set()): string[] {
  return OWN.filter((name) => !hidden.has(name.toLowerCase())).map(
    (name) => `proxy_pass_header ${name};`,
  );
}

/** The edits of a response on its way from a target. */
export function editResponse(
  route: RouteConfig,
  path: string,
  definitions: Definitions,
  notes: Notes,
): string[] {
  const edits = route.responseHeaders;
  const hidden = new Set(
    edits.filter(({ op }) => op !== 'add').map(({ name }) => name.toLowerCase()),
  );
  const lines = [...hidden].map((name) => `proxy_hide_header ${literal(name)};`);
  if (OWN.some((name) => hidden.has(name.toLowerCase()))) lines.push(...passedFields(hidden));
  return [
    ...lines,
    ...addedFields(
      edits.filter(({ op }) => op !== 'remove'),
      `${path}.responseHeaders`,
      definitions,
      notes,
    ),
    ...['Server', 'Date']
      .filter((name) => hidden.has(name.toLowerCase()))
      .flatMap((name) =>
        notes.warn(
          `${path}.responseHeaders`,
          `nginx sends a ${name} of its own where there is none`,
        ),
      ),
  ];
}

export function addedFields(
  fields: readonly { readonly name: string; readonly value: string }[],
  path: string,
  definitions: Definitions,
  notes: Notes,
): string[] {
  return fields.flatMap(({ name, value }) =>
    value === ''
      ? notes.warn(path, `nginx sends no ${name} without a value`)
      : [`add_header ${literal(name)} ${definitions.value(value)} always;`],
  );
}
