// Certificates, keys and bundles as the control plane has loaded them: the part of a plan that is not in the
// configuration itself.
import { type Config, type ServerTlsConfig, serverTlsOf } from '../config/config.ts';
import type { Secret } from '../contract/secret.ts';

export interface LoadedCertificate {
  /** Where it comes from: the name of its file, or `acme example.com`. */
  readonly name: string;
  /** PEM, the certificate itself first. */
  readonly chain: string;
  readonly key: Secret;
  /** OCSP response in DER; empty = none. */
  readonly ocsp: Uint8Array;
  /** Host names that it is for, lower-case; `*.example.com` stands for one label. */
  readonly hosts: readonly string[];
  /** Those of one type compete for a name, those of several serve it side by side: `rsa`, `ec`, `ed25519`. */
  readonly keyType: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface Credentials {
  /** By certificateKey(). */
  readonly certificates: ReadonlyMap<string, LoadedCertificate>;
  /** PEM by bundleKey(). */
  readonly bundles: ReadonlyMap<string, string>;
  /** Answers to http-01 challenges that are under way (RFC 8555, section 8.3): token -> key authorization. */
  readonly httpChallenges: ReadonlyMap<string, string>;
  /** Certificates for tls-alpn-01 challenges that are under way (RFC 8737), by host name. */
  readonly tlsChallenges: ReadonlyMap<string, LoadedCertificate>;
}

export const NO_CREDENTIALS: Credentials = {
  certificates: new Map(),
  bundles: new Map(),
  httpChallenges: new Map(),
  tlsChallenges: new Map(),
};

/** The key of the system's CAs among bundles. */
export const SYSTEM_CAS = 'system';

export type CertificateConfig = ServerTlsConfig['certificates'][number];
export type KeyPairConfig = Extract<CertificateConfig, { readonly cert: string }>;

export function certificateKey(
  certificate: CertificateConfig | { readonly cert: string; readonly key: string },
): string {
  if ('acme' in certificate) return `acme ${certificate.acme.join(' ')}`;
  const ocsp = 'ocsp' in certificate ? certificate.ocsp : null;
  return [certificate.cert, certificate.key, ocsp ?? ''].join('\0');
}

export interface NeededCertificate {
  /** Where it is first written: `listeners.web.tls.certificates[0]`. */
  readonly path: string;
  readonly key: string;
  readonly certificate: CertificateConfig;
  /** A listener shows it: its names matter. */
  readonly isServer: boolean;
}

/** One file may hold CAs and revocation lists: each is a bundle of its own. */
export function bundleKey(kind: NeededBundle['kind'], file: string): string {
  return kind === 'ca' ? file : `crl ${file}`;
}

export interface NeededBundle {
  /** `listeners.web.tls.clientCertificates.ca`. */
  readonly path: string;
  readonly kind: 'ca' | 'crl';
  /** A file name, or SYSTEM_CAS. */
  readonly file: string;
}

/** Everything that must be loaded before compile() can run, each once. */
export function credentialsToLoad(config: Config): {
  readonly certificates: readonly NeededCertificate[];
  readonly bundles: readonly NeededBundle[];
} {
  const certificates = new Map<string, NeededCertificate>();
  const bundles = new Map<string, NeededBundle>();
  const noteCertificate = (path: string, certificate: CertificateConfig, isServer: boolean) => {
    const key = certificateKey(certificate);
    if (!certificates.has(key)) certificates.set(key, { path, key, certificate, isServer });
  };
  const noteBundle = (path: string, kind: NeededBundle['kind'], file: string | null) => {
    if (file === null) return;
    const key = bundleKey(kind, file);
    if (!bundles.has(key)) bundles.set(key, { path, kind, file });
  };
  for (const [name, listener] of Object.entries(config.listeners)) {
    const tls = serverTlsOf(listener);
    if (tls === null) continue;
    const at = `listeners.${name}.tls`;
    tls.certificates.forEach((one, i) => {
      noteCertificate(`${at}.certificates[${i}]`, one, true);
    });
    noteBundle(`${at}.clientCertificates.ca`, 'ca', tls.clientCertificates?.ca ?? null);
    noteBundle(`${at}.clientCertificates.crl`, 'crl', tls.clientCertificates?.crl ?? null);
  }
  for (const [name, pool] of Object.entries(config.pools)) {
    const isTls = pool.tls !== null || pool.targets.some(({ address }) => address.isTls === true);
    if (!isTls) continue;
    const at = `pools.${name}.tls`;
    const needsCas = pool.tls?.verify ?? true;
    noteBundle(`${at}.ca`, 'ca', pool.tls?.ca ?? (needsCas ? SYSTEM_CAS : null));
    noteBundle(`${at}.crl`, 'crl', pool.tls?.crl ?? null);
    const pair = pool.tls?.certificate ?? null;
    if (pair !== null) noteCertificate(`${at}.certificate`, { ...pair, ocsp: null }, false);
  }
  return { certificates: [...certificates.values()], bundles: [...bundles.values()] };
}
