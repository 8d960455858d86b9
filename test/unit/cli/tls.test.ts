import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it, mock } from 'node:test';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { certSelfSigned, type SelfSignedFlags } from '../../../src/cli/cert.ts';
import { check } from '../../../src/cli/check.ts';
import { describeProxy } from '../../../src/cli/describe.ts';
import { explain } from '../../../src/cli/explain.ts';
import { SluiceError } from '../../../src/contract/errors.ts';
import { createProxy } from '../../../src/proxy.ts';
import {
  type Authority,
  createAuthority,
  temporaryFolder,
  writePair,
  writeText,
} from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';
import { runCommand } from './command.ts';

const DAY = 86_400_000;

describe('the command line', () => {
  const scope = new Scope();
  let folder: string;
  let ca: Authority;

  before(async () => {
    folder = await temporaryFolder(scope);
    ca = await createAuthority();
  });
  after(() => scope.close());

  /** What is printed, and the error if it ends with one; without the folder in file names. */
  async function printed(work: () => Promise<void>) {
    const [log, note] = [
      mock.method(console, 'log', () => {}),
      mock.method(console, 'error', () => {}),
    ];
    const textOf = (one: typeof log) =>
      one.mock.calls
        .map((call) => call.arguments.join(' '))
        .join('\n')
        .replaceAll(`${folder}/`, '');
    try {
      const error = await work().then(
        () => null,
        (reason: unknown) => reason,
      );
      return { stdout: textOf(log), stderr: textOf(note), error };
    } finally {
      log.mock.restore();
      note.mock.restore();
    }
  }

  describe('cert self-signed', () => {
    const make = (names: string[], flags: Partial<SelfSignedFlags> = {}) =>
      printed(() => certSelfSigned(names, { days: 30, out: folder, key: 'ec', ...flags }));

    it('writes a pair that clients believe when they are given it', async () => {
      const { stdout, error } = await make(['localhost', '127.0.0.1', '*.dev.test', '::1']);
      assert.equal(error, null);
      assert.match(stdout, /^Wrote localhost\.pem and localhost\.key, for localhost, 127\.0\.0\.1/);
      assert.match(stdout, / {4}certificates:\n {6}- \{ cert: \S+localhost\.pem, key: \S+\.key \}/);
      const cert = await readFile(join(folder, 'localhost.pem'), 'utf8');
      const key = await readFile(join(folder, 'localhost.key'), 'utf8');
      assert.equal((await stat(join(folder, 'localhost.key'))).mode & 0o777, 0o600);
      const x509 = new X509Certificate(cert);
      assert.equal(
        x509.subjectAltName,
        'DNS:localhost, IP Address:127.0.0.1, DNS:*.dev.test, IP Address:0:0:0:0:0:0:0:1',
      );
      const days = (Date.parse(x509.validTo) - Date.now()) / DAY;
      assert.ok(days > 29.9 && days <= 30, String(days));

      const listening = createTlsServer({ cert, key }, (socket) => socket.end('hello'));
      listening.listen(0, '127.0.0.1');
      await once(listening, 'listening');
      scope.defer(() => void listening.close());
      const { port } = listening.address() as AddressInfo;
      for (const servername of ['localhost', 'www.dev.test']) {
        const socket = tlsConnect({ host: '127.0.0.1', port, servername, ca: cert });
        const [data] = (await once(socket, 'data')) as [Buffer];
        assert.equal(data.toString(), 'hello');
        assert.ok(socket.authorized);
        socket.destroy();
      }
    });

    it('leaves what exists alone, unless it is told to overwrite', async () => {
      await make(['kept.test']);
      const before = await readFile(join(folder, 'kept.test.key'), 'utf8');
      const { error } = await make(['kept.test']);
      assert.ok(error instanceof SluiceError);
      assert.match(error.message, /kept\.test\.pem exists: it stays as it is/);
      assert.equal(await readFile(join(folder, 'kept.test.key'), 'utf8'), before);
      assert.equal((await make(['kept.test'], { force: true })).error, null);
      assert.notEqual(await readFile(join(folder, 'kept.test.key'), 'utf8'), before);
    });

    it('makes RSA keys too, in a folder that it creates', async () => {
      const out = join(folder, 'new', 'folder');
      assert.equal((await make(['*.rsa.test'], { out, key: 'rsa' })).error, null);
      const x509 = new X509Certificate(await readFile(join(out, '_.rsa.test.pem')));
      assert.equal(x509.publicKey.asymmetricKeyType, 'rsa');
    });

    it('takes names and addresses alone', async () => {
      for (const name of ['a b', 'https://a.test', 'a.test:443', '*', 'a.*.test', '']) {
        const { error } = await make([name]);
        assert.ok(error instanceof SluiceError, name);
        assert.match(error.message, /expected a host name such as localhost/);
      }
    });

    it('is a command', async () => {
      const out = join(folder, 'command');
      const made = await runCommand('cert', 'self-signed', 'a.test', '--out', out, '--days', '2');
      assert.equal(made.code, 0, made.stderr);
      const again = await runCommand('cert', 'self-signed', 'a.test', '--out', out);
      assert.deepEqual([again.code, again.stdout], [1, '']);
      const wrong = await runCommand('cert', 'self-signed', 'a.test', '--days', 'many');
      assert.match(wrong.stderr, /expected a whole number from 1 to 3,650/);
    });
  });

  async function configFile(name: string, text: string): Promise<string> {
    return writeText(folder, name, text);
  }
  const pool = 'pools: { p: { targets: ["127.0.0.1:1"] } }';

  describe('check', () => {
    it('lists certificates with their names, keys and dates', async () => {
      await writePair(folder, await ca.issue({ names: ['a.test', '*.a.test'] }), 'good');
      await writePair(folder, await ca.issue({ notAfter: new Date(Date.now() + 5 * DAY) }), 'soon');
      const file = await configFile(
        'good.yaml',
        `listeners: { web: { address: ":0", protocol: https, pool: p, tls: { certificates: [
           { cert: good.pem, key: good.key }, { cert: soon.pem, key: soon.key }, { acme: [b.test] } ] } } }
acme: { agreeToTerms: true, challenge: tls-alpn-01 }
${pool}`,
      );
      const { stdout, stderr, error } = await printed(() => check(file));
      assert.equal(error, null);
      const lines = stdout.replaceAll(/\d{4}-\d\d-\d\d/g, 'DAY').split('\n');
      assert.equal(lines[0], 'good.yaml: ok: 1 listener, 1 pool, 1 target, 3 certificates');
      assert.match(lines[4] ?? '', /^\S*good\.pem +a\.test, \*\.a\.test +ec +DAY \(in 90 days\)$/);
      assert.match(lines[5] ?? '', /^\S*soon\.pem +localhost +ec +DAY \(in 5 days\)$/);
      assert.match(lines[6] ?? '', /^by ACME +b\.test +obtained and renewed while running$/);
      assert.match(
        stderr,
        /^warning: listener web: the certificate soon\.pem for localhost expires on/,
      );
    });

    it('tells every problem of every file, and exits with 1', async () => {
      const past = {
        notBefore: new Date(Date.now() - 9 * DAY),
        notAfter: new Date(Date.now() - DAY),
      };
      await writePair(folder, await ca.issue(past), 'old');
      const other = await writePair(folder, await ca.issue(), 'other');
      const file = await configFile(
        'bad.yaml',
        `listeners: { web: { address: ":0", protocol: https, pool: p, tls: { certificates: [
           { cert: old.pem, key: old.key }, { cert: none.pem, key: other.key }, { cert: other.pem, key: old.key } ] } } }
${pool}`,
      );
      const { code, stdout, stderr } = await runCommand('check', file);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /certificates and keys have 3 problems:/);
      assert.match(stderr, /certificates\[0\]\.cert: .*old\.pem, which expired on/);
      assert.match(stderr, /certificates\[1\]\.cert: .*none\.pem, which does not exist/);
      assert.match(
        stderr,
        /certificates\[2\]\.key: .*old\.key, which belongs to another certificate/,
      );
      const key = await readFile(other.key, 'utf8');
      for (const line of key.split('\n').slice(1, -2)) assert.ok(!stderr.includes(line));
    });
  });

  describe('explain', () => {
    const CONFIG = `
listeners:
  web:
    address: 127.0.0.1:8443
    protocol: https
    pool: p
    tls:
      unknownName: reject
      certificates:
        - { cert: ec.pem, key: ec.key }
        - { cert: rsa.pem, key: rsa.key }
        - { cert: none.pem, key: none.key }
  plain: { address: 127.0.0.1:8080, protocol: http, redirectToHttps: true }
  pass:
    address: 127.0.0.1:9443
    protocol: tcp
    routes: [{ match: { serverName: "*.db.test" }, pool: p }]
pools: { p: { targets: ["https://127.0.0.1"], tls: { verify: false, fingerprints: ["${'0'.repeat(64)}"] } } }
`;
    let file: string;
    before(async () => {
      await writePair(folder, await ca.issue({ names: ['a.test', '*.a.test'] }), 'ec');
      await writePair(folder, await ca.issue({ names: ['a.test'], keyType: 'rsa' }), 'rsa');
      file = await configFile('explain.yaml', CONFIG);
    });
    const explained = (request: string) =>
      printed(() => explain(file, { request, header: [], client: '127.0.0.1' }));

    it('names the certificates that serve a name, and why', async () => {
      const { stdout, stderr } = await explained('https://a.test:8443/');
      assert.match(
        stdout,
        /^listener {2}web \(https on 127\.0\.0\.1:8443\)\ntls {7}ec\.pem and rsa\.pem: it is for a\.test$/m,
      );
      assert.match(
        stdout,
        /over TLS: its name is not looked at; it must have a known fingerprint$/m,
      );
      assert.match(stderr, /^note: .*none\.pem, which does not exist/m);
      assert.match(
        (await explained('https://b.a.test/')).stdout,
        /^tls {7}ec\.pem: it is for \*\.a\.test$/m,
      );
      assert.match(
        (await explained('https://127.0.0.1/')).stdout,
        /^tls .*since the client asks for no name$/m,
      );
    });

    it('ends where the handshake does', async () => {
      const { stdout } = await explained('https://c.test/');
      assert.match(
        stdout,
        /^tls {7}unrecognized_name, and the connection ends: no certificate is for c\.test$/m,
      );
      assert.doesNotMatch(stdout, /^route/m);
    });

    it('tells http from https by the scheme', async () => {
      const { stdout } = await explained('http://a.test/x?y');
      assert.match(stdout, /^listener {2}plain/);
      assert.match(stdout, /^answer {4}308 to https:\/\/a\.test\/x\?y$/m);
    });

    it('finds the route of a name that passes through', async () => {
      const { stdout } = await explained('tls://one.db.test:9443');
      assert.match(stdout, /^route {5}routes\[0\] takes one\.db\.test$/m);
      assert.match(stdout, /^pool {6}p /m);
      const other = await explained('tls://a.test:9443');
      assert.match(other.stdout, /^route {5}none takes a\.test\nanswer {4}unrecognized_name/m);
    });
  });

  it('suggests commands that speak TLS', async () => {
    const pair = await writePair(folder, await ca.issue({ names: ['a.test'] }), 'quick');
    const origin = createServer((socket) => socket.end());
    origin.listen(0, '127.0.0.1');
    await once(origin, 'listening');
    scope.defer(() => void origin.close());
    const { port } = origin.address() as AddressInfo;
    const proxy = await createProxy({
      engine: 'js',
      listeners: {
        web: {
          address: '127.0.0.1:0',
          protocol: 'https',
          routes: [{ match: { host: 'a.test', path: '/api/*' }, pool: 'p' }, { pool: 'p' }],
          tls: { certificates: [pair] },
        },
        db: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'p', tls: { certificates: [pair] } },
      },
      pools: { p: { targets: [`127.0.0.1:${port}`] } },
    });
    await proxy.start();
    try {
      const text = describeProxy(proxy);
      const { web, db } = proxy.addresses;
      assert.ok(text.includes(`curl -k --connect-to ::${web} https://a.test/api/hello`), text);
      assert.ok(text.includes(`curl -k https://${web}/`), text);
      assert.ok(text.includes(`openssl s_client -connect ${db}`), text);
    } finally {
      await proxy.close();
    }
  });
});
