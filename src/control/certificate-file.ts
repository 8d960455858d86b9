// A certificate, its chain and its key, from their files, checked as far as that goes without a client.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { createSecureContext } from 'node:tls';
import { Secret } from '../contract/secret.ts';
import type { KeyPairConfig, LoadedCertificate, NeededCertificate } from '../plan/credentials.ts';
import { readCredentialFile } from './credential-file.ts';
import { readOcspResponse } from './der.ts';
import { type FileReport, formatDay } from './file-report.ts';
import { isCertificate, readPem } from './pem.ts';

export interface ReadingOptions {
  readonly nowMs: number;
  /** Dates that do not hold are problems and no warnings. */
  readonly isStrict: boolean;
}

/** null when it cannot be used; why is in the report. */
export async function loadCertificate(
  needed: NeededCertificate & { readonly certificate: KeyPairConfig },
  options: ReadingOptions,
  report: FileReport,
): Promise<LoadedCertificate | null> {
  const { path, certificate: files } = needed;
  const [chain, key] = await Promise.all([
    readChain(`${path}.cert`, files.cert, report),
    readKey(`${path}.key`, files.key, report),
  ]);
  const [first] = chain ?? [];
  if (chain === null || first === undefined || key === null) return null;
  if (!first.x509.checkPrivateKey(key.key)) {
    const hint = 'name the key that the certificate was made with, or ask for a new certificate';
    const found = `${files.key}, which belongs to another certificate`;
    report.problem(`${path}.key`, `the private key of ${files.cert}`, found, hint);
    return null;
  }
  const isInOrder = checkOrder(`${path}.cert`, files.cert, chain, report);
  const isInDate = checkDates(needed, chain, options, report);
  if (!isInOrder || !isInDate || !checkUsable(path, files, chain, key.pem, report)) return null;
  const hosts = hostsOf(first.x509);
  if (needed.isServer && hosts.length === 0) {
    report.warn(
      `${path}.cert`,
      `${files.cert} names no host (subjectAltName): clients refuse it, and it is served only where it is the first`,
    );
  }
  const ocsp = await readOcsp(`${path}.ocsp`, files.ocsp, first.x509, options, report);
  if (ocsp === null) return null;
  return {
    name: files.cert,
    chain: chain.map(({ text }) => text).join(''),
    key: new Secret(key.pem),
    ocsp,
    hosts,
    keyType: keyTypeOf(first.x509),
    notBeforeMs: Date.parse(first.x509.validFrom),
    notAfterMs: Date.parse(first.x509.validTo),
  };
}

interface Link {
  readonly text: string;
  readonly x509: X509Certificate;
}

async function readChain(
  path: string,
  file: string,
  report: FileReport,
): Promise<readonly Link[] | null> {
  const expected = 'a PEM file with a certificate';
  const read = await readCredentialFile(path, file, expected, report);
  if (read === null) return null;
  const blocks = readPem(read.bytes.toString('latin1'));
  const own = blocks.filter(isCertificate);
  if (own.length === 0) {
    report.problem(path, expected, describeContent(file, read.bytes, blocks), hintFor(read.bytes));
    return null;
  }
  const links: Link[] = [];
  for (const [i, { text }] of own.entries()) {
    try {
      links.push({ text, x509: new X509Certificate(text) });
    } catch {
      const which = own.length === 1 ? 'its certificate' : `certificate ${i + 1} in it`;
      report.problem(path, expected, `${file}: ${which} is damaged`, 'copy it again, whole');
      return null;
    }
  }
  return links;
}

function describeContent(
  file: string,
  bytes: Uint8Array,
  blocks: readonly { readonly label: string }[],
): string {
  if (blocks.length > 0) return `${file}, which holds ${blocks.map(({ label }) => label)}`;
  return bytes[0] === 0x30 ? `${file}, which is in DER or PKCS #12` : `${file}, which holds none`;
}

function hintFor(bytes: Uint8Array): string | undefined {
  return bytes[0] === 0x30
    ? 'turn it into PEM: openssl x509 -inform der, or openssl pkcs12 -nodes'
    : undefined;
}

interface ReadKey {
  readonly key: KeyObject;
  readonly pem: string;
}

/** No error of OpenSSL's is passed on here: none has been seen to quote a key, and none ever will. */
async function readKey(path: string, file: string, report: FileReport): Promise<ReadKey | null> {
  const expected = 'a PEM file with a private key';
  const read = await readCredentialFile(path, file, expected, report);
  if (read === null) return null;
  if (process.platform !== 'win32' && (read.mode & 0o007) !== 0) {
    report.warn(path, `${file} can be read by everybody on this machine: chmod 600 it`);
  }
  const text = read.bytes.toString('latin1');
  const block = readPem(text).find(({ label }) => label.endsWith('PRIVATE KEY'));
  if (block === undefined) {
    const found = `${file}, which holds none${read.bytes[0] === 0x30 ? ' in PEM' : ''}`;
    report.problem(path, expected, found);
    return null;
  }
  if (block.label === 'ENCRYPTED PRIVATE KEY' || block.text.includes('ENCRYPTED')) {
    const hint = 'decrypt it, into a file that its owner alone can read: openssl pkey -in … -out …';
    report.problem(path, `${expected}, not encrypted`, `${file}, which is encrypted`, hint);
    return null;
  }
  try {
    return { key: createPrivateKey(block.text), pem: block.text };
  } catch {
    report.problem(path, expected, `${file}, whose key is damaged`, 'copy it again, whole');
    return null;
  }
}

