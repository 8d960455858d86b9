// nginx and HAProxy behind and in front of `sluice run`: TLS to them with certificates on both sides, ClientHellos passed
// through with PROXY headers, and the PROXY headers that they send.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../../src/bench/ports.ts';
import { writeText } from '../support/pki.ts';
import { Scope } from '../support/scope.ts';
import { missingStream, STREAM_MODULE } from '../unit/export/programs.ts';
import { missing, runProgram, startListening } from './programs.ts';
import { makePapers, type Pair, type Papers, pair } from './site.ts';
import { enginesHere, runSluice, startApplication } from './sluice.ts';

const NAMES = { names: ['site.test', 'inner.test'] };

/** nginx in a folder of its own, without its usual log files. */
async function startNginx(
  scope: Scope,
  papers: Papers,
  name: string,
  ports: readonly number[],
  text: string,
): Promise<void> {
  const user = process.getuid?.() === 0 ? `user ${userInfo().username};\n` : '';
  const file = await writeText(
    papers.folder,
    `${name}.conf`,
    `${text.startsWith('stream') ? `load_module ${STREAM_MODULE};\n` : ''}${user}daemon off;
pid ${join(papers.folder, `${name}.pid`)};
error_log stderr;
worker_processes 1;
events { worker_connections 100; }
${text}`,
  );
  await startListening(scope, 'nginx', ['-e', 'stderr', '-p', papers.folder, '-c', file], ports);
}

const nginxHttp = (text: string): string => `http {
  access_log off;
  client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
  ${text}
}`;

async function startHaproxy(
  scope: Scope,
  papers: Papers,
  name: string,
  ports: readonly number[],
  text: string,
): Promise<void> {
  const file = await writeText(
    papers.folder,
    `${name}.cfg`,
    `defaults
  timeout connect 5s
  timeout client 10s
  timeout server 10s
${text}`,
  );
  await startListening(scope, 'haproxy', ['-db', '-f', file], ports);
}

/** Certificate and key in one file, as HAProxy takes them. */
async function together(papers: Papers, { cert, key }: Pair): Promise<string> {
  return writeText(papers.folder, 'both.pem', `${await readFile(cert)}${await readFile(key)}`);
}

/** What curl was answered, and the port that it asked from. */
async function curl(...args: string[]): Promise<{ text: string; port: string; error: string }> {
  const { stdout, stderr } = await runProgram('curl', ['-sS', '-w', '\n%{local_port}', ...args]);
  const lines = stdout.split('\n');
  return { port: lines.pop() ?? '', text: lines.join('\n').trimEnd(), error: stderr };
}

const noCurl = missing('curl');
const noNginx = noCurl || missing('nginx');
const noHaproxy = noCurl || missing('haproxy');

