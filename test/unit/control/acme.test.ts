import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Config, ConfigInput } from '../../../src/config/config.ts';
import { parseConfig } from '../../../src/config/parse.ts';
import { openAcme } from '../../../src/control/acme.ts';
import {
  type AcmeDirectoryOptions,
  startAcmeDirectory,
  type TestAcmeDirectory,
} from '../../support/acme-directory.ts';
import { AcmeRefusal } from '../../support/acme-jws.ts';
import { deferred } from '../../support/deadline.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryFolder, writeText } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';
import { Site, startSource, until } from './acme-site.ts';

const DAY = 86_400_000;
const MINUTE = 60_000;

let scope: Scope;
let folder: string;
let clock: ManualClock;

beforeEach(async () => {
  scope = new Scope();
  folder = await temporaryFolder(scope);
  clock = new ManualClock();
});

afterEach(() => scope.close());

interface Setting {
  readonly directory: TestAcmeDirectory;
  readonly site: Site;
  readonly config: Config;
}

async function setUp(
  acme: Partial<NonNullable<ConfigInput['acme']>> = {},
  options: AcmeDirectoryOptions & { readonly certificates?: readonly string[][] } = {},
): Promise<Setting> {
  const directory = await startAcmeDirectory(scope, { now: () => clock.now(), ...options });
  const site = new Site();
  directory.ports = await site.listen(scope);
  return { directory, site, config: await configOf(directory, acme, options.certificates) };
}

async function configOf(
  directory: TestAcmeDirectory,
  acme: Partial<NonNullable<ConfigInput['acme']>> = {},
  certificates: readonly string[][] = [['example.test']],
): Promise<Config> {
  return parseConfig({
    listeners: {
      plain: { address: '127.0.0.1:0', protocol: 'http', redirectToHttps: true },
      web: {
        address: '127.0.0.1:0',
        protocol: 'https',
        tls: { certificates: certificates.map((names) => ({ acme: [...names] })) },
        routes: [{ respond: { body: 'hello' } }],
      },
    },
    acme: {
      directory: directory.url,
      agreeToTerms: true,
      email: 'ops@example.test',
      storage: join(folder, 'storage'),
      ca: await writeText(folder, 'directory.pem', directory.ca),
      ...acme,
    },
  });
}

/** Opens a source and lets it run. */
async function run({ config, site }: Setting) {
  return startSource(scope, await openAcme(config, clock), site);
}

function filesOf(name: RegExp): string[] {
  return readdirSync(join(folder, 'storage'), { recursive: true, encoding: 'utf8' })
    .filter((file) => name.test(file))
    .map((file) => join(folder, 'storage', file));
}

for (const challenge of ['http-01', 'tls-alpn-01'] as const) {
  test(`${challenge}: a certificate is obtained, and the challenge is in force only meanwhile`, async () => {
    const setting = await setUp(
      { challenge },
      { certificates: [['example.test', 'www.example.test']] },
    );
    const { directory, site } = setting;
    await run(setting);
    const names = ['example.test', 'www.example.test'];
    await until('a certificate', () => site.certificate(...names) !== undefined);
    const { chain, key, hosts, keyType } = site.certificate(...names)!;
    const [leaf, issuer] = chain.match(/-----BEGIN[\s\S]+?END CERTIFICATE-----\n/g)!;
    assert.ok(new X509Certificate(leaf!).verify(new X509Certificate(issuer!).publicKey));
    assert.ok(
      new X509Certificate(issuer!).verify(new X509Certificate(directory.issuerCa).publicKey),
    );
    assert.deepEqual([hosts, keyType], [names, 'ec']);
    assert.match(key.reveal(), /^-----BEGIN PRIVATE KEY-----/);
    const sizes = site.puts.map(({ supplied }) => [
      supplied.httpChallenges.size,
      supplied.tlsChallenges.size,
      supplied.certificates.size,
    ]);
    const both = challenge === 'http-01' ? [2, 0, 0] : [0, 2, 0];
    assert.deepEqual(sizes, [both, [0, 0, 0], [0, 0, 1]]);
    assert.deepEqual(directory.accounts[0]?.contact, ['mailto:ops@example.test']);
    assert.deepEqual(site.warnings, []);
  });
}

test('a restart uses the account and the certificate again, without a word to the directory', async () => {
  const setting = await setUp();
  const first = await run(setting);
  await until('a certificate', () => setting.site.certificate('example.test') !== undefined);
  await first.close();
  const asked = setting.directory.steps.length;
  const again = await openAcme(setting.config, clock);
  assert.equal(
    again.supplied.certificates.get('acme example.test')?.chain,
    setting.site.certificate('example.test')?.chain,
  );
  startSource(scope, again, setting.site);
  await until('its wait', () => clock.waits.length > 0);
  assert.equal(setting.directory.steps.length, asked);
  // Renewed, it is by the account that there is.
  clock.advance(61 * DAY);
  await until('a renewal', () => setting.site.puts.length === 6);
  assert.equal(setting.directory.accounts.length, 1);
  assert.equal(setting.directory.count('newAccount'), 1);
});