/** RFC 8446, section 4.4.2: each certifies the one before it. The root may be left out. */
function checkOrder(
  path: string,
  file: string,
  chain: readonly Link[],
  report: FileReport,
): boolean {
  const expected = 'a chain in which each certificate certifies the one before it';
  for (const [i, { x509 }] of chain.entries()) {
    const next = chain[i + 1]?.x509;
    if (next === undefined || x509.checkIssued(next)) continue;
    const name = (one: X509Certificate) => oneLine(one.subject) || 'a certificate without a name';
    const isTwice = next.fingerprint256 === x509.fingerprint256;
    const elsewhere = chain.some((other, j) => j !== i && x509.checkIssued(other.x509));
    const found = isTwice
      ? `${file}, where certificate ${i + 2} repeats the one before it`
      : `${file}, where certificate ${i + 2} (${name(next)}) did not certify ${name(x509)}`;
    const hint = isTwice
      ? 'remove the second'
      : elsewhere
        ? 'the right one is in the file: put them in order, the certificate itself first'
        : `put the certificate of ${oneLine(x509.issuer)} there, or remove what does not belong`;
    report.problem(path, expected, found, hint);
    return false;
  }
  return true;
}

/** OpenSSL has the last word: on keys that are too short, algorithms that it does not offer. */
function checkUsable(
  path: string,
  files: KeyPairConfig,
  chain: readonly Link[],
  key: string,
  report: FileReport,
): boolean {
  try {
    createSecureContext({ cert: chain.map(({ text }) => text).join(''), key });
    return true;
  } catch (error) {
    const reason = (error as { readonly reason?: unknown }).reason;
    const why = typeof reason === 'string' ? reason : 'no reason given';
    report.problem(
      `${path}.cert`,
      'a certificate and a key that OpenSSL accepts',
      `${files.cert}, which it refuses (${why})`,
      'make another with an ECDSA key (P-256) or an RSA key of 2048 bits or more',
    );
    return false;
  }
}

function checkDates(
  { path: at, certificate: { cert: file }, isServer }: Parameters<typeof loadCertificate>[0],
  chain: readonly Link[],
  { nowMs, isStrict }: ReadingOptions,
  report: FileReport,
): boolean {
  const path = `${at}.cert`;
  for (const [i, { x509 }] of chain.entries()) {
    const [from, to] = [Date.parse(x509.validFrom), Date.parse(x509.validTo)];
    if (from <= nowMs && nowMs < to) continue;
    const which = i === 0 ? file : `${file}: certificate ${i + 1} (${oneLine(x509.subject)})`;
    const state =
      to <= nowMs
        ? `expired on ${formatDay(to, nowMs)}`
        : `is not valid before ${formatDay(from, nowMs)}`;
    if (!isStrict) {
      // Whoever watches the expiry of listeners' certificates says so day by day.
      if (isServer && i === 0 && to <= nowMs) continue;
      report.warn(path, `${which} ${state}: clients refuse it`);
      continue;
    }
    report.problem(path, 'a certificate that is in date', `${which}, which ${state}`, 'renew it');
    return false;
  }
  return true;
}

/** An OCSP response that is no use is left out: clients do without more easily than with a wrong one. */
async function readOcsp(
  path: string,
  file: string | null,
  certificate: X509Certificate,
  { nowMs }: ReadingOptions,
  report: FileReport,
): Promise<Uint8Array | null> {
  const none = new Uint8Array(0);
  if (file === null) return none;
  const expected = 'a file with an OCSP response in DER';
  const read = await readCredentialFile(path, file, expected, report);
  if (read === null) return null;
  const response = readOcspResponse(read.bytes);
  if (response === null) {
    const hint = 'openssl ocsp -respout writes one';
    report.problem(path, expected, `${file}, which is none`, hint);
    return null;
  }
  const serial = certificate.serialNumber.toUpperCase().replace(/^0+(?=.)/, '');
  const answer = response.answers.find((one) => one.serial === serial);
  if (!response.isSuccessful) {
    report.warn(path, `${file} says that the responder failed: it is not sent`);
    return none;
  }
  if (answer === undefined) {
    report.warn(path, `${file} is about another certificate: it is not sent`);
    return none;
  }
  if (answer.nextUpdateMs !== null && answer.nextUpdateMs <= nowMs) {
    const day = formatDay(answer.nextUpdateMs, nowMs);
    report.warn(path, `${file} was to be replaced by ${day}: it is not sent`);
    return none;
  }
  return new Uint8Array(read.bytes);
}

/** Those of subjectAltName, as routes compare them; IPv6 addresses in brackets. */
export function hostsOf(certificate: X509Certificate): readonly string[] {
  const hosts = new Set<string>();
  for (const [, kind, text] of (certificate.subjectAltName ?? '').matchAll(
    /(?:^|, )(DNS|IP Address):("(?:[^"\\]|\\.)*"|[^,]*)/g,
  )) {
    // Quoted by Node where it holds what would mislead: no such name can be asked for.
    if (text === undefined || text === '' || text.startsWith('"')) continue;
    hosts.add(kind === 'DNS' ? text.toLowerCase().replace(/\.$/, '') : addressText(text));
  }
  return [...hosts];
}

function addressText(text: string): string {
  return isIPv4(text) || !URL.canParse(`http://[${text}]`)
    ? text
    : new URL(`http://[${text}]`).hostname;
}

export function keyTypeOf(certificate: X509Certificate): string {
  return certificate.publicKey.asymmetricKeyType ?? 'unknown';
}

/** Node prints a name over several lines. */
function oneLine(name: string): string {
  return name.split('\n').reverse().join(', ');
}
