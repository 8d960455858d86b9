// Every example does what its README says, on every engine.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import WebSocket from 'ws';
import { RunningCommand } from '../unit/cli/command.ts';
import {
  ENGINES,
  get,
  type RunningExample,
  startExample,
  startFreeTargets,
  targetsOf,
} from './example.ts';

const folder = new URL('../../examples/', import.meta.url);
const names = readdirSync(folder);

test('every example has a README that names its command, and a configuration or a program', () => {
  for (const name of names) {
    const readme = readFileSync(new URL(`${name}/README.md`, folder), 'utf8');
    const command = name === 'quickstart' ? 'npm start' : `npm run example ${name}`;
    assert.ok(readme.includes(command), name);
    const entries = ['sluice.yaml', 'main.ts'].map((file) => new URL(`${name}/${file}`, folder));
    assert.equal(entries.filter((file) => existsSync(file)).length, 1, name);
  }
});

/** Registers the test for each engine; the example is closed whatever happens. */
function exampleTest(
  name: string,
  sentence: string,
  body: (example: RunningExample) => Promise<void>,
): void {
  for (const engine of ENGINES) {
    test(`${name}, ${engine}: ${sentence}`, async () => {
      const example = await startExample(name, { engine });
      try {
        await body(example);
      } finally {
        await example.close();
      }
    });
  }
}

async function overTcp(address: string, text: string): Promise<string> {
  const [host, port] = address.split(':');
  const socket = connect(Number(port), host);
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += chunk;
  return answer;
}

/** The first `count` replies to one datagram. */
async function overUdp(address: string, text: string, count = 1): Promise<string[]> {
  const [host, port] = address.split(':');
  const socket = createSocket('udp4');
  const replies: string[] = [];
  socket.send(text, Number(port), host);
  while (replies.length < count) {
    const [message, from] = await once(socket, 'message');
    assert.equal(`${from.address}:${from.port}`, address);
    replies.push(String(message).trim());
  }
  socket.close();
  return replies;
}

exampleTest(
  'quickstart',
  'HTTP alternates, TCP and UDP come back, WebSocket echoes',
  async (example) => {
    const [first, second, third] = await targetsOf(`http://${example.at('web')}/hello`, 3);
    assert.deepEqual([first, second].sort(), ['one', 'two']);
    assert.equal(third, first);
    assert.equal(await overTcp(example.at('echo'), 'hello\n'), 'hello\n');
    const [reply] = await overUdp(example.at('stream'), 'hello');
    assert.match(reply ?? '', /^stream[AB]: hello$/);

    const socket = new WebSocket(`ws://${example.at('web')}/`);
    await once(socket, 'open');
    socket.send('over websocket');
    assert.equal(String((await once(socket, 'message'))[0]), 'over websocket');
    const closed = once(socket, 'close');
    socket.close();
    await closed;

    const { counters } = example.proxy.stats().listeners.web ?? {};
    assert.equal(counters?.requests, 4);
  },
);

exampleTest(
  'reverse-proxy',
  'prefixes are stripped, the rest gets the fixed answer',
  async (example) => {
    const web = `http://${example.at('web')}`;
    const one = (await get(`${web}/server1/hello?a=b`)).seen;
    assert.deepEqual([one.target, one.path], ['one', '/hello?a=b']);
    const two = (await get(`${web}/server2/hello`)).seen;
    assert.deepEqual([two.target, two.path], ['two', '/hello']);
    assert.equal((await get(`${web}/server2`)).seen.path, '/');
    const none = await get(`${web}/server1x`);
    assert.equal(none.status, 404);
    assert.match(none.text, /^Nothing here/);
  },
);

