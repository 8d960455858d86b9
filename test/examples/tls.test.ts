// The examples of TLS as they stand, but for their ports and their folder: the commands of their READMEs make the
// certificates, then the example runs on every engine and does what its README says.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../../src/bench/ports.ts';
import { DEMO_PORTS, type DemoTargetName } from '../../src/cli/demo-targets.ts';
import { createProxy, type SluiceProxy } from '../../src/index.ts';
import { within } from '../support/deadline.ts';
import { Scope } from '../support/scope.ts';
import { connectTls, handshakeFailure } from '../support/tls-client.ts';
import { type Answer, ENGINES, get, startFreeTargets } from './example.ts';
import { copyExample, noOpenssl, type Place } from './place.ts';

interface Running {
  readonly proxy: SluiceProxy;
  portOf(listener: string): number;
}

async function start(scope: Scope, place: Place, engine: 'js' | 'native'): Promise<Running> {
  const targets = scope.own(await startFreeTargets());
  // The example's listeners are targets of each other, hence ports that are known before they listen.
  const taken = new Map<string, number>();
  for (const [name, port] of Object.entries(DEMO_PORTS))
    taken.set(String(port), targets.ports[name as DemoTargetName]);
  const text = await readFile(join(place.folder, 'sluice.yaml'), 'utf8');
  for (const [, port = ''] of text.matchAll(/address: 127\.0\.0\.1:(\d+)/g))
    taken.set(port, await freePort());
  const file = join(place.folder, `${engine}.yaml`);
  await writeFile(
    file,
    text.replace(/\b\d{4}\b/g, (port) => String(taken.get(port) ?? port)),
  );
  const proxy = await createProxy(file, { engine });
  scope.defer(() => proxy.close({ graceMs: 0 }));
  await proxy.start();
  return { proxy, portOf: (listener) => Number(proxy.addresses[listener]?.split(':')[1]) };
}

/** One request on a connection of its own; rejects when the certificate does not hold. */
async function getOverTls(port: number, options: RequestOptions): Promise<Answer> {
  const outgoing = request({ host: '127.0.0.1', port, agent: false, ...options });
  outgoing.end();
  const [response] = (await within(once(outgoing, 'response'), 'a response')) as [IncomingMessage];
  const text = (await response.setEncoding('utf8').toArray()).join('');
  return {
    status: response.statusCode ?? 0,
    headers: new Headers(response.headers as Record<string, string>),
    text,
    seen: text.startsWith('{') ? JSON.parse(text) : { target: '', path: '', headers: {} },
  };
}

function examplePlace(
  name: string,
  skip: string | false,
  body: (given: Running & { readonly place: Place }) => Promise<void>,
): void {
  describe(name, { skip }, () => {
    const scope = new Scope();
    let place: Place;
    before(async () => {
      place = await copyExample(scope, name);
    });
    after(() => scope.close());
    for (const engine of ENGINES) {
      it(`does what its README says on ${engine}`, async () => {
        const running = new Scope();
        try {
          await body({ ...(await start(running, place, engine)), place });
        } finally {
          await running.close();
        }
      });
    }
  });
}

examplePlace('https', false, async ({ place, portOf }) => {
  const web = portOf('web');
  const ca = await place.pem('localhost.pem');
  const answer = await getOverTls(web, { ca, servername: 'localhost' });
  assert.equal(answer.headers.get('strict-transport-security'), 'max-age=300');
  assert.match(answer.seen.target, /^(one|two)$/);
  assert.equal(answer.seen.headers['x-forwarded-proto'], 'https');
  const plain = await get(`http://localhost:${portOf('plain')}/any?thing`);
  assert.equal(plain.status, 308);
  assert.equal(plain.headers.get('location'), `https://localhost:${web}/any?thing`);
  assert.equal((await get(`http://127.0.0.1:${web}/`)).status, 400);
});

examplePlace('mutual-tls', noOpenssl, async ({ place, portOf }) => {
  const ca = await place.pem('site-ca.pem');
  const ask = async (path: string, client?: string, headers = {}) => {
    const own =
      client === undefined
        ? {}
        : { cert: await place.pem(`${client}.pem`), key: await place.pem(`${client}.key`) };
    return getOverTls(portOf('web'), { ca, servername: 'localhost', path, headers, ...own });
  };
  const anybody = await ask('/', undefined, { 'X-Client-Subject': 'CN=alice' });
  assert.equal(anybody.seen.target, 'one');
  assert.equal(anybody.seen.headers['x-client-subject'], undefined);
  assert.equal(anybody.seen.headers['x-client-verified'], '0');
  assert.deepEqual([(await ask('/account/')).status, (await ask('/admin/')).status], [403, 403]);
  const bob = await ask('/account/', 'bob');
  assert.equal(bob.seen.target, 'one');
  assert.equal(bob.seen.headers['x-client-verified'], '1');
  assert.equal(bob.seen.headers['x-client-subject'], 'CN=bob');
  assert.match(bob.seen.headers['x-client-fingerprint'] ?? '', /^[0-9a-f]{64}$/);
  assert.equal((await ask('/admin/', 'bob')).text, 'For alice alone.\n');
  assert.equal((await ask('/admin/', 'alice')).seen.target, 'two');
  await assert.rejects(ask('/', 'mallory'), { code: /CERTIFICATE_REVOKED|ECONNRESET/ });
});

examplePlace('tls-passthrough', false, async ({ place, portOf }) => {
  const entry = portOf('entry');
  for (const name of ['one', 'two']) {
    const ca = await place.pem(`${name}.localhost.pem`);
    const { seen } = await getOverTls(entry, { ca, servername: `${name}.localhost` });
    assert.equal(seen.target, name);
    assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1');
  }
  const unknown = await handshakeFailure(entry, { servername: 'example.com' });
  assert.equal(unknown, 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
  const echo = await connectTls(entry, { servername: '', ALPNProtocols: ['echo'] });
  assert.equal(echo.secure.alpnProtocol, 'echo');
  echo.secure.write('hello\n');
  assert.equal(String((await within(once(echo.secure, 'data'), 'an echo'))[0]), 'hello\n');
  echo.close();
});

examplePlace('tls-upstream', noOpenssl, async ({ portOf, proxy }) => {
  const web = `http://127.0.0.1:${portOf('web')}`;
  const { seen } = await get(`${web}/hello`);
  assert.deepEqual([seen.target, seen.path], ['one', '/hello']);
  assert.equal(seen.headers['x-client-subject'], 'CN=sluice');
  const refused = await get(`${web}/stranger/hello`);
  assert.equal(refused.status, 502);
  assert.match(refused.headers.get('proxy-status') ?? '', /error=tls_certificate_error/);
  assert.equal(proxy.stats().pools.behindSite?.counters.requests, 1, 'the stranger was asked');
});
