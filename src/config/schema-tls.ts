// The schema of TLS: what listeners serve it with, and how pools ask for it. File names become absolute here; what
// is in the files is read by the control plane (control/credentials.ts).
import { resolve } from 'node:path';
import { getCiphers } from 'node:tls';
import { z } from 'zod';
import { CERTIFICATE_FIELDS, TLS_PROFILES } from '../contract/codes.ts';
import type { AddressContext } from './address.ts';
import { choice, duration, hintForWord, says, written } from './fields.ts';
import { fingerprint } from './fingerprint.ts';
import { parseHeaderName } from './headers.ts';
import { isHostName } from './host.ts';
import { parsed, refused } from './parsed.ts';
import { maybe } from './schema-route.ts';

export const TLS_VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** Key exchange groups by their usual names, with OpenSSL's. */
export const TLS_CURVES: Readonly<Record<string, string>> = {
  X25519: 'X25519',
  X448: 'X448',
  'P-256': 'P-256',
  'P-384': 'P-384',
  'P-521': 'P-521',
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

export const file = (context: AddressContext, what: string) =>
  written(`the name of ${what}`, { title: 'file name' }, (text) => {
    if (text.startsWith('-----BEGIN'))
      return refused(`the name of ${what}`, 'put the PEM text into a file and name that');
    return text === '' || text.includes('\0')
      ? refused(`the name of ${what}`)
      : parsed(resolve(context.baseFolder, text));
  });

const version = (what: string) =>
  maybe(
    choice(TLS_VERSIONS, {
      '1.0': 'write TLSv1',
      '1.1': 'write TLSv1.1',
      '1.2': 'write TLSv1.2',
      '1.3': 'write TLSv1.3',
      TLSv10: 'write TLSv1',
      'TLSv1.0': 'write TLSv1',
    }),
  ).describe(what);

/** Upper case, as `openssl ciphers` prints them; those of TLS 1.3 begin with TLS_. */
const CIPHERS = getCiphers().map((name) => name.toUpperCase());

function cipherNames(isTls13: boolean) {
  const words = CIPHERS.filter((name) => name.startsWith('TLS_') === isTls13);
  const example = isTls13 ? 'TLS_AES_128_GCM_SHA256' : 'ECDHE-ECDSA-AES128-GCM-SHA256';
  const expected = `the name of a cipher, such as ${example}`;
  return maybe(
    z
      .array(
        written(expected, { title: 'cipher' }, (text) =>
          words.includes(text.toUpperCase())
            ? parsed(text.toUpperCase())
            : refused(expected, hintForCipher(text, isTls13, words)),
        ),
        says('a list of ciphers'),
      )
      .min(1, says('at least one cipher')),
  );
}

function hintForCipher(text: string, isTls13: boolean, words: readonly string[]) {
  if (/[:!+@]/.test(text)) return 'name each cipher, without the operators of a cipher string';
  if (text.startsWith('TLS_') !== isTls13 && CIPHERS.includes(text.toUpperCase()))
    return isTls13 ? 'those of TLS 1.2 and before go into ciphers' : 'it goes into cipherSuites';
  return hintForWord(text.toUpperCase(), words);
}

const curve = written(
  `one of ${Object.keys(TLS_CURVES).join(', ')}`,
  { title: 'curve', examples: ['X25519', 'P-256'] },
  (text) => {
    const name = Object.keys(TLS_CURVES).find((key) => key.toLowerCase() === text.toLowerCase());
    return name === undefined
      ? refused(
          `one of ${Object.keys(TLS_CURVES).join(', ')}`,
          hintForWord(text, Object.keys(TLS_CURVES)),
        )
      : parsed(TLS_CURVES[name] ?? name);
  },
);

/** What either side of a handshake may be told. */
const terms = () => ({
  profile: choice(TLS_PROFILES, {
    default: 'did you mean intermediate?',
    strict: 'did you mean modern?',
  })
    .prefault('intermediate')
    .describe(
      'Versions, ciphers and curves as Mozilla recommends them: `modern` (TLS 1.3 alone), `intermediate` (1.2 and 1.3), `old` (1.0 and up, for clients of before 2014).',
    ),
  minVersion: version("The oldest version to speak. Left out: the profile's."),
  maxVersion: version('The newest version to speak. Left out: TLSv1.3.'),
  ciphers: cipherNames(false).describe(
    "Ciphers up to TLS 1.2, by their OpenSSL names, best first. Left out: the profile's.",
  ),
  cipherSuites: cipherNames(true).describe(
    "Ciphers of TLS 1.3, best first. Left out: the profile's.",
  ),
  curves: maybe(
    z.array(curve, says('a list of curves')).min(1, says('at least one curve')),
  ).describe('Groups for the key exchange, best first. Left out: X25519, P-256, P-384.'),
  kernelTls: choice(['auto', 'off'], {
    on: 'did you mean auto? It is used where the kernel offers it',
    true: 'did you mean auto? It is used where the kernel offers it',
    false: 'did you mean off?',
  })
    .prefault('auto')
    .describe(
      'Who encrypts bulky bodies and streams: the kernel, where it offers that (`auto`; the log line `engine started` says whether it does), so that they are spliced; or never the kernel (`off`). Engine native; js never asks the kernel.',
    ),
});

const keyPair = (context: AddressContext) => ({
  cert: file(context, 'a PEM file with the certificate and its chain').describe(
    'PEM file: the certificate first, then those that lead from it to the root, which may be left out.',
  ),
  key: file(context, 'a PEM file with the private key').describe(
    'PEM file with the private key, not encrypted.',
  ),
});

const NAME = 'a host name such as example.com';

const acmeName = written(
  NAME,
  { title: 'host name', examples: ['example.com', 'www.example.com'] },
  (text) => {
    if (text.startsWith('*.'))
      return refused(
        NAME,
        'a wildcard needs the DNS challenge, which is not supported: name hosts',
      );
    return isHostName(text) && text.includes('.') ? parsed(text.toLowerCase()) : refused(NAME);
  },
);

const certificate = (context: AddressContext) =>
  z.union(
    [
      z.strictObject({
        ...keyPair(context),
        ocsp: maybe(file(context, 'a file with an OCSP response in DER')).describe(
          'File with an OCSP response (DER), sent to clients that ask for it. Read again when it changes.',
        ),
      }),
      z.strictObject({
        acme: z
          .array(acmeName, says('a list of host names'))
          .min(1, says('at least one host name'))
          .describe('One certificate for these names, obtained and renewed as `acme` says.'),
      }),
    ],
    says('a map with cert and key, or with acme'),
  );

const clientCertificates = (context: AddressContext) =>
  z
    .strictObject({
      mode: choice(['request', 'require'], {
        optional: 'did you mean request?',
        required: 'did you mean require?',
      })
        .prefault('require')
        .describe(
          '`require`: no handshake without a certificate that holds. `request`: clients without one are served too; one that does not hold ends the handshake either way.',
        ),
      ca: file(context, 'a PEM file with the CAs of clients').describe(
        'PEM file with the CAs that client certificates must lead to.',
      ),
      crl: maybe(file(context, 'a PEM file with certificate revocation lists')).describe(
        'PEM file with the revocation lists of those CAs. Given, every CA needs one that is current.',
      ),
      headers: z
        .partialRecord(
          z.enum(CERTIFICATE_FIELDS),
          written(
            'the name of a header, such as X-Client-Subject',
            { title: 'header name' },
            parseHeaderName,
          ),
          says(`a map from ${CERTIFICATE_FIELDS.join(', ')} to header names`),
        )
        .prefault({})
        .describe(
          "Headers that tell targets of the client's certificate, after the client's own of these names were removed. `verified` is 1 or 0; the others are left out where there is no certificate.",
        )
        .meta({ examples: [{ subject: 'X-Client-Subject', verified: 'X-Client-Verified' }] }),
    })
    .describe("Asking clients for certificates (mutual TLS). Left out: they aren't asked.");

/** `tls` of a listener. */
export function serverTls(context: AddressContext) {
  return z.strictObject({
    certificates: z
      .array(certificate(context), says('a list of certificates'))
      .min(1, says('at least one certificate'))
      .describe(
        'Chosen by the name that the client asks for (SNI) among the names in them: exact, then `*.` for one label. RSA and ECDSA certificates of one name serve side by side. The first serves clients that ask for no name.',
      )
      .meta({ examples: [[{ cert: 'site.pem', key: 'site.key' }]] }),
    ...terms(),
    unknownName: choice(['default', 'reject'])
      .prefault('default')
      .describe(
        'A client that asks for a name in none of the certificates gets the first (`default`), or its handshake ends with `unrecognized_name` (`reject`; and a request for such a host is answered 421).',
      ),
    sessionTickets: z
      .boolean(says('true or false'))
      .prefault(true)
      .describe('Lets clients resume sessions, without the cost of another full handshake.'),
    // RFC 8446, section 4.6.1.
    sessionLifetime: duration(1000, 7)
      .prefault('12h')
      .describe(
        'How long a session may be resumed, at most 7d. The keys of tickets change as often; those before last are forgotten.',
      ),
    clientCertificates: maybe(clientCertificates(context)),
  });
}

export function hsts() {
  return z
    .union(
      [
        z.boolean(),
        z.strictObject({
          maxAge: duration(0, 3650)
            .prefault('365d')
            .describe('How long browsers come by https alone. 0s takes it back.'),
          includeSubDomains: z
            .boolean(says('true or false'))
            .prefault(false)
            .describe('Subdomains too.'),
          preload: z
            .boolean(says('true or false'))
            .prefault(false)
            .describe("Agrees to be on browsers' preload lists."),
        }),
      ],
      says('true, false, or a map with maxAge, includeSubDomains and preload'),
    )
    .transform((value) => {
      if (value === false) return null;
      if (value !== true) return value;
      return { maxAge: 365 * 86_400_000, includeSubDomains: false, preload: false };
    })
    .prefault(false)
    .describe(
      'Adds Strict-Transport-Security (RFC 6797) to every response of a route: `true` for one year.',
    );
}

/** `tls` of a pool. */
export function clientTls(context: AddressContext) {
  return z
    .strictObject({
      verify: z
        .boolean(says('true or false'))
        .prefault(true)
        .describe(
          "Whether the target's certificate must lead to a known CA, be in date and name the target. False accepts anyone who answers: for tests only, or with `fingerprints`.",
        ),
      ca: maybe(file(context, 'a PEM file with CAs')).describe(
        "PEM file with the CAs to believe. Left out: the system's.",
      ),
      crl: maybe(file(context, 'a PEM file with certificate revocation lists')).describe(
        'PEM file with the revocation lists of those CAs.',
      ),
      serverName: maybe(
        written(NAME, { title: 'host name' }, (text) =>
          isHostName(text) ? parsed(text.toLowerCase()) : refused(NAME),
        ),
      ).describe(
        "The name to ask for (SNI) and to find in the certificate. Left out: the target's own.",
      ),
      certificate: maybe(z.strictObject(keyPair(context))).describe(
        'What to show targets that ask for a client certificate.',
      ),
      fingerprints: z
        .array(fingerprint(), says('a list of fingerprints'))
        .prefault([])
        .describe("The target's certificate must have one of these, besides what `verify` asks."),
      ...terms(),
    })
    .describe(
      'How to speak TLS to the targets. Given, all of them are spoken to so; else those written `https://` or `tls://`, with the defaults.',
    );
}

/** What targets written https:// are spoken to with. */
export const defaultClientTls = clientTls({ baseFolder: '/' }).parse({});

const DIRECTORIES: Readonly<Record<string, string>> = {
  letsencrypt: 'https://acme-v02.api.letsencrypt.org/directory',
  'letsencrypt-staging': 'https://acme-staging-v02.api.letsencrypt.org/directory',
};

/** How certificates written `acme: [names]` are obtained (RFC 8555). */
export function acme(context: AddressContext) {
  const place = 'letsencrypt, letsencrypt-staging, or the https:// address of a directory';
  return z.strictObject({
    directory: written(place, { title: 'ACME directory' }, (text) => {
      const known = DIRECTORIES[text];
      if (known !== undefined) return parsed(known);
      return /^https:\/\/[^/]+\/?/.test(text) && URL.canParse(text)
        ? parsed(text)
        : refused(place, hintForWord(text, Object.keys(DIRECTORIES)));
    })
      .prefault('letsencrypt')
      .describe('Who issues them.'),
    agreeToTerms: z
      .literal(true, says('true: you agree to the terms of service of who issues them'))
      .describe('Must be true: you agree to the terms of service of who issues them.'),
    email: maybe(
      written('an e-mail address', { title: 'e-mail address' }, (text) =>
        /^[^\s@:?]+@[^\s@:?]+$/.test(text) ? parsed(text) : refused('an e-mail address'),
      ),
    ).describe('Where to reach you when something is wrong with a certificate.'),
    storage: file(context, 'a folder')
      .prefault('sluice-acme')
      .describe(
        'Folder for the account and the certificates; they survive restarts there. Readable by its owner only.',
      ),
    challenge: choice(['http-01', 'tls-alpn-01'], {
      'dns-01': 'the DNS challenge is not supported',
    })
      .prefault('http-01')
      .describe(
        'How names are shown to be ours: `http-01` answers on every `http` listener (port 80 must reach one of them), `tls-alpn-01` on the TLS listener itself (port 443 must reach it).',
      ),
    renewBefore: duration(60_000, 365)
      .prefault('30d')
      .describe(
        'How long before it expires a certificate is renewed; at the latest in its last third.',
      ),
    ca: maybe(file(context, 'a PEM file with CAs')).describe(
      'PEM file with the CAs of a directory of your own.',
    ),
  });
}
