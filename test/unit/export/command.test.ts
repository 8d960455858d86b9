// `sluice export` as people run it.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createAuthority, temporaryFolder, writePair, writeText } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';
import { runCommand } from '../cli/command.ts';

const EXAMPLE = 'examples/udp-streaming/sluice.yaml';

describe('sluice export', () => {
  it('prints the configuration on standard output and warnings on standard error', async () => {
    const { code, stdout, stderr } = await runCommand('export', 'nginx', EXAMPLE, '--workers', '2');
    assert.equal(code, 0);
    assert.match(stdout, /^worker_processes 2;$/m);
    assert.match(stdout, /^\s+listen 127\.0\.0\.1:8082 udp /m);
    assert.match(stderr, /^warning: listeners\.media\.maxSessions: /m);
    assert.doesNotMatch(stdout, /^warning/m);
  });

  it('takes the settings that a configuration of ours has no word for', async () => {
    const { stdout } = await runCommand(
      ...['export', 'nginx', EXAMPLE, '--connections', '99', '--folder', '/tmp/x'],
      ...['--user', 'www-data', '--stream-module', 'none'],
    );
    assert.match(stdout, /worker_connections 99;/);
    assert.match(stdout, /^pid \/tmp\/x\/nginx\.pid;$/m);
    assert.match(stdout, /^user www-data;$/m);
    assert.doesNotMatch(stdout, /load_module/);
  });

  it('exports to HAProxy', async () => {
    const { code, stdout } = await runCommand(
      'export',
      'haproxy',
      'examples/quickstart/sluice.yaml',
    );
    assert.equal(code, 0);
    assert.match(stdout, /^frontend web$/m);
  });

  it('reads which certificate is for which name, and goes on where it cannot', async () => {
    const scope = new Scope();
    try {
      const authority = await createAuthority();
      const folder = await temporaryFolder(scope);
      for (const name of ['one', 'two']) {
        await writePair(folder, await authority.issue({ names: [`${name}.test`] }), name);
      }
      const certificates = ['one', 'two'].map((name) => `{ cert: ${name}.pem, key: ${name}.key }`);
      const file = await writeText(
        folder,
        'sluice.yaml',
        `listeners:
  web:
    address: 127.0.0.1:8443
    protocol: https
    tls: { certificates: [${certificates.join(', ')}] }
    routes: [{ respond: { body: hello } }]
`,
      );
      const { stdout, stderr } = await runCommand('export', 'nginx', file);
      assert.match(stdout, /server_name two\.test;[^}]*ssl_certificate \S+two\.pem;/);
      assert.equal(stderr, '');
      assert.doesNotMatch(stdout, /PRIVATE KEY/);
      await rm(join(folder, 'two.key'));
      const without = await runCommand('export', 'nginx', file);
      assert.equal(without.code, 0);
      assert.match(without.stderr, /^warning: listeners\.web\.tls\.certificates: .* the first$/m);
    } finally {
      await scope.close();
    }
  });

  it('refuses programs and numbers that it does not know, and files that are wrong', async () => {
    const program = await runCommand('export', 'caddy', EXAMPLE);
    assert.equal(program.code, 1);
    assert.match(program.stderr, /Allowed choices are nginx, haproxy/);
    const connections = await runCommand('export', 'nginx', EXAMPLE, '--connections', '0');
    assert.match(connections.stderr, /expected a whole number/);
    const file = await runCommand('export', 'nginx', 'no-such-file.yaml');
    assert.equal(file.code, 1);
    assert.match(file.stderr, /^sluice: cannot read no-such-file\.yaml/);
    assert.equal(file.stdout, '');
  });
});
