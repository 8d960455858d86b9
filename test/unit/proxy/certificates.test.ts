// Certificates over the life of a proxy: renewed while it runs, by files and by reload, on both engines that end TLS.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename, rm } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { after, before, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { type ConfigInput, createProxy, type SluiceProxy } from '../../../src/index.ts';
import {
  type Authority,
  createAuthority,
  type Issued,
  temporaryFolder,
  writePair,
} from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

const DAY = 86_400_000;

for (const engine of ['js', 'native'] as const) {
  describe(`certificates on ${engine}`, {
    skip: engine === 'native' && process.platform !== 'linux',
  }, () => {
    const scope = new Scope();
    let folder: string;
    let ca: Authority;
    let count = 0;

    before(async () => {
      folder = await temporaryFolder(scope);
      ca = await createAuthority();
    });
    after(() => scope.close());

    const issue = (options: object = {}) => ca.issue({ names: ['localhost'], ...options });
    const write = (issued: Issued, name = `pair${++count}`) => writePair(folder, issued, name);

    function configOf(pair: { readonly cert: string; readonly key: string }): ConfigInput {
      return {
        engine,
        workers: 'auto',
        listeners: {
          web: {
            address: '127.0.0.1:0',
            protocol: 'https',
            tls: { certificates: [pair] },
            routes: [{ respond: { body: 'ok' } }],
          },
        },
      };
    }

    async function started(config: ConfigInput) {
      const proxy = await createProxy(config);
      const warnings: string[] = [];
      proxy.on('warning', (message) => warnings.push(message.replaceAll(`${folder}/`, '')));
      await proxy.start();
      scope.defer(() => proxy.close({ graceMs: 0 }));
      return { proxy, warnings };
    }

    /** The port that was asked from, and the fingerprint of what was shown there. */
    async function askFrom(proxy: SluiceProxy, agent?: Agent) {
      const port = Number(proxy.addresses.web?.split(':')[1]);
      const options = { host: '127.0.0.1', port, servername: 'localhost', ca: ca.certPem };
      const request = get({ ...options, agent: agent ?? false });
      const [response] = await once(request, 'response');
      assert.equal(response.statusCode, 200);
      const shown = (response.socket as TLSSocket).getPeerX509Certificate();
      const from = response.socket.localPort as number;
      response.resume();
      await once(response, 'end');
      const fingerprint = shown?.fingerprint256.replaceAll(':', '').toLowerCase() ?? '';
      return { from, fingerprint };
    }
    const ask = async (proxy: SluiceProxy) => (await askFrom(proxy)).fingerprint;

    async function replace(
      pair: { readonly cert: string; readonly key: string },
      issued: Issued,
    ): Promise<void> {
      const fresh = await write(issued);
      await rename(fresh.key, pair.key);
      await rename(fresh.cert, pair.cert);
    }

    it('are renewed when their files are, without a request lost', async () => {
      const [first, second] = [await issue(), await issue()];
      const pair = await write(first);
      const { proxy } = await started(configOf(pair));
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      scope.defer(() => agent.destroy());
      const kept = await askFrom(proxy, agent);
      assert.equal(kept.fingerprint, first.fingerprint);

      const reloaded = once(proxy, 'reload');
      await replace(pair, second);
      let isDone = false;
      const load = Promise.all(
        Array.from({ length: 4 }, async () => {
          while (!isDone) {
            assert.ok([first.fingerprint, second.fingerprint].includes(await ask(proxy)));
          }
        }),
      );
      const [{ reason }] = (await reloaded) as [{ readonly reason: string }];
      assert.equal(await ask(proxy), second.fingerprint);
      isDone = true;
      await load;
      assert.equal(
        reason.replaceAll(`${folder}/`, ''),
        `certificates renewed: pair${count - 1}.pem`,
      );
      // The connection from before has seen none of this.
      assert.equal((await askFrom(proxy, agent)).from, kept.from);
    });

    it('are read again by reload(), which refuses what does not fit', async () => {
      const [first, second] = [await issue(), await issue()];
      const pair = await write(first);
      const { proxy } = await started(configOf(pair));
      const version = proxy.stats().planVersion;
      await rm(pair.key);
      await assert.rejects(proxy.reload(configOf(pair)), { code: 'credentials_invalid' });
      assert.equal(proxy.stats().planVersion, version);
      assert.equal(await ask(proxy), first.fingerprint);
      await replace(pair, second);
      await proxy.reload(configOf(pair));
      assert.equal(await ask(proxy), second.fingerprint);
    });

    it('are listed in stats, and warned of before they expire', async () => {
      const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3 * DAY);
      const pair = await write(await issue({ notAfter, ips: ['127.0.0.1'] }), 'soon');
      const { proxy, warnings } = await started(configOf(pair));
      assert.deepEqual(proxy.stats().certificates, [
        {
          listener: 'web',
          name: pair.cert,
          hosts: ['localhost', '127.0.0.1'],
          notAfterMs: notAfter.getTime(),
          keyType: 'ec',
        },
      ]);
      assert.equal(warnings.length, 1);
      assert.match(
        warnings[0] ?? '',
        /^listener web: the certificate soon\.pem for localhost, 127\.0\.0\.1 expires on .* \(in 3 days\)$/,
      );
      const fine = await write(await issue({ keyType: 'rsa' }));
      await proxy.reload(configOf(fine));
      assert.deepEqual(
        proxy.stats().certificates.map(({ name, keyType }) => [name, keyType]),
        [[fine.cert, 'rsa']],
      );
      assert.equal(warnings.length, 1);
    });

    it('that cannot be loaded keep the proxy from starting', async () => {
      const pair = await write(await issue());
      await rm(pair.cert);
      const proxy = await createProxy(configOf(pair));
      await assert.rejects(proxy.start(), (error: Error) => {
        assert.match(error.message, /listeners\.web\.tls\.certificates\[0\]\.cert: expected a PEM/);
        return true;
      });
      await proxy.close();
    });
  });
}
