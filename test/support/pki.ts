// Certificates for tests, made in the process: authorities, what they issue and revoke, self-signed ones. Nothing is
// fetched, nothing is kept; names, dates and uses are each test's to choose.
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { x509 } from '../../src/control/x509.ts';
import type { Scope } from './scope.ts';

type Key = webcrypto.CryptoKey;
type KeyPair = webcrypto.CryptoKeyPair;
export type KeyType = 'ec' | 'rsa' | 'ed25519';

const { subtle } = webcrypto;
const DAY = 86_400_000;

export interface IssueOptions {
  /** Host names; `*.example.com` too. `localhost` unless ips or commonName are given. */
  readonly names?: readonly string[];
  readonly ips?: readonly string[];
  readonly emails?: readonly string[];
  /** The first name, else the first address, by default. */
  readonly commonName?: string;
  /** Wins over commonName: `CN=Jane, O=Example, C=DE`. */
  readonly subject?: string;
  readonly keyType?: KeyType;
  /** An hour ago by default. */
  readonly notBefore?: Date;
  /** In 90 days by default. */
  readonly notAfter?: Date;
  /** What it is for; servers and clients alike by default. */
  readonly usage?: 'server' | 'client' | 'both';
  /** Hexadecimal digits; random by default. */
  readonly serial?: string;
  /** Where revocations are published; none by default. */
  readonly crlUrl?: string;
}

export interface AuthorityOptions {
  readonly commonName?: string;
  readonly keyType?: KeyType;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

export interface Issued {
  /** This certificate alone. */
  readonly certPem: string;
  /** This certificate and those that lead to the root, without the root. */
  readonly chainPem: string;
  readonly keyPem: string;
  /** SHA-256 of the certificate, 64 lower-case hexadecimal digits. */
  readonly fingerprint: string;
  /** Hexadecimal digits. */
  readonly serial: string;
  readonly certificate: x509.X509Certificate;
}

export interface Authority extends Issued {
  issue(options?: IssueOptions): Promise<Issued>;
  /** An authority below this one; what it issues brings its certificate in chainPem. */
  intermediate(options?: AuthorityOptions): Promise<Authority>;
  /** A revocation list in PEM. nextUpdate is in 7 days by default. */
  crl(
    revoked?: readonly Issued[],
    options?: { readonly nextUpdate?: Date; readonly thisUpdate?: Date },
  ): Promise<string>;
  /** What signs for it: for things that are not made here. */
  readonly keys: KeyPair;
}

const ALGORITHMS = {
  ec: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  },
  ed25519: { name: 'Ed25519' },
} as const;

/** RSA keys are slow to make: one for the certificates and one for the authorities of a process. */
const rsaKeys = new Map<'authority' | 'leaf', Promise<KeyPair>>();

function makeKeys(type: KeyType, role: 'authority' | 'leaf'): Promise<KeyPair> {
  const generate = () =>
    subtle.generateKey(ALGORITHMS[type], true, ['sign', 'verify']) as Promise<KeyPair>;
  if (type !== 'rsa') return generate();
  const kept = rsaKeys.get(role) ?? generate();
  rsaKeys.set(role, kept);
  return kept;
}

async function keyToPem(key: Key): Promise<string> {
  const der = Buffer.from(await subtle.exportKey('pkcs8', key)).toString('base64');
  const lines = der.replaceAll(/(.{64})/g, '$1\n').trimEnd();
  return `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`;
}

async function issued(
  certificate: x509.X509Certificate,
  keys: KeyPair,
  above: string,
): Promise<Issued> {
  const certPem = `${certificate.toString('pem')}\n`;
  return {
    certPem,
    chainPem: certPem + above,
    keyPem: await keyToPem(keys.privateKey),
    fingerprint: createHash('sha256').update(Buffer.from(certificate.rawData)).digest('hex'),
    serial: certificate.serialNumber,
    certificate,
  };
}

/** Positive, so that no leading zero byte changes its digits. */
function randomSerial(): string {
  const bytes = randomBytes(12);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes.toString('hex');
}

const signing = (keys: KeyPair) => {
  const { name } = keys.privateKey.algorithm;
  return name === 'Ed25519' ? { name } : { name, hash: 'SHA-256' };
};

function namesOf(options: IssueOptions): x509.JsonGeneralNames {
  const { ips = [], emails = [] } = options;
  const isNamed = ips.length > 0 || emails.length > 0;
  const isBare = isNamed || options.commonName !== undefined || options.subject !== undefined;
  const names = options.names ?? (isBare ? [] : ['localhost']);
  return [
    ...names.map((value) => ({ type: 'dns' as const, value })),
    ...ips.map((value) => ({ type: 'ip' as const, value })),
    ...emails.map((value) => ({ type: 'email' as const, value })),
  ];
}