exampleTest('load-balancer', 'each listener follows its strategy', async (example) => {
  const url = (listener: string) => `http://${example.at(listener)}/`;
  const alternate = await targetsOf(url('alternate'), 4);
  assert.deepEqual(alternate.slice(0, 2).sort(), ['one', 'two']);
  assert.deepEqual(alternate.slice(2), alternate.slice(0, 2));
  const weighted = (await targetsOf(url('weighted'), 8)).join(' ');
  assert.equal(weighted, 'one one two one one one two one');
  const leastBusy = await targetsOf(url('leastBusy'), 4);
  assert.deepEqual(leastBusy.sort(), ['one', 'one', 'two', 'two']);
  const sticky = await targetsOf(url('sticky'), 4);
  assert.equal(new Set(sticky).size, 1);
});

exampleTest(
  'api-gateway',
  'paths choose pools, headers are edited, the rest is answered here',
  async (example) => {
    const gateway = `http://${example.at('gateway')}`;
    const api = await get(`${gateway}/api/users`, { headers: { 'X-Gateway': 'claimed' } });
    assert.equal(api.seen.target, 'one');
    assert.equal(api.seen.path, '/api/users');
    assert.equal(api.seen.headers.host, `127.0.0.1:${example.targets.ports.one}`);
    assert.equal(api.seen.headers['x-gateway'], 'sluice');
    assert.equal(api.headers.get('cache-control'), 'no-store');
    const web = await get(`${gateway}/web/index`);
    assert.equal(web.seen.target, 'two');
    assert.equal(web.seen.headers.host, `127.0.0.1:${example.targets.ports.two}`);
    assert.equal(web.headers.get('cache-control'), null);
    assert.equal((await get(`${gateway}/healthz`)).text, 'ok\n');
    const home = await get(`${gateway}/`);
    assert.equal(home.status, 308);
    assert.equal(home.headers.get('location'), `${gateway}/web/`);
    const other = await get(`${gateway}/other`);
    assert.equal(other.status, 404);
    assert.match(other.headers.get('proxy-status') ?? '', /^sluice; error=/);
  },
);

exampleTest(
  'udp-streaming',
  'a stream comes back whole from one target, the next client gets the other',
  async (example) => {
    const first = await overUdp(example.at('media'), 'stream 3', 3);
    const second = await overUdp(example.at('media'), 'stream 2', 2);
    const nameOf = (replies: string[]) => new Set(replies.map((reply) => reply.split(':')[0]));
    assert.deepEqual(
      first.map((reply) => reply.split(': ')[1]),
      ['1 of 3', '2 of 3', '3 of 3'],
    );
    assert.equal(nameOf(first).size, 1);
    assert.equal(nameOf(second).size, 1);
    assert.notDeepEqual(nameOf(first), nameOf(second));
  },
);

exampleTest('tcp-any-protocol', 'bytes come back, and HTTP passes as bytes', async (example) => {
  assert.equal(await overTcp(example.at('echo'), '\0any\xffbytes\n'), '\0any\xffbytes\n');
  const { seen } = await get(`http://${example.at('httpAsTcp')}/hello`, {
    headers: { Connection: 'close' },
  });
  assert.equal(seen.path, '/hello');
  assert.equal(seen.headers['x-forwarded-for'], undefined);
});

test('embedded: the program answers, proxies and stops on a signal', async () => {
  const targets = await startFreeTargets();
  const program = new RunningCommand(
    [],
    { PORT: '0', TARGETS: `127.0.0.1:${targets.ports.one},127.0.0.1:${targets.ports.two}` },
    'examples/embedded/main.ts',
  );
  try {
    const [, url] = await program.match('stdout', /Listening on (http:\S+)\. /);
    assert.equal((await get(`${url}/version`)).text, `${process.version}\n`);
    const { seen } = await get(`${url}/hello`);
    assert.match(seen.target, /^(one|two)$/);
    assert.equal(seen.headers['x-proxy'], 'embedded');
    await program.match('stdout', /^2 requests, p99 /m);
    const { code, stderr } = await program.end('SIGTERM');
    assert.equal(code, 0, stderr);
  } finally {
    program.child.kill('SIGKILL');
    await targets.close();
  }
});
