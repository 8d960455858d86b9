// The example as it stands, but for its ports and its directory: it obtains a certificate and serves with it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/parse.ts';
import { configWarnings } from '../../src/config/warnings.ts';
import { type ConfigInput, createProxy } from '../../src/index.ts';
import { startAcmeDirectory } from '../support/acme-directory.ts';
import { eventually, within } from '../support/deadline.ts';
import { temporaryFolder, writeText } from '../support/pki.ts';
import { Scope } from '../support/scope.ts';
import { ENGINES, get, startFreeTargets, withFreePorts } from './example.ts';

const text = readFileSync(
  new URL('../../examples/https-acme/sluice.yaml', import.meta.url),
  'utf8',
);

test('https-acme: the configuration is right as it stands', () => {
  const config = parseConfig(parse(text));
  assert.deepEqual(configWarnings(config), []);
  assert.equal(config.acme?.directory, 'https://acme-staging-v02.api.letsencrypt.org/directory');
});

for (const engine of ENGINES) {
  test(`https-acme, ${engine}: a certificate is obtained, requests over http are sent to https`, async () => {
    const scope = new Scope();
    try {
      const folder = await temporaryFolder(scope);
      const directory = await startAcmeDirectory(scope);
      const targets = scope.own(await startFreeTargets());
      const onLoopback = withFreePorts(text.replaceAll('0.0.0.0', '127.0.0.1'), targets);
      const config = parse(onLoopback) as ConfigInput;
      const proxy = await createProxy(
        {
          ...config,
          acme: {
            ...config.acme,
            agreeToTerms: true,
            directory: directory.url,
            ca: await writeText(folder, 'ca.pem', directory.ca),
            storage: join(folder, 'storage'),
          },
        },
        { engine },
      );
      scope.defer(() => proxy.close({ graceMs: 0 }));
      const plans: string[] = [];
      proxy.on('reload', ({ reason }) => void plans.push(reason));
      const portOf = (name: string) => Number(proxy.addresses[name]?.split(':')[1]);
      proxy.on('listening', () => {
        directory.ports = { http: portOf('plain') };
      });
      await proxy.start();
      const plain = await get(`http://127.0.0.1:${portOf('plain')}/any?thing`);
      assert.equal(plain.status, 308);
      assert.equal(plain.headers.get('location'), 'https://127.0.0.1:8443/any?thing');
      await eventually('a certificate', () => plans.includes('acme www.example.com: obtained'));
      const outgoing = request({
        host: '127.0.0.1',
        port: portOf('web'),
        servername: 'www.example.com',
        headers: { Host: 'www.example.com' },
        ca: directory.issuerCa,
        agent: false,
      });
      outgoing.end();
      const [answer] = (await within(once(outgoing, 'response'), 'a response')) as [
        IncomingMessage,
      ];
      const seen = JSON.parse((await answer.setEncoding('utf8').toArray()).join(''));
      assert.equal(answer.headers['strict-transport-security'], 'max-age=31536000');
      assert.match(seen.target, /^(one|two)$/);
      assert.equal(seen.headers['x-forwarded-proto'], 'https');
    } finally {
      await scope.close();
    }
  });
}