for (const engine of enginesHere()) {
  describe(`sluice run beside nginx and HAProxy, ${engine}`, () => {
    let scope: Scope;
    let papers: Papers;
    let inner: Pair;
    before(async () => {
      scope = new Scope();
      papers = await makePapers(scope);
      inner = await papers.site('inner', NAMES);
    });
    after(() => scope.close());

    const at = (port: number) => `127.0.0.1:${port}`;
    const trusting = (port: number) => [
      ...['--cacert', papers.ca, '--resolve', `site.test:${port}:127.0.0.1`],
    ];

    it('shows nginx a certificate, verifies its, and resumes sessions', {
      skip: noNginx,
    }, async () => {
      const own = new Scope();
      try {
        const [one, two] = [await freePort(), await freePort()];
        const ssl = `ssl_certificate ${inner.cert}; ssl_certificate_key ${inner.key};
    ssl_client_certificate ${papers.clientsCa}; ssl_verify_client on;`;
        await startNginx(
          own,
          papers,
          'verifying',
          [one, two],
          nginxHttp(`server { listen ${at(one)} ssl; ${ssl} ssl_protocols TLSv1.3; keepalive_timeout 0;
    location / { return 200 "$ssl_client_s_dn $ssl_protocol $ssl_server_name $ssl_session_reused $http_x_forwarded_proto"; } }
  server { listen ${at(two)} ssl; ${ssl} ssl_protocols TLSv1.2;
    location / { return 200 "$ssl_protocol $ssl_client_verify"; } }`),
        );
        const tls = { ca: papers.ca, serverName: 'inner.test', certificate: pair(papers.good) };
        const sluice = await runSluice(own, papers.folder, engine, {
          listeners: {
            web: {
              address: '127.0.0.1:0',
              protocol: 'http',
              routes: [
                { match: { path: '/one' }, pool: 'one' },
                { match: { path: '/two' }, pool: 'two' },
                { match: { path: '/wrong-ca' }, pool: 'wrongCa' },
                { match: { path: '/wrong-name' }, pool: 'wrongName' },
                { match: { path: '/no-certificate' }, pool: 'noCertificate' },
              ],
            },
          },
          pools: {
            one: { targets: [`https://${at(one)}`], tls },
            two: { targets: [`https://${at(two)}`], tls },
            wrongCa: { targets: [at(one)], tls: { ...tls, ca: papers.clientsCa } },
            wrongName: { targets: [at(one)], tls: { ...tls, serverName: 'elsewhere.test' } },
            noCertificate: { targets: [at(one)], tls: { ca: papers.ca, serverName: 'inner.test' } },
          },
        });
        const web = `http://${at(await sluice.portOf('web'))}`;
        const answers: string[] = [];
        for (let i = 0; i < 8; i++) answers.push((await curl(`${web}/one`)).text);
        for (const answer of answers)
          assert.match(answer, /^CN=good TLSv1\.3 inner\.test [.r] http$/);
        assert.ok(
          answers.some((answer) => answer.includes(' r ')),
          answers.join('\n'),
        );
        assert.equal((await curl(`${web}/two`)).text, 'TLSv1.2 SUCCESS');
        for (const path of ['wrong-ca', 'wrong-name']) {
          const { text } = await curl('-i', `${web}/${path}`);
          assert.match(text, /^HTTP\/1\.1 502 /);
          assert.match(text, /^Proxy-Status: .*error=tls_certificate_error/m);
        }
        // nginx answers in HTTP when a certificate is missing.
        assert.match((await curl('-i', `${web}/no-certificate`)).text, /^HTTP\/1\.1 400 /);
      } finally {
        await own.close();
      }
    });

    it('passes TLS through to nginx and to HAProxy by name, with PROXY v2', {
      skip: noNginx || noHaproxy,
    }, async () => {
      const own = new Scope();
      try {
        const [toNginx, toHaproxy] = [await freePort(), await freePort()];
        await startNginx(
          own,
          papers,
          'passed',
          [toNginx],
          nginxHttp(`server { listen ${at(toNginx)} ssl proxy_protocol;
    ssl_certificate ${inner.cert}; ssl_certificate_key ${inner.key};
    location / { return 200 "nginx $proxy_protocol_addr:$proxy_protocol_port $ssl_server_name"; } }`),
        );
        await startHaproxy(
          own,
          papers,
          'passed',
          [toHaproxy],
          `frontend passed
  mode http
  bind ${at(toHaproxy)} accept-proxy ssl crt ${await together(papers, inner)}
  http-request return status 200 content-type text/plain lf-string "HAProxy %[src]:%[src_port] %[ssl_fc_sni]"
`,
        );
        const sluice = await runSluice(own, papers.folder, engine, {
          listeners: {
            entry: {
              address: '127.0.0.1:0',
              protocol: 'tcp',
              routes: [
                { match: { serverName: 'site.test' }, pool: 'nginx' },
                { match: { serverName: 'inner.test' }, pool: 'haproxy' },
              ],
            },
          },
          pools: {
            nginx: { targets: [at(toNginx)], proxyProtocol: 'v2' },
            haproxy: { targets: [at(toHaproxy)], proxyProtocol: 'v2' },
          },
        });
        const port = await sluice.portOf('entry');
        for (const [name, program] of [
          ['site.test', 'nginx'],
          ['inner.test', 'HAProxy'],
        ] as const) {
          const answer = await curl(
            ...['--cacert', papers.ca, '--resolve', `${name}:${port}:127.0.0.1`],
            ...['--interface', '127.0.0.9', `https://${name}:${port}/`],
          );
          assert.equal(answer.text, `${program} 127.0.0.9:${answer.port} ${name}`, answer.error);
        }
        const nobody = await curl(
          '-k',
          '--resolve',
          `no.test:${port}:127.0.0.1`,
          `https://no.test:${port}/`,
        );
        assert.match(nobody.error, /unrecognized name/);
      } finally {
        await own.close();
      }
    });

    it('sends PROXY v1 and v2 ahead of TLS of its own', { skip: noHaproxy }, async () => {
      const own = new Scope();
      try {
        const port = await freePort();
        await startHaproxy(
          own,
          papers,
          'sent',
          [port],
          `frontend sent
  mode http
  bind ${at(port)} accept-proxy ssl crt ${await together(papers, inner)}
  http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[ssl_fc]"
`,
        );
        const pool = (proxyProtocol: string) => ({
          targets: [`https://${at(port)}`],
          proxyProtocol,
          tls: { ca: papers.ca, serverName: 'inner.test' },
        });
        const web = { address: '127.0.0.1:0', protocol: 'http' };
        const sluice = await runSluice(own, papers.folder, engine, {
          listeners: { v1: { ...web, pool: 'v1' }, v2: { ...web, pool: 'v2' } },
          pools: { v1: pool('v1'), v2: pool('v2') },
        });
        for (const version of ['v1', 'v2']) {
          const url = `http://${at(await sluice.portOf(version))}/`;
          const answer = await curl('--interface', '127.0.0.9', url);
          assert.equal(answer.text, `127.0.0.9:${answer.port} 1`);
        }
      } finally {
        await own.close();
      }
    });

    it('believes the PROXY headers of HAProxy (v1, v2, v2 with TLVs) and nginx (v1) in front', {
      skip: noHaproxy || noNginx || missingStream(),
    }, async () => {
      const own = new Scope();
      try {
        const application = await startApplication(own);
        const believing = {
          address: '127.0.0.1:0',
          proxyProtocol: 'required',
          trustedProxies: ['127.0.0.1'],
          pool: 'application',
        };
        const sluice = await runSluice(own, papers.folder, engine, {
          listeners: {
            web: { ...believing, protocol: 'https', tls: { certificates: [pair(inner)] } },
            plain: { ...believing, protocol: 'http' },
          },
          pools: { application: { targets: [application.address] } },
        });
        const [web, plain] = [await sluice.portOf('web'), await sluice.portOf('plain')];
        const fronts = [
          { port: await freePort(), to: web, send: 'send-proxy', https: true },
          { port: await freePort(), to: web, send: 'send-proxy-v2', https: true },
          {
            port: await freePort(),
            to: web,
            send: 'send-proxy-v2 proxy-v2-options crc32c,unique-id',
            https: true,
          },
          { port: await freePort(), to: plain, send: 'send-proxy-v2', https: false },
        ];
        await startHaproxy(
          own,
          papers,
          'front',
          fronts.map(({ port }) => port),
          fronts
            .map(
              ({ port, to, send }) => `listen front${port}
  mode tcp
  bind ${at(port)}
  unique-id-format %[uuid()]
  server sluice ${at(to)} ${send}
`,
            )
            .join(''),
        );
        const stream = await freePort();
        await startNginx(
          own,
          papers,
          'front',
          [stream],
          `stream { server { listen ${at(stream)}; proxy_pass ${at(web)}; proxy_protocol on; } }`,
        );
        for (const { port, https } of [...fronts, { port: stream, https: true }]) {
          const scheme = https ? 'https' : 'http';
          const url = `${scheme}://site.test:${port}/headers`;
          const answer = await curl(...trusting(port), '--interface', '127.0.0.9', url);
          assert.ok(answer.text.startsWith('{'), `${port}: ${answer.text} ${answer.error}`);
          const headers = JSON.parse(answer.text) as Record<string, string>;
          assert.equal(headers['x-forwarded-for'], '127.0.0.9');
          assert.equal(headers['x-forwarded-proto'], scheme);
        }
        // Who comes without a header is not served.
        assert.match((await curl(...trusting(web), `https://site.test:${web}/`)).error, /curl: \(/);
      } finally {
        await own.close();
      }
    });
  });
}
