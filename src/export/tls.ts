// What both exports ask of TLS in a configuration. Pure: what is in the files is told by who has read them.
import type { ClientTlsConfig, PoolConfig, ServerTlsConfig } from '../config/config.ts';
import { defaultClientTls } from '../config/schema-tls.ts';
import { certificateKey } from '../plan/credentials.ts';
import { compileTerms, type WrittenTerms } from '../plan/tls-profiles.ts';
import type { CertificateNames, ExportSettings, Notes } from './exported.ts';
import { isUnix } from './facts.ts';

export interface CertificateFiles {
  /** Where it is configured: `listeners.web.tls.certificates[0]`. */
  readonly path: string;
  readonly cert: string;
  readonly key: string;
  readonly ocsp: string | null;
  /** null when nobody has read it. */
  readonly names: CertificateNames | null;
}

/** Those in files; `at` is where the listener's TLS is configured. */
export function filesOf(
  at: string,
  { certificates }: ServerTlsConfig,
  program: string,
  settings: ExportSettings,
  notes: Notes,
): { readonly files: readonly CertificateFiles[]; readonly comments: readonly string[] } {
  const files: CertificateFiles[] = [];
  const comments: string[] = [];
  certificates.forEach((one, i) => {
    const path = `${at}.certificates[${i}]`;
    if ('acme' in one) {
      comments.push(
        ...notes.warn(path, `${program} obtains no certificates by itself: name its files instead`),
      );
      return;
    }
    const names = settings.certificates?.get(certificateKey(one)) ?? null;
    files.push({ path, cert: one.cert, key: one.key, ocsp: one.ocsp, names });
  });
  return { files, comments };
}

/** Which certificates serve which name, as plans have it: one a type of key, in the order written. */
export interface Identities {
  /** For clients that ask for no name, or for one that is in no certificate. */
  readonly first: readonly CertificateFiles[];
  readonly byName: ReadonlyMap<string, readonly CertificateFiles[]>;
}

/** null when somebody would have to read the certificates first. */
export function identitiesOf(files: readonly CertificateFiles[]): Identities | null {
  if (files.some(({ names }) => names === null)) return null;
  const forName = (name: string): readonly CertificateFiles[] => {
    const byType = new Map<string, CertificateFiles>();
    for (const one of files) {
      const type = one.names?.keyType ?? '';
      if (one.names?.hosts.includes(name) && !byType.has(type)) byType.set(type, one);
    }
    return [...byType.values()];
  };
  const names = new Set(files.flatMap((one) => one.names?.hosts ?? []));
  const firstName = files[0]?.names?.hosts[0];
  return {
    first: firstName === undefined ? files.slice(0, 1) : forName(firstName),
    byName: new Map([...names].map((name) => [name, forName(name)])),
  };
}

/** The exact name wins; `*.` stands for one label. */
export function identityFor(
  name: string,
  { byName }: Identities,
): readonly CertificateFiles[] | null {
  return byName.get(name) ?? byName.get(name.replace(/^[^.]*/, '*')) ?? null;
}

export const VERSIONS = [
  { wire: 0x0301, nginx: 'TLSv1', haproxy: 'TLSv1.0' },
  { wire: 0x0302, nginx: 'TLSv1.1', haproxy: 'TLSv1.1' },
  { wire: 0x0303, nginx: 'TLSv1.2', haproxy: 'TLSv1.2' },
  { wire: 0x0304, nginx: 'TLSv1.3', haproxy: 'TLSv1.3' },
] as const;

export interface Terms {
  /** Oldest first. */
  readonly versions: readonly (typeof VERSIONS)[number][];
  readonly ciphers: string;
  readonly cipherSuites: string;
  readonly curves: string;
}

export function termsOf(written: WrittenTerms): Terms {
  const { minVersion, maxVersion, ...rest } = compileTerms(written);
  return {
    ...rest,
    versions: VERSIONS.filter(({ wire }) => wire >= minVersion && wire <= maxVersion),
  };
}

/** What the targets of a pool are spoken to with; null when none of them over TLS. */
export function clientTlsOf(pool: PoolConfig): ClientTlsConfig | null {
  if (pool.tls !== null) return pool.tls;
  return pool.targets.some(({ address }) => address.isTls === true) ? defaultClientTls : null;
}

export function isTlsTarget(pool: PoolConfig, target: PoolConfig['targets'][number]): boolean {
  return pool.tls !== null || target.address.isTls === true;
}

/** What a target's certificate must name; '' for a socket file. */
export function serverNameOf(pool: PoolConfig, { address }: PoolConfig['targets'][number]): string {
  if (pool.tls?.serverName !== undefined && pool.tls?.serverName !== null) {
    return pool.tls.serverName;
  }
  if (address.kind === 'name') return address.host;
  return isUnix(address) ? '' : address.socket.host;
}

/** Whether the name is one that a ClientHello can carry (RFC 6066, section 3) and both programs find in a certificate. */
export function isSayable(serverName: string): boolean {
  return serverName !== '' && !serverName.includes(':') && !/^[0-9.]+$/.test(serverName);
}
