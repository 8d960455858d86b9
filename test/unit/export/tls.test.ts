// What is exported of TLS carries traffic: certificates by name, client certificates, targets over TLS, ClientHellos
// passed through, PROXY headers. The programs themselves are asked, with certificates made here.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { hostsOf, keyTypeOf } from '../../../src/control/certificate-file.ts';
import type { CertificateNames } from '../../../src/export/exported.ts';
import { certificateKey } from '../../../src/plan/credentials.ts';
import { within } from '../../support/deadline.ts';
import { fetchOnce } from '../../support/http-client.ts';
import { startHttpTarget } from '../../support/http-target.ts';
import { connectRaw } from '../../support/raw-connection.ts';
import { Scope } from '../../support/scope.ts';
import { fieldValue } from '../../support/strict-http.ts';
import { missing, missingStream, PROGRAMS, type ProgramName, startProgram } from './programs.ts';
import {
  ask,
  exchange,
  type Files,
  openPlace,
  startNamedTarget,
  startSecureTarget,
  startTellingTarget,
  type TlsPlace,
} from './tls-place.ts';

interface Given {
  readonly program: ProgramName;
  readonly scope: Scope;
  readonly place: TlsPlace;
}

function given(program: ProgramName, run: (given: Given) => Promise<void>) {
  return async (_: TestContext): Promise<void> => {
    const scope = new Scope();
    try {
      await run({ program, scope, place: await openPlace(scope) });
    } finally {
      await scope.close();
    }
  };
}

const pair = ({ cert, key }: Files): object => ({ cert, key });
const https = (address: string, tls: object, rest: object = {}, pools: object = {}): object => ({
  listeners: { web: { address, protocol: 'https', tls, ...rest } },
  pools,
});
const HELLO = { routes: [{ respond: { body: 'hello' } }] };

/** As whoever has read the files tells an export. */
function namesOf(...files: readonly Files[]): ReadonlyMap<string, CertificateNames> {
  return new Map(
    files.map(({ cert, key, issued }) => {
      const certificate = new X509Certificate(issued.certPem);
      const names = { hosts: hostsOf(certificate), keyType: keyTypeOf(certificate) };
      return [certificateKey({ cert, key }), names];
    }),
  );
}

