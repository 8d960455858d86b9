// TLS in nginx, which http and stream say in the same words: what listeners serve it with, and what targets are spoken
// to with.
import type { ClientTlsConfig, PoolConfig, ServerTlsConfig } from '../config/config.ts';
import { DEFAULT_HTTP } from './defaults.ts';
import { duration, type ExportSettings, type Notes } from './exported.ts';
import { literal } from './nginx-text.ts';
import {
  type CertificateFiles,
  clientTlsOf,
  isSayable,
  isTlsTarget,
  serverNameOf,
  type Terms,
  termsOf,
} from './tls.ts';

const SYSTEM_CAS = '/etc/ssl/certs/ca-certificates.crt';
/** nginx's own is 1: a client's certificate right below the CA. Ours is OpenSSL's. */
const DEPTH = 100;

/** One of each type of key. */
export function certificateLines(files: readonly CertificateFiles[], notes: Notes): string[] {
  const stapled = files.filter(({ ocsp }) => ocsp !== null);
  return [
    ...files.flatMap(({ cert, key }) => [
      `ssl_certificate ${literal(cert)};`,
      `ssl_certificate_key ${literal(key)};`,
    ]),
    ...stapled
      .slice(0, 1)
      .flatMap(({ ocsp }) => ['ssl_stapling on;', `ssl_stapling_file ${literal(ocsp ?? '')};`]),
    ...stapled
      .slice(1)
      .flatMap(({ path }) =>
        notes.warn(`${path}.ocsp`, 'nginx staples one OCSP response for all keys of a name'),
      ),
  ];
}

/** Everything but the certificates. */
export function serverTlsLines(tls: ServerTlsConfig): string[] {
  const terms = termsOf(tls);
  const asked = tls.clientCertificates;
  return [
    ...termLines('ssl', terms),
    `ssl_ecdh_curve ${literal(terms.curves)};`,
    `ssl_session_tickets ${tls.sessionTickets ? 'on' : 'off'};`,
    `ssl_session_timeout ${duration(tls.sessionLifetime)};`,
    ...(asked === null
      ? []
      : [
          `ssl_verify_client ${asked.mode === 'require' ? 'on' : 'optional'};`,
          `ssl_verify_depth ${DEPTH};`,
          `ssl_client_certificate ${literal(asked.ca)};`,
          ...(asked.crl === null ? [] : [`ssl_crl ${literal(asked.crl)};`]),
        ]),
  ];
}

export function handshakeNotes(path: string, handshakeMs: number, notes: Notes): string[] {
  return handshakeMs === DEFAULT_HTTP.timeouts.handshake
    ? []
    : notes.warn(
        `${path}.timeouts.handshake`,
        'nginx gives a handshake as long as the head of a request',
      );
}

function termLines(
  prefix: 'ssl' | 'proxy_ssl',
  { versions, ciphers, cipherSuites }: Terms,
): string[] {
  return [
    `${prefix}_protocols ${versions.map(({ nginx }) => nginx).join(' ')};`,
    `${prefix}_ciphers ${literal(ciphers)};`,
    `${prefix}_conf_command Ciphersuites ${literal(cipherSuites)};`,
  ];
}

/** What stands where a pool is passed to; empty when its targets are spoken to plainly. */
export function clientTlsLines(
  name: string,
  pool: PoolConfig,
  settings: ExportSettings,
  notes: Notes,
): string[] {
  const tls = clientTlsOf(pool);
  if (tls === null) return [];
  const at = `pools.${name}`;
  return [
    ...mixedNotes(at, pool, notes),
    ...termLines('proxy_ssl', termsOf(tls)),
    `proxy_ssl_conf_command Curves ${literal(termsOf(tls).curves)};`,
    ...nameLines(at, pool, tls, notes),
    ...verifyLines(at, tls, settings, notes),
    ...(tls.certificate === null
      ? []
      : [
          `proxy_ssl_certificate ${literal(tls.certificate.cert)};`,
          `proxy_ssl_certificate_key ${literal(tls.certificate.key)};`,
        ]),
  ];
}

function mixedNotes(at: string, pool: PoolConfig, notes: Notes): string[] {
  const plain = pool.targets.findIndex((target) => !isTlsTarget(pool, target));
  return plain < 0
    ? []
    : notes.warn(
        `${at}.targets[${plain}]`,
        'nginx speaks TLS to all targets of a pool or to none: to all',
      );
}

function nameLines(at: string, pool: PoolConfig, tls: ClientTlsConfig, notes: Notes): string[] {
  const names = [...new Set(pool.targets.map((target) => serverNameOf(pool, target)))];
  const [first = ''] = names;
  return [
    ...(names.length > 1
      ? notes.warn(
          `${at}.targets`,
          `nginx says what name it wants before it picks: every target is asked for ${first}`,
        )
      : []),
    ...(isSayable(first)
      ? ['proxy_ssl_server_name on;']
      : tls.verify
        ? notes.warn(
            `${at}.tls.serverName`,
            'nginx finds no IP addresses in certificates: no target will do without a name here',
          )
        : []),
    ...(first === '' ? [] : [`proxy_ssl_name ${literal(first)};`]),
  ];
}

function verifyLines(
  at: string,
  tls: ClientTlsConfig,
  settings: ExportSettings,
  notes: Notes,
): string[] {
  return [
    ...(tls.verify
      ? [
          'proxy_ssl_verify on;',
          `proxy_ssl_verify_depth ${DEPTH};`,
          `proxy_ssl_trusted_certificate ${literal(tls.ca ?? settings.systemCas ?? SYSTEM_CAS)};`,
          ...(tls.crl === null ? [] : [`proxy_ssl_crl ${literal(tls.crl)};`]),
        ]
      : []),
    ...(tls.fingerprints.length === 0
      ? []
      : notes.warn(`${at}.tls.fingerprints`, 'nginx cannot pin certificates: not looked at')),
  ];
}
