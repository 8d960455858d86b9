// OCSP responses for tests (RFC 6960), signed by the authority that issued the certificate.
import { createHash, webcrypto } from 'node:crypto';
import type { Authority, Issued } from './pki.ts';

export interface OcspOptions {
  /** In 7 days by default; null leaves it out. */
  readonly nextUpdate?: Date | null;
  readonly isRevoked?: boolean;
}

const element = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};
const sequence = (...parts: readonly Uint8Array[]) => element(0x30, ...parts);
const octets = (bytes: Uint8Array) => element(0x04, bytes);
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const time = (date: Date) =>
  element(0x18, Buffer.from(`${date.toISOString().replaceAll(/[-:T]|\.\d+/g, '')}`));
const sha1 = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest();

const SHA1 = sequence(hex('06 05 2b0e03021a'), hex('0500'));
const ECDSA_SHA256 = sequence(hex('06 08 2a8648ce3d040302'));
const BASIC = hex('06 09 2b0601050507300101');

/** DER. The authority's key must be ECDSA. */
export async function ocspResponse(
  authority: Authority,
  issued: Issued,
  { nextUpdate = new Date(Date.now() + 7 * 86_400_000), isRevoked = false }: OcspOptions = {},
): Promise<Buffer> {
  const issuer = Buffer.from(authority.certificate.subjectName.toArrayBuffer());
  const spki = Buffer.from(authority.certificate.publicKey.rawData);
  // An uncompressed point of P-256 is the end of its SubjectPublicKeyInfo.
  const keyHash = sha1(spki.subarray(-65));
  const serial = hex(issued.serial);
  const id = sequence(SHA1, octets(sha1(issuer)), octets(keyHash), element(0x02, serial));
  const before = new Date(Date.now() - 30 * 86_400_000);
  const status = isRevoked ? element(0xa1, time(before)) : hex('80 00');
  const next = nextUpdate === null ? [] : [element(0xa0, time(nextUpdate))];
  const data = sequence(
    element(0xa1, issuer),
    time(before),
    sequence(sequence(id, status, time(before), ...next)),
  );
  const { privateKey } = authority.keys;
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  const raw = Buffer.from(await webcrypto.subtle.sign(algorithm, privateKey, data));
  const signature = element(0x03, Buffer.from([0]), derSignature(raw));
  const basic = sequence(data, ECDSA_SHA256, signature);
  return sequence(hex('0a 01 00'), element(0xa0, sequence(BASIC, octets(basic))));
}

/** What a responder says that cannot answer: tryLater. */
export const OCSP_TRY_LATER = sequence(hex('0a 01 03'));

/** WebCrypto gives r and s side by side, ASN.1 wants two integers. */
function derSignature(raw: Buffer): Buffer {
  const integer = (bytes: Buffer) => {
    const from = bytes.findIndex((byte) => byte !== 0);
    const digits = bytes.subarray(Math.max(0, from));
    const pad = (digits[0] ?? 0) & 0x80 ? [0] : [];
    return element(0x02, Buffer.from(pad), digits);
  };
  return sequence(integer(raw.subarray(0, 32)), integer(raw.subarray(32)));
}
