// Certificates that vouch for themselves: for development, and for listeners that wait for a real one.
import { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';

export interface SelfSignedOptions {
  /** Host names and IP addresses; the first becomes the common name. */
  readonly names: readonly string[];
  readonly days: number;
  readonly keyType: 'ec' | 'rsa';
}

export interface SelfSigned {
  readonly certificate: string;
  readonly key: string;
}

const ALGORITHMS = {
  ec: { name: 'ECDSA', namedCurve: 'P-256' },
  rsa: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  },
} as const;

/** Valid from an hour ago, because clocks differ. */
export async function makeSelfSigned(options: SelfSignedOptions): Promise<SelfSigned> {
  const { names, days, keyType } = options;
  // Loaded when needed: most who run a proxy never make a certificate.
  const { x509 } = await import('./x509.ts');
  const { subtle } = webcrypto;
  const algorithm = ALGORITHMS[keyType];
  const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const nowMs = Date.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [(names[0] ?? 'localhost').slice(0, 64)] }],
    notBefore: new Date(nowMs - 3_600_000),
    notAfter: new Date(nowMs + days * 86_400_000),
    keys,
    signingAlgorithm: { name: algorithm.name, hash: 'SHA-256' },
    extensions: [
      // Browsers and OpenSSL believe it as its own root only where it may be one.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign,
        true,
      ),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const pkcs8 = Buffer.from(await subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const lines = pkcs8.replaceAll(/(.{64})(?=.)/g, '$1\n');
  return {
    certificate: `${certificate.toString('pem')}\n`,
    key: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`,
  };
}
