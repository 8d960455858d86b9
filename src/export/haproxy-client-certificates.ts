// What HAProxy tells targets of the certificates that clients show, and asks of them for a route.
import type { HttpListenerConfig, RouteConfig } from '../config/config.ts';
import type { CertificateField } from '../contract/codes.ts';
import type { Notes } from './exported.ts';
import type { NamedListener } from './facts.ts';
import { word } from './haproxy-text.ts';
import { pcreLiteral } from './pcre.ts';

/** HAProxy would not have finished the handshake with one that does not hold. */
const IS_SHOWN = '{ ssl_c_used }';
/** YYMMDDhhmmssZ, or with four digits of the year. */
const DATE = String.raw`regsub('^(?:20)?(..)(..)(..)(..)(..)(..)Z$','20\1-\2-\3T\4:\5:\6Z')`;
const FINGERPRINT = 'ssl_c_der,sha2(256),hex,lower';

const FORMATS: Readonly<Record<Exclude<CertificateField, 'names'>, string>> = {
  verified: '%[ssl_c_used]',
  subject: '%[ssl_c_s_dn(,0,rfc2253)]',
  issuer: '%[ssl_c_i_dn(,0,rfc2253)]',
  serial: '%[ssl_c_serial,hex]',
  fingerprint: `%[${FINGERPRINT}]`,
  notBefore: `%[ssl_c_notbefore,${DATE}]`,
  notAfter: `%[ssl_c_notafter,${DATE}]`,
  certificate: ':%[ssl_c_der,base64]:',
};

/** The name, and those that applications take for it: fields with an underscore pass HAProxy. */
function twinsOf(name: string): string {
  const letters = [...name.toLowerCase()].map((letter) =>
    /[-_]/.test(letter) ? '[-_]' : pcreLiteral(letter),
  );
  return `^${letters.join('')}$`;
}

/** Removes the client's own under every name, then says what there is to say. */
export function certificateRules(
  { path, listener }: NamedListener<HttpListenerConfig>,
  notes: Notes,
): string[] {
  const asked = listener.protocol === 'https' ? listener.tls.clientCertificates : null;
  const headers = Object.entries(asked?.headers ?? {}) as [CertificateField, string][];
  return headers.flatMap(([field, name]) => [
    `http-request del-header ${word(twinsOf(name))} -m reg`,
    ...(field === 'names'
      ? notes.warn(
          `${path}.tls.clientCertificates.headers.names`,
          `HAProxy does not know the alternative names of a certificate: ${name} is removed and not set`,
        )
      : [
          `http-request set-header ${word(name)} ${word(FORMATS[field])}${field === 'verified' ? '' : ` if ${IS_SHOWN}`}`,
        ]),
  ]);
}

export function certificateConditions({
  clientCertificate: asked,
}: RouteConfig['match']): string[] {
  if (asked === null) return [];
  if (!asked.verified) return [`!${IS_SHOWN}`];
  return [
    IS_SHOWN,
    ...(asked.commonName === null
      ? []
      : [`{ ssl_c_s_dn(CN) -m str -- ${word(asked.commonName)} }`]),
    ...(asked.fingerprint === null ? [] : [`{ ${FINGERPRINT} -m str ${asked.fingerprint} }`]),
  ];
}
