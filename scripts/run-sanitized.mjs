// `node scripts/run-sanitized.mjs asan|tsan`: the native unit tests, then the contract and wire suites of the native
// engine, all in a build that checks memory (ASan and UBSan) or data races (TSan). The engine runs in a process of its
// own there, the host, because a sanitizer cannot be loaded into Node.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const variant = process.argv[2];
if (variant !== 'asan' && variant !== 'tsan') {
  console.error('usage: node scripts/run-sanitized.mjs asan|tsan');
  process.exit(2);
}
const out = join(root, 'build', `native-${variant}`);
// Reports go to files: whatever a test makes of a host that died, a report left behind fails the run.
const reports = join(out, 'reports');
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });
const common = `exitcode=99:log_path=${join(reports, 'report')}`;
const env = {
  ...process.env,
  ASAN_OPTIONS: `${common}:detect_leaks=1:detect_stack_use_after_return=1`,
  UBSAN_OPTIONS: `${common}:print_stacktrace=1:halt_on_error=1`,
  TSAN_OPTIONS: `${common}:halt_on_error=1:second_deadlock_stack=1`,
};

const make = [
  '-s',
  '-j',
  String(availableParallelism()),
  '-C',
  'native/test',
  `VARIANT=${variant}`,
];
const steps = [
  { what: 'native unit tests', command: 'make', args: [...make, 'run'] },
  { what: 'building the host', command: 'make', args: [...make, 'host'] },
  {
    what: 'suites of the native engine',
    command: process.execPath,
    args: ['scripts/run-tests.mjs', ...['contract', 'wire'].flatMap(suitesOf).filter(existsInRoot)],
    env: { SLUICE_NATIVE_HOST: join('build', `native-${variant}`, 'host') },
  },
];

const failed = [];
for (const { what, command, args, env: more } of steps) {
  const { status } = spawnSync(command, args, {
    cwd: root,
    env: { ...env, ...more },
    stdio: 'inherit',
  });
  if (status !== 0) failed.push(what);
  if (status !== 0 && command === 'make') break;
}
for (const file of readdirSync(reports)) {
  console.error(readFileSync(join(reports, file), 'utf8'));
  failed.push(`report ${file}`);
}
console.log(failed.length === 0 ? `${variant}: clean` : `${variant}: FAILED: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);

function suitesOf(folder) {
  return ['native.test.ts', 'native-epoll.test.ts'].map((file) => join('test', folder, file));
}

function existsInRoot(file) {
  return existsSync(join(root, file));
}
