// How the blocks of an https listener end TLS in nginx, which picks a block by name before it picks a certificate: a
// name that has a certificate of its own gets a block of its own.
import type { HttpListenerConfig, ServerTlsConfig } from '../config/config.ts';
import { certificateKey } from '../plan/credentials.ts';
import type { ExportSettings, Notes } from './exported.ts';
import type { NamedListener, Route } from './facts.ts';
import { handshakeNotes, serverTlsLines } from './nginx-tls.ts';
import {
  type CertificateFiles,
  filesOf,
  type Identities,
  identitiesOf,
  identityFor,
} from './tls.ts';

export type Host = Route['match']['host'];

export function serverName(host: NonNullable<Host>): string {
  return host.kind === 'suffix' ? `*${host.value}` : host.value;
}

/** How the blocks of a listener end TLS. */
export interface Security {
  readonly comments: readonly string[];
  readonly files: readonly CertificateFiles[];
  /** What every block says. */
  readonly lines: readonly string[];
  /** Names that have a block of their own, because of their certificate. */
  readonly names: readonly string[];
  /** null when handshakes for that host are refused. */
  readonly identityOf: (host: Host) => readonly CertificateFiles[] | null;
}

export function securityOf(
  { path, listener }: NamedListener<HttpListenerConfig>,
  settings: ExportSettings,
  notes: Notes,
): Security | null {
  if (listener.protocol !== 'https') return null;
  const { tls } = listener;
  const { files, comments } = filesOf(`${path}.tls`, tls, 'nginx', settings, notes);
  const identities = identitiesOf(files);
  const isStrict = tls.unknownName === 'reject' && identities !== null;
  const isOne = !isStrict && (files.length < 2 || identities === null);
  return {
    comments: [...comments, ...identityNotes(path, tls, files, identities, notes)],
    files,
    lines: [...serverTlsLines(tls), ...handshakeNotes(path, listener.timeouts.handshake, notes)],
    names: isOne ? [] : [...(identities?.byName.keys() ?? [])],
    identityOf: (host) => {
      const first = identities?.first ?? files.slice(0, 1);
      if (isOne || identities === null) return first;
      const own = host === null ? null : identityFor(serverName(host), identities);
      return own ?? (isStrict ? null : first);
    },
  };
}

function identityNotes(
  path: string,
  tls: ServerTlsConfig,
  files: readonly CertificateFiles[],
  identities: Identities | null,
  notes: Notes,
): string[] {
  const isStrict = tls.unknownName === 'reject';
  return [
    ...(identities === null && files.length > 1
      ? notes.warn(
          `${path}.tls.certificates`,
          'nginx has to be told the names in certificates, and these could not be read: all clients get the first',
        )
      : []),
    ...(!isStrict
      ? []
      : identities === null
        ? notes.warn(
            `${path}.tls.unknownName`,
            'nginx has to be told the names in certificates, and these could not be read: nobody is refused',
          )
        : notes.warn(`${path}.tls.unknownName`, 'nginx also refuses clients that ask for no name')),
  ];
}

/** Names that somebody has read from the certificates. */
export function namesKnown(
  { certificates }: ServerTlsConfig,
  { certificates: known }: ExportSettings,
) {
  return certificates.flatMap((one) => known?.get(certificateKey(one))?.hosts ?? []);
}
