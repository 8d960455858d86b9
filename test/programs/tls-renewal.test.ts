// A certificate is replaced while `sluice run` is under load, several times and in the ways that people do it: no
// request fails, on kept connections or on new ones, and new connections meet the new certificate.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { eventually, within } from '../support/deadline.ts';
import { type Authority, createAuthority, type Issued, temporaryFolder } from '../support/pki.ts';
import { Scope } from '../support/scope.ts';
import { missing, runProgram } from './programs.ts';
import { enginesHere, type RunningSluice, runSluice, startApplication } from './sluice.ts';

type Replace = (folder: string, issued: Issued) => Promise<void>;

/** What the configuration names is a link to a folder, and the link is put in place anew: certbot, Kubernetes. */
let releases = 0;
const byLink: Replace = async (folder, issued) => {
  const release = `release-${releases++}`;
  await mkdir(join(folder, release));
  await writeFile(join(folder, release, 'site.pem'), issued.chainPem);
  await writeFile(join(folder, release, 'site.key'), issued.keyPem);
  await symlink(release, join(folder, `${release}.link`));
  await rename(join(folder, `${release}.link`), join(folder, 'live'));
};

/** One file after the other: in between they do not fit. */
const byRename: Replace = async (folder, issued) => {
  for (const [name, text] of [
    ['site.pem', issued.chainPem],
    ['site.key', issued.keyPem],
  ] as const) {
    await writeFile(join(folder, `${name}.new`), text);
    await rename(join(folder, `${name}.new`), join(folder, 'live', name));
  }
};

const inPlace: Replace = async (folder, issued) => {
  await writeFile(join(folder, 'live', 'site.key'), issued.keyPem);
  await writeFile(join(folder, 'live', 'site.pem'), issued.chainPem);
};

/** Clients that ask on and on until they are told to stop. */
class Load {
  readonly failures: string[] = [];
  readonly done = { kept: 0, fresh: 0 };
  readonly #loops: Promise<void>[] = [];
  readonly #agent: Agent;
  #isOver = false;

  constructor(port: number, ca: string) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: 4, ca });
    for (let i = 0; i < 4; i++) {
      this.#loops.push(this.#loop('kept', () => ask(port, { agent: this.#agent })));
      this.#loops.push(this.#loop('fresh', () => ask(port, { agent: false, ca })));
    }
  }

  async #loop(kind: 'kept' | 'fresh', turn: () => Promise<unknown>): Promise<void> {
    while (!this.#isOver) {
      try {
        await turn();
        this.done[kind]++;
      } catch (error) {
        this.failures.push(`${kind}: ${error}`);
      }
    }
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    this.#agent.destroy();
  }
}

/** The fingerprint that was shown; rejects unless a verified connection brought the whole answer. */
async function ask(port: number, options: object): Promise<string> {
  const outgoing = request({
    ...{ host: '127.0.0.1', port, path: '/download', servername: 'site.test', ...options },
  });
  outgoing.end();
  const [response] = (await within(once(outgoing, 'response'), 'a response')) as [IncomingMessage];
  const shown = (response.socket as TLSSocket).getPeerX509Certificate();
  const bytes = Buffer.concat(await response.toArray());
  if (response.statusCode !== 200 || bytes.length !== BODY.length)
    throw new Error(`${response.statusCode}, ${bytes.length} bytes`);
  return shown?.fingerprint256.replaceAll(':', '').toLowerCase() ?? '';
}

const BODY = Buffer.alloc(40_000, 'forty thousand bytes; ');

for (const engine of enginesHere()) {
  describe(`certificates replaced under load, sluice run, ${engine}`, () => {
    const scope = new Scope();
    let authority: Authority;
    let folder: string;
    let sluice: RunningSluice;
    let port: number;
    before(async () => {
      authority = await createAuthority();
      folder = await temporaryFolder(scope);
      await byLink(folder, await authority.issue({ names: ['site.test'] }));
      const application = await startApplication(scope, BODY);
      const certificates = [
        { cert: join(folder, 'live', 'site.pem'), key: join(folder, 'live', 'site.key') },
      ];
      sluice = await runSluice(scope, folder, engine, {
        listeners: {
          web: {
            address: '127.0.0.1:0',
            protocol: 'https',
            tls: { certificates },
            pool: 'application',
          },
        },
        pools: { application: { targets: [application.address] } },
      });
      port = await sluice.portOf('web');
    });
    after(() => scope.close());

    const fresh = () => ask(port, { agent: false, ca: authority.certPem });

    it('fails no request, and every new certificate is met', async () => {
      const load = new Load(port, authority.certPem);
      try {
        for (const replace of [byLink, byRename, inPlace, byLink, byRename]) {
          const { ...before } = load.done;
          const next = await authority.issue({ names: ['site.test'] });
          await replace(folder, next);
          await eventually('the new certificate', async () => (await fresh()) === next.fingerprint);
          await eventually(
            'more of both kinds of request',
            () => load.done.kept > before.kept + 8 && load.done.fresh > before.fresh + 8,
          );
        }
      } finally {
        await load.end();
      }
      assert.deepEqual(load.failures, []);
      const renewals = sluice.lines.filter((line) => JSON.stringify(line).includes('renewed'));
      assert.ok(renewals.length >= 5, JSON.stringify(sluice.lines));
    });

    it('keeps the old certificate, and says why, where the new one cannot be used', async () => {
      const shown = await fresh();
      const load = new Load(port, authority.certPem);
      try {
        await writeFile(join(folder, 'live', 'site.pem'), 'half a file');
        await sluice.line(
          'a warning',
          ({ level, msg }) => level === 'warn' && /site\.pem/.test(msg),
        );
        assert.equal(await fresh(), shown);
        const next = await authority.issue({ names: ['site.test'] });
        await byRename(folder, next);
        await eventually('the new certificate', async () => (await fresh()) === next.fingerprint);
      } finally {
        await load.end();
      }
      assert.deepEqual(load.failures, []);
      const said = JSON.stringify(sluice.lines);
      assert.ok(!said.includes('PRIVATE KEY'), said);
    });

    it('fails no request of curl either', { skip: missing('curl') }, async () => {
      const curl = async (): Promise<string> => {
        const urls = Array.from({ length: 40 }, () => `https://site.test:${port}/download`);
        const args = ['-sS', '--cacert', join(folder, 'ca.pem'), '-w', '%{http_code} '];
        const names = ['--resolve', `site.test:${port}:127.0.0.1`];
        const nowhere = urls.flatMap(() => ['-o', '/dev/null']);
        const { stdout, stderr } = await runProgram('curl', [
          ...args,
          ...names,
          ...nowhere,
          ...urls,
        ]);
        return stdout + stderr;
      };
      await writeFile(join(folder, 'ca.pem'), authority.certPem);
      let isReplaced = false;
      const clients = Array.from({ length: 2 }, async () => {
        const outputs: string[] = [];
        do outputs.push(await curl());
        while (!isReplaced);
        return outputs;
      });
      try {
        for (const replace of [byRename, byLink]) {
          const next = await authority.issue({ names: ['site.test'] });
          await replace(folder, next);
          await eventually('the new certificate', async () => (await fresh()) === next.fingerprint);
        }
      } finally {
        isReplaced = true;
      }
      for (const output of (await Promise.all(clients)).flat())
        assert.equal(output, '200 '.repeat(40));
    });
  });
}