test('files and folders are for their owner alone, and no key is in what is said', async () => {
  const setting = await setUp();
  const { site } = setting;
  setting.directory.inject({ at: 'finalize', refuse: new AcmeRefusal(500, 'serverInternal', 'x') });
  await run(setting);
  await until('a warning', () => site.warnings.length === 1);
  clock.advance(2 * MINUTE);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  const files = filesOf(/json$/);
  assert.deepEqual(
    files.map((file) => statSync(file).mode & 0o777),
    [0o600, 0o600],
  );
  const folders = [join(folder, 'storage'), join(files[0]!, '..')];
  assert.deepEqual(
    folders.map((path) => statSync(path).mode & 0o777),
    [0o700, 0o700],
  );
  assert.deepEqual(filesOf(/tmp$|lock$/), []);
  const said = JSON.stringify([site.warnings, site.notes, site.puts]);
  assert.doesNotMatch(said, /PRIVATE/);
});

test('it is renewed with another key when it is due, and asked for no sooner', async () => {
  const setting = await setUp();
  const { site, directory } = setting;
  await run(setting);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  const old = site.certificate('example.test')!;
  await until('its wait', () => clock.waits.length > 0);
  clock.advance(59 * DAY);
  await until('another wait', () => clock.waits.length > 0);
  assert.equal(directory.orders.length, 1);
  clock.advance(1.01 * DAY);
  await until('a renewal', () => site.certificate('example.test') !== old);
  assert.notEqual(site.certificate('example.test')?.key.reveal(), old.key.reveal());
  assert.equal(directory.orders.length, 2);
});

for (const [what, lifetimeMs] of Object.entries({
  'six days': 6 * DAY,
  'ten minutes': 10 * MINUTE,
})) {
  test(`one that lives for ${what} is renewed in its last third, again and again`, async () => {
    const setting = await setUp({}, { lifetimeMs });
    const { site, directory } = setting;
    await run(setting);
    for (let orders = 1; orders <= 3; orders++) {
      await until('a certificate', () => directory.orders[orders - 1]?.status === 'valid');
      await until('it in force', () => site.notes.length === 2 * orders);
      await until('its wait', () => clock.waits.length > 0);
      clock.advance(0.6 * lifetimeMs);
      await until('another wait', () => clock.waits.length > 0);
      assert.equal(directory.orders.length, orders);
      clock.advance(0.1 * lifetimeMs);
    }
    assert.deepEqual(site.warnings, []);
  });
}

test('what fails is tried again ever later, with warnings, and the old one goes on serving', async () => {
  const setting = await setUp();
  const { site, directory } = setting;
  await run(setting);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  const old = site.certificate('example.test');
  await until('its wait', () => clock.waits.length > 0);
  const outage = new AcmeRefusal(503, 'serverInternal', 'down for maintenance');
  directory.inject({ at: 'newOrder', times: 3, refuse: outage });
  clock.advance(60.5 * DAY);
  for (const [i, minutes] of [1, 2, 4].entries()) {
    await until(`warning ${i + 1}`, () => site.warnings.length === i + 1 && clock.waits.length > 0);
    assert.equal(clock.waits[0], minutes * MINUTE);
    assert.equal(site.certificate('example.test'), old);
    clock.advance(minutes * MINUTE);
  }
  await until('a renewal', () => site.certificate('example.test') !== old);
  assert.match(
    site.warnings[0] ?? '',
    /^acme example\.test: localhost:\d+ answered 503: down for maintenance \(serverInternal\); the old one serves until 20\S+, next try in 60 s$/,
  );
});

test('a directory that asks for time gets it', async () => {
  const setting = await setUp();
  const { site, directory } = setting;
  const refuse = new AcmeRefusal(429, 'rateLimited', 'too many certificates', {
    'Retry-After': '7200',
  });
  directory.inject({ at: 'newOrder', refuse });
  await run(setting);
  await until('a warning', () => site.warnings.length === 1 && clock.waits.length > 0);
  assert.match(site.warnings[0] ?? '', /too many certificates \(rateLimited\); there is none yet/);
  clock.advance(119 * MINUTE);
  await until('another wait', () => clock.waits.length > 0);
  assert.equal(directory.count('newOrder'), 1);
  clock.advance(2 * MINUTE);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
});

