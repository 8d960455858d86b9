// What can be told of a client's certificate: text that fits into a header, one line of ASCII, the same as
// native/tls/peer_certificate makes of it. Pure.
import type { X509Certificate } from 'node:crypto';
import type { CertificateField } from '../../contract/codes.ts';
import { assertNever } from '../../contract/ids.ts';
import type { ClientIdentity } from '../../plan/match.ts';
import type { PlanClientCertificates } from '../../plan/plan.ts';

/** What a connection's requests tell of its client. */
export interface ClientFacts {
  readonly identity: ClientIdentity;
  readonly fields: readonly { readonly name: string; readonly value: string }[];
}

/** `certificate`: one that holds, or null when the client showed none. null where none are asked for. */
export function clientFacts(
  { mode, headers }: PlanClientCertificates,
  certificate: X509Certificate | null,
): ClientFacts | null {
  if (mode === 'off') return null;
  const fields = headers.flatMap(({ field, name }) => {
    if (field === 'verified') return [{ name, value: certificate === null ? '0' : '1' }];
    return certificate === null ? [] : [{ name, value: describeCertificate(certificate, field) }];
  });
  if (certificate === null) return { identity: NOBODY, fields };
  const identity = {
    isVerified: true,
    commonName: commonName(certificate),
    fingerprint: fingerprint(certificate),
  };
  return { identity, fields };
}

export const NOBODY: ClientIdentity = { isVerified: false, commonName: '', fingerprint: '' };

export function describeCertificate(
  certificate: X509Certificate,
  field: Exclude<CertificateField, 'verified'>,
): string {
  switch (field) {
    case 'subject':
      return clean(distinguishedName(certificate.subject));
    case 'issuer':
      return clean(distinguishedName(certificate.issuer));
    case 'serial':
      return certificate.serialNumber;
    case 'fingerprint':
      return fingerprint(certificate);
    case 'names':
      return clean(alternativeNames(certificate.subjectAltName ?? ''));
    case 'notBefore':
      return timeText(certificate.validFrom);
    case 'notAfter':
      return timeText(certificate.validTo);
    case 'certificate':
      return `:${certificate.raw.toString('base64')}:`;
    default:
      return assertNever(field);
  }
}

function fingerprint({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(':', '').toLowerCase();
}

/** What a certificate says may be anything; a header is one line of visible ASCII. */
function clean(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?');
}

/**
 * node gives a name one part a line, the most general first, escaped as RFC 4514 asks but for what is beyond ASCII.
 * Parts of one set stand on one line with ` + ` between: a plus sign in a value is escaped.
 */
function distinguishedName(lines: string | undefined): string {
  return nameParts(lines)
    .reverse()
    .map((part) => part.split(' + ').reverse().map(escapeHigh).join('+'))
    .join(',');
}

function nameParts(lines: string | undefined): string[] {
  return (lines ?? '').split('\n').filter((line) => line !== '');
}

function escapeHigh(text: string): string {
  return text.replaceAll(/\P{ASCII}+/gu, (run) =>
    [...Buffer.from(run)].map((byte) => `\\${hex(byte)}`).join(''),
  );
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}

/** The first one of the subject, unescaped; '' when there is none. */
function commonName({ subject }: X509Certificate): string {
  const parts = nameParts(subject).flatMap((part) => part.split(' + '));
  const text = parts.find((part) => part.startsWith('CN='))?.slice('CN='.length) ?? '';
  const bytes: number[] = [];
  for (const [piece] of text.matchAll(/\\[0-9A-Fa-f]{2}|\\?[\s\S]/gu)) {
    if (/^\\[0-9A-Fa-f]{2}$/.test(piece)) bytes.push(Number.parseInt(piece.slice(1), 16));
    else bytes.push(...Buffer.from(piece.length > 1 && piece[0] === '\\' ? piece.slice(1) : piece));
  }
  return Buffer.from(bytes).toString();
}

const NAME_KINDS: Readonly<Record<string, string>> = {
  DNS: 'DNS',
  email: 'email',
  URI: 'URI',
  'IP Address': 'IP',
};

/** node quotes, as JSON does, values that could be taken for something else. */
function alternativeNames(text: string): string {
  const names: string[] = [];
  for (const [, kind = '', written = ''] of text.matchAll(
    /([A-Za-z ]+?):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g,
  )) {
    const prefix = NAME_KINDS[kind];
    if (prefix === undefined) continue;
    const value = written.startsWith('"') ? String(JSON.parse(written)) : written;
    // A comma would make two names of one.
    const plain = prefix === 'IP' ? plainAddress(value) : value.replaceAll(',', '?');
    names.push(`${prefix}:${plain}`);
  }
  return names.join(', ');
}

/** OpenSSL writes all of an IPv6 address out. */
function plainAddress(text: string): string {
  return text.includes(':') ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : text;
}

function timeText(text: string): string {
  return new Date(text).toISOString().replace('.000Z', 'Z');
}
