import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../../scripts/install-addon.mjs', import.meta.url));

function install(args: readonly string[], env: NodeJS.ProcessEnv) {
  return spawnSync(process.execPath, [script, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
}

const onLinux = { skip: process.platform !== 'linux' };

test(
  'without a compiler the install succeeds and says what is missing and what to do',
  onLinux,
  () => {
    const { status, stderr } = install([], { CXX: 'no-such-compiler' });
    assert.equal(status, 0);
    assert.match(
      stderr,
      /native engine is missing: the compiler no-such-compiler is not installed/,
    );
    assert.match(stderr, /apt-get install g\+\+ make python3/);
    assert.match(stderr, /`engine: auto` runs the js engine/);
  },
);

test('a compiler that is too old for C++20 is told apart', onLinux, () => {
  const { status, stderr } = install([], { CXX: 'false' });
  assert.equal(status, 0);
  assert.match(stderr, /the compiler false does not compile C\+\+20/);
});

test('with --strict a machine that cannot build is an error', onLinux, () => {
  const { status, stderr } = install(['--strict'], { CXX: 'no-such-compiler' });
  assert.equal(status, 1);
  assert.match(stderr, /native engine is missing/);
  assert.doesNotMatch(stderr, /Until then/);
});
