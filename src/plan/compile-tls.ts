// TLS of listeners and pools -> what engines carry out. Which certificates serve which name is decided here, once, so
// that every engine answers alike.
import type {
  ClientTlsConfig,
  HttpListenerConfig,
  PoolConfig,
  ServerTlsConfig,
} from '../config/config.ts';
import {
  bundleKey,
  type Credentials,
  certificateKey,
  type LoadedCertificate,
  type NeededBundle,
  SYSTEM_CAS,
} from './credentials.ts';
import type {
  HeaderEdit,
  PlanCertificate,
  PlanClientTls,
  PlanServerName,
  PlanServerTls,
} from './plan.ts';
import { compileTerms } from './tls-profiles.ts';

/** `alpn`: what a tcp listener agrees on; null for https, which speaks HTTP/1.1. */
export function compileServerTls(
  tls: ServerTlsConfig,
  alpn: readonly string[] | null,
  credentials: Credentials,
): PlanServerTls {
  const loaded = tls.certificates.map((one) => mustHave(credentials, certificateKey(one)));
  const identities = new Identities();
  identities.of(identityOfFirst(loaded));
  const names = [...new Set(loaded.flatMap(({ hosts }) => hosts))].map(
    (name): PlanServerName => ({ name, identity: identities.of(identityFor(name, loaded)) }),
  );
  const certificates = [...loaded];
  const challenges = [...credentials.tlsChallenges].map(([name, certificate]): PlanServerName => {
    certificates.push(certificate);
    return { name, identity: identities.of([certificates.length - 1]) };
  });
  const asked = tls.clientCertificates;
  return {
    certificates: certificates.map(planCertificate),
    identities: identities.all,
    names,
    challenges,
    rejectsUnknownNames: tls.unknownName === 'reject',
    terms: compileTerms(tls),
    alpn: alpn ?? ['http/1.1'],
    sessionTickets: tls.sessionTickets,
    sessionSeconds: Math.ceil(tls.sessionLifetime / 1000),
    clientCertificates: {
      mode: asked?.mode ?? 'off',
      ca: bundle(credentials, 'ca', asked?.ca ?? null),
      crl: bundle(credentials, 'crl', asked?.crl ?? null),
      headers: Object.entries(asked?.headers ?? {}).map(([field, name]) => ({
        field: field as PlanServerTls['clientCertificates']['headers'][number]['field'],
        name,
      })),
    },
  };
}

/** null when no target of the pool is spoken to over TLS. */
export function compileClientTls(
  pool: PoolConfig,
  defaults: ClientTlsConfig,
  credentials: Credentials,
): PlanClientTls | null {
  const isTls = pool.tls !== null || pool.targets.some(({ address }) => address.isTls === true);
  if (!isTls) return null;
  const tls = pool.tls ?? defaults;
  const pair = tls.certificate;
  return {
    verify: tls.verify,
    ca: bundle(credentials, 'ca', tls.ca ?? (tls.verify ? SYSTEM_CAS : null)),
    crl: bundle(credentials, 'crl', tls.crl),
    certificate:
      pair === null ? null : planCertificate(mustHave(credentials, certificateKey(pair))),
    fingerprints: tls.fingerprints,
    terms: compileTerms(tls),
  };
}

/** Strict-Transport-Security (RFC 6797, section 6.1) as an edit of responses; none for listeners without it. */
export function hstsEdits(listener: HttpListenerConfig): readonly HeaderEdit[] {
  if (listener.protocol !== 'https' || listener.hsts === null) return [];
  const { maxAge, includeSubDomains, preload } = listener.hsts;
  const value = [
    `max-age=${Math.floor(maxAge / 1000)}`,
    ...(includeSubDomains ? ['includeSubDomains'] : []),
    ...(preload ? ['preload'] : []),
  ].join('; ');
  return [{ op: 'set', name: 'Strict-Transport-Security', value }];
}

/** Sets of certificates, each kept once. */
class Identities {
  readonly all: (readonly number[])[] = [];
  readonly #known = new Map<string, number>();

  of(members: readonly number[]): number {
    const key = members.join(' ');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.all.length);
    this.all.push(members);
    return this.all.length - 1;
  }
}

/** For one name: the first certificate of each type of key. */
function identityFor(name: string, loaded: readonly LoadedCertificate[]): number[] {
  const byType = new Map<string, number>();
  loaded.forEach(({ hosts, keyType }, i) => {
    if (hosts.includes(name) && !byType.has(keyType)) byType.set(keyType, i);
  });
  return [...byType.values()];
}

/** What the first certificate's first name is served with. */
function identityOfFirst(loaded: readonly LoadedCertificate[]): number[] {
  const name = loaded[0]?.hosts[0];
  return name === undefined ? [0] : identityFor(name, loaded);
}

function planCertificate({ name, chain, key, ocsp }: LoadedCertificate): PlanCertificate {
  return { name, chain, key, ocsp };
}

function mustHave(credentials: Credentials, key: string): LoadedCertificate {
  const loaded = credentials.certificates.get(key);
  if (loaded === undefined) throw new TypeError(`a certificate was not loaded: ${key}`);
  return loaded;
}

function bundle(credentials: Credentials, kind: NeededBundle['kind'], file: string | null): string {
  if (file === null) return '';
  const pem = credentials.bundles.get(bundleKey(kind, file));
  if (pem === undefined) throw new TypeError(`a bundle was not loaded: ${file}`);
  return pem;
}
