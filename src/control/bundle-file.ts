// Bundles: CAs to believe, revocation lists to heed, and where systems keep their CAs.
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import type { ReadingOptions } from './certificate-file.ts';
import { readCredentialFile } from './credential-file.ts';
import { readRevocationList, subjectOf } from './der.ts';
import { type FileReport, formatDay } from './file-report.ts';
import { isCertificate, readPem } from './pem.ts';

/** PEM; null when it cannot be used, which is in the report then. */
export async function loadCas(
  path: string,
  file: string,
  { nowMs }: ReadingOptions,
  report: FileReport,
): Promise<string | null> {
  const expected = 'a PEM file with certificates of CAs';
  const read = await readCredentialFile(path, file, expected, report);
  if (read === null) return null;
  const blocks = readPem(read.bytes.toString('latin1')).filter(isCertificate);
  if (blocks.length === 0) {
    report.problem(path, expected, `${file}, which holds none`);
    return null;
  }
  for (const [i, { text }] of blocks.entries()) {
    const ca = parse(text);
    const which = blocks.length === 1 ? file : `${file}: certificate ${i + 1}`;
    if (ca === null) {
      report.problem(path, expected, `${which} is damaged`, 'copy it again, whole');
      return null;
    }
    const to = Date.parse(ca.validTo);
    if (to <= nowMs) report.warn(path, `${which} expired on ${formatDay(to, nowMs)}`);
  }
  return blocks.map(({ text }) => text).join('');
}

/** `cas`: PEM of the CAs that the lists are for. */
export async function loadRevocationLists(
  path: string,
  file: string,
  cas: string,
  { nowMs }: ReadingOptions,
  report: FileReport,
): Promise<string | null> {
  const expected = 'a PEM file with revocation lists';
  const read = await readCredentialFile(path, file, expected, report);
  if (read === null) return null;
  const blocks = readPem(read.bytes.toString('latin1')).filter(({ label }) =>
    /^(X509 )?CRL$/.test(label),
  );
  if (blocks.length === 0) {
    const hint = read.bytes[0] === 0x30 ? 'turn it into PEM: openssl crl -inform der' : undefined;
    report.problem(path, expected, `${file}, which holds none`, hint);
    return null;
  }
  const issuers: Uint8Array[] = [];
  for (const [i, { bytes }] of blocks.entries()) {
    const which = blocks.length === 1 ? file : `${file}: list ${i + 1}`;
    const list = readRevocationList(bytes);
    if (list === null) {
      report.problem(path, expected, `${which} is damaged`, 'copy it again, whole');
      return null;
    }
    issuers.push(list.issuer);
    if (list.nextUpdateMs !== null && list.nextUpdateMs <= nowMs) {
      const day = formatDay(list.nextUpdateMs, nowMs);
      report.warn(
        path,
        `${which} was to be replaced by ${day}: certificates of its CA are refused`,
      );
    }
  }
  for (const { text, bytes } of readPem(cas).filter(isCertificate)) {
    const subject = subjectOf(bytes);
    if (issuers.some((issuer) => Buffer.compare(issuer, subject) === 0)) continue;
    const name = parse(text)?.subject.split('\n').reverse().join(', ') ?? 'a CA';
    report.warn(path, `${file} has no list of ${name}: certificates of that CA are refused`);
  }
  // `X509 CRL` is the only label that OpenSSL reads.
  return blocks.map(({ text }) => text.replaceAll(/(BEGIN|END) CRL/g, '$1 X509 CRL')).join('');
}

function parse(text: string): X509Certificate | null {
  try {
    return new X509Certificate(text);
  } catch {
    return null;
  }
}

const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
  '/usr/local/share/certs/ca-root-nss.crt',
];

/** The system's CAs: SSL_CERT_FILE, else where systems keep them, else those that came with Node. */
export async function loadSystemCas(
  path: string,
  report: FileReport,
  chosen = process.env.SSL_CERT_FILE,
  files: readonly string[] = SYSTEM_FILES,
): Promise<string> {
  if (chosen !== undefined && chosen !== '') {
    const pem = await certificatesOf(chosen);
    if (pem !== null) return pem;
    report.warn(path, `SSL_CERT_FILE names ${chosen}, which holds no certificates: passed over`);
  }
  for (const file of files) {
    const pem = await certificatesOf(file);
    if (pem !== null) return pem;
  }
  return `${rootCertificates.join('\n')}\n`;
}

async function certificatesOf(file: string): Promise<string | null> {
  const text = await readFile(file, 'latin1').catch(() => '');
  const blocks = readPem(text).filter(isCertificate);
  return blocks.length === 0 ? null : blocks.map((block) => block.text).join('');
}
