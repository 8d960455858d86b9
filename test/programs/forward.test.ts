// Clients of forward proxies as people use them, against `sluice run`: curl, wget, git, undici, Chromium. They find sites
// that only the proxy can find; what the block list has, none of them gets.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fetch, ProxyAgent, request } from 'undici';
import { writeText } from '../support/pki.ts';
import { Scope } from '../support/scope.ts';
import { browse, noChromium } from './chromium.ts';
import { type ForwardSite, LOGIN, startForwardSite, USER } from './forward-site.ts';
import { missing, type Ran, runProgram } from './programs.ts';
import { DOWNLOAD, enginesHere, sha256 } from './sluice.ts';

/** Settings of the machine are none of the tests'. */
const NO_PROXIES = Object.fromEntries(
  ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'].flatMap((name) => [
    [name, ''],
    [name.toUpperCase(), ''],
  ]),
);

for (const engine of enginesHere()) {
  describe(`a forward proxy, ${engine}`, () => {
    const scope = new Scope();
    let site: ForwardSite;
    before(async () => {
      site = await startForwardSite(scope, engine);
    });
    after(() => scope.close());

    const run = (name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
      runProgram(name, args, { env: { ...NO_PROXIES, ...env }, cwd: site.folder });
    const file = (name: string) => join(site.folder, name);
    const at = (port: number, login = '') => `127.0.0.1:${port}`.replace(/^/, login && `${login}@`);
    /** Nothing of what the block list has was asked for. */
    const noAds = () =>
      assert.deepEqual(
        site.seen.filter((line) => line.startsWith('ads.test')),
        [],
      );

    describe('curl', { skip: missing('curl') }, () => {
      const curl = (proxy: string, ...args: string[]): Promise<Ran> =>
        run('curl', ['-sS', '--cacert', site.ca, '-x', proxy, ...args]);

      it('asks for http, and destinations are told of the proxy alone', async () => {
        const { code, stdout, stderr } = await curl(
          `http://${at(site.open)}`,
          ...['-H', 'X-Forwarded-For: 192.0.2.1', '-H', 'Forwarded: for=192.0.2.1', '-i'],
          `${site.plain}/headers`,
        );
        assert.equal(code, 0, stderr);
        const [head = '', body = ''] = stdout.split('\r\n\r\n');
        assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
        assert.match(head, /^Via: 1\.1 \S+\r?$/im);
        const headers = JSON.parse(body) as Record<string, string>;
        assert.equal(headers.host, new URL(site.plain).host);
        assert.match(headers.via ?? '', /^1\.1 \S+$/);
        for (const name of ['x-forwarded-for', 'forwarded', 'proxy-connection'])
          assert.equal(headers[name], undefined, name);
      });

      it('asks for https through a tunnel, and verifies the site', async () => {
        const { code, stdout, stderr } = await curl(
          `http://${at(site.open)}`,
          ...['-v', `${site.secure}/headers`],
        );
        assert.equal(code, 0, stderr);
        assert.match(stderr, /SSL certificate verify ok/);
        assert.equal(JSON.parse(stdout).via, undefined);
      });

      it('keeps connections for several pages', async () => {
        for (const url of [`${site.plain}/headers`, `${site.secure}/headers`]) {
          const { stdout, stderr } = await curl(
            `http://${at(site.open)}`,
            ...['-w', '%{http_code} %{num_connects}\n'],
            ...['-o', '/dev/null', '-o', '/dev/null', '-o', '/dev/null', url, url, url],
          );
          assert.match(stdout, /^200 [12]\n200 0\n200 0\n$/, stderr);
        }
      });

      for (const scheme of ['http', 'socks5h'] as const) {
        it(`moves five mebibytes both ways, by ${scheme}`, async () => {
          const upload = await writeText(site.folder, 'upload', DOWNLOAD);
          const proxy = `${scheme}://${at(site.open)}`;
          for (const base of [site.plain, site.secure]) {
            const up = await curl(proxy, '-T', upload, `${base}/upload`);
            assert.equal(up.stdout, sha256(DOWNLOAD), up.stderr);
            const down = await curl(proxy, '-o', file('download'), `${base}/download`);
            assert.equal(down.code, 0, down.stderr);
            assert.equal(sha256(readFileSync(file('download'))), sha256(DOWNLOAD));
          }
        });
      }

      it('logs in, and is asked to where it did not', async () => {
        for (const base of [site.plain, site.secure]) {
          const url = `${base}/headers`;
          const right = await curl(`http://${at(site.users, LOGIN)}`, url);
          assert.equal(right.code, 0, right.stderr);
          assert.equal(JSON.parse(right.stdout)['proxy-authorization'], undefined);
          for (const login of ['', `${USER.name}:wrong`, 'nobody:nothing']) {
            const { stdout, stderr } = await curl(
              `http://${at(site.users, login)}`,
              ...['-w', '%{http_code} %{http_connect}', '-o', '/dev/null', '-v', url],
            );
            assert.equal(stdout, base === site.plain ? '407 000' : '000 407', stderr);
            assert.match(stderr, /^< Proxy-Authenticate: Basic realm="Tests"/m);
          }
          // curl waits for the 407, and logs in on the same connection.
          const asked = await curl(
            `http://${at(site.users)}`,
            ...['--proxy-anyauth', '-U', `${USER.name}:${USER.password}`, '-v', url],
          );
          assert.equal(asked.code, 0, asked.stderr);
          assert.match(asked.stderr, /407/);
        }
      });

      for (const scheme of ['socks5h', 'socks5', 'socks4a', 'socks4'] as const) {
        it(`goes by ${scheme}`, async () => {
          const isLocal = scheme === 'socks5' || scheme === 'socks4';
          for (const base of [site.plain, site.secure]) {
            const { host } = new URL(base);
            const { code, stdout, stderr } = await curl(
              `${scheme}://${at(site.open)}`,
              // Where curl is to look names up itself.
              ...(isLocal ? ['--resolve', `${host}:127.0.0.1`] : []),
              `${base}/headers`,
            );
            assert.equal(code, 0, stderr);
            assert.equal(JSON.parse(stdout).host, host);
          }
        });
      }

      it('logs in by socks5h, and is refused where it does not', async () => {
        const url = `${site.secure}/headers`;
        const right = await curl(`socks5h://${at(site.users, LOGIN)}`, url);
        assert.equal(right.code, 0, right.stderr);
        for (const [scheme, login] of [
          ['socks5h', ''],
          ['socks5h', `${USER.name}:wrong`],
          ['socks4a', ''],
        ] as const) {
          const { code, stderr } = await curl(`${scheme}://${at(site.users, login)}`, url);
          assert.equal(code, 97, `${scheme} ${login}: ${stderr}`);
        }
      });

      it('speaks TLS to the proxy', async () => {
        for (const base of [site.plain, site.secure]) {
          for (const trust of [['--proxy-insecure'], ['--proxy-cacert', site.ca]]) {
            const url = `${base}/headers`;
            const { code, stdout, stderr } = await curl(`https://${at(site.tls)}`, ...trust, url);
            assert.equal(code, 0, stderr);
            assert.equal(JSON.parse(stdout).host, new URL(base).host);
          }
        }
        const doubted = await curl(`https://${at(site.tls)}`, `${site.plain}/headers`);
        assert.equal(doubted.code, 60, doubted.stderr);
      });

      it('is shown a page for what is blocked, and gets no tunnel to it', async () => {
        const { blocked, blockedSecure, open, tls } = site;
        const page = await curl(`http://${at(open)}`, '-i', `${blocked}/ads.js`);
        assert.match(page.stdout, /^HTTP\/1\.1 403 Forbidden\r\n/);
        assert.match(page.stdout, /^Proxy-Status: sluice; error=http_request_denied\r$/im);
        assert.match(page.stdout, /<b>ads\.test<\/b>: a rule denies it/);
        for (const [proxy, code] of [
          [`http://${at(open)}`, 56],
          [`https://${at(tls)}`, 56],
          [`socks5h://${at(open)}`, 97],
        ] as const) {
          const refused = await curl(proxy, '--proxy-insecure', `${blockedSecure}/ads.js`);
          assert.equal(refused.code, code, refused.stderr);
          const below = blockedSecure.replace('ads.test', 'below.ads.test');
          assert.equal((await curl(proxy, '--proxy-insecure', below)).code, code);
        }
        noAds();
      });

      it('gets no tunnel to other ports, nor to what is not there', async () => {
        const other = await curl(`http://${at(site.open)}`, '-p', `${site.plain}/headers`);
        assert.equal(other.code, 56);
        assert.match(other.stderr, /403/);
        const nowhere = await curl(`http://${at(site.open)}`, '-i', 'http://nowhere.invalid/');
        assert.match(nowhere.stdout, /^HTTP\/1\.1 50[24] /);
        assert.match(nowhere.stdout, /^Proxy-Status: sluice; error=dns_(error|timeout)/im);
      });

      it('reads the script with which browsers set themselves up', async () => {
        const pac = `http://${at(site.open)}/proxy.pac`;
        const { stdout } = await run('curl', ['-sSi', pac]);
        assert.match(stdout, /^Content-Type: application\/x-ns-proxy-autoconfig\r$/im);
        assert.ok(stdout.includes(`"PROXY 127.0.0.1:${site.open}"`), stdout);
      });
    });

    describe('wget', { skip: missing('wget') }, () => {
      const wget = (proxy: string, ...args: string[]): Promise<Ran> =>
        run('wget', ['-nv', '-O', '-', '--tries=1', `--ca-certificate=${site.ca}`, ...args], {
          http_proxy: proxy,
          https_proxy: proxy,
        });

      it('downloads over http and https', async () => {
        for (const base of [site.plain, site.secure]) {
          const { code, stderr } = await wget(
            `http://${at(site.open)}`,
            ...['-O', file('wget'), `${base}/download`],
          );
          assert.equal(code, 0, stderr);
          assert.equal(sha256(readFileSync(file('wget'))), sha256(DOWNLOAD));
        }
      });

      it('logs in, and is refused where it does not', async () => {
        const login = [`--proxy-user=${USER.name}`, `--proxy-password=${USER.password}`];
        const proxy = `http://${at(site.users)}`;
        for (const base of [site.plain, site.secure]) {
          const right = await wget(proxy, ...login, `${base}/headers`);
          assert.equal(right.code, 0, right.stderr);
          assert.equal(JSON.parse(right.stdout).host, new URL(base).host);
          const wrong = await wget(proxy, `${base}/headers`);
          assert.notEqual(wrong.code, 0);
          assert.match(wrong.stderr, /Proxy Authentication Required/);
        }
      });

      it('does not get what is blocked', async () => {
        for (const base of [site.blocked, site.blockedSecure]) {
          const { code, stderr } = await wget(`http://${at(site.open)}`, `${base}/ads.js`);
          assert.notEqual(code, 0);
          assert.match(stderr, /Forbidden/);
        }
        noAds();
      });
    });

    describe('git', { skip: missing('git') }, () => {
      let clones = 0;
      const clone = (proxy: string, base: string): Promise<Ran> => {
        const into = file(`clone-${engine}-${++clones}`);
        const settings = ['-c', `http.proxy=${proxy}`];
        return run('git', [...settings, 'clone', '--quiet', `${base}/repository.git`, into], {
          GIT_SSL_CAINFO: site.ca,
          GIT_TERMINAL_PROMPT: '0',
        });
      };

      it('clones over https, by CONNECT and by SOCKS, and logged in', async () => {
        for (const proxy of [
          `http://${at(site.open)}`,
          `socks5h://${at(site.open)}`,
          `http://${at(site.users, LOGIN)}`,
        ]) {
          const { code, stderr } = await clone(proxy, site.secure);
          assert.equal(code, 0, `${proxy}: ${stderr}`);
          const large = readFileSync(file(`clone-${engine}-${clones}/large.bin`));
          assert.equal(sha256(large), sha256(DOWNLOAD));
        }
      });

      it('does not without logging in, nor from what is blocked', async () => {
        const nobody = await clone(`http://${at(site.users)}`, site.secure);
        assert.notEqual(nobody.code, 0);
        assert.match(nobody.stderr, /407|proxy/i);
        const blocked = await clone(`http://${at(site.open)}`, site.blockedSecure);
        assert.notEqual(blocked.code, 0);
        assert.match(blocked.stderr, /403/);
        noAds();
      });
    });

    describe("undici's ProxyAgent", () => {
      const token = `Basic ${Buffer.from(`${USER.name}:${USER.password}`).toString('base64')}`;
      const within = async (
        options: { readonly port: number; readonly token?: string; readonly proxyTunnel?: boolean },
        use: (agent: ProxyAgent) => Promise<void>,
      ): Promise<void> => {
        const { port, ...rest } = options;
        const requestTls = { ca: readFileSync(site.ca) };
        const agent = new ProxyAgent({ uri: `http://127.0.0.1:${port}`, requestTls, ...rest });
        try {
          await use(agent);
        } finally {
          await agent.destroy();
        }
      };

      it('fetches https through tunnels, ten at a time', async () => {
        await within({ port: site.open }, async (dispatcher) => {
          const digests = await Promise.all(
            Array.from({ length: 10 }, async () => {
              const response = await fetch(`${site.secure}/download`, { dispatcher });
              return sha256(new Uint8Array(await response.arrayBuffer()));
            }),
          );
          assert.deepEqual(new Set(digests), new Set([sha256(DOWNLOAD)]));
        });
      });

      it('fetches http in absolute form, and logs in', async () => {
        const options = { port: site.users, token, proxyTunnel: false };
        await within(options, async (dispatcher) => {
          const response = await fetch(`${site.plain}/headers`, { dispatcher });
          assert.equal(response.status, 200);
          const headers = (await response.json()) as Record<string, string>;
          assert.match(headers.via ?? '', /^1\.1 /);
          assert.equal(headers['proxy-authorization'], undefined);
        });
        await within({ port: site.users, token }, async (dispatcher) => {
          assert.equal((await fetch(`${site.secure}/headers`, { dispatcher })).status, 200);
        });
      });

      it('fails without logging in, and where the block list says so', async () => {
        for (const [port, url, why] of [
          [site.users, site.secure, /407/],
          [site.open, site.blockedSecure, /403/],
        ] as const) {
          await within({ port }, async (dispatcher) => {
            await assert.rejects(request(url, { dispatcher }), why);
          });
        }
        noAds();
      });
    });

    describe('Chromium', { skip: noChromium() }, () => {
      const look = async (proxy: string, url: string): Promise<string> => {
        const { stdout, stderr } = await browse(site.folder, site.pair, url, proxy, '--dump-dom');
        return stdout === '' ? stderr : stdout;
      };

      for (const [how, proxy] of [
        ['the proxy by name', () => `--proxy-server=http://${at(site.open)}`],
        ['the PAC file', () => `--proxy-pac-url=http://${at(site.open)}/proxy.pac`],
        ['SOCKS', () => `--proxy-server=socks5://${at(site.open)}`],
        ['an HTTPS proxy', () => `--proxy-server=https://${at(site.tls)}`],
      ] as const) {
        it(`browses by ${how}, without what is blocked`, async () => {
          for (const base of [site.plain, site.secure]) {
            const dom = await look(proxy(), `${base}/page`);
            assert.match(dom, /<h1>Through the proxy<\/h1>/);
            assert.match(dom, /fetched by site\.test/);
            assert.match(dom, /<p id="ads">no ads<\/p>/);
          }
          noAds();
        });
      }

      it('shows the page of a denial', async () => {
        const dom = await look(`--proxy-server=http://${at(site.open)}`, `${site.blocked}/page`);
        assert.match(dom, /<b>ads\.test<\/b>: a rule denies it/);
      });
    });
  });
}
