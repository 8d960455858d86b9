// TLS that ends at a tcp listener, in nginx's stream module: without blocks by name, certificates are found by a map.
import type { TcpListenerConfig } from '../config/config.ts';
import { duration, type ExportSettings, type Notes } from './exported.ts';
import type { NamedListener } from './facts.ts';
import { block, type Definitions, literal } from './nginx-text.ts';
import { certificateLines, serverTlsLines } from './nginx-tls.ts';
import { pcreLiteral } from './pcre.ts';
import { type CertificateFiles, filesOf, type Identities, identitiesOf } from './tls.ts';

interface Context {
  readonly settings: ExportSettings;
  readonly definitions: Definitions;
  readonly notes: Notes;
}

export interface StreamTls {
  readonly isServed: boolean;
  readonly lines: readonly string[];
}

export function streamTls(
  { index, path, listener }: NamedListener<TcpListenerConfig>,
  tls: NonNullable<TcpListenerConfig['tls']>,
  { settings, definitions, notes }: Context,
): StreamTls {
  const { files, comments } = filesOf(`${path}.tls`, tls, 'nginx', settings, notes);
  if (files.length === 0) {
    const reason = notes.warn(`${path}.tls`, 'nginx has no certificate for it: left out');
    return { isServed: false, lines: [...comments, ...reason] };
  }
  const identities = identitiesOf(files);
  return {
    isServed: true,
    lines: [
      ...comments,
      ...(identities === null || identities.byName.size === 0 || isOneForAll(identities)
        ? only(path, files, identities, notes)
        : byName(path, index, identities, definitions, notes)),
      ...serverTlsLines(tls),
      `ssl_handshake_timeout ${duration(listener.timeouts.handshake)};`,
      ...(tls.alpn.length === 0 ? [] : [`ssl_alpn ${tls.alpn.map(literal).join(' ')};`]),
      ...(tls.unknownName === 'reject'
        ? notes.warn(
            `${path}.tls.unknownName`,
            'nginx refuses no names in its stream module: clients get the first certificate',
          )
        : []),
    ],
  };
}

function isOneForAll({ first, byName }: Identities): boolean {
  const key = (files: readonly CertificateFiles[]): string => files.map(({ path }) => path).join();
  return [...byName.values()].every((files) => key(files) === key(first));
}

function only(
  path: string,
  files: readonly CertificateFiles[],
  identities: Identities | null,
  notes: Notes,
): string[] {
  return [
    ...(identities === null && files.length > 1
      ? notes.warn(
          `${path}.tls.certificates`,
          'nginx has to be told the names in certificates, and these could not be read: all clients get the first',
        )
      : []),
    ...certificateLines(identities?.first ?? files.slice(0, 1), notes),
  ];
}

/** Read anew for each handshake, by processes that must be allowed to. */
function byName(
  path: string,
  index: number,
  { first, byName: names }: Identities,
  definitions: Definitions,
  notes: Notes,
): string[] {
  const variable = (part: 'cert' | 'key'): string =>
    definitions.variable(`${part}_${index}`, (name) =>
      block(`map $ssl_server_name ${name}`, [
        ...[...names]
          // The exact name wins.
          .sort(([a], [b]) => Number(a.startsWith('*.')) - Number(b.startsWith('*.')))
          .map(([host, files]) => `${literal(`~${nameExpression(host)}`)} ${fileOf(files, part)};`),
        `default ${fileOf(first, part)};`,
      ]),
    );
  const isDouble = [first, ...names.values()].some((files) => files.length > 1);
  return [
    ...notes.warn(
      `${path}.tls.certificates`,
      `nginx reads certificates by name for each handshake${isDouble ? ', and one type of key for a name: the first' : ''}`,
    ),
    `ssl_certificate ${variable('cert')};`,
    `ssl_certificate_key ${variable('key')};`,
  ];
}

function fileOf([first]: readonly CertificateFiles[], part: 'cert' | 'key'): string {
  return literal(first?.[part] ?? '');
}

function nameExpression(host: string): string {
  const name = host.startsWith('*.') ? `[^.]+${pcreLiteral(host.slice(1))}` : pcreLiteral(host);
  return `^(?i:${name})\\.?\\z`;
}
