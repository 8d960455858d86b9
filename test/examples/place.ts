// A copy of an example in a folder of its own, with the files that it needs: the first commands of its README make the
// certificates, as a user does.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/pki.ts';
import type { Scope } from '../support/scope.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Examples that make certificates before they run. */
export const WITH_CERTIFICATES = ['https', 'mutual-tls', 'tls-passthrough', 'tls-upstream'];

/** For node:test's `skip`. */
export const noOpenssl = spawnSync('openssl', ['version']).error
  ? 'OPENSSL IS NOT INSTALLED: the certificates of this example were not made'
  : false;

export interface Place {
  readonly folder: string;
  pem(name: string): Promise<string>;
}

/** A copy of the example, with the certificates that the first commands of its README make. */
export async function copyExample(scope: Scope, name: string): Promise<Place> {
  const folder = await temporaryFolder(scope);
  const source = join(root, 'examples', name);
  const isOurs = (file: string) => !/\.(pem|key|crl)$/.test(file);
  await cp(source, folder, { recursive: true, filter: isOurs });
  const readme = await readFile(join(folder, 'README.md'), 'utf8');
  const [, block = ''] = /```sh\n(.*?)```/s.exec(readme) ?? [];
  const commands = block.trim().split('\n');
  assert.equal(commands.pop(), `npm run example ${name}`);
  for (const command of commands) {
    const here = command
      .replaceAll(`examples/${name}`, folder)
      .replace('node bin/sluice.js', `${process.execPath} --import tsx src/cli/main.ts`);
    const { status, stderr } = spawnSync('sh', ['-c', here], { cwd: root, encoding: 'utf8' });
    assert.equal(status, 0, `${command}: ${stderr}`);
  }
  return { folder, pem: (file) => readFile(join(folder, file), 'utf8') };
}
