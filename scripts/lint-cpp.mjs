// C++: formatted by clang-format-14 as .clang-format says (--write formats), and every header compiles alone.
// A tool that is not installed is skipped, loudly; CI installs both.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
// Pinned: other versions format differently.
const FORMATTER = 'clang-format-14';
const COMPILER = process.env.CXX ?? 'g++';

// Generated files are the printer's business.
const files = ['native', 'bench']
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => sourcesBelow(join(root, folder)))
  .filter((file) => !file.startsWith('native/generated/'))
  .sort();

const isFormatted = checkFormat();
const isSelfContained = process.argv.includes('--write') || (await checkHeaders());
process.exit(isFormatted && isSelfContained ? 0 : 1);

function checkFormat() {
  if (!isInstalled(FORMATTER)) {
    console.error(`lint-cpp: SKIPPED: ${FORMATTER} not found (apt-get install ${FORMATTER})`);
    return true;
  }
  if (process.argv.includes('--write')) {
    return spawnSync(FORMATTER, ['-i', ...files], { cwd: root, stdio: 'inherit' }).status === 0;
  }
  const { status, stderr } = spawnSync(FORMATTER, ['--dry-run', '-Werror', ...files], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  // It reports every line that it would change; the names of the files are enough to act on.
  const culprits = new Set(stderr.match(/^[^\s:]+\.(h|cc)(?=:\d+:\d+: error)/gm));
  for (const file of culprits) console.error(`lint-cpp: ${file} is not formatted`);
  if (status === 0) console.log(`lint-cpp: ${files.length} files formatted`);
  else console.error('lint-cpp: run `npm run format`');
  return status === 0;
}

async function checkHeaders() {
  if (!isInstalled(COMPILER)) {
    console.error(`lint-cpp: SKIPPED headers: ${COMPILER} not found (apt-get install g++)`);
    return true;
  }
  const headers = files.filter((file) => file.endsWith('.h') && file.startsWith('native/'));
  const queue = [...headers];
  let failures = 0;
  const lane = async () => {
    for (let header = queue.pop(); header; header = queue.pop()) {
      if (!(await compilesAlone(header))) failures++;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  if (failures === 0) console.log(`lint-cpp: ${headers.length} headers compile alone`);
  return failures === 0;
}

function compilesAlone(header) {
  const includes = [
    'native',
    'node_modules/node-addon-api',
    join(dirname(dirname(process.execPath)), 'include', 'node'),
  ];
  const flags = [
    '-std=gnu++20',
    '-fno-exceptions',
    '-fno-rtti',
    '-fsyntax-only',
    '-Wall',
    '-Wextra',
    '-Werror',
  ];
  const defines = [
    '-DNAPI_DISABLE_CPP_EXCEPTIONS',
    '-DNODE_ADDON_API_DISABLE_DEPRECATED',
    '-DNAPI_VERSION=9',
  ];
  const compiler = spawn(
    COMPILER,
    // Node's headers are not ours to warn about, hence -isystem.
    [
      ...flags,
      ...defines,
      `-I${includes[0]}`,
      ...includes.slice(1).flatMap((path) => ['-isystem', path]),
      '-x',
      'c++',
      '-',
    ],
    { cwd: root, stdio: ['pipe', 'inherit', 'inherit'] },
  );
  compiler.stdin.end(`#include "${relative('native', header)}"\n`);
  return new Promise((resolve) => {
    compiler.on('close', (status) => {
      if (status !== 0) console.error(`lint-cpp: ${header} does not compile alone`);
      resolve(status === 0);
    });
  });
}

function isInstalled(tool) {
  return spawnSync(tool, ['--version'], { stdio: 'ignore' }).status === 0;
}

function sourcesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(h|cc)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)));
}
