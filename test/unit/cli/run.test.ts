import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { RunningCommand, runCommand } from './command.ts';

let folder: string;
let echo: Server;
let echoPort: number;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
  echo = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  echoPort = (echo.address() as AddressInfo).port;
});

after(() => {
  echo.close();
  rmSync(folder, { recursive: true });
});

function writeConfig(name: string, listeners: Record<string, string>): string {
  const file = join(folder, name);
  const lines = Object.entries(listeners).map(
    ([listener, address]) => `  ${listener}: { address: "${address}", protocol: tcp, pool: echo }`,
  );
  const pool = `pools:\n  echo: { targets: ["127.0.0.1:${echoPort}"] }`;
  writeFileSync(file, `engine: js\nlisteners:\n${lines.join('\n')}\n${pool}\n`);
  return file;
}

function logLines(stderr: string): Record<string, unknown>[] {
  return stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function listeningPort(command: RunningCommand, listener: string): Promise<number> {
  const pattern = new RegExp(`"listener":"${listener}","address":"127.0.0.1:(\\d+)"`);
  return Number((await command.match('stderr', pattern))[1]);
}

async function exchange(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(text);
  let answer = '';
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
  return answer;
}

test('run: relays, prints statistics on SIGUSR1, reloads on SIGHUP, drains on SIGTERM', async () => {
  const file = writeConfig('run.yaml', { db: '127.0.0.1:0' });
  const command = new RunningCommand(['run', file]);
  const port = await listeningPort(command, 'db');
  assert.equal(await exchange(port, 'hello'), 'hello');

  command.child.kill('SIGUSR1');
  const [, connections] = await command.match('stderr', /^listener db +\d+ +(\d+) /m);
  assert.equal(connections, '1');
  assert.doesNotMatch(command.stderr, /Debugger/);

  // A broken file keeps the old configuration and tells all of its problems.
  writeFileSync(file, 'listeners:\n  db: { address: nonsense, protocol: tpc }\n');
  command.child.kill('SIGHUP');
  await command.match('stderr', /"code":"config_invalid".*"problems":\[\{.*\}.*reload refused/);
  assert.equal(await exchange(port, 'still here'), 'still here');

  writeConfig('run.yaml', { db: '127.0.0.1:0', more: '127.0.0.1:0' });
  command.child.kill('SIGHUP');
  await command.match('stderr', /"planVersion":2,"reason":"reload"/);
  assert.equal(await exchange(port, 'same socket'), 'same socket');

  // What is in flight ends first.
  const socket = connect(port, '127.0.0.1');
  socket.write('in flight');
  await once(socket, 'data');
  command.child.kill('SIGTERM');
  await command.match('stderr', /"msg":"draining/);
  socket.end('last words');
  const [answer] = await once(socket, 'data');
  assert.equal(String(answer), 'last words');
  const { code, stdout, stderr } = await command.end();
  assert.equal(code, 0);
  assert.equal(stdout, '');
  const messages = logLines(stderr).map(({ msg }) => msg);
  assert.equal(messages[0], 'engine started');
  assert.equal(messages.at(-1), 'closed');
  const [{ engine, kernelTls = '' } = {}] = logLines(stderr);
  // Which of the two is the machine's.
  if (engine === 'native') assert.match(String(kernelTls), /^(offered|not offered: .+)$/);
  else assert.equal(kernelTls, '');
});

test('run: the second signal does not wait for what is in flight; an echo of the first does', async () => {
  const command = new RunningCommand(['run', writeConfig('cut.yaml', { db: '127.0.0.1:0' })]);
  const socket = connect(await listeningPort(command, 'db'), '127.0.0.1');
  socket.on('error', () => {});
  socket.write('in flight');
  await once(socket, 'data');
  command.child.kill('SIGINT');
  // npm passes on what the terminal has sent already.
  command.child.kill('SIGINT');
  await command.match('stderr', /"msg":"draining/);
  socket.write('still served');
  assert.equal(String((await once(socket, 'data'))[0]), 'still served');
  const { code, stderr } = await command.end('SIGTERM');
  assert.equal(code, 0);
  assert.match(stderr, /"signal":"SIGTERM","msg":"stopping at once"/);
});

test('run: a start that fails is one line that names the listener and the remedy', async () => {
  const file = writeConfig('busy.yaml', { free: '127.0.0.1:0', busy: `127.0.0.1:${echoPort}` });
  const { code, stdout, stderr } = await runCommand('run', file);
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /^sluice: listener busy: cannot listen on .*in use.*\n$/);
  assert.equal(stderr.trimEnd().split('\n').length, 1);
});

test('run: --engine and --workers win over the file', async () => {
  const file = writeConfig('flags.yaml', { db: '127.0.0.1:0' });
  const { code, stderr } = await runCommand('run', file, '--engine', 'uws');
  assert.equal(code, 1);
  assert.match(stderr, /^sluice: listeners\.db\.protocol: tcp: engine uws does not offer it/);
  const refused = await runCommand('run', file, '--workers', '2');
  assert.match(refused.stderr, /^sluice: workers: 2: engine js does not offer it/);
  const wrong = await runCommand('run', file, '--workers', 'many');
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /expected auto or a whole number from 1 to 256/);
});

test('check: all problems and exit 1, or what is there and exit 0', async () => {
  const wrong = join(folder, 'wrong.yaml');
  writeFileSync(
    wrong,
    'listeners:\n  web: { address: "127.0.0.1:x", protocol: http, pool: nowhere }\nworkrs: 2\n',
  );
  const bad = await runCommand('check', wrong);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /3 problems/);
  for (const place of ['listeners.web.address', 'listeners.web.pool', 'workrs']) {
    assert.ok(bad.stderr.includes(place), bad.stderr);
  }

  const right = writeConfig('right.yaml', { a: '127.0.0.1:0', b: '127.0.0.1:0' });
  const good = await runCommand('check', right);
  assert.deepEqual(good, {
    code: 0,
    stdout: `${right}: ok: 2 listeners, 1 pool, 1 target\n`,
    stderr: '',
  });
});

test('check: a file that is not there is one line', async () => {
  const { code, stderr } = await runCommand('check', join(folder, 'none.yaml'));
  assert.equal(code, 1);
  assert.match(stderr, /^sluice: cannot read .*none\.yaml: there is no such file\n$/);
});

test('schema: prints a JSON Schema; --version and --help answer', async () => {
  const [schema, version, help] = await Promise.all([
    runCommand('schema'),
    runCommand('--version'),
    runCommand('--help'),
  ]);
  assert.match(JSON.parse(schema.stdout).$schema, /json-schema\.org/);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  for (const command of ['run', 'check', 'explain', 'schema', 'demo']) {
    assert.match(help.stdout, new RegExp(`^  ${command} `, 'm'));
  }
  assert.deepEqual([schema.code, version.code, help.code], [0, 0, 0]);
});

test('an unknown command or example is told with what there is', async () => {
  const [command, example] = await Promise.all([
    runCommand('rnu'),
    runCommand('demo', '--example', 'nonsense'),
  ]);
  assert.equal(command.code, 1);
  assert.match(command.stderr, /Did you mean run/);
  assert.equal(example.code, 1);
  assert.match(example.stderr, /^sluice: no example nonsense: there are .*quickstart/);
});
