// Compiles src/ into dist/. Runs on `npm install` in a clone and before packing. A published package holds dist/
// already and no compiler, and then there is nothing to do.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

const compiler = findCompiler();
if (compiler === null) {
  if (existsSync(join(dist, 'index.js'))) process.exit(0);
  console.error(
    'sluice: dist/ is missing and so is TypeScript: run `npm install` with dev dependencies',
  );
  process.exit(1);
}

// A file that was renamed in src/ must not live on in dist/.
rmSync(dist, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);
// tsc does not copy hand-written declarations, and those in dist/ refer to this one.
const boundary = join('engine', 'native', 'addon.d.ts');
cpSync(join(root, 'src', boundary), join(dist, boundary));

function findCompiler() {
  try {
    return createRequire(import.meta.url).resolve('typescript/bin/tsc');
  } catch {
    return null;
  }
}
