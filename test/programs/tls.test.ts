// Clients of TLS as people use them, against `sluice run`: curl, openssl, Node, WebSocket, Chromium. What a handshake
// means is judged by the contract suite; here programs that we did not write say that they can live with it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import WebSocket from 'ws';
import { describePicture, readPng } from '../bench-report/png.ts';
import { within } from '../support/deadline.ts';
import { writeText } from '../support/pki.ts';
import { Scope } from '../support/scope.ts';
import { browse, noChromium } from './chromium.ts';
import { missing, type Ran, type RunOptions, runProgram } from './programs.ts';
import { type Site, startSite } from './site.ts';
import { DOWNLOAD, enginesHere, sha256 } from './sluice.ts';

const GET = 'GET /headers HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n';

for (const engine of enginesHere()) {
  describe(`TLS of sluice run, ${engine}`, () => {
    const scope = new Scope();
    let site: Site;
    before(async () => {
      site = await startSite(scope, engine);
    });
    after(() => scope.close());

    const file = (name: string) => join(site.papers.folder, name);
    /** curl that knows where names are and whom to believe. */
    const curl = (port: number, ...args: string[]): Promise<Ran> => {
      const names = ['site.test', 'other.test'].flatMap((name) => [
        '--resolve',
        `${name}:${port}:127.0.0.1`,
      ]);
      return runProgram('curl', ['-sS', '--cacert', site.papers.ca, ...names, ...args]);
    };
    const sClient = (port: number, args: string[], options: RunOptions = { input: '' }) => {
      const connect = ['-CAfile', site.papers.ca, '-connect', `127.0.0.1:${port}`];
      return runProgram('openssl', ['s_client', ...connect, ...args], options);
    };
    /** Certificates and a request that is answered: the port goes on for others. */
    const stillAnswers = async (port: number) => {
      const { output } = await sClient(port, ['-ign_eof', '-servername', 'site.test'], {
        input: GET,
      });
      assert.match(output, /Verification: OK/);
      assert.match(output, /HTTP\/1\.1 200 OK/);
    };

    describe('curl', { skip: missing('curl') }, () => {
      for (const [version, ...args] of [
        ['TLSv1.2', '--tlsv1.2', '--tls-max', '1.2'],
        ['TLSv1.3', '--tlsv1.3'],
      ] as const) {
        it(`speaks ${version} and believes the certificate`, async () => {
          const url = `https://site.test:${site.web}/headers`;
          const { code, stdout, stderr } = await curl(site.web, '-vi', ...args, url);
          assert.equal(code, 0, stderr);
          assert.ok(stderr.includes(`SSL connection using ${version} / `), stderr);
          assert.match(stderr, /ALPN: server accepted http\/1\.1/);
          assert.match(stdout, /^Strict-Transport-Security: max-age=31536000\r$/m);
          assert.match(stdout, /"x-forwarded-proto":"https"/);
        });

        it(`moves five mebibytes both ways over ${version}`, async () => {
          const upload = await writeText(site.papers.folder, 'upload', DOWNLOAD);
          const base = `https://site.test:${site.web}`;
          const up = await curl(site.web, ...args, '-T', upload, `${base}/upload`);
          assert.equal(up.stdout, sha256(DOWNLOAD), up.stderr);
          const down = await curl(
            site.web,
            ...args,
            '-o',
            file('download'),
            '-w',
            '%{size_download}',
            `${base}/download`,
          );
          assert.deepEqual([down.code, down.stdout], [0, String(DOWNLOAD.length)]);
          assert.equal(sha256(readFileSync(file('download'))), sha256(DOWNLOAD));
        });
      }

      it('gets the certificate of the name that it asks for, and RSA where it speaks that alone', async () => {
        const url = (name: string) => `https://${name}:${site.web}/headers`;
        const other = await curl(site.web, '-v', url('other.test'));
        assert.equal(other.code, 0, other.stderr);
        assert.match(other.stderr, /subject: CN=other\.test/);
        const cipher = 'ECDHE-RSA-AES128-GCM-SHA256';
        const rsa = await curl(
          site.web,
          '-v',
          '--tls-max',
          '1.2',
          '--ciphers',
          cipher,
          url('site.test'),
        );
        assert.equal(rsa.code, 0, rsa.stderr);
        assert.ok(rsa.stderr.includes(`TLSv1.2 / ${cipher}`), rsa.stderr);
      });

      it('asks for several pages over one connection', async () => {
        const url = `https://site.test:${site.web}/headers`;
        const { stdout } = await curl(
          site.web,
          '-o',
          '/dev/null',
          '-w',
          '%{num_connects}\n',
          ...['-o', '/dev/null', '-o', '/dev/null', url, url, url],
        );
        assert.equal(stdout, '1\n0\n0\n');
      });

      it('is served with a client certificate that holds, and refused with none or a revoked one', async () => {
        const url = `https://site.test:${site.mutual}/headers`;
        const as = (name: string) => ['--cert', file(`${name}.pem`), '--key', file(`${name}.key`)];
        for (const version of ['1.2', '1.3']) {
          const ask = (...args: string[]) => curl(site.mutual, '--tls-max', version, ...args, url);
          const good = await ask(...as('good'));
          assert.match(good.stdout, /"x-client":"CN=good"/, good.stderr);
          const none = await ask();
          assert.notEqual(none.code, 0);
          assert.match(none.stderr, /alert (certificate required|handshake failure)/);
          const revoked = await ask(...as('revoked'));
          assert.notEqual(revoked.code, 0);
          // Node judges certificates when the handshake is over and has no alert for it: the connection is cut.
          const cut = engine === 'js' ? '|SSL_ERROR_SYSCALL|reset|unexpected eof|Empty reply' : '';
          assert.match(revoked.stderr, new RegExp(`alert certificate revoked${cut}`, 'i'));
        }
      });

      it('follows the redirect from http to https', async () => {
        const { code, stdout } = await curl(
          site.web,
          ...['--resolve', `site.test:${site.plain}:127.0.0.1`, '-L', '-o', '/dev/null'],
          ...['-w', '%{http_code} %{num_redirects} %{url_effective}'],
          `http://site.test:${site.plain}/headers?a=b`,
        );
        assert.equal(code, 0);
        assert.equal(stdout, `200 1 https://site.test:${site.web}/headers?a=b`);
      });

      it('is told 400 where it speaks plain http on the port of https', async () => {
        const { stdout } = await curl(site.web, '-i', `http://127.0.0.1:${site.web}/`);
        assert.match(stdout, /^HTTP\/1\.1 400 /);
        await stillAnswers(site.web);
      });
    });

    describe('openssl s_client', { skip: missing('openssl') }, () => {
      it('agrees on http/1.1, and is refused where it offers only other protocols', async () => {
        const agreed = await sClient(site.web, ['-alpn', 'h2,http/1.1']);
        assert.match(agreed.output, /ALPN protocol: http\/1\.1/);
        const refused = await sClient(site.web, ['-alpn', 'h2']);
        assert.match(refused.output, /alert no application protocol/);
      });

      it('gets the OCSP response that is stapled', async () => {
        // Node cannot tell which of several certificates of a name it is asked about, so js staples to lone ones.
        const port = engine === 'js' ? site.strict : site.web;
        const { output } = await sClient(port, ['-status', '-servername', 'site.test']);
        assert.match(output, /OCSP Response Status: successful/);
        assert.match(output, /Cert Status: good/);
      });

      it('resumes its session on every reconnection', async () => {
        const { output } = await sClient(site.web, ['-tls1_2', '-reconnect']);
        assert.equal(output.match(/^New, TLSv1\.2/gm)?.length, 1);
        assert.equal(output.match(/^Reused, TLSv1\.2/gm)?.length, 5);
      });

      for (const version of ['1.2', '1.3']) {
        it(`resumes a session of TLS ${version} that it kept in a file`, async () => {
          const flags = [
            `-tls${version.replace('.', '_')}`,
            '-servername',
            'site.test',
            '-ign_eof',
          ];
          const session = file(`session-${version}`);
          const talk = (...more: string[]) =>
            sClient(site.web, [...flags, ...more], { input: GET });
          const first = await talk('-sess_out', session);
          assert.match(first.output, new RegExp(`^New, TLSv${version}`, 'm'));
          for (let round = 0; round < 4; round++) {
            const again = await talk('-sess_in', session);
            assert.match(again.output, new RegExp(`^Reused, TLSv${version}`, 'm'));
            assert.match(again.output, /HTTP\/1\.1 200 OK/);
          }
        });
      }

      it('is refused with unrecognized_name for a name that nobody has', async () => {
        const { output } = await sClient(site.strict, ['-servername', 'nobody.test']);
        assert.match(output, /alert number 112/);
        await stillAnswers(site.strict);
      });

      it('cannot renegotiate', async () => {
        const { output } = await sClient(site.web, ['-tls1_2'], {
          reply: { to: /Extended master secret/, text: 'R\n' },
        });
        assert.match(output, /^RENEGOTIATING/m);
        assert.match(output, /no renegotiation/);
        await stillAnswers(site.web);
      });

      it('does not get TLS 1.1', async () => {
        const old = ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'];
        const { output } = await sClient(site.web, old);
        assert.match(output, /alert protocol version/);
      });
    });

    describe('nc', { skip: missing('nc') || missing('openssl') }, () => {
      const HELLO = Buffer.from('16030102000100 01fc0303'.replaceAll(' ', ''), 'hex');
      for (const [what, bytes] of [
        ['the beginning of a ClientHello', HELLO],
        ['a record that is larger than any', Buffer.from('160301ffff010000', 'hex')],
        ['garbage', Buffer.alloc(300, 'Ã¿\x01\x80', 'latin1')],
        ['an alert', Buffer.from('15030100020100', 'hex')],
      ] as const) {
        it(`sends ${what} and is closed upon; others are served`, async () => {
          // It ends when the other side does, since -N is not given.
          await runProgram('nc', ['127.0.0.1', String(site.strict)], {
            input: bytes,
          });
          await stillAnswers(site.strict);
        });
      }
    });

    it('Node asks a hundred times over two kept connections', async () => {
      const agent = new Agent({
        keepAlive: true,
        maxSockets: 2,
        ca: site.papers.authority.certPem,
      });
      const asked = Array.from({ length: 100 }, async () => {
        const outgoing = request({
          ...{ agent, host: '127.0.0.1', port: site.web, path: '/headers' },
          servername: 'site.test',
        });
        outgoing.end();
        const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
        const { remotePort, localPort } = response.socket;
        await response.toArray();
        assert.equal(response.statusCode, 200);
        return `${localPort} ${remotePort}`;
      });
      assert.equal(new Set(await within(Promise.all(asked), 'the answers')).size, 2);
      agent.destroy();
    });

    it('undici, as Node brings it, uploads and downloads', async () => {
      const program = `
        const base = 'https://localhost:${site.web}';
        const body = Buffer.from(await (await fetch(base + '/download')).arrayBuffer());
        const up = await fetch(base, { method: 'PUT', body });
        console.log(await up.text());`;
      const { stdout, stderr } = await runProgram('node', ['--input-type=module', '-e', program], {
        env: { NODE_EXTRA_CA_CERTS: site.papers.ca },
      });
      assert.equal(stdout, `${sha256(DOWNLOAD)}\n`, stderr);
    });

    it('WebSocket messages come back over wss', async () => {
      const socket = new WebSocket(`wss://127.0.0.1:${site.web}/`, {
        ca: site.papers.authority.certPem,
      });
      await within(once(socket, 'open'), 'the WebSocket');
      for (const size of [1, 1000, 100_000, 1_000_000]) {
        const message = Buffer.alloc(size, 'message');
        socket.send(message);
        const [echo] = await within(once(socket, 'message'), 'an echo');
        assert.ok(message.equals(echo as Buffer), `${size}`);
      }
      const closed = once(socket, 'close');
      socket.close(1000);
      assert.equal((await within(closed, 'the close'))[0], 1000);
    });

    describe('Chromium', { skip: noChromium() }, () => {
      const look = (...args: string[]) =>
        browse(
          site.papers.folder,
          site.ec,
          `https://site.test:${site.web}/page`,
          '--host-resolver-rules=MAP site.test 127.0.0.1',
          ...args,
        );

      it('shows a page whose script fetches and opens a WebSocket', async () => {
        const { stdout, stderr } = await look('--dump-dom');
        assert.match(stdout, /<h1>Through the proxy<\/h1>/, stderr);
        assert.match(stdout, /fetched over https/);
        assert.match(stdout, /socket says a message/);
      });

      it('paints it', { skip: engine !== enginesHere()[0] && 'once is enough' }, async () => {
        const shot = file('page.png');
        const { stderr } = await look('--window-size=400,300', `--screenshot=${shot}`);
        const { lightness, colours } = describePicture(readPng(readFileSync(shot)));
        // Dark green with black text: not the white of an error page.
        assert.ok(lightness < 0.4 && colours > 10, `${lightness}, ${colours} colours: ${stderr}`);
      });
    });
  });
}
