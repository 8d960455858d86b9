// Prints every generated file again and compares: a table that was changed without its print-out fails here.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const GENERATED = [
  { file: 'native/generated/codes.h', printer: 'scripts/print-codes.ts', command: 'npm run codes' },
  {
    file: 'docs/configuration.md',
    printer: 'scripts/print-configuration.ts',
    command: 'npm run docs',
  },
];

const folder = mkdtempSync(join(tmpdir(), 'sluice-generated-'));
let stale = 0;
try {
  GENERATED.forEach(({ file, printer, command }, i) => {
    const printed = join(folder, String(i));
    const { status } = spawnSync(process.execPath, ['--import', 'tsx', printer, printed], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    if (status === 0 && readFileSync(printed, 'utf8') === readFileSync(join(root, file), 'utf8'))
      return;
    stale++;
    console.error(
      `${file} is not what ${printer} prints: run \`${command}\` and commit the result`,
    );
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (stale === 0) console.log(`generated: ${GENERATED.length} files up to date`);
process.exit(stale === 0 ? 0 : 1);
