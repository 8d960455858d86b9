// What certificates by ACME leave on disk, and find there again.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openAcme } from '../../../src/control/acme.ts';
import { openAcmeStorage } from '../../../src/control/acme-storage.ts';
import { AcmeRefusal } from '../../support/acme-jws.ts';
import { deferred, eventually, within } from '../../support/deadline.ts';
import { writeText } from '../../support/pki.ts';
import { acmeFixture, DAY, MINUTE, Site, startSource, until } from './acme-site.ts';

const acme = acmeFixture();

test('a restart uses the account and the certificate again, without a word to the directory', async () => {
  const setting = await acme.setUp();
  const first = await acme.run(setting);
  await until('a certificate', () => setting.site.certificate('example.test') !== undefined);
  await first.close();
  const asked = setting.directory.steps.length;
  const again = await openAcme(setting.config, acme.clock);
  assert.equal(
    again.supplied.certificates.get('acme example.test')?.chain,
    setting.site.certificate('example.test')?.chain,
  );
  startSource(acme.scope, again, setting.site);
  await until('its wait', () => acme.clock.waits.length > 0);
  assert.equal(setting.directory.steps.length, asked);
  // Renewed, it is by the account that there is.
  acme.clock.advance(61 * DAY);
  await until('a renewal', () => setting.site.puts.length === 6);
  assert.equal(setting.directory.accounts.length, 1);
  assert.equal(setting.directory.count('newAccount'), 1);
});

test('files and folders are for their owner alone, and no key is in what is said', async () => {
  const setting = await acme.setUp();
  const { site } = setting;
  setting.directory.inject({ at: 'finalize', refuse: new AcmeRefusal(500, 'serverInternal', 'x') });
  await acme.run(setting);
  await until('a warning', () => site.warnings.length === 1);
  acme.clock.advance(2 * MINUTE);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  const files = acme.filesOf(/json$/);
  assert.deepEqual(
    files.map((file) => statSync(file).mode & 0o777),
    [0o600, 0o600],
  );
  const folders = [join(acme.folder, 'storage'), join(files[0]!, '..')];
  assert.deepEqual(
    folders.map((path) => statSync(path).mode & 0o777),
    [0o700, 0o700],
  );
  await until('the lock to be gone', () => acme.filesOf(/tmp$|lock$/).length === 0);
  const said = JSON.stringify([site.warnings, site.notes, site.puts]);
  assert.doesNotMatch(said, /PRIVATE/);
});