test('a stale nonce is no failure', async () => {
  const setting = await setUp();
  const { site, directory } = setting;
  for (const at of ['newAccount', 'newOrder', 'finalize'] as const) {
    directory.inject({ at, refuse: new AcmeRefusal(400, 'badNonce', 'stale') });
  }
  await run(setting);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  assert.deepEqual(site.warnings, []);
  assert.equal(directory.count('newOrder'), 2);
});

test('a challenge that is not answered fails with what the directory says of it', async () => {
  const setting = await setUp();
  const { site, directory } = setting;
  const good = directory.ports;
  directory.ports = { http: good.tls };
  await run(setting);
  await until('a warning', () => site.warnings.length === 1);
  assert.match(
    site.warnings[0] ?? '',
    /example\.test could not be validated by http-01: example\.test: .+ \(connection\)/,
  );
  assert.equal(site.inForce?.httpChallenges.size, 0);
  directory.ports = good;
  clock.advance(MINUTE);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
});

test('an account that the directory has forgotten is made again with its key', async () => {
  const setting = await setUp();
  const { site, directory } = setting;
  await run(setting);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  const old = site.certificate('example.test');
  const [{ jwk } = { jwk: null }] = directory.accounts;
  directory.forgetAccounts();
  await until('its wait', () => clock.waits.length > 0);
  clock.advance(61 * DAY);
  await until('a renewal', () => site.certificate('example.test') !== old);
  assert.deepEqual(
    directory.accounts.map((one) => one.jwk),
    [jwk],
  );
  assert.deepEqual(site.warnings, []);
});

test('another e-mail address reaches the account that there is', async () => {
  const setting = await setUp();
  const first = await run(setting);
  await until('a certificate', () => setting.site.certificate('example.test') !== undefined);
  await first.close();
  const config = await configOf(setting.directory, { email: 'new@example.test' });
  await run({ ...setting, config });
  await until('its wait', () => clock.waits.length > 0);
  clock.advance(61 * DAY);
  await until('a renewal', () => setting.directory.orders[1]?.status === 'valid');
  assert.deepEqual(
    setting.directory.accounts.map(({ contact }) => contact),
    [['mailto:new@example.test']],
  );
});

for (const [what, text] of Object.entries({
  'no JSON': '{ "chain": "-----BEGIN PRIVATE',
  'nothing in it': '{}',
  'another certificate': '',
})) {
  test(`a damaged certificate file is named and another one ordered: ${what}`, async () => {
    const setting = await setUp();
    const { site, directory } = setting;
    const first = await run(setting);
    await until('a certificate', () => site.certificate('example.test') !== undefined);
    await first.close();
    const [file = ''] = filesOf(/example\.test.*json$/);
    const whole = JSON.parse(readFileSync(file, 'utf8'));
    const other = { ...whole, chain: directory.issuerCa };
    writeFileSync(file, text === '' ? JSON.stringify(other) : text);
    const again = await openAcme(setting.config, clock);
    assert.equal(again.supplied.certificates.size, 0);
    startSource(scope, again, site);
    await until('another order', () => directory.orders[1]?.status === 'valid');
    assert.match(
      site.warnings[0] ?? '',
      /json: the stored certificate is damaged \(.+\) and counts/,
    );
    assert.doesNotMatch(site.warnings.join(), /PRIVATE/);
    assert.equal(directory.accounts.length, 1);
  });
}

test('a damaged account file is named and another account made', async () => {
  const setting = await setUp();
  const { site, directory } = setting;
  const first = await run(setting);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  await first.close();
  writeFileSync(filesOf(/account\.json$/)[0]!, 'x');
  await run(setting);
  await until('its wait', () => clock.waits.length > 0);
  clock.advance(61 * DAY);
  await until('a renewal', () => directory.orders[1]?.status === 'valid');
  assert.equal(directory.accounts.length, 2);
  assert.match(
    site.warnings.join('\n'),
    /account\.json: the stored account is damaged \(no JSON\)/,
  );
});

test('of two that share a storage one orders, the other takes what it stored', async () => {
  const setting = await setUp();
  const { directory } = setting;
  const gate = deferred<void>();
  directory.inject({ at: 'finalize', until: gate.promise });
  await run(setting);
  await until('the first at work', () => directory.count('finalize') === 1);
  const other = new Site();
  await run({ ...setting, site: other });
  gate.resolve();
  await until('the first done', () => setting.site.certificate('example.test') !== undefined);
  clock.advance(MINUTE);
  await until('the second served', () => other.certificate('example.test') !== undefined);
  assert.equal(
    other.certificate('example.test')?.chain,
    setting.site.certificate('example.test')?.chain,
  );
  assert.equal(directory.orders.length, 1);
});

