import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { parseConfig } from '../../../src/config/parse.ts';
import { SluiceError } from '../../../src/contract/errors.ts';
import { credentialFiles, loadCredentials } from '../../../src/control/credentials.ts';
import { bundleKey, certificateKey } from '../../../src/plan/credentials.ts';
import { OCSP_TRY_LATER, ocspResponse } from '../../support/ocsp.ts';
import {
  type Authority,
  createAuthority,
  type Issued,
  selfSigned,
  temporaryFolder,
  writePair,
  writeText,
} from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

const DAY = 86_400_000;
const AT = 'listeners.web.tls.certificates[0]';

interface Written {
  readonly cert: string;
  readonly key: string;
  readonly ocsp?: string;
}

function configOf(certificates: readonly Written[], more: object = {}) {
  return parseConfig({
    listeners: {
      web: {
        address: '127.0.0.1:0',
        protocol: 'https',
        pool: 'p',
        tls: { certificates, ...more },
      },
    },
    pools: { p: { targets: ['127.0.0.1:1'] } },
  });
}

describe('credentials', () => {
  const scope = new Scope();
  let folder: string;
  let ca: Authority;
  let site: Issued;
  let pair: Written;
  let count = 0;

  before(async () => {
    folder = await temporaryFolder(scope);
    ca = await createAuthority({ commonName: 'Root' });
    site = await ca.issue({ names: ['Example.com', '*.example.com'], ips: ['10.0.0.1', '::1'] });
    pair = await writePair(folder, site);
  });
  after(() => scope.close());

  const file = (text: string | Uint8Array, name = `file${++count}`) =>
    writeText(folder, name, text);
  const pairOf = (issued: Issued) => writePair(folder, issued, `pair${++count}`);
  const load = (certificates: readonly Written[], more?: object) =>
    loadCredentials(configOf(certificates, more));

  async function problemsOf(certificates: readonly Written[], more?: object, isStrict = false) {
    try {
      await loadCredentials(configOf(certificates, more), { isStrict });
    } catch (error) {
      assert.ok(error instanceof SluiceError, String(error));
      assert.equal(error.code, 'credentials_invalid');
      return error.problems.map(({ path, expected, received, hint }) =>
        [path, expected, received, ...(hint === undefined ? [] : [hint])]
          .join('; ')
          .replaceAll(`${folder}/`, ''),
      );
    }
    return [];
  }

  it('are read with their names, dates and type of key', async () => {
    const { credentials, warnings } = await load([pair]);
    assert.deepEqual(warnings, []);
    const [loaded] = credentials.certificates.values();
    assert.equal(loaded?.name, pair.cert);
    assert.equal(loaded?.chain, site.chainPem);
    assert.equal(loaded?.key.reveal(), site.keyPem);
    assert.deepEqual(loaded?.hosts, ['example.com', '*.example.com', '10.0.0.1', '[::1]']);
    assert.equal(loaded?.keyType, 'ec');
    assert.equal(loaded?.notAfterMs, site.certificate.notAfter.getTime());
    assert.equal(loaded?.notBeforeMs, site.certificate.notBefore.getTime());
    assert.equal(loaded?.ocsp.length, 0);
  });

  it('are found by what the configuration wrote, each file once', async () => {
    const other = await pairOf(await ca.issue({ keyType: 'rsa' }));
    const config = configOf([pair, other, pair]);
    const { credentials } = await loadCredentials(config);
    assert.equal(credentials.certificates.size, 2);
    const key = certificateKey({ ...other, ocsp: null });
    assert.equal(credentials.certificates.get(key)?.keyType, 'rsa');
    assert.deepEqual(credentialFiles(config), [pair.cert, pair.key, other.cert, other.key]);
  });

  it('bring those that lead to the root, and may have the key in the same file', async () => {
    const intermediate = await ca.intermediate();
    const issued = await intermediate.issue();
    const all = await file(`Some notes\n${issued.keyPem}\n${issued.chainPem}${ca.certPem}`);
    await chmod(all, 0o600);
    const { credentials, warnings } = await load([{ cert: all, key: all }]);
    const [loaded] = credentials.certificates.values();
    assert.equal(loaded?.chain, issued.chainPem + ca.certPem);
    assert.deepEqual(warnings, []);
  });

  it('read EC keys in the form that older programs write, with parameters in front', async () => {
    const sec1 = createPrivateKey(site.keyPem).export({ type: 'sec1', format: 'pem' });
    const key = await file(
      `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${sec1}`,
    );
    const { credentials } = await load([{ cert: pair.cert, key }]);
    const [loaded] = credentials.certificates.values();
    assert.match(loaded?.key.reveal() ?? '', /^-----BEGIN EC PRIVATE KEY-----/);
  });

  it('are all looked at before any problem is told', async () => {
    const missing = join(folder, 'none.pem');
    const text = await file('no certificate');
    const problems = await problemsOf(
      [
        { cert: missing, key: pair.key },
        { cert: text, key: folder },
      ],
      { clientCertificates: { ca: missing, crl: text } },
    );
    assert.deepEqual(problems.map((problem) => problem.split(';', 1)[0]).sort(), [
      'listeners.web.tls.certificates[0].cert',
      'listeners.web.tls.certificates[1].cert',
      'listeners.web.tls.certificates[1].key',
      'listeners.web.tls.clientCertificates.ca',
      'listeners.web.tls.clientCertificates.crl',
    ]);
  });

  describe('that cannot be used say why:', () => {
    const cases: readonly [string, () => Promise<Written>, string][] = [
      [
        'no such file',
        async () => ({ cert: join(folder, 'none.pem'), key: pair.key }),
        `${AT}.cert; a PEM file with a certificate; none.pem, which does not exist`,
      ],
      [
        'a folder',
        async () => {
          await mkdir(join(folder, 'certs'), { recursive: true });
          return { cert: join(folder, 'certs'), key: pair.key };
        },
        `${AT}.cert; a PEM file with a certificate; certs, which is a folder`,
      ],
      [
        'an empty file',
        async () => ({ cert: await file('', 'empty.pem'), key: pair.key }),
        `${AT}.cert; a PEM file with a certificate; empty.pem, which is empty`,
      ],
      [
        'text without PEM',
        async () => ({ cert: await file('hello', 'text.pem'), key: pair.key }),
        `${AT}.cert; a PEM file with a certificate; text.pem, which holds none`,
      ],
      [
        'the key where the certificate should be',
        async () => ({ cert: pair.key, key: pair.key }),
        `${AT}.cert; a PEM file with a certificate; site.key, which holds PRIVATE KEY`,
      ],
      [
        'DER',
        async () => ({
          cert: await file(Buffer.from(site.certificate.rawData), 'site.der'),
          key: pair.key,
        }),
        `${AT}.cert; a PEM file with a certificate; site.der, which is in DER or PKCS #12; turn it into PEM: openssl x509 -inform der, or openssl pkcs12 -nodes`,
      ],
      [
        'a damaged certificate',
        async () => {
          const lines = site.certPem.split('\n');
          lines.splice(3, 1);
          return { cert: await file(lines.join('\n'), 'damaged.pem'), key: pair.key };
        },
        `${AT}.cert; a PEM file with a certificate; damaged.pem: its certificate is damaged; copy it again, whole`,
      ],
      [
        'the certificate where the key should be',
        async () => ({ cert: pair.cert, key: pair.cert }),
        `${AT}.key; a PEM file with a private key; site.pem, which holds none`,
      ],
      [
        "another certificate's key",
        async () => ({
          cert: pair.cert,
          key: (await writePair(folder, await ca.issue(), 'b')).key,
        }),
        `${AT}.key; the private key of site.pem; b.key, which belongs to another certificate; name the key that the certificate was made with, or ask for a new certificate`,
      ],
      [
        'an encrypted key',
        async () => {
          const options = { cipher: 'aes-256-cbc', passphrase: 'x', format: 'pem' } as const;
          const text = createPrivateKey(site.keyPem).export({ ...options, type: 'pkcs8' });
          return { cert: pair.cert, key: await file(text, 'encrypted.key') };
        },
        `${AT}.key; a PEM file with a private key, not encrypted; encrypted.key, which is encrypted; decrypt it, into a file that its owner alone can read: openssl pkey -in … -out …`,
      ],
      [
        'a key encrypted as older programs do it',
        async () => {
          const options = { cipher: 'aes-256-cbc', passphrase: 'x', format: 'pem' } as const;
          const text = createPrivateKey(site.keyPem).export({ ...options, type: 'sec1' });
          return { cert: pair.cert, key: await file(text, 'old.key') };
        },
        `${AT}.key; a PEM file with a private key, not encrypted; old.key, which is encrypted; decrypt it, into a file that its owner alone can read: openssl pkey -in … -out …`,
      ],
      [
        'a damaged key',
        async () => ({
          cert: pair.cert,
          key: await file(site.keyPem.replace(/\n.{10}/, '\n'), 'damaged.key'),
        }),
        `${AT}.key; a PEM file with a private key; damaged.key, whose key is damaged; copy it again, whole`,
      ],
      [
        'a chain in the wrong order',
        async () => {
          const [one, two] = [await ca.intermediate({ commonName: 'One' }), ''];
          const below = await one.intermediate({ commonName: 'Two' });
          const leaf = await below.issue({ commonName: 'leaf' });
          const cert = await file(leaf.certPem + one.certPem + below.certPem + two, 'order.pem');
          return { cert, key: (await writePair(folder, leaf, 'order2')).key };
        },
        `${AT}.cert; a chain in which each certificate certifies the one before it; order.pem, where certificate 2 (CN=One) did not certify CN=leaf; the right one is in the file: put them in order, the certificate itself first`,
      ],
      [
        'a chain that does not lead on',
        async () => {
          const one = await ca.intermediate({ commonName: 'One' });
          const leaf = await one.issue({ commonName: 'leaf' });
          const cert = await file(leaf.certPem + ca.certPem, 'gap.pem');
          return { cert, key: (await writePair(folder, leaf, 'gap2')).key };
        },
        `${AT}.cert; a chain in which each certificate certifies the one before it; gap.pem, where certificate 2 (CN=Root) did not certify CN=leaf; put the certificate of CN=One there, or remove what does not belong`,
      ],
      [
        'the certificate twice',
        async () => ({ cert: await file(site.certPem + site.certPem, 'twice.pem'), key: pair.key }),
        `${AT}.cert; a chain in which each certificate certifies the one before it; twice.pem, where certificate 2 repeats the one before it; remove the second`,
      ],
      [
        'an OCSP response that is none',
        async () => ({ ...pair, ocsp: await file('hello', 'site.ocsp') }),
        `${AT}.ocsp; a file with an OCSP response in DER; site.ocsp, which is none; openssl ocsp -respout writes one`,
      ],
    ];
    for (const [what, make, problem] of cases) {
      it(what, async () => {
        assert.deepEqual(await problemsOf([await make()]), [problem]);
      });
    }
  });

  it('never show a key, not even one that cannot be read', async () => {
    const body = site.keyPem.split('\n').slice(1, -2);
    const broken = await file(site.keyPem.replace(body[0]!.slice(0, 4), '!!!!'));
    const misplaced = { cert: pair.key, key: broken };
    const error = await load([misplaced]).catch((reason: unknown) => reason);
    const { credentials } = await load([pair]);
    for (const shown of [
      inspect(error, { depth: 9 }),
      JSON.stringify(error),
      inspect(credentials, { depth: 9 }),
      JSON.stringify([...credentials.certificates.values()]),
    ]) {
      for (const line of body) assert.ok(!shown.includes(line.slice(5)), shown);
    }
  });

  it('that are out of date are a warning to run with, and a problem to check', async () => {
    const early = await pairOf(await ca.issue({ notBefore: new Date(Date.now() + 9 * DAY) }));
    const { warnings } = await load([early]);
    assert.equal(warnings.length, 1);
    assert.equal(warnings[0]?.path, `${AT}.cert`);
    assert.match(
      warnings[0]?.message ?? '',
      /is not valid before .* \(in 9 days\): clients refuse/,
    );

    const past = new Date(Date.now() - 3 * DAY);
    const old = await ca.issue({ notBefore: new Date(Date.now() - 30 * DAY), notAfter: past });
    const problems = await problemsOf([early, await pairOf(old)], {}, true);
    assert.match(problems[0] ?? '', /which is not valid before .*; renew it$/);
    assert.match(problems[1] ?? '', /which expired on .* \(3 days ago\); renew it$/);
  });

  it('warn of a key that everybody can read, and of a certificate without names', async () => {
    const bare = await writePair(folder, await ca.issue({ commonName: 'x' }), 'bare');
    await chmod(bare.key, 0o644);
    const { warnings } = await load([bare]);
    assert.deepEqual(
      warnings.map(({ path, message }) => `${path}: ${message.replaceAll(`${folder}/`, '')}`),
      [
        `${AT}.key: bare.key can be read by everybody on this machine: chmod 600 it`,
        `${AT}.cert: bare.pem names no host (subjectAltName): clients refuse it, and it is served only where it is the first`,
      ],
    );
  });

  it('follow symbolic links', async () => {
    const link = join(folder, 'link.pem');
    await rm(link, { force: true });
    await symlink(pair.cert, link);
    const { credentials } = await load([{ cert: link, key: pair.key }]);
    assert.equal([...credentials.certificates.values()][0]?.chain, site.chainPem);
  });

  describe('with an OCSP response', () => {
    const loadOcsp = async (bytes: Uint8Array) => {
      const ocsp = await file(bytes);
      const { credentials, warnings } = await load([{ ...pair, ocsp }]);
      const [loaded] = credentials.certificates.values();
      return { length: loaded?.ocsp.length, warning: warnings[0]?.message ?? '' };
    };

    it('staple it', async () => {
      const bytes = await ocspResponse(ca, site);
      assert.deepEqual(await loadOcsp(bytes), { length: bytes.length, warning: '' });
    });

    it('leave out what would do harm, with a warning', async () => {
      const other = await ocspResponse(ca, await ca.issue());
      const late = await ocspResponse(ca, site, { nextUpdate: new Date(Date.now() - 2 * DAY) });
      for (const [bytes, warning] of [
        [other, /is about another certificate: it is not sent/],
        [late, /was to be replaced by .* \(2 days ago\): it is not sent/],
        [OCSP_TRY_LATER, /says that the responder failed: it is not sent/],
      ] as const) {
        const found = await loadOcsp(bytes);
        assert.equal(found.length, 0);
        assert.match(found.warning, warning);
      }
    });

    it('survive one that is cut anywhere', async () => {
      const whole = await ocspResponse(ca, site);
      for (let length = 1; length < whole.length; length += 7) {
        const ocsp = await file(whole.subarray(0, length), 'cut.ocsp');
        const found = await load([{ ...pair, ocsp }]).catch((error: unknown) => error);
        const isRefused = found instanceof SluiceError && found.code === 'credentials_invalid';
        assert.ok(isRefused || !(found instanceof Error), `${length} bytes: ${found}`);
      }
    });
  });

  describe('of clients', () => {
    const clients = (bundle: object) => load([pair], { clientCertificates: bundle });

    it('are CAs and revocation lists, of which nothing else is kept', async () => {
      const bundle = await file(`# CAs\n${ca.certPem}`);
      const crl = await file(`list:\n${await ca.crl([site])}`);
      const { credentials, warnings } = await clients({ ca: bundle, crl });
      assert.deepEqual(warnings, []);
      assert.equal(credentials.bundles.get(bundleKey('ca', bundle)), ca.certPem);
      assert.match(
        credentials.bundles.get(bundleKey('crl', crl)) ?? '',
        /^-----BEGIN X509 CRL-----/,
      );
    });

    it('warn of lists that are out of date, and of CAs without one', async () => {
      const other = await createAuthority({ commonName: 'Other' });
      const bundle = await file(ca.certPem + other.certPem);
      const late = await ca.crl([], { nextUpdate: new Date(Date.now() - DAY) });
      const { warnings } = await clients({ ca: bundle, crl: await file(late, 'late.crl') });
      assert.deepEqual(
        warnings.map(({ message }) => message.replaceAll(`${folder}/`, '').replace(/by \S+ /, '')),
        [
          'late.crl was to be replaced (1 day ago): certificates of its CA are refused',
          'late.crl has no list of CN=Other: certificates of that CA are refused',
        ],
      );
    });

    it('are refused where a bundle holds none, or damage', async () => {
      const none = await file('hello', 'none.txt');
      const half = await file(ca.certPem.replace(/\n.{40}/, '\n'), 'half.pem');
      const crl = (await ca.crl([site])).split('\n').toSpliced(2, 1).join('\n');
      assert.deepEqual(
        [
          ...(await problemsOf([pair], { clientCertificates: { ca: none, crl: none } })),
          ...(await problemsOf([pair], {
            clientCertificates: { ca: half, crl: await file(crl, 'half.crl') },
          })),
        ].map((problem) => problem.replace('listeners.web.tls.clientCertificates.', '')),
        [
          'ca; a PEM file with certificates of CAs; none.txt, which holds none',
          'crl; a PEM file with revocation lists; none.txt, which holds none',
          'ca; a PEM file with certificates of CAs; half.pem is damaged; copy it again, whole',
          'crl; a PEM file with revocation lists; half.crl is damaged; copy it again, whole',
        ],
      );
    });
  });

  it('of pools need no names, and take the system’s CAs where none are given', async () => {
    const client = await pairOf(await ca.issue({ commonName: 'sluice', usage: 'client' }));
    const config = parseConfig({
      listeners: { web: { address: '127.0.0.1:0', protocol: 'http', pool: 'p' } },
      pools: { p: { targets: ['https://a.test'], tls: { certificate: client } } },
    });
    const { credentials, warnings } = await loadCredentials(config);
    assert.deepEqual(warnings, []);
    assert.equal(credentials.certificates.size, 1);
    assert.match(credentials.bundles.get('system') ?? '', /-----BEGIN CERTIFICATE-----/);
  });

  it('warn that a self-signed certificate of a pool has expired, since no listener shows it', async () => {
    const past = {
      notBefore: new Date(Date.now() - 9 * DAY),
      notAfter: new Date(Date.now() - DAY),
    };
    const certificate = await pairOf(await selfSigned(past));
    const config = parseConfig({
      listeners: { web: { address: '127.0.0.1:0', protocol: 'http', pool: 'p' } },
      pools: { p: { targets: ['https://a.test'], tls: { verify: false, certificate } } },
    });
    const { warnings } = await loadCredentials(config);
    assert.equal(warnings[0]?.path, 'pools.p.tls.certificate.cert');
    assert.match(warnings[0]?.message ?? '', /expired on .* \(1 day ago\)/);
  });

  it('keep what is in a file apart from what is written about it', async () => {
    const text = await readFile(pair.cert, 'utf8');
    const cert = join(folder, 'crlf.pem');
    await writeFile(cert, `Subject: example\r\n${text.replaceAll('\n', '\r\n')}`);
    const { credentials } = await load([{ cert, key: pair.key }]);
    assert.deepEqual([...credentials.certificates.values()][0]?.hosts.slice(0, 1), ['example.com']);
  });
});
