import assert from 'node:assert/strict';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { parseConfig } from '../../../src/config/parse.ts';
import { ForwardFileStore } from '../../../src/control/forward-files.ts';
import { HostSet } from '../../../src/plan/host-set.ts';
import { eventually } from '../../support/deadline.ts';
import { temporaryFolder } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

const HASH = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';

describe('the files of forward proxies', () => {
  let scope: Scope;
  let folder: string;
  let changes: string[];
  let warnings: string[];

  beforeEach(async () => {
    scope = new Scope();
    const alive = setInterval(() => {}, 1000);
    scope.defer(() => clearInterval(alive));
    folder = await temporaryFolder(scope);
    changes = [];
    warnings = [];
    await put('ads.txt', 'ads.example\n');
    await put('users.txt', `alice:${HASH}\n`);
    await put('page.html', '<p>{host}</p>');
    await put('proxy.pac', 'pac');
  });
  afterEach(() => scope.close());

  /** As editors and `sluice passwd` do it. */
  async function put(name: string, text: string): Promise<void> {
    const file = join(folder, name);
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  const config = () =>
    parseConfig(
      {
        listeners: {
          p: {
            protocol: 'forward',
            users: 'users.txt',
            denyPage: 'page.html',
            pac: 'proxy.pac',
            rules: [{ match: { lists: ['ads', 'below'] }, action: 'deny' }],
          },
        },
        lists: { ads: 'ads.txt', below: { file: 'ads.txt', subdomains: true } },
      },
      { baseFolder: folder },
    );

  async function started(
    onChange = (reason: string) => {
      changes.push(reason);
      return Promise.resolve();
    },
  ): Promise<ForwardFileStore> {
    const store = scope.own(await ForwardFileStore.open(config()));
    store.start({
      onChange,
      onWarning: (text) => void warnings.push(text),
      pollMs: 20,
      quietMs: 5,
    });
    return store;
  }

  const holds = (store: ForwardFileStore, list: string, host: string) =>
    new HostSet(store.current.lists.get(list)!.hosts).has(host);

  it('are read by what they are named as', async () => {
    const store = scope.own(await ForwardFileStore.open(config()));
    const { instance, lists, users, texts } = store.current;
    assert.match(instance, /^sluice-[0-9a-f]{8}$/);
    assert.deepEqual([...lists.keys()], ['ads', 'below']);
    assert.deepEqual(
      ['ads', 'below'].map((list) => holds(store, list, 'www.ads.example')),
      [false, true],
    );
    assert.deepEqual(users.get(join(folder, 'users.txt'))?.names, ['alice']);
    assert.deepEqual(
      [...(store.users.get(join(folder, 'users.txt'))?.users.keys() ?? [])],
      ['alice'],
    );
    assert.equal(Buffer.from(texts.get(join(folder, 'page.html'))!).toString(), '<p>{host}</p>');
    assert.equal(Buffer.from(texts.get(join(folder, 'proxy.pac'))!).toString(), 'pac');
    assert.deepEqual(store.counts, { lists: 2, entries: 2, users: 1 });
  });

  it('may lack users that the configuration names, which is worth a warning', async () => {
    const listener = {
      protocol: 'forward',
      users: { file: 'users.txt', each: { alice: {}, bob: {} } },
      rules: [{ match: { users: ['carol', 'alice'] }, action: 'deny' }],
    };
    const store = await ForwardFileStore.open(
      parseConfig({ listeners: { p: listener } }, { baseFolder: folder }),
    );
    const file = join(folder, 'users.txt');
    assert.deepEqual(
      store.warnings.map(({ path, message }) => `${path}: ${message}`),
      [
        `listeners.p.users.each: "bob" is not a user in ${file}`,
        `listeners.p.rules[0].match.users: "carol" is not a user in ${file}`,
      ],
    );
  });

  it('that are wrong are all told at once', async () => {
    await rm(join(folder, 'ads.txt'));
    await put('users.txt', 'alice:hunter2\n');
    await put('page.html', '');
    await assert.rejects(ForwardFileStore.open(config()), (error: unknown) => {
      const { code, message } = error as { code: string; message: string };
      assert.equal(code, 'files_invalid');
      assert.deepEqual(message.replaceAll(`${folder}/`, '').split('\n'), [
        'lists, users and pages have 4 problems:',
        '  lists.ads: expected a list but found ads.txt, which does not exist',
        '  lists.below: expected a list but found ads.txt, which does not exist',
        '  listeners.p.users: expected a hash by scrypt or bcrypt but found something else, maybe a password, which is not shown, for "alice" at users.txt:1 (set a new one with sluice passwd FILE NAME, or htpasswd -B FILE NAME)',
        '  listeners.p.denyPage: expected a file of text but found page.html, which is empty',
      ]);
      return true;
    });
  });

  it('are no larger than what engines send in one piece: pages of 32KiB, PAC files of 128KiB', async () => {
    await put('page.html', 'x'.repeat(32 * 1024));
    await put('proxy.pac', 'x'.repeat(128 * 1024));
    scope.own(await ForwardFileStore.open(config()));
    await put('page.html', 'x'.repeat(32 * 1024 + 1));
    await put('proxy.pac', 'x'.repeat(128 * 1024 + 1));
    await assert.rejects(ForwardFileStore.open(config()), ({ message }: Error) => {
      assert.match(message, /denyPage: .*page\.html, which is larger than 32KiB/);
      assert.match(message, /pac: .*proxy\.pac, which is larger than 128KiB/);
      return true;
    });
  });

  it('are read again when they change, and only those', async () => {
    const store = await started();
    const before = store.current;
    await put('ads.txt', 'other.example\n');
    await eventually('the change', () => changes.length > 0);
    assert.deepEqual(changes, ['read again: ads, below']);
    assert.equal(holds(store, 'ads', 'other.example'), true);
    assert.equal(
      store.current.users.get(join(folder, 'users.txt'))?.digest,
      before.users.get(join(folder, 'users.txt'))?.digest,
    );
    assert.equal(
      store.current.texts.get(join(folder, 'page.html')),
      before.texts.get(join(folder, 'page.html')),
    );
    await put('users.txt', `alice:${HASH}\nbob:${HASH}\n`);
    await eventually('the change', () => changes.length > 1);
    assert.deepEqual(changes.slice(1), [`read again: ${join(folder, 'users.txt')}`]);
    assert.deepEqual(store.counts, { lists: 2, entries: 2, users: 2 });
    assert.deepEqual(warnings, []);
  });

  it('with the same contents as before change nothing', async () => {
    await started();
    await put('ads.txt', 'ads.example\n');
    await put('users.txt', `alice:${HASH}\n`);
    await put('page.html', 'new');
    await eventually('the change', () => changes.length > 0);
    assert.deepEqual(changes, [`read again: ${join(folder, 'page.html')}`]);
  });

  it('that break stay in force as they were, with one warning, until they are mended', async () => {
    const store = await started();
    await put('users.txt', 'alice\n');
    await eventually('the warning', () => warnings.length > 0);
    await rm(join(folder, 'ads.txt'));
    await eventually('the warnings', () => warnings.length > 2);
    assert.deepEqual(
      warnings.map((text) => text.replaceAll(`${folder}/`, '')),
      [
        'listeners.p.users: expected name:hash but found a line without a colon at users.txt:1; what was read before stays in force',
        'lists.ads: expected a list but found ads.txt, which does not exist; what was read before stays in force',
        'lists.below: expected a list but found ads.txt, which does not exist; what was read before stays in force',
      ],
    );
    assert.deepEqual(changes, []);
    assert.equal(holds(store, 'ads', 'ads.example'), true);
    assert.deepEqual(store.counts, { lists: 2, entries: 2, users: 1 });
    await put('ads.txt', 'mended.example\n');
    await eventually('the change', () => changes.length > 0);
    assert.equal(holds(store, 'ads', 'mended.example'), true);
  });

  it('whose plan is refused stay in force as they were', async () => {
    const store = await started(() => Promise.reject(new Error('too large')));
    await put('ads.txt', 'other.example\n');
    await eventually('the warning', () => warnings.length > 0);
    assert.deepEqual(warnings, ['ads, below cannot be used, the old stays in force: too large']);
    assert.equal(holds(store, 'ads', 'ads.example'), true);
  });
});
