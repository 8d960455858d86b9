import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import { passwd as runPasswd } from '../../../src/cli/passwd.ts';
import { askPassword } from '../../../src/cli/password-prompt.ts';
import { SluiceError } from '../../../src/contract/errors.ts';
import { Passwords } from '../../../src/control/passwords.ts';
import { parseUsers } from '../../../src/control/users-file.ts';
import { temporaryFolder } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

interface Outcome {
  readonly out: string;
  readonly error: string;
}

/** As the command does it, with `input` for standard input. */
async function passwd(t: TestContext, args: readonly string[], input = ''): Promise<Outcome> {
  const flags = { stdin: args.includes('--stdin'), delete: args.includes('--delete') };
  const [file = '', name = ''] = args.filter((arg) => !arg.startsWith('--'));
  const lines: string[] = [];
  t.mock.method(console, 'log', (line: string) => void lines.push(line));
  try {
    await runPasswd(file, name, flags, Readable.from(input === '' ? [] : [Buffer.from(input)]));
    return { out: lines.join('\n'), error: '' };
  } catch (error) {
    assert.ok(error instanceof SluiceError, String(error));
    return { out: '', error: error.message };
  }
}

describe('sluice passwd', () => {
  let scope: Scope;
  let folder: string;
  let file: string;

  beforeEach(async () => {
    scope = new Scope();
    folder = await temporaryFolder(scope);
    file = join(folder, 'users.txt');
  });
  afterEach(() => scope.close());

  async function isPassword(name: string, password: string): Promise<boolean> {
    const { users } = parseUsers(await readFile(file, 'utf8'));
    const passwords = new Passwords({ onWarning: (message) => assert.fail(message) });
    passwords.use(new Map([[file, { digest: '', users }]]));
    return passwords.isPassword(file, name, password).finally(() => passwords.close());
  }

  it('creates the file for its owner alone, adds users, and changes passwords', async (t) => {
    assert.deepEqual(await passwd(t, ['--stdin', file, 'alice'], 'one two\nmore'), {
      out: `${file}: alice: added`,
      error: '',
    });
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await passwd(t, ['--stdin', file, 'bob'], 'bobs\r\n');
    assert.equal(
      (await passwd(t, [file, 'alice', '--stdin'], 'three')).out,
      `${file}: alice: has a new password`,
    );
    assert.equal(await isPassword('alice', 'three'), true);
    assert.equal(await isPassword('alice', 'one two'), false);
    assert.equal(await isPassword('bob', 'bobs'), true);
    assert.deepEqual(await readdir(folder), ['users.txt']);
  });

  it('deletes a user and leaves the rest of the file as it is', async (t) => {
    await writeFile(file, '# people\nalice:x\nbob:y\n');
    assert.equal((await passwd(t, [file, 'alice', '--delete'])).out, `${file}: alice: deleted`);
    assert.equal(await readFile(file, 'utf8'), '# people\nbob:y\n');
    const again = await passwd(t, [file, 'alice', '--delete']);
    assert.deepEqual(again.error, `${file} has no user "alice"`);
    const missing = await passwd(t, [join(folder, 'none'), 'alice', '--delete']);
    assert.deepEqual(missing.error, `${join(folder, 'none')}: there is no such file`);
    assert.deepEqual(await readdir(folder), ['users.txt']);
  });

  it('keeps the mode of the file, and a link to it', async (t) => {
    const real = join(folder, 'real');
    await mkdir(real);
    await writeFile(join(real, 'users'), '');
    await chmod(join(real, 'users'), 0o640);
    await symlink(join(real, 'users'), file);
    await passwd(t, ['--stdin', file, 'alice'], 'secret');
    assert.equal((await stat(join(real, 'users'))).mode & 0o777, 0o640);
    assert.match(await readFile(join(real, 'users'), 'utf8'), /^alice:\$scrypt\$/);
  });

  it('loses no user when several run at a time', async (t) => {
    const names = ['a', 'b', 'c', 'd'];
    await Promise.all(names.map((name) => passwd(t, ['--stdin', file, name], 'secret')));
    const { users } = parseUsers(await readFile(file, 'utf8'));
    assert.deepEqual([...users.keys()].sort(), names);
  });

  it('refuses names and passwords that are none, and changes nothing', async (t) => {
    const cases = [
      [['--stdin', file, 'a:b'], 'x', /expected the name of a user/],
      [['--stdin', file, ' a'], 'x', /expected the name of a user/],
      [['--stdin', file, '#a'], 'x', /expected the name of a user/],
      [['--stdin', file, 'alice'], '', /a password cannot be empty/],
      [['--stdin', file, 'alice'], '\nsecret', /a password cannot be empty/],
      [
        ['--stdin', file, 'alice'],
        'a\tb',
        /up to 255 characters, none of them a control character/,
      ],
      [['--stdin', file, 'alice'], 'x'.repeat(256), /up to 255 characters/],
      [[file, 'alice'], 'secret', /no terminal to ask for a password on: give it to --stdin/],
      [['--stdin', join(folder, 'no/such'), 'alice'], 'x', /cannot write .*no\/such/],
    ] as const;
    await Promise.all(
      cases.map(async ([args, input, error]) => {
        const outcome = await passwd(t, args, input);
        assert.match(outcome.error, error);
      }),
    );
    assert.deepEqual(await readdir(folder), []);
  });
});

describe('a password that is asked for', () => {
  it('is read up to the end of the line', async () => {
    const input = new PassThrough();
    const asked = askPassword('', input);
    input.write('sec');
    input.write('rex\u007fet\r');
    assert.equal(await asked, 'secreet');
  });

  it('is not given by the end of the input or by Ctrl-C', async () => {
    for (const end of [
      (input: PassThrough) => void input.end(),
      (input: PassThrough) => void input.write('half\u0003'),
    ]) {
      const input = new PassThrough();
      const asked = askPassword('', input);
      end(input);
      await assert.rejects(asked, {
        code: 'config_invalid',
        message: 'no password given: nothing was changed',
      });
    }
  });
});
