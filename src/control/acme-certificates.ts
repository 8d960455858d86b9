// Keys and certificates that ACME needs beside those that are issued, and the check of what was issued: a directory,
// or a file, may say anything.
import {
  createHash,
  createPrivateKey,
  generateKeyPair,
  randomBytes,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { promisify } from 'node:util';
import { Secret } from '../contract/secret.ts';
import type { LoadedCertificate } from '../plan/credentials.ts';
import { AcmeError, messageOf } from './acme-error.ts';
import { x509 } from './x509.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;

/** id-pe-acmeIdentifier (RFC 8737, section 6.1). */
const ACME_IDENTIFIER = '1.3.6.1.5.5.7.1.31';
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

const generate = promisify(generateKeyPair);

/** EC P-256, PKCS#8 in PEM. */
export async function makeKey(): Promise<Secret> {
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  return new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
}

/** The certificate that answers a tls-alpn-01 challenge (RFC 8737, section 3). */
export async function makeChallengeCertificate(
  name: string,
  keyAuthorization: string,
  now: number,
): Promise<LoadedCertificate> {
  const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  const digest = createHash('sha256').update(keyAuthorization).digest();
  const [notBeforeMs, notAfterMs] = [now - HOUR, now + 7 * DAY];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: positiveSerial(),
    name: 'CN=ACME challenge',
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    keys,
    signingAlgorithm: P256,
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      // An OCTET STRING of 32 bytes.
      new x509.Extension(ACME_IDENTIFIER, true, Buffer.concat([Buffer.from([4, 32]), digest])),
    ],
  });
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  return {
    name: `acme challenge for ${name}`,
    chain: `${certificate.toString('pem')}\n`,
    key: new Secret(toPem('PRIVATE KEY', der)),
    ocsp: new Uint8Array(),
    hosts: [name],
    keyType: 'ec',
    notBeforeMs,
    notAfterMs,
  };
}

function positiveSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes.toString('hex');
}

function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Throws AcmeError unless the chain begins with a certificate of this key for all of these names. */
export function loadIssued(
  names: readonly string[],
  chain: string,
  key: Secret,
): LoadedCertificate {
  const certificates = (chain.match(CERTIFICATE) ?? []).map(parse);
  const [first] = certificates;
  if (first === undefined) throw new AcmeError('there is no certificate in it');
  if (!isKeyOf(first, key)) throw new AcmeError('its certificate is not for its key');
  const missing = names.find((name) => first.checkHost(name, { subject: 'never' }) === undefined);
  if (missing !== undefined) throw new AcmeError(`its certificate is not for ${missing}`);
  return {
    name: `acme ${names.join(' ')}`,
    chain: certificates.map((one) => one.toString()).join(''),
    key,
    ocsp: new Uint8Array(),
    hosts: names,
    keyType: first.publicKey.asymmetricKeyType ?? '',
    notBeforeMs: Date.parse(first.validFrom),
    notAfterMs: Date.parse(first.validTo),
  };
}

function parse(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new AcmeError(`a certificate in it cannot be read: ${messageOf(error)}`);
  }
}

function isKeyOf(certificate: X509Certificate, key: Secret): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key.reveal()));
  } catch {
    // Whatever OpenSSL says of a key that it cannot read, it may quote it.
    return false;
  }
}
