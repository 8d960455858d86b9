// Runs the TypeScript tests of the folders given: `node scripts/run-tests.mjs unit contract` runs every *.test.ts
// below test/unit and test/contract. A lone file may be named too, and one that is left out: `--without contract/uws`.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { without: { type: 'string', multiple: true, default: [] } },
});
const isLeftOut = (file) => values.without.some((name) => file.includes(join('test', name)));
const named = positionals.flatMap((name) => {
  const path = [join(root, 'test', name), join(root, name)].find((candidate) =>
    existsSync(candidate),
  );
  if (!path) {
    console.error(`run-tests: no such folder: test/${name}`);
    process.exit(1);
  }
  return statSync(path).isDirectory() ? testsBelow(path) : [path];
});
const files = named.filter((file) => !isLeftOut(file));
if (
  files.length === 0 ||
  values.without.some((name) => !named.some((file) => file.includes(name)))
) {
  console.error('run-tests: nothing to run');
  process.exit(1);
}

// Files have that long too, hence half an hour; cases have limits of their own. Two at a time: most of a test file's time is waiting, and the tests must also hold on a small machine.
const { status } = spawnSync(
  process.execPath,
  [
    ...['--import', 'tsx', '--test', '--test-concurrency=2', '--test-timeout=1800000'],
    ...reportTo('spec', 'stdout'),
    ...reportTo('./scripts/last-words.mjs', 'stderr'),
    ...files.sort(),
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);

function reportTo(reporter, destination) {
  return [`--test-reporter=${reporter}`, `--test-reporter-destination=${destination}`];
}

function testsBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
