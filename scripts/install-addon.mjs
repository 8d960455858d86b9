// Builds the native engine with the compiler and the Node headers of this machine; downloads nothing. Runs on
// `npm install`, where a machine that cannot build is no failure: Sluice then runs on its js engine, and this says
// what is missing, why and what to install. With --strict that is an error.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const isStrict = process.argv.includes('--strict');
const APT_LINE = 'apt-get install g++ make python3';

const lack = whatIsMissing();
if (lack) giveUp(lack.why, lack.remedy);

const started = process.hrtime.bigint();
const log = [];
for (const step of [['configure'], ['build', `--jobs=${Math.max(2, availableParallelism())}`]]) {
  const { status, output } = nodeGyp(step);
  log.push(output);
  if (status === 0) continue;
  const logFile = join(root, 'build', 'addon-build.log');
  mkdirSync(dirname(logFile), { recursive: true });
  writeFileSync(logFile, log.join(''));
  console.error(output.trimEnd().split('\n').slice(-30).join('\n'));
  giveUp(`compiling it failed (all of the output: ${logFile})`, 'see the first error above');
}
const seconds = Number((process.hrtime.bigint() - started) / 100_000_000n) / 10;
console.log(`sluice: native engine built in ${seconds} s`);

/** What keeps this machine from building, or null. */
function whatIsMissing() {
  if (process.platform !== 'linux') {
    return {
      why: `it is for Linux and this is ${process.platform}`,
      remedy: 'nothing: the js engine serves you',
    };
  }
  if (!existsSync(join(root, 'binding.gyp'))) {
    return { why: 'its sources are not in this package', remedy: 'install the package again' };
  }
  if (!headersPrefix()) {
    return {
      why: `the headers of Node ${process.version} are not beside it (no ${ownPrefix()}/include/node/node_api.h)`,
      remedy:
        'use a Node from nodejs.org, NodeSource or nvm, which bring them, or: apt-get install libnode-dev',
    };
  }
  const compiler = process.env.CXX ?? 'g++';
  // CXX may hold flags or a launcher (`ccache g++`), so a shell reads it, as make does.
  const probe = spawnSync(`${compiler} -std=gnu++20 -fsyntax-only -x c++ -`, {
    input: '#include <bit>\n#include <span>\nint main() { return std::bit_width(0u); }\n',
    encoding: 'utf8',
    shell: true,
  });
  if (probe.status !== 0) {
    const reason = isOnPath(compiler.split(' ')[0]) ? 'does not compile C++20' : 'is not installed';
    return { why: `the compiler ${compiler} ${reason}`, remedy: `${APT_LINE}   (g++ 12 or later)` };
  }
  for (const tool of ['make', 'python3']) {
    if (!isOnPath(tool)) return { why: `${tool} is not installed`, remedy: APT_LINE };
  }
  if (!findNodeGyp()) {
    return {
      why: 'node-gyp was not found, neither in npm nor in node_modules',
      remedy: 'npm install -g npm',
    };
  }
  return null;
}

function giveUp(why, remedy) {
  const text = [
    `sluice: the native engine is missing: ${why}.`,
    `        To have it: ${remedy}`,
    '        then: npm rebuild sluice   (in a clone: npm run build:addon)',
  ];
  if (!isStrict) {
    text.push(
      '        Until then `engine: auto` runs the js engine; `engine: native` is an error.',
    );
  }
  console.error(text.join('\n'));
  process.exit(isStrict ? 1 : 0);
}

function nodeGyp(args) {
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    [findNodeGyp(), ...args, `--nodedir=${headersPrefix()}`],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  return { status, output: `${stdout ?? ''}${stderr ?? ''}${error ? `${error.message}\n` : ''}` };
}

/** npm brings a node-gyp along and tells its scripts where; a clone has one among its dev dependencies. */
function findNodeGyp() {
  const require = createRequire(import.meta.url);
  const candidates = [
    process.env.npm_config_node_gyp,
    join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'),
  ];
  if (process.env.npm_execpath) {
    candidates.push(
      join(
        dirname(process.env.npm_execpath),
        '..',
        'node_modules',
        'node-gyp',
        'bin',
        'node-gyp.js',
      ),
    );
  }
  try {
    candidates.push(require.resolve('node-gyp/bin/node-gyp.js'));
  } catch {
    // Not among the dependencies: a published package relies on npm's.
  }
  return candidates.find((path) => path && existsSync(path)) ?? null;
}

function ownPrefix() {
  return dirname(dirname(process.execPath));
}

/** Where the headers of this Node are: beside it, or where the user says (npm config set nodedir). */
function headersPrefix() {
  const prefixes = [ownPrefix(), process.env.npm_config_nodedir];
  return (
    prefixes.find((path) => path && existsSync(join(path, 'include', 'node', 'node_api.h'))) ?? null
  );
}

function isOnPath(tool) {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, tool)));
}
