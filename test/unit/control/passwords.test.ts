import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Passwords } from '../../../src/control/passwords.ts';
import { parseUsers, type UsersFile } from '../../../src/control/users-file.ts';

const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');

/** RFC 7914 12, `pleaseletmein`. */
const OF_RFC = `$scrypt$ln=14,r=8,p=1$${base64(Buffer.from('SodiumChloride'))}$${base64(
  Buffer.from(
    '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
    'hex',
  ),
)}`;
/** `U*U`, as crypt_blowfish is tested. */
const OF_BLOWFISH = '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
/** As quick as is taken. */
const QUICK = '$scrypt$ln=10,r=1,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0c2FsdA';

function usersOf(text: string, digest = 'd'): UsersFile {
  const { users, problems } = parseUsers(text);
  assert.deepEqual(problems, []);
  return { digest, users };
}

describe('a password', () => {
  let passwords: Passwords;
  let warnings: string[];
  let nowMs: number;

  beforeEach(() => {
    warnings = [];
    nowMs = 0;
    passwords = new Passwords({
      onWarning: (message) => void warnings.push(message),
      nowMs: () => nowMs,
    });
    passwords.use(
      new Map([
        ['scrypt', usersOf(`alice:${OF_RFC}`)],
        ['bcrypt', usersOf(`bob:${OF_BLOWFISH}\nbill:${OF_BLOWFISH.replace('$2a$', '$2y$')}`)],
        ['quick', usersOf(`carl:${QUICK}`)],
      ]),
    );
  });
  afterEach(() => passwords.close());

  it('is right by scrypt', async () => {
    assert.equal(await passwords.isPassword('scrypt', 'alice', 'pleaseletmein'), true);
    assert.equal(await passwords.isPassword('scrypt', 'alice', 'pleaseletmeio'), false);
    assert.equal(await passwords.isPassword('scrypt', 'alice', ''), false);
  });

  it('is right by bcrypt, whichever of its versions', async () => {
    assert.equal(await passwords.isPassword('bcrypt', 'bob', 'U*U'), true);
    assert.equal(await passwords.isPassword('bcrypt', 'bill', 'U*U'), true);
    assert.equal(await passwords.isPassword('bcrypt', 'bob', 'U*U*'), false);
  });

  it('of one user is not that of another, of nobody, or of another file', async () => {
    assert.equal(await passwords.isPassword('scrypt', 'Alice', 'pleaseletmein'), false);
    assert.equal(await passwords.isPassword('bcrypt', 'nobody', 'U*U'), false);
    assert.equal(await passwords.isPassword('bcrypt', '__proto__', 'U*U'), false);
    assert.equal(await passwords.isPassword('bcrypt', 'alice', 'pleaseletmein'), false);
    assert.equal(await passwords.isPassword('elsewhere', 'alice', 'pleaseletmein'), false);
  });

  it('changes with the file', async () => {
    passwords.use(new Map([['scrypt', usersOf(`bob:${OF_RFC}`, 'other')]]));
    assert.equal(await passwords.isPassword('scrypt', 'alice', 'pleaseletmein'), false);
    assert.equal(await passwords.isPassword('scrypt', 'bob', 'pleaseletmein'), true);
  });

  it('or a name that is too long is wrong without any work', async () => {
    const all = await Promise.all([
      ...Array.from({ length: 500 }, (_, i) =>
        passwords.isPassword('scrypt', 'alice', `${i}${'x'.repeat(1024)}`),
      ),
      ...Array.from({ length: 500 }, (_, i) =>
        passwords.isPassword('scrypt', `${i}${'a'.repeat(255)}`, 'x'),
      ),
    ]);
    assert.ok(all.every((isRight) => !isRight));
    assert.equal(passwords.refused, 0);
  });

  it('is checked once however often it is asked about at a time', async () => {
    const all = await Promise.all(
      Array.from({ length: 500 }, () => passwords.isPassword('scrypt', 'alice', 'pleaseletmein')),
    );
    assert.ok(all.every((isRight) => isRight));
    assert.equal(passwords.refused, 0);
  });

  it('is refused beyond a bound of guesses at a time, with one warning a minute, and taken after it', async () => {
    const guess = () =>
      Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          passwords.isPassword('quick', i % 2 === 0 ? 'carl' : 'nobody', `guess ${i}`),
        ),
      );
    assert.ok((await guess()).every((isRight) => !isRight));
    assert.equal(passwords.refused, 34);
    nowMs = 59_999;
    await guess();
    assert.deepEqual(warnings, [
      'more passwords arrive than can be checked: 1 were refused unseen so far; somebody may be guessing',
    ]);
    nowMs = 60_000;
    await guess();
    assert.equal(warnings.length, 2);
    assert.equal(await passwords.isPassword('scrypt', 'alice', 'pleaseletmein'), true);
  });

  it('leaves the main thread alone while it is checked', async () => {
    let isChecked = false;
    let turns = 0;
    const turn = () => {
      turns++;
      if (!isChecked) setImmediate(turn);
    };
    const checked = passwords.isPassword('bcrypt', 'bob', 'U*U').finally(() => {
      isChecked = true;
    });
    setImmediate(turn);
    assert.equal(await checked, true);
    assert.ok(turns > 1, `${turns} turns`);
  });

  it('that is being checked when everything closes is wrong', async () => {
    const slow = usersOf(`dora:${OF_BLOWFISH.replace('$05$', '$16$')}`);
    passwords.use(new Map([['slow', slow]]));
    const checked = passwords.isPassword('slow', 'dora', 'U*U');
    await passwords.close();
    assert.equal(await checked, false);
  });
});
