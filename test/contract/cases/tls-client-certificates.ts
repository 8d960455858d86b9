// Client certificates: who gets through, what targets are told of them, and routes that look at them.
import assert from 'node:assert/strict';
import { eventually } from '../../support/deadline.ts';
import { ok } from '../../support/http-target.ts';
import { createAuthority, type Issued, type IssueOptions, writeText } from '../../support/pki.ts';
import { fieldValue, fieldValues } from '../../support/strict-http.ts';
import { connectTls, type TlsClient, type TlsClientOptions } from '../../support/tls-client.ts';
import type { Case, CaseContext, Feature } from '../case.ts';
import { httpsConfig, makeSite, rootAuthority, rootFile, tlsTcpConfig } from '../credentials.ts';

const HOUR = 3_600_000;

async function clientPair(options: IssueOptions = {}): Promise<Issued> {
  return (await rootAuthority()).issue({ commonName: 'client', usage: 'client', ...options });
}

function showing(issued: Issued | null): TlsClientOptions {
  return issued === null ? {} : { cert: issued.chainPem, key: issued.keyPem };
}

/** What a client sees of its request: the answer, or nothing where the handshake or the connection ended. */
async function attempt(
  test: CaseContext,
  port: number,
  options: TlsClientOptions,
): Promise<number | null> {
  let client: TlsClient;
  try {
    client = test.own(await connectTls(port, options));
  } catch {
    return null;
  }
  // In TLS 1.3 a client is done before its certificate was looked at.
  return client.http.get('/').then(
    ({ status }) => status,
    () => null,
  );
}

type Kind = 'none' | 'good' | 'expired' | 'early' | 'revoked' | 'of another CA' | 'a server’s';

async function certificateOf(kind: Kind): Promise<Issued | null> {
  switch (kind) {
    case 'none':
      return null;
    case 'expired':
      return clientPair({
        notBefore: new Date(Date.now() - 48 * HOUR),
        notAfter: new Date(Date.now() - HOUR),
      });
    case 'early':
      return clientPair({ notBefore: new Date(Date.now() + 24 * HOUR) });
    case 'of another CA':
      // Of the same name: its signature is what does not hold.
      return (await createAuthority({ commonName: 'Contract Root' })).issue({ usage: 'client' });
    case 'a server’s':
      return clientPair({ usage: 'server' });
    default:
      return clientPair();
  }
}

const KINDS: readonly Kind[] = [
  'none',
  'good',
  'expired',
  'early',
  'revoked',
  'of another CA',
  'a server’s',
];

const matrix: Case[] = (['request', 'require'] as const).flatMap((mode) =>
  KINDS.map((kind) => {
    const isLetIn = kind === 'good' || (kind === 'none' && mode === 'request');
    return {
      name: `mode ${mode} ${isLetIn ? 'serves' : 'refuses'} a client with ${kind === 'none' ? 'no certificate' : `a certificate that is ${kind}`}`,
      run: async (test: CaseContext) => {
        const target = await test.httpTarget();
        const { pair } = await makeSite(test);
        const shown = await certificateOf(kind);
        const revoked = kind === 'revoked' && shown !== null ? [shown] : [];
        const crl = await writeText(
          await test.folder(),
          'crl.pem',
          await (await rootAuthority()).crl(revoked),
        );
        const ca = await rootFile(test);
        const engine = await test.engine(
          httpsConfig([target.address], {
            certificates: [pair],
            clientCertificates: { mode, ca, crl },
          }),
        );
        for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
          const options = { minVersion: version, maxVersion: version, ...showing(shown) };
          const status = await attempt(test, engine.port('web'), options);
          assert.equal(status, isLetIn ? 200 : null, version);
        }
        const expected = isLetIn ? 0 : 2;
        await eventually('refusals to be counted', () => {
          const { errors } = engine.stats().listener('web');
          return errors.client_certificate_rejected === expected;
        });
        assert.equal(target.requests.length, isLetIn ? 2 : 0);
        assert.equal(engine.stats().listener('web').tls_handshakes, isLetIn ? 2 : 0);
      },
    };
  }),
);

