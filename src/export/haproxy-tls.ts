// TLS in HAProxy: words of a bind line for what listeners serve it with, words of a server line for what targets are
// spoken to with.
import type {
  ClientTlsConfig,
  PoolConfig,
  ServerTlsConfig,
  TargetConfig,
} from '../config/config.ts';
import { TLS_CURVES } from '../config/schema-tls.ts';
import type { ExportSettings, Notes } from './exported.ts';
import { word } from './haproxy-text.ts';
import {
  type CertificateFiles,
  clientTlsOf,
  filesOf,
  isSayable,
  isTlsTarget,
  serverNameOf,
  type Terms,
  termsOf,
} from './tls.ts';

export interface BindTls {
  /** Behind the address; null when there is nothing to serve TLS with. */
  readonly words: string | null;
  readonly comments: readonly string[];
}

/** `at` is the listener's place. */
export function bindTls(
  at: string,
  tls: ServerTlsConfig,
  alpn: readonly string[],
  settings: ExportSettings,
  notes: Notes,
): BindTls {
  const { files, comments } = filesOf(`${at}.tls`, tls, 'HAProxy', settings, notes);
  if (files.length === 0) {
    const reason = notes.warn(`${at}.tls`, 'HAProxy has no certificate for it: left out');
    return { words: null, comments: [...comments, ...reason] };
  }
  const terms = termsOf(tls);
  const asked = tls.clientCertificates;
  return {
    words: [
      'ssl',
      ...files.map((one) => `crt ${word(bundleOf(one))}`),
      ...termWords(terms),
      `curves ${word(terms.curves)}`,
      'prefer-client-ciphers',
      ...(alpn.length === 0 ? [] : [`alpn ${word(alpn.join(','))}`]),
      ...(tls.sessionTickets ? [] : ['no-tls-tickets']),
      ...(tls.unknownName === 'reject' ? ['strict-sni'] : []),
      ...(asked === null
        ? []
        : [
            `verify ${asked.mode === 'require' ? 'required' : 'optional'}`,
            `ca-file ${word(asked.ca)}`,
            ...(asked.crl === null ? [] : [`crl-file ${word(asked.crl)}`]),
          ]),
    ].join(' '),
    comments: [
      ...comments,
      ...files.flatMap((one) => fileNotes(one, notes)),
      ...(tls.unknownName === 'reject'
        ? notes.warn(
            `${at}.tls.unknownName`,
            'HAProxy also refuses clients that ask for no name, and answers requests for hosts of no certificate',
          )
        : []),
    ],
  };
}

/** HAProxy finds the key of site.pem in it or in site.pem.key; of site.crt, under ssl-load-extra-del-ext, in site.key. */
function isSelfContained({ cert, key }: Pick<CertificateFiles, 'cert' | 'key'>): boolean {
  return key === cert || key === `${cert}.key` || isBesideCrt({ cert, key });
}

function isBesideCrt({ cert, key }: Pick<CertificateFiles, 'cert' | 'key'>): boolean {
  return cert.endsWith('.crt') && key === cert.replace(/\.crt$/, '.key');
}

function bundleOf(files: Pick<CertificateFiles, 'cert' | 'key'>): string {
  return isSelfContained(files) ? files.cert : `${files.cert}.haproxy`;
}

function fileNotes(files: CertificateFiles, notes: Notes): string[] {
  const { path, ocsp } = files;
  const stapled = `${bundleOf(files)}.ocsp`;
  return [
    ...bundleNotes(path, files, notes),
    ...(ocsp === null || ocsp === stapled
      ? []
      : notes.warn(`${path}.ocsp`, `HAProxy looks for the OCSP response in ${stapled}`)),
  ];
}

function bundleNotes(
  path: string,
  files: Pick<CertificateFiles, 'cert' | 'key'>,
  notes: Notes,
): string[] {
  const { cert, key } = files;
  return isSelfContained(files)
    ? []
    : notes.warn(
        path,
        `HAProxy wants certificate and key in one file: cat ${cert} ${key} > ${bundleOf(files)}`,
      );
}

/** Whether the keys of some certificates are found only without the ending of their names. */
export function needsShortNames(pairs: readonly Pick<CertificateFiles, 'cert' | 'key'>[]): boolean {
  return pairs.some(isBesideCrt);
}

function termWords({ versions, ciphers, cipherSuites }: Terms): string[] {
  return [
    `ssl-min-ver ${versions[0]?.haproxy}`,
    `ssl-max-ver ${versions.at(-1)?.haproxy}`,
    `ciphers ${word(ciphers)}`,
    `ciphersuites ${word(cipherSuites)}`,
  ];
}

/** What stands behind a target's address; '' when it is spoken to plainly. */
export function serverTls(pool: PoolConfig, target: TargetConfig): string {
  const tls = clientTlsOf(pool);
  if (tls === null || !isTlsTarget(pool, target)) return '';
  const name = serverNameOf(pool, target);
  return [
    ' ssl',
    ...(tls.verify
      ? [
          'verify required',
          `ca-file ${tls.ca === null ? '@system-ca' : word(tls.ca)}`,
          ...(tls.crl === null ? [] : [`crl-file ${word(tls.crl)}`]),
          ...(name === '' ? [] : [`verifyhost ${word(name)}`]),
        ]
      : ['verify none']),
    ...(isSayable(name) ? [`sni str(${name})`] : []),
    ...(tls.certificate === null ? [] : [`crt ${word(bundleOf(tls.certificate))}`]),
    ...termWords(termsOf(tls)),
  ].join(' ');
}

/** Of a whole pool. */
export function serverTlsNotes(at: string, pool: PoolConfig, notes: Notes): string[] {
  const tls = clientTlsOf(pool);
  if (tls === null) return [];
  return [
    ...(tls.certificate === null
      ? []
      : bundleNotes(`${at}.tls.certificate`, tls.certificate, notes)),
    ...(tls.verify && !pool.targets.every((target) => isFound(pool, target))
      ? notes.warn(
          `${at}.tls.serverName`,
          'HAProxy finds no IP addresses in certificates: no target will do without a name here',
        )
      : []),
    ...(tls.fingerprints.length === 0
      ? []
      : notes.warn(`${at}.tls.fingerprints`, 'HAProxy cannot pin certificates: not looked at')),
    ...curveNotes(at, tls, notes),
  ];
}

function isFound(pool: PoolConfig, target: TargetConfig): boolean {
  return !isTlsTarget(pool, target) || isSayable(serverNameOf(pool, target));
}

function curveNotes(at: string, { curves }: ClientTlsConfig, notes: Notes): string[] {
  if (curves === null) return [];
  const names = curves.map((curve) => TLS_CURVES[curve] ?? curve).join(', ');
  return notes.warn(
    `${at}.tls.curves`,
    `HAProxy offers targets the curves of its library, not ${names} alone`,
  );
}
