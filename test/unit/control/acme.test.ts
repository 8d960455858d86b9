import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { openAcme } from '../../../src/control/acme.ts';
import { AcmeRefusal } from '../../support/acme-jws.ts';
import { deferred } from '../../support/deadline.ts';
import { writeText } from '../../support/pki.ts';
import { acmeFixture, DAY, MINUTE, until } from './acme-site.ts';

const acme = acmeFixture();

for (const challenge of ['http-01', 'tls-alpn-01'] as const) {
  test(`${challenge}: a certificate is obtained, and the challenge is in force only meanwhile`, async () => {
    const setting = await acme.setUp(
      { challenge },
      { certificates: [['example.test', 'www.example.test']] },
    );
    const { directory, site } = setting;
    await acme.run(setting);
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

test('it is renewed with another key when it is due, and asked for no sooner', async () => {
  const setting = await acme.setUp();
  const { site, directory } = setting;
  await acme.run(setting);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  const old = site.certificate('example.test')!;
  await until('its wait', () => acme.clock.waits.length > 0);
  acme.clock.advance(59 * DAY);
  await until('another wait', () => acme.clock.waits.length > 0);
  assert.equal(directory.orders.length, 1);
  acme.clock.advance(1.01 * DAY);
  await until('a renewal', () => site.certificate('example.test') !== old);
  assert.notEqual(site.certificate('example.test')?.key.reveal(), old.key.reveal());
  assert.equal(directory.orders.length, 2);
});

for (const [what, lifetimeMs] of Object.entries({
  'six days': 6 * DAY,
  'ten minutes': 10 * MINUTE,
})) {
  test(`one that lives for ${what} is renewed in its last third, again and again`, async () => {
    const setting = await acme.setUp({}, { lifetimeMs });
    const { site, directory } = setting;
    await acme.run(setting);
    for (let orders = 1; orders <= 3; orders++) {
      await until('a certificate', () => directory.orders[orders - 1]?.status === 'valid');
      await until('it in force', () => site.notes.length === 2 * orders);
      await until('its wait', () => acme.clock.waits.length > 0);
      acme.clock.advance(0.6 * lifetimeMs);
      await until('another wait', () => acme.clock.waits.length > 0);
      assert.equal(directory.orders.length, orders);
      acme.clock.advance(0.1 * lifetimeMs);
    }
    assert.deepEqual(site.warnings, []);
  });
}

test('what fails is tried again ever later, with warnings, and the old one goes on serving', async () => {
  const setting = await acme.setUp();
  const { site, directory } = setting;
  await acme.run(setting);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  const old = site.certificate('example.test');
  await until('its wait', () => acme.clock.waits.length > 0);
  const outage = new AcmeRefusal(503, 'serverInternal', 'down for maintenance');
  directory.inject({ at: 'newOrder', times: 3, refuse: outage });
  acme.clock.advance(60.5 * DAY);
  for (const [i, minutes] of [1, 2, 4].entries()) {
    await until(
      `warning ${i + 1}`,
      () => site.warnings.length === i + 1 && acme.clock.waits.length > 0,
    );
    assert.equal(acme.clock.waits[0], minutes * MINUTE);
    assert.equal(site.certificate('example.test'), old);
    acme.clock.advance(minutes * MINUTE);
  }
  await until('a renewal', () => site.certificate('example.test') !== old);
  assert.match(
    site.warnings[0] ?? '',
    /^acme example\.test: localhost:\d+ answered 503: down for maintenance \(serverInternal\); the old one serves until 20\S+, next try in 60 s$/,
  );
});

test('a directory that asks for time gets it', async () => {
  const setting = await acme.setUp();
  const { site, directory } = setting;
  const refuse = new AcmeRefusal(429, 'rateLimited', 'too many certificates', {
    'Retry-After': '7200',
  });
  directory.inject({ at: 'newOrder', refuse });
  await acme.run(setting);
  await until('a warning', () => site.warnings.length === 1 && acme.clock.waits.length > 0);
  assert.match(site.warnings[0] ?? '', /too many certificates \(rateLimited\); there is none yet/);
  acme.clock.advance(119 * MINUTE);
  await until('another wait', () => acme.clock.waits.length > 0);
  assert.equal(directory.count('newOrder'), 1);
  acme.clock.advance(2 * MINUTE);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
});

test('a stale nonce is no failure', async () => {
  const setting = await acme.setUp();
  const { site, directory } = setting;
  for (const at of ['newAccount', 'newOrder', 'finalize'] as const) {
    directory.inject({ at, refuse: new AcmeRefusal(400, 'badNonce', 'stale') });
  }
  await acme.run(setting);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  assert.deepEqual(site.warnings, []);
  assert.equal(directory.count('newOrder'), 2);
});

test('a challenge that is not answered fails with what the directory says of it', async () => {
  const setting = await acme.setUp();
  const { site, directory } = setting;
  const good = directory.ports;
  directory.ports = { http: good.tls };
  await acme.run(setting);
  await until('a warning', () => site.warnings.length === 1);
  assert.match(
    site.warnings[0] ?? '',
    /example\.test could not be validated by http-01: example\.test: .+ \(connection\)/,
  );
  assert.equal(site.inForce?.httpChallenges.size, 0);
  directory.ports = good;
  acme.clock.advance(MINUTE);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
});

test('an account that the directory has forgotten is made again with its key', async () => {
  const setting = await acme.setUp();
  const { site, directory } = setting;
  await acme.run(setting);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  const old = site.certificate('example.test');
  const [{ jwk } = { jwk: null }] = directory.accounts;
  directory.forgetAccounts();
  await until('its wait', () => acme.clock.waits.length > 0);
  acme.clock.advance(61 * DAY);
  await until('a renewal', () => site.certificate('example.test') !== old);
  assert.deepEqual(
    directory.accounts.map((one) => one.jwk),
    [jwk],
  );
  assert.deepEqual(site.warnings, []);
});

test('another e-mail address reaches the account that there is', async () => {
  const setting = await acme.setUp();
  const first = await acme.run(setting);
  await until('a certificate', () => setting.site.certificate('example.test') !== undefined);
  await first.close();
  const config = await acme.configOf(setting.directory, { email: 'new@example.test' });
  await acme.run({ ...setting, config });
  await until('its wait', () => acme.clock.waits.length > 0);
  acme.clock.advance(61 * DAY);
  await until('a renewal', () => setting.directory.orders[1]?.status === 'valid');
  assert.deepEqual(
    setting.directory.accounts.map(({ contact }) => contact),
    [['mailto:new@example.test']],
  );
});

test('close() ends an order under way: nothing is put afterwards and no lock stays', async () => {
  const setting = await acme.setUp();
  const { site, directory } = setting;
  directory.inject({ at: 'finalize', until: new Promise(() => undefined) });
  const source = await acme.run(setting);
  await until('the order', () => directory.count('finalize') === 1);
  const puts = site.puts.length;
  await source.close();
  assert.equal(site.puts.length, puts);
  assert.deepEqual([site.warnings, acme.filesOf(/lock$|tmp$/)], [[], []]);
});

test('an order that hangs is given up', async () => {
  const setting = await acme.setUp();
  const { site, directory } = setting;
  directory.inject({ at: 'finalize', until: new Promise(() => undefined) });
  await acme.run(setting);
  await until('the order', () => directory.count('finalize') === 1);
  acme.clock.advance(10 * MINUTE);
  await until('a warning', () => site.warnings.length === 1);
  assert.match(site.warnings[0] ?? '', /given up after 10 min; there is none yet/);
  acme.clock.advance(MINUTE);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
});

test('one that cannot be put in force is offered again, not ordered again', async () => {
  const setting = await acme.setUp();
  const { site, directory } = setting;
  const gate = deferred<void>();
  directory.inject({ at: 'certificate', until: gate.promise });
  await acme.run(setting);
  await until('the download', () => directory.count('certificate') === 1);
  site.refusals = 1;
  gate.resolve();
  await until('a warning', () => site.warnings.length === 1 && acme.clock.waits.length > 0);
  assert.match(
    site.warnings[0] ?? '',
    /obtained, but not in force: no such plan; next try in 60 s/,
  );
  acme.clock.advance(MINUTE);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  assert.equal(directory.orders.length, 1);
});

test("several certificates are obtained one after the other, one that fails in nobody's way", async () => {
  const certificates = [['a.test'], ['b.test'], ['c.test']];
  const setting = await acme.setUp({}, { certificates });
  const { site, directory } = setting;
  const refuse = new AcmeRefusal(403, 'rejectedIdentifier', 'not this one');
  directory.inject({ at: 'newOrder', refuse });
  await acme.run(setting);
  await until('the others', () => site.inForce?.certificates.size === 2);
  assert.match(site.warnings[0] ?? '', /^acme a\.test: .*not this one \(rejectedIdentifier\)/);
  await until('its wait', () => acme.clock.waits.length > 0);
  acme.clock.advance(MINUTE);
  await until('all', () => site.inForce?.certificates.size === 3);
  assert.equal(directory.accounts.length, 1);
});

test('a directory whose certificate leads to no known CA is not spoken to', async () => {
  const setting = await acme.setUp();
  const config = await acme.configOf(setting.directory, {
    ca: await writeText(acme.folder, 'other.pem', setting.directory.issuerCa),
  });
  await acme.run({ ...setting, config });
  await until('a warning', () => setting.site.warnings.length === 1);
  assert.match(setting.site.warnings[0] ?? '', /localhost:\d+ is not reached: /);
  assert.deepEqual(setting.directory.steps, []);
});

test('a configuration without such certificates opens nothing', async () => {
  const setting = await acme.setUp();
  const source = await openAcme({ ...setting.config, listeners: {} }, acme.clock);
  source.start(setting.site);
  await source.close();
  assert.deepEqual([setting.site.puts, setting.directory.steps], [[], []]);
});
