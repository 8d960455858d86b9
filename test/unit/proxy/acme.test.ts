// Certificates by ACME from end to end: a proxy, on each engine, and a directory that comes to look.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, get } from 'node:http';
import { Agent as HttpsAgent, request } from 'node:https';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { loadAddon } from '../../../src/engine/native/load.ts';
import { type ConfigInput, createProxy, type SluiceProxy } from '../../../src/index.ts';
import { startAcmeDirectory, type TestAcmeDirectory } from '../../support/acme-directory.ts';
import { AcmeRefusal } from '../../support/acme-jws.ts';
import { deferred, eventually, within } from '../../support/deadline.ts';
import { HAS_PEBBLE, startPebble } from '../../support/pebble.ts';
import { temporaryFolder, writeText } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

/** The native engine is left out where it is not built. */
const ENGINES = loadAddon().addon === undefined ? (['js'] as const) : (['js', 'native'] as const);
type EngineName = (typeof ENGINES)[number];

const NAME = 'example.test';

let scope: Scope;
let folder: string;
let directory: TestAcmeDirectory;

beforeEach(async () => {
  scope = new Scope();
  folder = await temporaryFolder(scope);
  directory = await startAcmeDirectory(scope);
});

afterEach(() => scope.close());

class Running {
  readonly proxy: SluiceProxy;
  readonly warnings: string[] = [];
  readonly plans: string[] = [];

  constructor(proxy: SluiceProxy) {
    this.proxy = proxy;
    proxy.on('warning', (message) => this.warnings.push(message));
    proxy.on('reload', ({ reason }) => this.plans.push(reason));
    // Before the first order is made.
    proxy.on('listening', () => {
      directory.ports = { http: this.port('plain'), tls: this.port('web') };
    });
  }

  port(listener: string): number {
    return Number(this.proxy.addresses[listener]?.split(':').at(-1));
  }

  async planFor(what: string): Promise<void> {
    await eventually(`a plan: ${what}`, () => this.plans.includes(`acme ${NAME}: ${what}`));
  }

  close(): Promise<void> {
    return this.proxy.close({ graceMs: 0 });
  }
}

type AcmeInput = Partial<NonNullable<ConfigInput['acme']>>;

async function configOf(acme: AcmeInput, body = 'hello'): Promise<ConfigInput> {
  return {
    listeners: {
      plain: { address: '127.0.0.1:0', protocol: 'http', redirectToHttps: true },
      web: {
        address: '127.0.0.1:0',
        protocol: 'https',
        tls: { certificates: [{ acme: [NAME] }] },
        routes: [{ respond: { status: 200, body } }],
      },
    },
    acme: {
      directory: directory.url,
      agreeToTerms: true,
      storage: join(folder, 'storage'),
      ca: await writeText(folder, 'directory.pem', directory.ca),
      ...acme,
    },
  };
}

async function run(engine: EngineName, acme: AcmeInput = {}): Promise<Running> {
  const workers = engine === 'native' ? 2 : 'auto';
  const proxy = await createProxy(await configOf(acme), { engine, workers });
  const running = scope.own(new Running(proxy));
  await proxy.start();
  return running;
}

interface Seen {
  readonly status: number | undefined;
  readonly text: string;
  readonly serial: string;
  readonly socket: TLSSocket;
}

/** Fails unless the certificate leads to the directory's root and is for the name. */
async function ask(
  running: Running,
  agent: HttpsAgent | false = false,
  ca = directory.issuerCa,
): Promise<Seen> {
  const outgoing = request({
    host: '127.0.0.1',
    port: running.port('web'),
    servername: NAME,
    headers: { Host: NAME },
    ca,
    agent,
  });
  outgoing.end();
  const [response] = (await within(once(outgoing, 'response'), 'a response')) as [IncomingMessage];
  const socket = response.socket as TLSSocket;
  const serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
  const text = (await response.setEncoding('utf8').toArray()).join('');
  return { status: response.statusCode, text, serial, socket };
}

