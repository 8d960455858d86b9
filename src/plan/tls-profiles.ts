// TLS versions, ciphers and curves by profile: the recommendations of Mozilla's "Server Side TLS" (version 5.7) without
// the finite-field Diffie-Hellman ciphers, which cost much and which no client needs that lacks elliptic curves' since 2013.
import type { TlsVersion } from '../config/schema-tls.ts';
import type { TlsProfile } from '../contract/codes.ts';
import type { PlanTlsTerms } from './plan.ts';

/** As ProtocolVersion goes over the wire (RFC 8446, section 4.2.1). */
const WIRE_VERSIONS: Readonly<Record<TlsVersion, number>> = {
  TLSv1: 0x0301,
  'TLSv1.1': 0x0302,
  'TLSv1.2': 0x0303,
  'TLSv1.3': 0x0304,
};

const SUITES = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
const INTERMEDIATE = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];
const OLD = [
  ...INTERMEDIATE,
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-RSA-AES128-SHA256',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA384',
  'ECDHE-RSA-AES256-SHA384',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA256',
  'AES256-SHA256',
  'AES128-SHA',
  'AES256-SHA',
];
const CURVES = ['X25519', 'P-256', 'P-384'];

const PROFILES: Readonly<
  Record<TlsProfile, { readonly oldest: TlsVersion; readonly ciphers: readonly string[] }>
> = {
  modern: { oldest: 'TLSv1.3', ciphers: INTERMEDIATE },
  intermediate: { oldest: 'TLSv1.2', ciphers: INTERMEDIATE },
  old: { oldest: 'TLSv1', ciphers: OLD },
};

export interface WrittenTerms {
  readonly profile: TlsProfile;
  readonly minVersion: TlsVersion | null;
  readonly maxVersion: TlsVersion | null;
  readonly ciphers: readonly string[] | null;
  readonly cipherSuites: readonly string[] | null;
  readonly curves: readonly string[] | null;
  readonly kernelTls: 'auto' | 'off';
}

export function compileTerms(written: WrittenTerms): PlanTlsTerms {
  const profile = PROFILES[written.profile];
  const maxVersion = WIRE_VERSIONS[written.maxVersion ?? 'TLSv1.3'];
  const oldest = WIRE_VERSIONS[written.minVersion ?? profile.oldest];
  // Somebody who asks for no more than TLS 1.1 has said more than the profile.
  const minVersion = Math.min(oldest, maxVersion);
  const ciphers = (written.ciphers ?? profile.ciphers).join(':');
  return {
    minVersion,
    maxVersion,
    // OpenSSL allows the signatures of TLS 1.0 and 1.1 at its lowest level only.
    ciphers: minVersion < WIRE_VERSIONS['TLSv1.2'] ? `${ciphers}:@SECLEVEL=0` : ciphers,
    cipherSuites: (written.cipherSuites ?? SUITES).join(':'),
    curves: (written.curves ?? CURVES).join(':'),
    kernelTls: written.kernelTls === 'auto',
  };
}