const HEADERS = {
  verified: 'X-Client-Verified',
  subject: 'X-Client-Subject',
  issuer: 'X-Client-Issuer',
  serial: 'X-Client-Serial',
  fingerprint: 'X-Client-Fingerprint',
  names: 'X-Client-Names',
  notBefore: 'X-Client-Not-Before',
  notAfter: 'X-Client-Not-After',
  certificate: 'Client-Cert',
};

async function asking(
  test: CaseContext,
  targets: readonly string[],
  asks: object,
  listener: object = {},
): Promise<object> {
  const { pair } = await makeSite(test);
  const clientCertificates = { mode: 'request', ca: await rootFile(test), ...asks };
  return httpsConfig(targets, { certificates: [pair], clientCertificates }, listener);
}

const headers: Case[] = [
  {
    name: 'targets are told every field of the certificate, as it is written down',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(await asking(test, [target.address], { headers: HEADERS }));
      const issued = await clientPair({
        subject: 'C=DE, O="Example, Inc.", OU=Übung+OU=Two, CN=Jane Doe',
        names: ['jane.example', 'b.example'],
        emails: ['jane@example.test'],
        ips: ['192.0.2.7', '2001:db8::1'],
        serial: '0abc',
        notBefore: new Date('2026-01-02T03:04:05Z'),
        notAfter: new Date('2046-01-02T03:04:05Z'),
      });
      const client = await test.tls(engine.port('web'), showing(issued));
      assert.equal((await client.http.get('/')).status, 200);
      const { fields } = await target.next();
      const told = Object.fromEntries(
        Object.entries(HEADERS).map(([field, name]) => [field, fieldValue(fields, name)]),
      );
      assert.deepEqual(told, {
        verified: '1',
        subject: told.subject,
        issuer: 'CN=Contract Root',
        serial: '0ABC',
        fingerprint: issued.fingerprint,
        names:
          'DNS:jane.example, DNS:b.example, IP:192.0.2.7, IP:2001:db8::1, email:jane@example.test',
        notBefore: '2026-01-02T03:04:05Z',
        notAfter: '2046-01-02T03:04:05Z',
        certificate: `:${Buffer.from(issued.certificate.rawData).toString('base64')}:`,
      });
      // Parts of one set have no order of their own.
      assert.match(
        told.subject ?? '',
        /^CN=Jane Doe,OU=(\\C3\\9Cbung\+OU=Two|Two\+OU=\\C3\\9Cbung),O=Example\\, Inc\.,C=DE$/,
      );
    },
  },
  {
    name: 'what a client says under those names is removed, with and without a certificate, in any spelling',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        await asking(test, [target.address], {
          headers: { verified: 'X-Client-Verified', subject: 'X-Client-Subject' },
        }),
      );
      const spoofed = {
        'x-client-verified': '1',
        'X-Client-Subject': 'CN=root',
        'X-CLIENT-SUBJECT': 'CN=admin',
        'X-Other': 'stays',
        Connection: 'X-Client-Verified, X-Client-Subject',
      };
      const anonymous = await test.tls(engine.port('web'));
      assert.equal((await anonymous.http.get('/', spoofed)).status, 200);
      const first = await target.next();
      assert.deepEqual(fieldValues(first.fields, 'x-client-verified'), ['0']);
      assert.deepEqual(fieldValues(first.fields, 'x-client-subject'), []);
      assert.equal(fieldValue(first.fields, 'x-other'), 'stays');
      const known = await test.tls(engine.port('web'), showing(await clientPair()));
      for (let turn = 0; turn < 2; turn++) {
        assert.equal((await known.http.get('/', spoofed)).status, 200);
        const { fields } = await target.next();
        assert.deepEqual(fieldValues(fields, 'x-client-verified'), ['1']);
        assert.deepEqual(fieldValues(fields, 'x-client-subject'), ['CN=client']);
      }
    },
  },
  {
    name: 'a name with an underscore for a hyphen does not get through, either',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        await asking(test, [target.address], { headers: { subject: 'X-Client-Subject' } }),
      );
      const client = await test.tls(engine.port('web'));
      await client.http.get('/', { X_Client_Subject: 'CN=root', 'X-Client_Subject': 'CN=root' });
      const { fields } = await target.next();
      assert.equal(
        fields.some(({ name }) => /client/i.test(name)),
        false,
      );
    },
  },
  {
    name: 'what is told of certificates does not come as a trailer from the client',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        await asking(test, [target.address], { headers: { subject: 'X-Client-Subject' } }),
      );
      const client = await test.tls(engine.port('web'));
      client.http.send(
        'POST / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n' +
          '2\r\nhi\r\n0\r\nX-Client-Subject: CN=root\r\nX-Other: stays\r\n\r\n',
      );
      assert.equal((await client.http.response()).status, 200);
      const { trailers } = await target.next();
      assert.deepEqual(fieldValues(trailers, 'x-client-subject'), []);
      assert.equal(fieldValue(trailers, 'x-other'), 'stays');
    },
  },
  {
    name: 'a session that is resumed still tells of the certificate',
    run: async (test) => {
      const target = await test.httpTarget();
      const engine = await test.engine(
        await asking(test, [target.address], {
          mode: 'require',
          headers: { subject: 'X-Client-Subject' },
        }),
      );
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const only = { minVersion: version, maxVersion: version };
        const first = await test.tls(engine.port('web'), {
          ...only,
          ...showing(await clientPair({ commonName: version })),
        });
        assert.equal((await first.http.get('/')).status, 200);
        const session = await first.session();
        await target.next();
        const second = await test.tls(engine.port('web'), { ...only, session });
        assert.equal(second.secure.isSessionReused(), true);
        assert.equal((await second.http.get('/')).status, 200);
        const { fields } = await target.next();
        assert.equal(fieldValue(fields, 'x-client-subject'), `CN=${version}`);
      }
    },
  },
];

