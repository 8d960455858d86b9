// What listeners show while a certificate that they need is still to be obtained: one that vouches for itself.
import { X509Certificate } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { Secret } from '../contract/secret.ts';
import { credentialsToLoad, type LoadedCertificate } from '../plan/credentials.ts';
import { hostsOf, keyTypeOf } from './certificate-file.ts';
import { makeSelfSigned } from './self-signed.ts';

/** Nobody should meet one for long. */
const DAYS = 7;

/** One for each `{ acme: [names] }`, by certificateKey(). */
export async function makePlaceholders(
  config: Config,
): Promise<ReadonlyMap<string, LoadedCertificate>> {
  const placeholders = new Map<string, LoadedCertificate>();
  for (const { key, certificate } of credentialsToLoad(config).certificates) {
    if (!('acme' in certificate)) continue;
    const made = await makeSelfSigned({ names: certificate.acme, days: DAYS, keyType: 'ec' });
    const x509 = new X509Certificate(made.certificate);
    placeholders.set(key, {
      name: `placeholder for ${certificate.acme.join(', ')}`,
      chain: made.certificate,
      key: new Secret(made.key),
      ocsp: new Uint8Array(0),
      hosts: hostsOf(x509),
      keyType: keyTypeOf(x509),
      notBeforeMs: Date.parse(x509.validFrom),
      notAfterMs: Date.parse(x509.validTo),
    });
  }
  return placeholders;
}
