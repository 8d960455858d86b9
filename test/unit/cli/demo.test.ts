import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { DEMO_PORTS } from '../../../src/cli/demo-targets.ts';
import { RunningCommand } from './command.ts';

/** The demonstration has fixed ports, which another program, or a developer's own demonstration, may hold. */
async function findBusyPort(): Promise<number | null> {
  for (const port of [...Object.values(DEMO_PORTS), 8080, 8081, 8082]) {
    const probe = createServer().listen(port, '127.0.0.1');
    try {
      await once(probe, 'listening');
      probe.close();
      await once(probe, 'close');
    } catch {
      return port;
    }
  }
  return null;
}

test('demo: a table with a command to try for each listener, which work, and a clean end', async (t) => {
  const busy = await findBusyPort();
  if (busy !== null) return t.skip(`port ${busy} is in use`);
  const command = new RunningCommand(['demo']);
  await command.match('stdout', /Ctrl-C stops/);
  for (const attempt of [
    /^web +http +127\.0\.0\.1:8080 +web +curl http:\/\/127\.0\.0\.1:8080\/$/m,
    /^echo +tcp +127\.0\.0\.1:8081 +echo +echo hello \| nc -w1 127\.0\.0\.1 8081$/m,
    /^stream +udp +127\.0\.0\.1:8082 +stream +echo hello \| nc -u -w1 127\.0\.0\.1 8082$/m,
    /^web +round-robin +127\.0\.0\.1:5001, 127\.0\.0\.1:5002$/m,
  ]) {
    assert.match(command.stdout, attempt);
  }
  const response = await fetch('http://127.0.0.1:8080/');
  const { target } = (await response.json()) as { readonly target: string };
  assert.match(target, /^(one|two)$/);
  const { code } = await command.end('SIGINT');
  assert.equal(code, 0);
  assert.equal(await findBusyPort(), null);
});
