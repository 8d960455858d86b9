// The transparent mode, behind netfilter: in a network namespace of the tests' own, or, where this machine's kernel has
// no netfilter, in a virtual machine whose kernel has (test/support/kernel-guest.ts). Where neither can be had the tests
// are skipped, and say so.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { relative } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findWay } from '../../src/bench/network.ts';
import { findGuest } from '../support/kernel-guest.ts';
import { OWN_NETWORK, PATH } from './redirected-network.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const inside = ['./inside-transparent.ts', './inside-gateway.ts'].map((file) =>
  relative(root, fileURLToPath(new URL(file, import.meta.url))),
);

/** Where there is no modprobe nothing is loaded on demand. */
const MODULES = [
  // Which nf_tables asks for by what it does, not by its name.
  'crc32c_generic',
  ...['nf_conntrack', 'nf_nat', 'nf_tables', 'nft_chain_nat', 'nft_redir', 'nft_compat'],
  ...['xt_REDIRECT', 'xt_multiport', 'ip_tables', 'iptable_nat', 'veth'],
];
/** What the tests do, at its least. */
const RULES = `table ip trial {
  chain output { type nat hook output priority -100;
    ip saddr 10.9.0.2 meta l4proto tcp redirect to :3130;
  }
}
`;
const TIMEOUT_MS = 15 * 60_000;
const COMMAND = [
  ...['--import', 'tsx', '--test', '--test-timeout=300000', '--test-reporter=tap'],
  // One network, and so one at a time.
  ...['--test-concurrency=1', ...inside],
];

interface Outcome {
  readonly exitCode: number | null;
  readonly output: string;
}

function environment(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env;
  return { ...rest, PATH, [OWN_NETWORK]: 'own' };
}

/** Arguments for unshare, or why a namespace will not do. */
function findNamespace(): readonly string[] | string {
  if (spawnSync('nft', ['--version'], { env: environment() }).status !== 0)
    return 'nft not found (apt-get install nftables)';
  const way = findWay();
  if (typeof way === 'string') return way;
  const { status, stderr } = spawnSync('unshare', [...way, '--', 'nft', '-f', '-'], {
    input: RULES,
    encoding: 'utf8',
    env: environment(),
  });
  return status === 0 ? way : `netfilter: ${stderr.trim().split('\n')[0]}`;
}

async function runInNamespace(way: readonly string[]): Promise<Outcome> {
  const child = spawn('unshare', [...way, '--', process.execPath, ...COMMAND], {
    cwd: root,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, output };
}

type Run = () => Promise<Outcome>;

/** How the tests can be run, or why not. */
function findRun(): { readonly where: string; readonly run: Run } | string {
  const way = findNamespace();
  if (typeof way !== 'string')
    return { where: 'in a network namespace', run: () => runInNamespace(way) };
  const guest = findGuest();
  if (typeof guest === 'string') return `${way}; ${guest}`;
  const run: Run = async () => {
    const { exitCode, output, console } = await guest.run({
      modules: MODULES,
      command: `cd '${root}' && ${OWN_NETWORK}=own node ${COMMAND.join(' ')}`,
      timeoutMs: TIMEOUT_MS,
      memoryMiB: 3072,
    });
    return { exitCode, output: `${output}\n${console}` };
  };
  return { where: `in a virtual machine (${way})`, run };
}

const found = findRun();
const skip = typeof found === 'string' ? `NOT CHECKED: ${found}` : false;
if (skip !== false) console.error(`!! ${skip}`);

describe('the transparent mode', { skip, timeout: TIMEOUT_MS }, () => {
  if (typeof found === 'string') return;
  it(`takes what netfilter redirects, ${found.where}`, async (t) => {
    const { exitCode, output } = await found.run();
    assert.equal(exitCode, 0, output);
    assert.match(output, /^# fail 0$/m, output);
    for (const [, reason] of output.matchAll(/# SKIP (NOT CHECKED: .*)$/gm))
      t.diagnostic(reason ?? '');
    assert.ok(Number(/^# pass (\d+)$/m.exec(output)?.[1]) > 10, output);
  });
});