for (const [what, text] of Object.entries({
  'no JSON': '{ "chain": "-----BEGIN PRIVATE',
  'nothing in it': '{}',
  'another certificate': '',
})) {
  test(`a damaged certificate file is named and another one ordered: ${what}`, async () => {
    const setting = await acme.setUp();
    const { site, directory } = setting;
    const first = await acme.run(setting);
    await until('a certificate', () => site.certificate('example.test') !== undefined);
    await first.close();
    const [file = ''] = acme.filesOf(/example\.test.*json$/);
    const whole = JSON.parse(readFileSync(file, 'utf8'));
    const other = { ...whole, chain: directory.issuerCa };
    writeFileSync(file, text === '' ? JSON.stringify(other) : text);
    const again = await openAcme(setting.config, acme.clock);
    assert.equal(again.supplied.certificates.size, 0);
    startSource(acme.scope, again, site);
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
  const setting = await acme.setUp();
  const { site, directory } = setting;
  const first = await acme.run(setting);
  await until('a certificate', () => site.certificate('example.test') !== undefined);
  await first.close();
  writeFileSync(acme.filesOf(/account\.json$/)[0]!, 'x');
  await acme.run(setting);
  await until('its wait', () => acme.clock.waits.length > 0);
  acme.clock.advance(61 * DAY);
  await until('a renewal', () => directory.orders[1]?.status === 'valid');
  assert.equal(directory.accounts.length, 2);
  assert.match(
    site.warnings.join('\n'),
    /account\.json: the stored account is damaged \(no JSON\)/,
  );
});

test('of two that share a storage one orders, the other takes what it stored', async () => {
  const setting = await acme.setUp();
  const { directory } = setting;
  const gate = deferred<void>();
  directory.inject({ at: 'finalize', until: gate.promise });
  await acme.run(setting);
  await until('the first at work', () => directory.count('finalize') === 1);
  const other = new Site();
  await acme.run({ ...setting, site: other });
  gate.resolve();
  await until('the first done', () => setting.site.certificate('example.test') !== undefined);
  acme.clock.advance(MINUTE);
  await until('the second served', () => other.certificate('example.test') !== undefined);
  assert.equal(
    other.certificate('example.test')?.chain,
    setting.site.certificate('example.test')?.chain,
  );
  assert.equal(directory.orders.length, 1);
});

test('the lock of a process that is gone holds nobody up', async () => {
  const setting = await acme.setUp();
  setting.directory.inject({ at: 'finalize', until: new Promise(() => undefined) });
  const first = await acme.run(setting);
  await until('the order', () => setting.directory.count('finalize') === 1);
  const [lock = ''] = acme.filesOf(/lock$/);
  assert.equal(statSync(lock).mode & 0o777, 0o600);
  await first.close();
  // No process has a number beyond the kernel's greatest.
  writeFileSync(lock, `${hostname()} 4194304\n`);
  await acme.run(setting);
  await until('a certificate', () => setting.site.certificate('example.test') !== undefined);
  await until('the lock to be gone', () => acme.filesOf(/lock$/).length === 0);
});

test('a storage that cannot be written to is an error at once', async () => {
  const setting = await acme.setUp({ storage: await writeText(acme.folder, 'a-file', '') });
  await assert.rejects(openAcme(setting.config, acme.clock), {
    code: 'storage_unusable',
    message: /^acme\.storage: cannot write to .*a-file \(\w+\): choose a folder/,
  });
});

test('a file of CAs that is none is an error at once', async () => {
  const setting = await acme.setUp({ ca: await writeText(acme.folder, 'no-ca.pem', 'hello') });
  await assert.rejects(openAcme(setting.config, acme.clock), {
    code: 'credentials_invalid',
    message: /acme\.ca: expected a PEM file with certificates of CAs but found .*no-ca\.pem/,
  });
});

test('a storage that others may look into is named', async () => {
  const setting = await acme.setUp();
  await (await acme.run(setting)).close();
  chmodSync(join(acme.folder, 'storage'), 0o755);
  const site = new Site();
  await acme.run({ ...setting, site });
  assert.match(site.warnings[0] ?? '', /others may look into .*storage: chmod 700 it/);
});

const DIRECTORY = 'https://acme.test/directory';

/** Another process on the storage, and the first thing that it says. Killed with the scope. */
async function startProcess(what: 'lock' | 'write') {
  const file = fileURLToPath(new URL('../../support/acme-storage-process.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', file, what, join(acme.folder, 'storage'), DIRECTORY],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exit = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exit;
  };
  acme.scope.defer(kill);
  const [said] = (await within(once(child.stdout, 'data'), 'its first word')) as [Buffer];
  return { said: String(said).trim(), kill };
}

test('one process keeps a lock from another, and only for as long as it lives', async () => {
  const first = await startProcess('lock');
  assert.equal(first.said, 'locked');
  assert.equal((await startProcess('lock')).said, 'refused');
  await first.kill();
  assert.equal((await startProcess('lock')).said, 'locked');
});

test('what several processes write at once is whole whenever it is read', async () => {
  const warnings: string[] = [];
  const storage = await openAcmeStorage({
    folder: join(acme.folder, 'storage'),
    directory: DIRECTORY,
    onWarning: (message) => warnings.push(message),
  });
  const writers = await Promise.all([startProcess('write'), startProcess('write')]);
  const seen = new Set<string>();
  await eventually('both to have written', async () => {
    const account = await storage.readAccount();
    if (account !== null) {
      assert.equal(account.key.reveal().length, 200_029);
      seen.add(account.url?.split('/').at(-2) ?? '');
    }
    return seen.size === 2;
  });
  for (const { kill } of writers) await kill();
  assert.equal((await storage.readAccount())?.key.reveal().length, 200_029);
  assert.deepEqual(warnings, []);
});

test('what a process left half written is taken away later', async () => {
  const options = { folder: join(acme.folder, 'storage'), directory: DIRECTORY };
  const open = () => openAcmeStorage({ ...options, onWarning: assert.fail });
  await open();
  const [own = ''] = acme.filesOf(/^acme\.test-\w+$/);
  const [old, fresh] = [join(own, 'a.json.1-0.tmp'), join(own, 'b.json.2-0.tmp')];
  writeFileSync(old, 'half');
  writeFileSync(fresh, 'half');
  const hours = new Date(Date.now() - 7_200_000);
  utimesSync(old, hours, hours);
  await open();
  assert.deepEqual(acme.filesOf(/tmp$/), [fresh]);
});