function leafExtensions(options: IssueOptions): x509.Extension[] {
  const usage = options.usage ?? 'both';
  const uses = [
    ...(usage === 'client' ? [] : [x509.ExtendedKeyUsage.serverAuth]),
    ...(usage === 'server' ? [] : [x509.ExtendedKeyUsage.clientAuth]),
  ];
  const names = namesOf(options);
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(uses),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ...(options.crlUrl === undefined
      ? []
      : [new x509.CRLDistributionPointsExtension([options.crlUrl])]),
  ];
}

const authorityExtensions = () => [
  new x509.BasicConstraintsExtension(true, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
];

function subjectOf(options: IssueOptions): string | { readonly CN: string[] }[] {
  if (options.subject !== undefined) return options.subject;
  const first = namesOf(options)[0]?.value;
  return [{ CN: [options.commonName ?? first ?? 'localhost'] }];
}

const dates = (options: { readonly notBefore?: Date; readonly notAfter?: Date }, days: number) => ({
  notBefore: options.notBefore ?? new Date(Date.now() - 3_600_000),
  notAfter: options.notAfter ?? new Date(Date.now() + days * DAY),
});

/** A root: its own certificate is what `ca` takes. */
export async function createAuthority(options: AuthorityOptions = {}): Promise<Authority> {
  const keys = await makeKeys(options.keyType ?? 'ec', 'authority');
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: [{ CN: [options.commonName ?? `Test Root ${randomBytes(3).toString('hex')}`] }],
    ...dates(options, 3650),
    keys,
    signingAlgorithm: signing(keys),
    extensions: [
      ...authorityExtensions(),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return authorityOf(await issued(certificate, keys, ''), keys, '');
}

/** A certificate that vouches for itself. */
export async function selfSigned(options: IssueOptions = {}): Promise<Issued> {
  const keys = await makeKeys(options.keyType ?? 'ec', 'leaf');
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: options.serial ?? randomSerial(),
    name: subjectOf(options),
    ...dates(options, 90),
    keys,
    signingAlgorithm: signing(keys),
    extensions: leafExtensions(options),
  });
  return issued(certificate, keys, '');
}

function authorityOf(own: Issued, keys: KeyPair, above: string): Authority {
  const sign = async (
    subject: string | { readonly CN: string[] }[],
    subjectKeys: KeyPair,
    serialNumber: string,
    validity: { readonly notBefore: Date; readonly notAfter: Date },
    extensions: x509.Extension[],
  ) =>
    x509.X509CertificateGenerator.create({
      serialNumber,
      subject,
      issuer: own.certificate.subjectName,
      ...validity,
      publicKey: subjectKeys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: signing(keys),
      extensions: [
        ...extensions,
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        await x509.SubjectKeyIdentifierExtension.create(subjectKeys.publicKey),
      ],
    });
  return {
    ...own,
    keys,
    async issue(options = {}) {
      const its = await makeKeys(options.keyType ?? 'ec', 'leaf');
      const serial = options.serial ?? randomSerial();
      const extensions = leafExtensions(options);
      const subject = subjectOf(options);
      const certificate = await sign(subject, its, serial, dates(options, 90), extensions);
      return issued(certificate, its, above);
    },
    async intermediate(options = {}) {
      const its = await makeKeys(options.keyType ?? 'ec', 'authority');
      const name = options.commonName ?? `Test Intermediate ${randomBytes(3).toString('hex')}`;
      const extensions = authorityExtensions();
      const validity = dates(options, 1825);
      const subject = [{ CN: [name] }];
      const certificate = await sign(subject, its, randomSerial(), validity, extensions);
      const below = await issued(certificate, its, above);
      return authorityOf(below, its, below.chainPem);
    },
    async crl(revoked = [], options = {}) {
      const list = await x509.X509CrlGenerator.create({
        issuer: own.certificate.subjectName,
        thisUpdate: options.thisUpdate ?? new Date(Date.now() - 3_600_000),
        nextUpdate: options.nextUpdate ?? new Date(Date.now() + 7 * DAY),
        entries: revoked.map(({ serial }) => ({
          serialNumber: serial,
          revocationDate: new Date(),
          reason: x509.X509CrlReason.keyCompromise,
        })),
        signingKey: keys.privateKey,
        signingAlgorithm: signing(keys),
        extensions: [await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey)],
      });
      return `${list.toString('pem').replaceAll(' CRL-', ' X509 CRL-')}\n`;
    },
  };
}

/** An empty folder that goes when the scope ends. */
export async function temporaryFolder(scope: Scope): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-pki-'));
  scope.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes `NAME.pem` (the chain) and `NAME.key` into a folder: what `certificates` takes. */
export async function writePair(
  folder: string,
  pair: Pick<Issued, 'chainPem' | 'keyPem'>,
  name = 'site',
): Promise<{ readonly cert: string; readonly key: string }> {
  await mkdir(folder, { recursive: true });
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  await writeFile(cert, pair.chainPem);
  await writeFile(key, pair.keyPem, { mode: 0o600 });
  return { cert, key };
}

/** Writes a file into a folder and names it. */
export async function writeText(
  folder: string,
  name: string,
  text: string | Uint8Array,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}