const reloads: Case[] = [
  {
    name: 'a session of before a reload that asks for other certificates is not resumed',
    run: async (test) => {
      const target = await test.httpTarget();
      const { pair } = await makeSite(test);
      const before = { mode: 'require', ca: await rootFile(test) };
      const other = await createAuthority();
      const ca = await writeText(await test.folder(), 'other.pem', other.certPem);
      const config = (clientCertificates: object) =>
        httpsConfig([target.address], { certificates: [pair], clientCertificates });
      const engine = await test.engine(config(before));
      const mine = await clientPair();
      const first = await test.tls(engine.port('web'), showing(mine));
      assert.equal((await first.http.get('/')).status, 200);
      const session = await first.session();
      await engine.apply(config({ ...before, ca }));
      assert.equal(await attempt(test, engine.port('web'), { session, ...showing(mine) }), null);
      assert.equal((await first.http.get('/')).status, 200);
      const theirs = await other.issue({ usage: 'client', commonName: 'other' });
      assert.equal(await attempt(test, engine.port('web'), showing(theirs)), 200);
    },
  },
  {
    name: 'a reload that begins to tell of certificates holds for connections of before it',
    run: async (test) => {
      const target = await test.httpTarget();
      const { pair } = await makeSite(test);
      const config = (more: object) =>
        httpsConfig([target.address], { certificates: [pair], ...more });
      const engine = await test.engine(config({}));
      const client = await test.tls(engine.port('web'));
      const claims = { 'X-Client-Subject': 'CN=root', 'X-Client-Verified': '1' };
      assert.equal((await client.http.get('/', claims)).status, 200);
      assert.equal(fieldValue((await target.next()).fields, 'x-client-subject'), 'CN=root');
      const headers = { subject: 'X-Client-Subject', verified: 'X-Client-Verified' };
      const clientCertificates = { mode: 'request', ca: await rootFile(test), headers };
      await engine.apply(config({ clientCertificates }));
      assert.equal((await client.http.get('/', claims)).status, 200);
      const { fields } = await target.next();
      assert.deepEqual(fieldValues(fields, 'x-client-subject'), []);
      assert.deepEqual(fieldValues(fields, 'x-client-verified'), ['0']);
      await engine.apply(config({}));
      assert.equal((await client.http.get('/', claims)).status, 200);
      assert.equal(fieldValue((await target.next()).fields, 'x-client-subject'), 'CN=root');
    },
  },
  {
    name: 'a certificate that is revoked by a reload opens no new session, nor resumes its old one',
    run: async (test) => {
      const target = await test.httpTarget();
      const { pair } = await makeSite(test);
      const root = await rootAuthority();
      const [mine, others] = [await clientPair(), await clientPair()];
      const folder = await test.folder();
      const ca = await rootFile(test);
      const config = async (revoked: readonly Issued[]) => {
        const crl = await writeText(folder, 'crl.pem', await root.crl(revoked));
        const clientCertificates = { mode: 'require', ca, crl };
        return httpsConfig([target.address], { certificates: [pair], clientCertificates });
      };
      const engine = await test.engine(await config([]));
      const first = await test.tls(engine.port('web'), showing(mine));
      assert.equal((await first.http.get('/')).status, 200);
      const session = await first.session();
      await engine.apply(await config([mine]));
      const port = engine.port('web');
      assert.equal(await attempt(test, port, { session, ...showing(mine) }), null);
      assert.equal(await attempt(test, port, showing(mine)), null);
      assert.equal(await attempt(test, port, showing(others)), 200);
    },
  },
];

