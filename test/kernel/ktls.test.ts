// TLS in the kernel, tested where there is a kernel that offers it: in a virtual machine (test/support/kernel-guest.ts).
// Where none can be had the tests are skipped, and say so.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findGuest } from '../support/kernel-guest.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const inRoot = (file: string) => relative(root, fileURLToPath(new URL(file, import.meta.url)));

/** The protocol above TCP, and what the kernel seals with: where there is no modprobe, nothing is loaded on demand. */
const MODULES = [
  'tls',
  'gcm',
  'ghash_clmulni_intel',
  'aesni_intel',
  'chacha20poly1305',
  'chacha_x86_64',
  'poly1305_x86_64',
];
/** Everything is emulated: what takes a second elsewhere may take half a minute. */
const TIMEOUT_MS = 25 * 60_000;

const guest = findGuest();
const skip = typeof guest === 'string' ? `NOT CHECKED: ${guest}` : false;
if (skip !== false) console.error(`!! ${skip}`);

/** Runs it in the checkout; fails with all that was said when it fails. */
async function run(command: string): Promise<string> {
  if (typeof guest === 'string') throw new Error(guest);
  const { exitCode, output, console } = await guest.run({
    modules: MODULES,
    command: `cd '${root}' && ${command}`,
    timeoutMs: TIMEOUT_MS,
    memoryMiB: 3072,
  });
  assert.equal(exitCode, 0, `${output}\n${console}`);
  return output;
}

const testFiles = (options: string, file: string) =>
  `node --import tsx --test --test-timeout=1200000 --test-reporter=tap ${options} ${inRoot(file)}`;

describe('TLS in the kernel', { skip, timeout: TIMEOUT_MS }, () => {
  it('passes the unit tests of sessions there', async (t) => {
    if (!existsSync(`${root}/build/native-plain/tests`)) {
      t.skip('NOT CHECKED: build/native-plain/tests is not built (npm run test:native)');
      return;
    }
    const output = await run('build/native-plain/tests kTLS && grep TlsTxSw /proc/net/tls_stat');
    const sealed = Number(/TlsTxSw\s+(\d+)/.exec(output)?.[1]);
    assert.ok(sealed > 0, output);
  });

  it('moves bodies, tunnels and uploads, and ends and resumes as without it', async () => {
    const output = await run(testFiles('', './inside-ktls.ts'));
    assert.match(output, /^# fail 0$/m);
  });

  // Which have deadlines for machines that are not emulated, and few bodies that are large enough to change over.
  const isContractWanted = process.env.SLUICE_GUEST_CONTRACT === '1';
  const unwanted = isContractWanted ? false : 'only with SLUICE_GUEST_CONTRACT=1';
  it("passes the contract's cases about TLS", { skip: unwanted }, async () => {
    const output = await run(
      testFiles("--test-name-pattern='native: tls'", '../contract/native.test.ts'),
    );
    assert.match(output, /^# fail 0$/m);
  });
});
