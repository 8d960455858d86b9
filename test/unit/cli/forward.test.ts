// `sluice check` of forward proxies: it reads the files that they are made of.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import { check } from '../../../src/cli/check.ts';
import { SluiceError } from '../../../src/contract/errors.ts';
import { temporaryFolder } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

const HASH = '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
const CONFIG = `
listeners:
  egress:
    address: 0.0.0.0:3128
    protocol: forward
    users: users.txt
    rules: [{ match: { lists: [ads] }, action: deny }]
lists: { ads: ads.txt }
`;

describe('sluice check of a forward proxy', () => {
  let scope: Scope;
  let folder: string;
  let file: string;

  beforeEach(async () => {
    scope = new Scope();
    folder = await temporaryFolder(scope);
    file = join(folder, 'sluice.yaml');
    await writeFile(file, CONFIG);
  });
  afterEach(() => scope.close());

  async function checked(t: TestContext) {
    const lines: string[] = [];
    const note = (line: string): void => void lines.push(line.replaceAll(`${folder}/`, ''));
    t.mock.method(console, 'log', note);
    t.mock.method(console, 'error', note);
    try {
      await check(file);
    } catch (error) {
      assert.ok(error instanceof SluiceError, String(error));
      note(`${error.code}: ${error.message}`);
    }
    return lines.join('\n').split('\n');
  }

  it('counts what its lists and users hold, and warns of what counts for nothing', async (t) => {
    await writeFile(join(folder, 'users.txt'), `alice:${HASH}\nbob:${HASH}\n`, { mode: 0o600 });
    await writeFile(
      join(folder, 'ads.txt'),
      'ads.example\n10.0.0.0/8\n*.track.example\nnot a host\n',
    );
    assert.deepEqual(await checked(t), [
      'warning: lists.ads: a line is no host, *.host, address or block and counts for nothing: ads.txt:4 ("not a host")',
      'sluice.yaml: ok: 1 listener, 0 pools, 0 targets, 1 list with 3 entries, 2 users',
    ]);
  });

  it('names what is wrong with them', async (t) => {
    await writeFile(join(folder, 'users.txt'), 'alice:$apr1$x$y\n', { mode: 0o600 });
    assert.deepEqual(await checked(t), [
      'files_invalid: lists, users and pages have 2 problems:',
      '  lists.ads: expected a list but found ads.txt, which does not exist',
      '  listeners.egress.users: expected a hash by scrypt or bcrypt but found MD5 for "alice" at users.txt:1 (set a new one with sluice passwd FILE NAME, or htpasswd -B FILE NAME)',
    ]);
  });
});
