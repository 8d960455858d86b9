// What a plan says of TLS in the words of node:tls. Pure.
import type { SecureContextOptions, SecureVersion } from 'node:tls';
import type { PlanTlsTerms } from '../../plan/plan.ts';

const VERSIONS: Readonly<Record<number, SecureVersion>> = {
  769: 'TLSv1',
  770: 'TLSv1.1',
  771: 'TLSv1.2',
  772: 'TLSv1.3',
};

export function termsOptions(terms: PlanTlsTerms): SecureContextOptions {
  return {
    minVersion: VERSIONS[terms.minVersion] ?? 'TLSv1.2',
    maxVersion: VERSIONS[terms.maxVersion] ?? 'TLSv1.3',
    ciphers: `${terms.cipherSuites}:${terms.ciphers}`,
    ecdhCurve: terms.curves,
  };
}

/** CRLs one by one: node:tls reads only the first of a text. */
export function crlOption(pem: string): Pick<SecureContextOptions, 'crl'> {
  const blocks = pem.match(/-----BEGIN X509 CRL-----[\s\S]*?-----END X509 CRL-----/g);
  return blocks === null ? {} : { crl: blocks };
}
