// Fetches the kernel that `npm run test:kernel` boots in its virtual machine: Debian's, by apt, unpacked into
// build/guest-kernel and not installed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const target = fileURLToPath(new URL('../build/guest-kernel', import.meta.url));

if (existsSync(join(target, 'boot'))) {
  console.log(`guest kernel: ${readdirSync(join(target, 'boot')).join(' ')} is there already`);
  process.exit(0);
}
mkdirSync(join(target, '..'), { recursive: true });
const folder = mkdtempSync(join(target, '../guest-kernel-'));
try {
  // The package that everybody installs only names the one that has the kernel.
  const named = run('apt-cache', [
    'depends',
    '--no-recommends',
    '--no-suggests',
    'linux-image-amd64',
  ]);
  const name = /Depends: (linux-image-\S+)/.exec(named)?.[1];
  if (name === undefined) throw new Error('linux-image-amd64 names no kernel');
  run('apt-get', ['download', '-qq', name], folder);
  const archive = readdirSync(folder).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw new Error(`${name} was not downloaded`);
  const tree = join(folder, 'tree');
  run('dpkg', ['-x', join(folder, archive), tree]);
  renameSync(tree, target);
  console.log(`guest kernel: ${name} in ${target}`);
} catch (error) {
  console.error(`guest kernel: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function run(command, options, cwd = folder) {
  const { status, stdout, stderr, error } = spawnSync(command, options, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}
