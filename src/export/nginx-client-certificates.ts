// What nginx does with the certificates that clients show: tells targets of them, and finds the route that wants one.
// Locations look at paths alone, so where a route asks for a certificate all routes of a server block are numbered,
// a map finds the first that fits, and `try_files` goes to the location of that number.
import type { HttpListenerConfig, ServerTlsConfig } from '../config/config.ts';
import type { CertificateField } from '../contract/codes.ts';
import type { NamedField, Notes } from './exported.ts';
import type { NamedListener, PlacedRoute, Route } from './facts.ts';
import { type LocationContext, location, notFound, pathExpression } from './nginx-route.ts';
import { block, type Definitions, literal, NOTHING } from './nginx-text.ts';
import { pcreLiteral } from './pcre.ts';

type Asked = NonNullable<ServerTlsConfig['clientCertificates']>;

export function askedOf(listener: HttpListenerConfig): Asked | null {
  return listener.protocol === 'https' ? listener.tls.clientCertificates : null;
}

/** Empty where there is no certificate, and then not sent. */
const VARIABLES: Partial<Record<CertificateField, string>> = {
  subject: '$ssl_client_s_dn',
  issuer: '$ssl_client_i_dn',
  serial: '$ssl_client_serial',
};

/** What nginx has instead. */
const REFUSALS: Partial<Record<CertificateField, string>> = {
  fingerprint: 'nginx knows fingerprints by SHA-1 only',
  names: 'nginx does not know the alternative names of a certificate',
  notBefore: 'nginx has dates in a form of its own only',
  notAfter: 'nginx has dates in a form of its own only',
  certificate: 'nginx has certificates as escaped PEM only',
};

/** Every name is said, so that the client's own never passes. */
export function certificateFields(
  { path, listener }: NamedListener<HttpListenerConfig>,
  definitions: Definitions,
  notes: Notes,
): { readonly fields: readonly NamedField[]; readonly comments: readonly string[] } {
  const comments: string[] = [];
  const headers = Object.entries(askedOf(listener)?.headers ?? {}) as [CertificateField, string][];
  const fields = headers.map(([field, name]) => {
    if (field === 'verified') return { name, value: verified(definitions) };
    const refusal = REFUSALS[field];
    if (refusal !== undefined) {
      const at = `${path}.tls.clientCertificates.headers.${field}`;
      comments.push(...notes.warn(at, `${refusal}: ${name} is removed and not set`));
    }
    return { name, value: VARIABLES[field] ?? NOTHING };
  });
  return { fields, comments };
}

function verified(definitions: Definitions): string {
  return definitions.variable('verified', (name) =>
    block(`map $ssl_client_verify ${name}`, ['SUCCESS 1;', 'default 0;']),
  );
}

export function asksForCertificate(routes: readonly PlacedRoute[]): boolean {
  return routes.some(({ route }) => route.match.clientCertificate !== null);
}

/** All routes of a server block, by number; `blockName` tells it from others. */
export function numberedLocations(
  routes: readonly PlacedRoute[],
  blockName: string,
  context: LocationContext,
): string[] {
  const { definitions, notes } = context;
  // Two letters a route: whether its certificate is there, and whether its path is.
  const letters = routes.map(({ route, index }) => {
    const name = `${context.listenerIndex}_${index}`;
    return `${certificateLetter(route, name, definitions)}${pathLetter(route, name, definitions)}`;
  });
  const number = definitions.variable(`route_${blockName}`, (name) =>
    block(`map "${letters.join('')}" ${name}`, [
      ...routes.map(({ index }, i) => `"~^.{${2 * i}}11" ${index};`),
      'default none;',
    ]),
  );
  return [
    // Nothing has that name, so nginx always goes on to the next.
    ...block('location /', [`try_files /sluice/no/such/file @route_${number};`]),
    ...routes.flatMap((place) => [
      ...(place.route.match.clientCertificate?.fingerprint === null ||
      place.route.match.clientCertificate === null
        ? []
        : notes.warn(
            `${place.path}.match.clientCertificate.fingerprint`,
            'nginx knows fingerprints by SHA-1 only: no request takes this route',
          )),
      ...location(place, context, `@route_${place.index}`),
    ]),
    ...notFound(definitions, '@route_none'),
  ];
}

function pathLetter(route: Route, name: string, definitions: Definitions): string {
  const expression = pathExpression(route);
  if (expression === null) return '1';
  return braced(
    definitions.variable(`path_fits_${name}`, (variable) =>
      block(`map $uri ${variable}`, [`${literal(`~${expression}`)} 1;`, 'default 0;']),
    ),
  );
}

function certificateLetter({ match }: Route, name: string, definitions: Definitions): string {
  const asked = match.clientCertificate;
  if (asked === null) return '1';
  if (asked.fingerprint !== null) return '0';
  const expression = asked.verified
    ? `^SUCCESS ${asked.commonName === null ? '' : commonName(asked.commonName)}`
    : '^NONE ';
  return braced(
    definitions.variable(`certificate_fits_${name}`, (variable) =>
      block(`map "$ssl_client_verify $ssl_client_s_dn" ${variable}`, [
        `${literal(`~${expression}`)} 1;`,
        'default 0;',
      ]),
    ),
  );
}

/** A name in the text of a subject (RFC 2253), where a comma of a value is behind a backslash. */
function commonName(name: string): string {
  const text = [...Buffer.from(name)]
    .map((byte, i, all) => {
      const character = String.fromCharCode(byte);
      if (byte < 0x20 || byte > 0x7e)
        return `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`;
      const isEscaped =
        /[,+"\\<>;]/.test(character) ||
        (i === 0 && /[ #]/.test(character)) ||
        (i === all.length - 1 && character === ' ');
      return isEscaped ? `\\${character}` : character;
    })
    .join('');
  return `(?:|.*(?<!\\\\)[,+])CN=${pcreLiteral(text)}(?:[,+].*)?$`;
}

function braced(variable: string): string {
  return `\${${variable.slice(1)}}`;
}
