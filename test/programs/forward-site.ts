// Sites that only a forward proxy finds, over http and https, with a git repository on both; and `sluice run` as that
// proxy: open, for users, and over TLS.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAuthority, temporaryFolder, writePair, writeText } from '../support/pki.ts';
import type { Scope } from '../support/scope.ts';
import { PagesAtWork } from './pages.ts';
import { pathOf, runProgram } from './programs.ts';
import type { Pair } from './site.ts';
import { DOWNLOAD, type Engine, type RunningSluice, runSluice, sha256 } from './sluice.ts';

const COMMAND = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));

export const USER = { name: 'alice', password: 'wonder land:1' } as const;
/** As it stands in a URL. */
export const LOGIN = `${USER.name}:${encodeURIComponent(USER.password)}`;

export interface ForwardSite {
  readonly folder: string;
  readonly sluice: RunningSluice;
  /** Of both sites and of the proxy that speaks TLS. */
  readonly ca: string;
  readonly pair: Pair;
  /** Requests that the sites saw, as `host path`. */
  readonly seen: string[];
  /** Of the sites: `http://site.test:…`. No name server has them. */
  readonly plain: string;
  readonly secure: string;
  /** The same, by a name that the block list has. */
  readonly blocked: string;
  readonly blockedSecure: string;
  /** Ports of the proxy: for everybody, for USER alone, over TLS. */
  readonly open: number;
  readonly users: number;
  readonly tls: number;
}

export async function startForwardSite(scope: Scope, engine: Engine): Promise<ForwardSite> {
  const folder = await temporaryFolder(scope);
  const authority = await createAuthority({ commonName: 'Sites' });
  const ca = await writeText(folder, 'ca.pem', authority.certPem);
  const issued = await authority.issue({ names: ['site.test', 'ads.test'], ips: ['127.0.0.1'] });
  const pair: Pair = { ...(await writePair(folder, issued, 'site')), issued };
  await makeRepository(folder);
  const seen: string[] = [];
  const pages = new PagesAtWork();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    seen.push(`${request.headers.host?.split(':')[0]} ${request.url}`);
    answerRequest(folder, pages, request, response);
  };
  const tls = { key: issued.keyPem, cert: issued.chainPem };
  const plain = await listening(scope, createServer(answer));
  const secure = await listening(scope, createSecureServer(tls, answer));
  const users = join(folder, 'users.txt');
  const { status, stderr } = spawnSync(
    process.execPath,
    [COMMAND, 'passwd', '--stdin', users, USER.name],
    { input: USER.password, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`sluice passwd: ${stderr}`);
  await writeText(folder, 'ads.txt', '# blocked\n0.0.0.0 ads.test\n');
  const forward = {
    address: '127.0.0.1:0',
    protocol: 'forward',
    rules: [{ name: 'block list', match: { lists: ['ads'] }, action: 'deny' }],
    privateDestinations: ['127.0.0.0/8'],
    connectPorts: [secure, 443],
  };
  const sluice = await runSluice(scope, folder, engine, {
    listeners: {
      open: { ...forward, pac: true },
      users: { ...forward, users: { file: users, realm: 'Tests' } },
      tls: { ...forward, tls: { certificates: [{ cert: pair.cert, key: pair.key }] } },
    },
    lists: { ads: { file: join(folder, 'ads.txt'), subdomains: true } },
    resolver: { hosts: { 'site.test': ['127.0.0.1'], 'ads.test': ['127.0.0.1'] } },
  });
  return {
    ...{ folder, sluice, ca, pair, seen },
    plain: `http://site.test:${plain}`,
    secure: `https://site.test:${secure}`,
    blocked: `http://ads.test:${plain}`,
    blockedSecure: `https://ads.test:${secure}`,
    open: await sluice.portOf('open'),
    users: await sluice.portOf('users'),
    tls: await sluice.portOf('tls'),
  };
}

async function listening(
  scope: Scope,
  server: Server & { closeAllConnections(): void },
): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A page that fetches from its own site, and loads a script from the blocked one. */
const body = (blocked: string) => `<h1>Through the proxy</h1><p id=fetched>…</p><p id=ads>no ads</p>
<script src="${blocked}/ads.js"></script>`;
const WORK = `fetch('/headers').then((r) => r.json())
  .then((h) => show('fetched', 'fetched by ' + h.host.split(':')[0]))`;

function answerRequest(
  folder: string,
  pages: PagesAtWork,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const chunks: Buffer[] = [];
  request.on('error', () => response.destroy());
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const say = (type: string, body: string | Buffer) =>
      response.writeHead(200, { 'Content-Type': type }).end(body);
    const { url = '', method, headers } = request;
    if (method === 'PUT') say('text/plain', sha256(Buffer.concat(chunks)));
    else if (url === '/download') say('application/octet-stream', DOWNLOAD);
    else if (url === '/ads.js') say('text/javascript', "document.all.ads.textContent = 'ads!'");
    else if (url === '/page') {
      const scheme = 'encrypted' in request.socket ? 'https' : 'http';
      const blocked = `${scheme}://${headers.host?.replace('site.test', 'ads.test')}`;
      say('text/html', pages.give('A site', body(blocked), WORK));
    } else if (url.startsWith('/repository.git/')) sendFile(folder, url, response);
    else if (!pages.answer(url, response)) say('application/json', JSON.stringify(headers));
  });
}

function sendFile(folder: string, url: string, response: ServerResponse): void {
  try {
    const [path = ''] = url.split('?');
    response.end(readFileSync(join(folder, normalize(path))));
  } catch {
    response.writeHead(404).end();
  }
}

/** One that any web server can serve: git's dumb protocol. Nothing where git is missing. */
async function makeRepository(folder: string): Promise<void> {
  if (pathOf('git') === null) return;
  const work = join(folder, 'work');
  mkdirSync(work);
  const git = async (...args: string[]): Promise<void> => {
    const who = ['-c', 'user.name=Tests', '-c', 'user.email=tests@site.test'];
    const { code, output } = await runProgram('git', [...who, ...args], { cwd: work });
    if (code !== 0) throw new Error(`git ${args.join(' ')}: ${output}`);
  };
  await git('init', '--quiet', '.');
  await writeText(work, 'large.bin', DOWNLOAD);
  await git('add', 'large.bin');
  await git('commit', '--quiet', '--message', 'A file');
  await git('clone', '--quiet', '--bare', '.', join(folder, 'repository.git'));
  await git('--git-dir', join(folder, 'repository.git'), 'update-server-info');
}