async function statusOf(port: number, path: string): Promise<number | undefined> {
  const outgoing = get({
    host: '127.0.0.1',
    port,
    path,
    headers: { Host: NAME },
    agent: new Agent(),
  });
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

/** What is stored is due: as if it had been obtained long ago. */
function age(): void {
  const storage = join(folder, 'storage');
  const files = readdirSync(storage, { recursive: true, encoding: 'utf8' });
  const file = join(storage, files.find((one) => one.includes(`${NAME}-`)) ?? '');
  const stored = JSON.parse(readFileSync(file, 'utf8'));
  const obtained = new Date(Date.now() - 200 * 86_400_000).toISOString();
  writeFileSync(file, JSON.stringify({ ...stored, obtained }));
}

const DUE = { renewBefore: '100d' };

for (const engine of ENGINES) {
  for (const challenge of ['http-01', 'tls-alpn-01'] as const) {
    const skip = HAS_PEBBLE ? false : 'pebble is not installed (Debian: pebble)';
    test(`${engine}, ${challenge}: a directory that is not ours issues one too`, {
      skip,
    }, async () => {
      const pebble = await startPebble(scope);
      const running = await run(engine, {
        challenge,
        directory: pebble.url,
        ca: await writeText(folder, 'pebble.pem', pebble.ca),
        email: 'ops@example.com',
      });
      Object.assign(pebble.ports, directory.ports);
      await running.planFor('obtained');
      const { status, text } = await ask(running, false, await pebble.readIssuerCa());
      assert.deepEqual([status, text], [200, 'hello']);
    });

    test(`${engine}, ${challenge}: a certificate is obtained, served and survives a restart`, async () => {
      const first = await run(engine, { challenge });
      await first.planFor('obtained');
      const seen = await ask(first);
      assert.deepEqual([seen.status, seen.text], [200, 'hello']);
      assert.deepEqual(first.plans, [
        `acme ${NAME}: challenge`,
        `acme ${NAME}: challenge over`,
        `acme ${NAME}: obtained`,
      ]);
      const path = '/.well-known/acme-challenge/any';
      assert.equal(await statusOf(first.port('plain'), path), 308);
      await first.close();
      const asked = directory.steps.length;
      const again = await run(engine, { challenge });
      assert.equal((await ask(again)).serial, seen.serial);
      assert.equal(directory.steps.length, asked);
      assert.deepEqual(again.warnings, []);
    });
  }

  test(`${engine}: it is renewed while a connection goes on, which notices nothing`, async () => {
    const before = await run(engine);
    await before.planFor('obtained');
    await before.close();
    age();
    const gate = deferred<void>();
    directory.inject({ at: 'newOrder', until: gate.promise });
    const running = await run(engine, DUE);
    const agent = new HttpsAgent({ keepAlive: true, maxSockets: 1 });
    scope.defer(() => agent.destroy());
    const old = await ask(running, agent);
    gate.resolve();
    // Requests one after the other while it is renewed.
    while (!running.plans.includes(`acme ${NAME}: renewed`)) {
      const during = await ask(running, agent);
      assert.deepEqual([during.status, during.socket], [200, old.socket]);
    }
    assert.equal((await ask(running, agent)).socket, old.socket);
    const fresh = await ask(running);
    assert.notEqual(fresh.serial, old.serial);
    assert.equal(directory.accounts.length, 1);
    assert.deepEqual(running.warnings, []);
  });

  test(`${engine}: a renewal that fails is a warning, and the old certificate goes on serving`, async () => {
    const before = await run(engine);
    await before.planFor('obtained');
    const { serial } = await ask(before);
    await before.close();
    age();
    const refuse = new AcmeRefusal(500, 'serverInternal', 'out of order');
    directory.inject({ at: 'newOrder', refuse });
    const running = await run(engine, DUE);
    await eventually('a warning', () => running.warnings.length > 0);
    assert.match(
      running.warnings.join('\n'),
      /^acme example\.test: localhost:\d+ answered 500: out of order \(serverInternal\); the old one serves until \S+, next try in \d+ s$/,
    );
    assert.equal((await ask(running)).serial, serial);
  });

  test(`${engine}: a reload that leaves ACME as it is neither stops nor repeats an order`, async () => {
    const gate = deferred<void>();
    directory.inject({ at: 'finalize', until: gate.promise });
    const running = await run(engine);
    await eventually('the order', () => directory.count('finalize') === 1);
    await running.proxy.reload(await configOf({}, 'other'));
    gate.resolve();
    await running.planFor('obtained');
    assert.equal((await ask(running)).text, 'other');
    assert.equal(directory.orders.length, 1);
  });
}
