import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Account, LiveUser } from '../../../../src/engine/shared/live-user.ts';
import { LiveUsers, readBasic, Verdicts } from '../../../../src/engine/shared/live-users.ts';
import { TestOracle } from '../../../support/test-oracle.ts';

const NOBODY = { bytesPerSecond: 0, connections: 0, bytesPerDay: 0 };

function usersOf(oracle: TestOracle | null, digest = 'one', verdicts = new Verdicts(oracle)) {
  const ann = { ...NOBODY, name: 'ann' };
  const plan = { file: '/users', digest, users: [ann] };
  return new LiveUsers(plan, new Map([['ann', new LiveUser(ann, new Account())]]), verdicts);
}

test('a user is who has the password; whoever the oracle knows and the plan does not is none', async () => {
  const users = usersOf(new TestOracle({}, { ann: 'a', bob: 'b' }));
  assert.equal((await users.find('ann', 'a'))?.name, 'ann');
  assert.equal(await users.find('ann', 'b'), null);
  assert.equal(await users.find('bob', 'b'), null);
});

test('without an oracle, or with one that fails, nobody is a user', async () => {
  assert.equal(await usersOf(null).find('ann', 'a'), null);
  const oracle = new TestOracle({}, { ann: 'a' });
  const failing = Promise.reject(new Error('gone'));
  failing.catch(() => {});
  oracle.gate = failing;
  assert.equal(await usersOf(oracle).find('ann', 'a'), null);
});

test('a verdict is remembered for one version of the file, and for one name and password', async () => {
  const oracle = new TestOracle({}, { ann: 'a' });
  const verdicts = new Verdicts(oracle);
  for (let i = 0; i < 3; i++) await usersOf(oracle, 'one', verdicts).find('ann', 'a');
  assert.deepEqual(oracle.askedPasswords, ['ann:a']);
  oracle.passwords.set('ann', 'b');
  assert.equal(await usersOf(oracle, 'two', verdicts).find('ann', 'a'), null);
  assert.equal((await usersOf(oracle, 'two', verdicts).find('ann', 'b'))?.name, 'ann');
  // What is joined cannot be cut elsewhere.
  await usersOf(oracle, 'two', verdicts).find('an', 'n:b');
  assert.equal(oracle.askedPasswords.length, 4);
});

test('as many guesses are remembered as was said, and push out nobody who is known', async () => {
  const oracle = new TestOracle({}, { ann: 'right' });
  const users = usersOf(oracle);
  await users.find('ann', 'right');
  for (let i = 0; i < 1024; i++) await users.find('ann', `wrong ${i}`);
  await users.find('ann', 'wrong 0');
  assert.equal(oracle.askedPasswords.length, 1025);
  await users.find('ann', 'one too many');
  await users.find('ann', 'wrong 0');
  assert.equal(oracle.askedPasswords.length, 1027);
  assert.equal((await users.find('ann', 'right'))?.name, 'ann');
  assert.equal(oracle.askedPasswords.length, 1027);
});

test('logins are read as RFC 7617 writes them, and in no other way', () => {
  const coded = (text: string): string => Buffer.from(text).toString('base64');
  assert.deepEqual(readBasic(`Basic ${coded('ann:a:b')}`), { name: 'ann', password: 'a:b' });
  assert.deepEqual(readBasic(`bAsIc   ${coded('ü:')}`), { name: 'ü', password: '' });
  assert.deepEqual(readBasic(`Basic ${coded(':')}`), { name: '', password: '' });
  for (const value of [
    '',
    'Basic',
    'Basic ',
    `Basic\t${coded('a:b')}`,
    `Basic${coded('a:b')}`,
    `Basic ${coded('a:b')} `,
    `Basic ${coded('ab')}`,
    `Basic ${coded('a:b:c').replace(/=+$/, '')}`,
    'Basic YTpi=',
    // Bits that nobody reads are not zero: one login has one form.
    'Basic YTpiYx==',
    `Basic ${coded('a:\n')}`,
    `Digest ${coded('a:b')}`,
  ])
    assert.equal(readBasic(value), null, value);
});