for (const program of PROGRAMS) {
  const noStream = program === 'nginx' && missingStream();
  describe(`TLS of an export to ${program}`, { skip: missing(program) }, () => {
    it(
      'is ended, and targets and clients are told so',
      given(program, async ({ scope, place }) => {
        const site = await place.files('site', { names: ['site.test'] });
        const target = scope.own(await startHttpTarget());
        const running = scope.own(
          await startProgram(program, (address) =>
            https(
              address,
              { certificates: [pair(site)] },
              { pool: 'all', hsts: { maxAge: '2d', includeSubDomains: true } },
              { all: { targets: [target.address] } },
            ),
          ),
        );
        const answer = await ask(running.port, {
          servername: 'site.test',
          fields: { 'X-Forwarded-Proto': 'gopher' },
          options: { ALPNProtocols: ['http/1.1'] },
        });
        assert.equal(answer.status, 200);
        assert.equal(answer.alpn, 'http/1.1');
        assert.equal(answer.protocol, 'TLSv1.3');
        assert.equal(answer.names, 'DNS:site.test');
        assert.equal(
          answer.headers['strict-transport-security'],
          'max-age=172800; includeSubDomains',
        );
        const fields = target.requests[0]?.fields ?? [];
        assert.equal(fieldValue(fields, 'x-forwarded-proto'), 'https');
        assert.match(fieldValue(fields, 'forwarded') ?? '', /proto=https$/);
        assert.deepEqual(running.warnings, []);
      }),
    );

    it(
      'has the versions, ciphers and curves that were asked for',
      given(program, async ({ scope, place }) => {
        const site = await place.files('site', { names: ['site.test'] });
        const terms = {
          minVersion: 'TLSv1.2',
          maxVersion: 'TLSv1.2',
          ciphers: ['ECDHE-ECDSA-AES256-GCM-SHA384'],
          curves: ['P-384', 'P-256'],
        };
        const running = scope.own(
          await startProgram(program, (address) =>
            https(address, { certificates: [pair(site)], ...terms }, HELLO),
          ),
        );
        const socket = connect({
          port: running.port,
          host: '127.0.0.1',
          rejectUnauthorized: false,
        });
        await once(socket, 'secureConnect');
        const key = socket.getEphemeralKeyInfo() as { readonly name?: string };
        assert.equal(socket.getProtocol(), 'TLSv1.2');
        assert.equal(socket.getCipher().name, 'ECDHE-ECDSA-AES256-GCM-SHA384');
        assert.match(key.name ?? '', /^(secp384r1|prime256v1)$/);
        socket.destroy();
        await assert.rejects(ask(running.port, { options: { minVersion: 'TLSv1.3' } }));
        await assert.rejects(ask(running.port, { options: { ecdhCurve: 'X25519' } }));
      }),
    );

    it(
      'takes what it cannot agree with as docs/export.md says',
      given(program, async ({ scope, place }) => {
        const site = await place.files('site', { names: ['site.test'] });
        const running = scope.own(
          await startProgram(program, (address) =>
            https(address, { certificates: [pair(site)] }, HELLO),
          ),
        );
        const h2 = ask(running.port, { options: { ALPNProtocols: ['h2'] } });
        if (program === 'nginx') await assert.rejects(h2);
        else assert.equal((await h2).text, 'hello');
        const plain = await connectRaw(running.port, { allowHalfOpen: false });
        scope.defer(() => plain.close());
        plain.send('GET / HTTP/1.1\r\nHost: site.test\r\n\r\n');
        await within(plain.closed, 'the end of a connection without TLS');
        const said = plain.received.toString('latin1');
        assert.equal(said.startsWith('HTTP/1.1 400 '), program === 'nginx', said);
      }),
    );

    for (const sessionTickets of [true, false]) {
      it(
        `${sessionTickets ? 'resumes' : 'does not resume'} sessions by tickets`,
        given(program, async ({ scope, place }) => {
          const site = await place.files('site', { names: ['site.test'] });
          const running = scope.own(
            await startProgram(program, (address) =>
              https(address, { certificates: [pair(site)], sessionTickets }, HELLO),
            ),
          );
          const options = { maxVersion: 'TLSv1.2', servername: 'site.test' } as const;
          const first = connect({
            port: running.port,
            host: '127.0.0.1',
            ...options,
            rejectUnauthorized: false,
          });
          await once(first, 'secureConnect');
          const ticket = first.getTLSTicket();
          const session = first.getSession();
          first.destroy();
          assert.equal(ticket !== undefined, sessionTickets);
          assert.ok(session);
          const again = await ask(running.port, {
            session,
            ...options,
            options: { maxVersion: 'TLSv1.2' },
          });
          // HAProxy keeps sessions of TLS 1.2 itself, too.
          assert.equal(again.isResumed, sessionTickets || program === 'haproxy');
        }),
      );
    }

    it(
      'chooses among certificates by name and by type of key',
      given(program, async ({ scope, place }) => {
        const first = await place.files('first', { names: ['first.test', '*.wild.test'] });
        const rsa = await place.files('rsa', { names: ['first.test'], keyType: 'rsa' });
        const second = await place.files('second', { names: ['second.test', 'in.wild.test'] });
        const certificates = [pair(first), pair(rsa), pair(second)];
        const running = scope.own(
          await startProgram(program, (address) => https(address, { certificates }, HELLO), {
            certificates: namesOf(first, rsa, second),
          }),
        );
        const namesFor = async (servername: string): Promise<string> =>
          (await ask(running.port, { servername })).names;
        assert.match(await namesFor('first.test'), /first\.test/);
        assert.match(await namesFor('SECOND.test'), /second\.test/);
        assert.match(await namesFor('in.wild.test'), /second\.test/);
        assert.match(await namesFor('other.wild.test'), /first\.test/);
        assert.match(await namesFor('unknown.test'), /first\.test/);
        const keyFor = async (sigalgs: string): Promise<string> =>
          (await ask(running.port, { servername: 'first.test', options: { sigalgs } })).keyType;
        assert.equal(await keyFor('ecdsa_secp256r1_sha256'), 'ec');
        // HAProxy looks for PKCS #1 to see that a client takes RSA.
        assert.equal(await keyFor('rsa_pss_rsae_sha256:rsa_pkcs1_sha256'), 'rsa');
        assert.equal((await ask(running.port, { servername: 'second.test' })).text, 'hello');
      }),
    );

    it(
      'keeps routes by host beside certificates by name',
      given(program, async ({ scope, place }) => {
        const one = await place.files('one', { names: ['one.test'] });
        const two = await place.files('two', { names: ['two.test', '*.two.test'] });
        const routes = [
          { match: { host: 'one.test' }, respond: { body: 'one' } },
          { match: { host: '*.two.test' }, respond: { body: 'below two' } },
          { match: { host: 'free.test' }, respond: { body: 'free' } },
          { respond: { body: 'rest' } },
        ];
        const running = scope.own(
          await startProgram(
            program,
            (address) => https(address, { certificates: [pair(one), pair(two)] }, { routes }),
            { certificates: namesOf(one, two) },
          ),
        );
        for (const [servername, text, names] of [
          ['one.test', 'one', /one\.test/],
          ['two.test', 'rest', /two\.test/],
          ['a.two.test', 'below two', /two\.test/],
          ['free.test', 'free', /one\.test/],
          ['other.test', 'rest', /one\.test/],
        ] as const) {
          const answer = await ask(running.port, { servername });
          assert.equal(answer.text, text, servername);
          assert.match(answer.names, names, servername);
        }
      }),
    );

    it(
      'refuses names of no certificate where that is wanted',
      given(program, async ({ scope, place }) => {
        const site = await place.files('site', { names: ['site.test', '*.site.test'] });
        const tls = { certificates: [pair(site)], unknownName: 'reject' };
        const running = scope.own(
          await startProgram(program, (address) => https(address, tls, HELLO), {
            certificates: namesOf(site),
          }),
        );
        assert.equal((await ask(running.port, { servername: 'site.test' })).text, 'hello');
        assert.equal((await ask(running.port, { servername: 'a.site.test' })).text, 'hello');
        await assert.rejects(ask(running.port, { servername: 'other.test' }));
        if (program === 'nginx') {
          const elsewhere = await ask(running.port, {
            servername: 'site.test',
            host: 'other.test',
          });
          assert.equal(elsewhere.status, 421);
        }
        assert.match(running.warnings.join(), /^listeners\.web\.tls\.unknownName: /);
      }),
    );

    it(
      'asks for client certificates, believes those that hold, and tells targets',
      given(program, async ({ scope, place }) => {
        const site = await place.files('site', { names: ['site.test'] });
        const jane = await place.authority.issue({ subject: 'CN=Jane, O=Example', serial: '4a01' });
        const gone = await place.authority.issue({ commonName: 'gone' });
        const stranger = await (await createStranger()).issue({ commonName: 'stranger' });
        const crl = await place.text('ca.crl', await place.authority.crl([gone]));
        const target = scope.own(await startHttpTarget());
        const headers = {
          verified: 'X-Verified',
          subject: 'X-Subject',
          issuer: 'X-Issuer',
          serial: 'X-Serial',
          fingerprint: 'X-Fingerprint',
          names: 'X-Names',
          notBefore: 'X-Begin',
          notAfter: 'X-End',
          certificate: 'X-Certificate',
        };
        const clientCertificates = { mode: 'request', ca: place.ca, crl, headers };
        const running = scope.own(
          await startProgram(program, (address) =>
            https(
              address,
              { certificates: [pair(site)], clientCertificates },
              { pool: 'all' },
              { all: { targets: [target.address] } },
            ),
          ),
        );
        const claims = Object.fromEntries(
          Object.values(headers)
            .flatMap((name) => [name, name.replace('-', '_')])
            .map((name) => [name, 'made up']),
        );
        await ask(running.port, { fields: claims });
        await ask(running.port, { fields: claims, client: jane });
        const seen = target.requests.map(({ fields }) =>
          Object.fromEntries(
            Object.entries(headers).map(([field, name]) => [field, fieldValue(fields, name)]),
          ),
        );
        assert.deepEqual(
          Object.entries(seen[0] ?? {}).filter(([, value]) => value !== undefined),
          [['verified', '0']],
        );
        assert.ok(!JSON.stringify(target.requests.map(({ fields }) => fields)).includes('made up'));
        const { subject, issuer, serial, verified, ...rest } = seen[1] ?? {};
        assert.equal(verified, '1');
        assert.equal(
          subject,
          new X509Certificate(jane.certPem).subject.split('\n').reverse().join(','),
        );
        assert.match(issuer ?? '', /^CN=/);
        assert.equal(serial, '4A01');
        const { validFromDate, validToDate } = {
          validFromDate: new Date(new X509Certificate(jane.certPem).validFrom),
          validToDate: new Date(new X509Certificate(jane.certPem).validTo),
        };
        const iso = (date: Date): string => date.toISOString().replace('.000', '');
        assert.deepEqual(
          rest,
          program === 'nginx'
            ? {
                fingerprint: undefined,
                names: undefined,
                notBefore: undefined,
                notAfter: undefined,
                certificate: undefined,
              }
            : {
                fingerprint: jane.fingerprint,
                names: undefined,
                notBefore: iso(validFromDate),
                notAfter: iso(validToDate),
                certificate: `:${Buffer.from(jane.certificate.rawData).toString('base64')}:`,
              },
        );
        for (const client of [gone, stranger]) {
          const refused = await ask(running.port, { client }).then(
            ({ status }) => status,
            () => 'no handshake',
          );
          assert.equal(refused, program === 'nginx' ? 400 : 'no handshake');
        }
        assert.equal(target.requests.length, 2);
      }),
    );

    it(
      'wants client certificates where they are required',
      given(program, async ({ scope, place }) => {
        const site = await place.files('site', { names: ['site.test'] });
        const jane = await place.authority.issue({ commonName: 'Jane' });
        const clientCertificates = { mode: 'require', ca: place.ca };
        const running = scope.own(
          await startProgram(program, (address) =>
            https(address, { certificates: [pair(site)], clientCertificates }, HELLO),
          ),
        );
        assert.equal((await ask(running.port, { client: jane })).text, 'hello');
        const without = await ask(running.port).then(
          ({ status }) => status,
          () => 'no handshake',
        );
        assert.equal(without, program === 'nginx' ? 400 : 'no handshake');
      }),
    );

    it(
      'finds routes by client certificate, in the order written',
      given(program, async ({ scope, place }) => {
        const site = await place.files('site', { names: ['site.test'] });
        const names = ['Jane', 'a,b+c;<é>', 'Joe,CN=Jane', ' #x '];
        const [jane, odd, sly, edge] = await Promise.all(
          names.map((commonName) => place.authority.issue({ commonName })),
        );
        const clientCertificates = { mode: 'request', ca: place.ca };
        const when = (match: object, body: string): object => ({ match, respond: { body } });
        const routes = [
          when({ path: '/x/*', clientCertificate: { commonName: 'Jane' } }, "Jane's x"),
          when({ path: '/x/*', clientCertificate: { verified: false } }, "nobody's x"),
          when({ path: '/y' }, 'y'),
          when({ clientCertificate: { commonName: names[1] } }, 'odd'),
          when({ clientCertificate: { commonName: names[3] } }, 'edge'),
          when({ pathRegex: '^/[xz]/', clientCertificate: {} }, "somebody's"),
          when({ path: '/z/*', clientCertificate: { verified: false } }, "nobody's z"),
        ];
        const running = scope.own(
          await startProgram(program, (address) =>
            https(address, { certificates: [pair(site)], clientCertificates }, { routes }),
          ),
        );
        for (const [path, client, text] of [
          ['/x/1', jane, "Jane's x"],
          ['/x/1', undefined, "nobody's x"],
          ['/x/1', sly, "somebody's"],
          ['/x/1', odd, 'odd'],
          ['/y', jane, 'y'],
          ['/y', undefined, 'y'],
          ['/other', odd, 'odd'],
          ['/other', edge, 'edge'],
          ['/z/', jane, "somebody's"],
          ['/z/', undefined, "nobody's z"],
          ['/other', jane, '404 Not Found\n'],
          ['/other', undefined, '404 Not Found\n'],
        ] as const) {
          const answer = await ask(running.port, { path, ...(client ? { client } : {}) });
          assert.equal(answer.text, text, `${path} of ${client?.certificate.subject}`);
        }
      }),
    );

    it(
      'finds a route by fingerprint, or says that it cannot',
      given(program, async ({ scope, place }) => {
        const site = await place.files('site', { names: ['site.test'] });
        const jane = await place.authority.issue({ commonName: 'Jane' });
        const joe = await place.authority.issue({ commonName: 'Joe' });
        const clientCertificates = { mode: 'request', ca: place.ca };
        const routes = [
          {
            match: { clientCertificate: { fingerprint: jane.fingerprint } },
            respond: { body: 'Jane' },
          },
          { respond: { body: 'all others' } },
        ];
        const running = scope.own(
          await startProgram(program, (address) =>
            https(address, { certificates: [pair(site)], clientCertificates }, { routes }),
          ),
        );
        const isKnown = program === 'haproxy';
        assert.equal(
          (await ask(running.port, { client: jane })).text,
          isKnown ? 'Jane' : 'all others',
        );
        assert.equal((await ask(running.port, { client: joe })).text, 'all others');
        assert.equal(running.warnings.length, isKnown ? 0 : 1);
      }),
    );

    it(
      'sends clients from http to https',
      given(program, async ({ scope }) => {
        const running = scope.own(
          await startProgram(program, (address) => ({
            listeners: { web: { address, protocol: 'http', redirectToHttps: 8443 } },
          })),
        );
        const answer = await fetchOnce(running.port, 'GET', '/a/b?c=d', { Host: 'site.test:8080' });
        assert.equal(answer.status, 308);
        assert.equal(answer.value('location'), 'https://site.test:8443/a/b?c=d');
      }),
    );

    it(
      'speaks TLS to targets whose certificates hold, and shows its own',
      given(program, async ({ scope, place }) => {
        const site = await place.files('target', { names: ['target.test'] });
        const own = await place.files('own', { commonName: 'proxy' });
        const target = await startSecureTarget(scope, {
          cert: site.issued.chainPem,
          key: site.issued.keyPem,
          requestCert: true,
          ca: place.authority.certPem,
        });
        const other = await createStranger();
        const wrongCa = await place.text('other.pem', other.certPem);
        const listen = (address: string, tls: object): object => ({
          listeners: { web: { address, protocol: 'http', pool: 'all' } },
          pools: { all: { targets: [`https://${target.address}`], tls } },
        });
        const good = { ca: place.ca, serverName: 'target.test', certificate: pair(own) };
        const running = scope.own(await startProgram(program, (address) => listen(address, good)));
        assert.equal((await fetchOnce(running.port, 'GET', '/')).text, 'over tls');
        assert.deepEqual(
          target.requests.map(({ servername, client }) => [servername, client]),
          [['target.test', 'proxy']],
        );
        assert.deepEqual(running.warnings, []);
        for (const bad of [
          { ...good, ca: wrongCa },
          { ...good, serverName: 'another.test' },
          { ca: place.ca },
        ]) {
          const failing = scope.own(await startProgram(program, (address) => listen(address, bad)));
          const { status } = await fetchOnce(failing.port, 'GET', '/');
          assert.equal(status, program === 'nginx' ? 502 : 503, JSON.stringify(bad));
        }
        const careless = scope.own(
          await startProgram(program, (address) =>
            listen(address, { verify: false, certificate: pair(own) }),
          ),
        );
        assert.equal((await fetchOnce(careless.port, 'GET', '/')).text, 'over tls');
      }),
    );

    it(
      'ends TLS for tcp, and agrees on a protocol',
      { skip: noStream },
      given(program, async ({ scope, place }) => {
        const site = await place.files('site', { names: ['site.test'] });
        const target = await startTellingTarget(scope);
        const running = scope.own(
          await startProgram(program, (address) => ({
            listeners: {
              db: {
                address,
                protocol: 'tcp',
                pool: 'all',
                tls: { certificates: [pair(site)], alpn: ['imap'] },
              },
            },
            pools: { all: { targets: [target] } },
          })),
        );
        assert.equal(await exchange(running.port, 'hello'), 'got hello\n');
        const socket = connect({
          ...{ host: '127.0.0.1', port: running.port, rejectUnauthorized: false },
          ALPNProtocols: ['pop3', 'imap'],
        });
        await once(socket, 'secureConnect');
        assert.equal(socket.alpnProtocol, 'imap');
        socket.destroy();
      }),
    );

    it(
      'chooses certificates by name for tcp',
      { skip: noStream },
      given(program, async ({ scope, place }) => {
        const one = await place.files('one', { names: ['one.test'] });
        const two = await place.files('two', { names: ['*.two.test'] });
        const target = await startTellingTarget(scope);
        const certificates = [pair(one), pair(two)];
        const running = scope.own(
          await startProgram(
            program,
            (address) => ({
              listeners: { db: { address, protocol: 'tcp', pool: 'all', tls: { certificates } } },
              pools: { all: { targets: [target] } },
            }),
            { certificates: namesOf(one, two) },
          ),
        );
        for (const [servername, names] of [
          ['one.test', 'DNS:one.test'],
          ['a.TWO.test', 'DNS:*.two.test'],
          ['other.test', 'DNS:one.test'],
        ] as const) {
          const socket: TLSSocket = connect({
            ...{ host: '127.0.0.1', port: running.port, servername, rejectUnauthorized: false },
          });
          await once(socket, 'secureConnect');
          assert.equal(socket.getPeerCertificate().subjectaltname, names, servername);
          socket.destroy();
        }
      }),
    );

    it(
      'speaks TLS to targets of tcp',
      { skip: noStream },
      given(program, async ({ scope, place }) => {
        const site = await place.files('target', { names: ['target.test'] });
        const target = await startSecureTarget(scope, {
          cert: site.issued.chainPem,
          key: site.issued.keyPem,
        });
        const running = scope.own(
          await startProgram(program, (address) => ({
            listeners: { db: { address, protocol: 'tcp', pool: 'all' } },
            pools: {
              all: { targets: [target.address], tls: { ca: place.ca, serverName: 'target.test' } },
            },
          })),
        );
        assert.equal((await fetchOnce(running.port, 'GET', '/')).text, 'over tls');
        assert.equal(target.requests[0]?.servername, 'target.test');
      }),
    );

    it(
      'passes TLS through by name and protocol',
      { skip: noStream },
      given(program, async ({ scope, place }) => {
        const site = await place.files('site', { names: ['site.test'] });
        const options = { cert: site.issued.chainPem, key: site.issued.keyPem };
        const names = ['exact', 'below', 'h2', 'rest'];
        const targets = await Promise.all(
          names.map((one) => startNamedTarget(scope, one, options)),
        );
        const pools = Object.fromEntries(names.map((name, i) => [name, { targets: [targets[i]] }]));
        const routes = [
          { match: { serverName: 'one.test' }, pool: 'exact' },
          { match: { serverName: '*.one.test', alpn: ['http/1.1'] }, pool: 'below' },
          { match: { alpn: ['h2'] }, pool: 'h2' },
        ];
        const running = scope.own(
          await startProgram(program, (address) => ({
            listeners: { tls: { address, protocol: 'tcp', routes, pool: 'rest' } },
            pools,
          })),
        );
        for (const [servername, ALPNProtocols, said] of [
          ['one.test', ['h2'], 'exact one.test h2'],
          ['ONE.test', ['h2'], 'exact ONE.test h2'],
          ['a.b.one.test', ['http/1.1', 'x'], 'below a.b.one.test http/1.1'],
          ['a.one.test', ['x', 'h2'], 'h2 a.one.test h2'],
          ['notone.test', ['http/1.1'], 'rest notone.test http/1.1'],
          ['', ['h2'], 'h2 false h2'],
          ['', [], 'rest false false'],
        ] as const) {
          const options = { servername, ALPNProtocols: [...ALPNProtocols] };
          assert.equal(await exchange(running.port, '', options), `${said}\n`);
        }
        const { rest: _, ...known } = pools;
        const strict = scope.own(
          await startProgram(program, (address) => ({
            listeners: { tls: { address, protocol: 'tcp', routes } },
            pools: known,
          })),
        );
        assert.match(await exchange(strict.port, '', { servername: 'one.test' }), /^exact/);
        const refused = exchange(strict.port, '', { servername: 'other.test' });
        assert.equal(await refused.catch(() => ''), '');
      }),
    );

    it(
      'believes PROXY headers of trusted proxies',
      given(program, async ({ scope }) => {
        const target = scope.own(await startHttpTarget());
        const running = scope.own(
          await startProgram(program, (address) => ({
            listeners: {
              web: {
                ...{ address, protocol: 'http', pool: 'all' },
                ...{ proxyProtocol: 'required', trustedProxies: ['127.0.0.0/8'] },
              },
            },
            pools: { all: { targets: [target.address] } },
          })),
        );
        const client = await connectRaw(running.port);
        scope.defer(() => client.close());
        client.send('PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n');
        await client.receivedText('target');
        assert.equal(fieldValue(target.requests[0]?.fields ?? [], 'x-real-ip'), '192.0.2.7');
        const silent = await connectRaw(running.port, { allowHalfOpen: false });
        scope.defer(() => silent.close());
        silent.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
        await within(silent.closed, 'the end of a connection without a PROXY header');
        assert.equal(target.requests.length, 1);
      }),
    );

    for (const version of ['v1', 'v2'] as const) {
      it(
        `sends PROXY headers to targets of tcp, ${version}`,
        { skip: noStream },
        given(program, async ({ scope }) => {
          const target = await startTellingTarget(scope);
          const running = scope.own(
            await startProgram(program, (address) => ({
              listeners: { db: { address, protocol: 'tcp', pool: 'all' } },
              pools: { all: { targets: [target], proxyProtocol: version } },
            })),
          );
          const client = await connectRaw(running.port);
          scope.defer(() => client.close());
          client.send('hello');
          const isOne = version === 'v1' || program === 'nginx';
          await client.receivedText(isOne ? 'got PROXY TCP4 127.0.0.1 127.0.0.1 ' : 'got \r\n\r\n');
          assert.equal(running.warnings.length, program === 'nginx' && version === 'v2' ? 1 : 0);
        }),
      );
    }
  });
}

async function createStranger() {
  const { createAuthority } = await import('../../support/pki.ts');
  return createAuthority({ commonName: 'a stranger' });
}