const routing: Case[] = [
  {
    name: 'routes choose by the certificate: a name, a fingerprint, any that holds, or none',
    run: async (test) => {
      const named = await clientPair({ subject: 'CN=jane, O=Example' });
      const printed = await clientPair({ commonName: 'printed' });
      const match = (clientCertificate: object) => ({ match: { clientCertificate } });
      const answer = (body: string) => ({ respond: { status: 200, body } });
      const engine = await test.engine(
        await asking(
          test,
          ['127.0.0.1:9'],
          {},
          {
            pool: undefined,
            routes: [
              { ...match({ commonName: 'jane' }), ...answer('named') },
              { ...match({ fingerprint: printed.fingerprint }), ...answer('printed') },
              {
                ...match({ commonName: 'jane', fingerprint: printed.fingerprint }),
                ...answer('both'),
              },
              { ...match({ verified: true }), ...answer('verified') },
              { ...match({ verified: false }), ...answer('nobody') },
            ],
          },
        ),
      );
      for (const [shown, expected] of [
        [named, 'named'],
        [printed, 'printed'],
        [await clientPair({ commonName: 'Jane' }), 'verified'],
        [null, 'nobody'],
      ] as const) {
        const client = await test.tls(engine.port('web'), showing(shown));
        assert.equal((await client.http.get('/')).text, expected);
      }
    },
  },
  {
    name: 'a tcp listener serves only clients with a certificate that holds, where it requires one',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { pair } = await makeSite(test);
      const clientCertificates = { mode: 'require', ca: await rootFile(test) };
      const engine = await test.engine(
        tlsTcpConfig([target.address], { certificates: [pair], clientCertificates }),
      );
      const port = engine.port('db');
      const expired = await certificateOf('expired');
      for (const shown of [null, expired]) {
        const client = await connectTls(port, showing(shown)).catch(() => null);
        await client?.connection.ended;
        client?.close();
      }
      const client = await test.tls(port, showing(await clientPair()));
      const there = await target.next();
      there.send('welcome');
      await client.connection.receivedText('welcome');
      assert.equal(target.connections.length, 1);
      assert.equal(engine.stats().listener('db').errors.client_certificate_rejected, 2);
      assert.equal(engine.stats().listener('db').active, 1);
    },
  },
  {
    name: 'a listener that asks for none is told of none',
    run: async (test) => {
      const target = await test.httpTarget({ answer: () => ok('plain') });
      const { pair } = await makeSite(test);
      const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
      const client = await test.tls(engine.port('web'), showing(await certificateOf('expired')));
      assert.equal((await client.http.get('/')).text, 'plain');
      assert.equal(engine.stats().listener('web').errorTotal, 0);
    },
  },
];

export const tlsClientCertificates: Feature = {
  name: 'tls client certificates',
  cases: [...matrix, ...headers, ...reloads, ...routing].map((one) => ({
    ...one,
    needs: (capabilities) => capabilities.tls && capabilities.protocols.includes('tcp'),
  })),
};