test('the lock of a process that is gone holds nobody up', async () => {
  const setting = await setUp();
  setting.directory.inject({ at: 'finalize', until: new Promise(() => undefined) });
  const first = await run(setting);
  await until('the order', () => setting.directory.count('finalize') === 1);
  const [lock = ''] = filesOf(/lock$/);
  assert.equal(statSync(lock).mode & 0o777, 0o600);
  await first.close();
  // No process has a number beyond the kernel's greatest.
  writeFileSync(lock, `${hostname()} 4194304\n`);
  await run(setting);
  await until('a certificate', () => setting.site.certificate('example.test') !== undefined);
  assert.deepEqual(filesOf(/lock$/), []);
});

test('close() ends an order under way: nothing is put afterwards and no lock stays', async () => {
  const setting = await setUp();
  const { site, directory } = setting;
  directory.inject({ at: 'finalize', until: new Promise(() => undefined) });
  const source = await run(setting);
  await until('the order', () => directory.count('finalize') === 1);
  const puts = site.puts.length;
  await source.close();
  assert.equal(site.puts.length, puts);
  assert.deepEqual([site.warnings, filesOf(/lock$|tmp$/)], [[], []]);
});

test('an order that hangs is given up', async () => {
  const setting = await setUp();
  const { site, directory } = setting;
  directory.inject({ at: 'finalize', until: new Promise(() => undefined) });
  await run(setting);
  await until('the order', () => directory.count('finalize') === 1);
  clock.advance(10 * MINUTE);
  await until('a warning', () => site.warnings.length === 1);
  assert.match(site.warnings[0] ?? '', /given up after 10 min; there is none yet/);
  clock.advance(MINUTE);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
});

test('one that cannot be put in force is offered again, not ordered again', async () => {
  const setting = await setUp();
  const { site, directory } = setting;
  const gate = deferred<void>();
  directory.inject({ at: 'certificate', until: gate.promise });
  await run(setting);
  await until('the download', () => directory.count('certificate') === 1);
  site.refusals = 1;
  gate.resolve();
  await until('a warning', () => site.warnings.length === 1 && clock.waits.length > 0);
  assert.match(
    site.warnings[0] ?? '',
    /obtained, but not in force: no such plan; next try in 60 s/,
  );
  clock.advance(MINUTE);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  assert.equal(directory.orders.length, 1);
});

test("several certificates are obtained one after the other, one that fails in nobody's way", async () => {
  const certificates = [['a.test'], ['b.test'], ['c.test']];
  const setting = await setUp({}, { certificates });
  const { site, directory } = setting;
  const refuse = new AcmeRefusal(403, 'rejectedIdentifier', 'not this one');
  directory.inject({ at: 'newOrder', refuse });
  await run(setting);
  await until('the others', () => site.inForce?.certificates.size === 2);
  assert.match(site.warnings[0] ?? '', /^acme a\.test: .*not this one \(rejectedIdentifier\)/);
  await until('its wait', () => clock.waits.length > 0);
  clock.advance(MINUTE);
  await until('all', () => site.inForce?.certificates.size === 3);
  assert.equal(directory.accounts.length, 1);
});

test('a directory whose certificate leads to no known CA is not spoken to', async () => {
  const setting = await setUp();
  const config = await configOf(setting.directory, {
    ca: await writeText(folder, 'other.pem', setting.directory.issuerCa),
  });
  await run({ ...setting, config });
  await until('a warning', () => setting.site.warnings.length === 1);
  assert.match(setting.site.warnings[0] ?? '', /localhost:\d+ is not reached: /);
  assert.deepEqual(setting.directory.steps, []);
});

test('a storage that cannot be written to is an error at once', async () => {
  const setting = await setUp({ storage: await writeText(folder, 'a-file', '') });
  await assert.rejects(openAcme(setting.config, clock), {
    code: 'storage_unusable',
    message: /^acme\.storage: cannot write to .*a-file \(\w+\): choose a folder/,
  });
});

test('a storage that others may look into is named', async () => {
  const setting = await setUp();
  await (await run(setting)).close();
  chmodSync(join(folder, 'storage'), 0o755);
  const site = new Site();
  await run({ ...setting, site });
  assert.match(site.warnings[0] ?? '', /others may look into .*storage: chmod 700 it/);
});

test('a configuration without such certificates opens nothing', async () => {
  const setting = await setUp();
  const source = await openAcme({ ...setting.config, listeners: {} }, clock);
  source.start(setting.site);
  await source.close();
  assert.deepEqual([setting.site.puts, setting.directory.steps], [[], []]);
});
