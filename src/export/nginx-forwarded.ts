// What nginx tells targets about the client, and which of a client's own words about hops before it go on.
import type { HttpListenerConfig } from '../config/config.ts';
import type { NamedField } from './exported.ts';
import { isUnix, type NamedListener, schemeOf } from './facts.ts';
import { block, type Definitions, NOTHING } from './nginx-text.ts';

/** Fields of one hop that nginx would pass on. */
const HOP_BY_HOP = ['Proxy', 'Proxy-Authorization', 'Proxy-Connection', 'Trailer'];
/** Those in use of the fields that begin with X-Forwarded-; nginx cannot name them all at once. */
const CLAIMS = ['Port', 'Prefix', 'Scheme', 'Server', 'Ssl', 'Uri'].map(
  (name) => `X-Forwarded-${name}`,
);
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
  const scheme = schemeOf(listener);
  // A Host that could leave its quotes is not repeated.
  const host = definitions.variable('forwarded_host', (name) =>
    block(`map $http_host ${name}`, [
      'default "";',
      `"~^[A-Za-z0-9._-]+$" ";host=$http_host";`,
      `"~^[A-Za-z0-9._:%\\\\[\\\\]-]+$" ";host=\\"$http_host\\"";`,
    ]),
  );
  if (isUnix(listener.address)) {
    return ['unknown', scheme, '$http_host', NOTHING, `"for=unknown${host};proto=${scheme}"`];
  }
  const client = definitions.variable('forwarded_for', (name) =>
    block(`map $remote_addr ${name}`, ['default $remote_addr;', `"~:" "\\"[$remote_addr]\\"";`]),
  );
  return [
    '$remote_addr',
    scheme,
    '$http_host',
    '$remote_addr',
    `"for=${client}${host};proto=${scheme}"`,
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
