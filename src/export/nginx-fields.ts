// Header fields in nginx: what a target gets and what a client gets. nginx inherits a list of fields only where there
// is no other one, so a list is always whole.
import type { HeaderEditSetting, HostHeaderSetting } from '../config/schema-route.ts';
import { isSame } from './answer.ts';
import type { ExportSettings, NamedField, Notes } from './exported.ts';
import type { Route } from './facts.ts';
import { block, type Definitions, literal, NOTHING } from './nginx-text.ts';

/** Fields of responses that nginx keeps for itself unless told otherwise. */
const OWN = [
  ...['Server', 'Date', 'X-Accel-Redirect', 'X-Accel-Expires', 'X-Accel-Limit-Rate'],
  ...['X-Accel-Buffering', 'X-Accel-Charset'],
];

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
  route: Route,
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
