// What an export does beyond single requests: relaying TCP, UDP and upgrades, sharing work among targets, going on
// without a target that is gone, socket files. The same assertions hold for our own engines in test/contract.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { DEADLINE_MS, eventually, within } from '../../support/deadline.ts';
import { fetchOnce, openHttp } from '../../support/http-client.ts';
import { chunk, type HttpTarget, startHttpTarget } from '../../support/http-target.ts';
import { connectRaw } from '../../support/raw-connection.ts';
import { Scope } from '../../support/scope.ts';
import { fieldValue } from '../../support/strict-http.ts';
import { freeAddress, startEchoTarget } from '../../support/tcp-target.ts';
import { openUdp, openUdpTarget } from '../../support/udp.ts';
import {
  exportFor,
  missing,
  missingStream,
  PROGRAMS,
  type ProgramName,
  startProgram,
  Workplace,
} from './programs.ts';

interface Given {
  readonly program: ProgramName;
  readonly scope: Scope;
}

/** A test whose things are closed when it ends. */
function given(program: ProgramName, run: (given: Given, test: TestContext) => Promise<void>) {
  return async (test: TestContext): Promise<void> => {
    const scope = new Scope();
    try {
      await run({ program, scope }, test);
    } finally {
      await scope.close();
    }
  };
}

const http = (address: string, pool: object, listener: object = {}): object => ({
  listeners: { web: { address, protocol: 'http', pool: 'all', ...listener } },
  pools: { all: pool },
});

async function targetsOf(scope: Scope, count: number): Promise<HttpTarget[]> {
  const targets: HttpTarget[] = [];
  for (let i = 0; i < count; i++) {
    targets.push(scope.own(await startHttpTarget({ name: `target ${i}` })));
  }
  return targets;
}

for (const program of PROGRAMS) {
  describe(`an export to ${program}`, { skip: missing(program) }, () => {
    it(
      'keeps connections to targets',
      given(program, async ({ scope }) => {
        const [target] = await targetsOf(scope, 1);
        const running = scope.own(
          await startProgram(program, (address) => http(address, { targets: [target!.address] })),
        );
        const client = await openHttp(running.port);
        scope.defer(() => client.close());
        for (let i = 0; i < 5; i++) assert.equal((await client.get('/')).text, 'target 0');
        assert.equal(target!.connections.length, 1);
        assert.deepEqual(target!.violations, []);
      }),
    );

    it(
      'opens a connection a request where none is to be kept',
      given(program, async ({ scope }) => {
        const [target] = await targetsOf(scope, 1);
        const pool = { targets: [target!.address], keepAlive: { maxIdle: 0 } };
        const running = scope.own(await startProgram(program, (address) => http(address, pool)));
        for (let i = 0; i < 3; i++)
          assert.equal((await fetchOnce(running.port, 'GET', '/')).text, 'target 0');
        assert.equal(target!.connections.length, 3);
      }),
    );

    it(
      'gives weights their share',
      given(program, async ({ scope }) => {
        const targets = await targetsOf(scope, 2);
        const pool = {
          targets: targets.map(({ address }, i) => ({ address, weight: i === 0 ? 750 : 250 })),
        };
        const running = scope.own(await startProgram(program, (address) => http(address, pool)));
        for (let i = 0; i < 8; i++)
          assert.equal((await fetchOnce(running.port, 'GET', '/')).status, 200);
        assert.deepEqual(
          targets.map(({ requests }) => requests.length),
          [6, 2],
        );
      }),
    );

    for (const strategy of [
      'random',
      'least-connections',
      'ip-hash',
      'power-of-two-choices',
      'maglev',
    ]) {
      it(
        `serves with the strategy ${strategy}`,
        given(program, async ({ scope }) => {
          const targets = await targetsOf(scope, 2);
          const pool = { strategy, targets: targets.map(({ address }) => address) };
          const running = scope.own(await startProgram(program, (address) => http(address, pool)));
          for (let i = 0; i < 12; i++)
            assert.equal((await fetchOnce(running.port, 'GET', '/')).status, 200);
          const counts = targets.map(({ requests }) => requests.length);
          assert.equal(counts[0]! + counts[1]!, 12);
          const isSticky = strategy === 'ip-hash' || strategy === 'maglev';
          if (isSticky) assert.ok(counts.includes(12), `one client went to ${counts}`);
          assert.equal(running.warnings.length, strategy === 'maglev' ? 1 : 0);
        }),
      );
    }

    it(
      'goes on without a target that is gone',
      given(program, async ({ scope }) => {
        const gone = await freeAddress();
        const [target] = await targetsOf(scope, 1);
        const pool = { targets: [gone.text, target!.address] };
        const running = scope.own(await startProgram(program, (address) => http(address, pool)));
        for (let i = 0; i < 6; i++)
          assert.equal((await fetchOnce(running.port, 'GET', '/')).status, 200);
        assert.equal((await fetchOnce(running.port, 'POST', '/', {}, 'x')).status, 200);
      }),
    );

    it(
      'tells each target its own address as Host',
      given(program, async ({ scope }) => {
        const targets = await targetsOf(scope, 2);
        const pool = { hostHeader: 'target', targets: targets.map(({ address }) => address) };
        const running = scope.own(await startProgram(program, (address) => http(address, pool)));
        for (let i = 0; i < 2; i++)
          await fetchOnce(running.port, 'GET', '/', { Host: 'client.example' });
        const hosts = targets.map(({ requests }) => fieldValue(requests[0]!.fields, 'host'));
        if (program === 'nginx') {
          assert.deepEqual(hosts, [targets[0]!.address, targets[0]!.address]);
          assert.match(running.warnings.join(), /^pools\.all\.hostHeader: /);
        } else {
          assert.deepEqual(
            hosts,
            targets.map(({ address }) => address),
          );
          assert.deepEqual(running.warnings, []);
        }
      }),
    );

    it(
      'streams bodies of unknown length both ways',
      given(program, async ({ scope }) => {
        const answer = (): Buffer =>
          Buffer.concat([
            Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
            chunk('b'.repeat(70_000)),
            chunk('c'),
            chunk(''),
          ]);
        const target = scope.own(await startHttpTarget({ answer }));
        const running = scope.own(
          await startProgram(program, (address) => http(address, { targets: [target.address] })),
        );
        const client = await openHttp(running.port);
        scope.defer(() => client.close());
        client.send('POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n');
        // The first part is with the target before the last is sent: nothing waits for the whole.
        client.send(chunk('a'.repeat(60_000)));
        await within(target.receivedHeads(1), 'the head at the target');
        client.send(Buffer.concat([chunk('d'), chunk('')]));
        const response = await client.response('POST');
        assert.equal(response.text, `${'b'.repeat(70_000)}c`);
        assert.equal((await target.next()).body.length, 60_001);
      }),
    );

    it(
      'relays a WebSocket',
      given(program, async ({ scope }) => {
        const target = new WebSocketServer({ port: 0, host: '127.0.0.1' });
        await once(target, 'listening');
        scope.defer(() => new Promise<void>((resolve) => target.close(() => resolve())));
        target.on('connection', (socket) =>
          socket.on('message', (data) => socket.send(`${data}!`)),
        );
        const { port } = target.address() as { port: number };
        const running = scope.own(
          await startProgram(program, (address) =>
            http(address, { targets: [`127.0.0.1:${port}`] }),
          ),
        );
        const client = new WebSocket(`ws://127.0.0.1:${running.port}/chat`);
        scope.defer(() => client.terminate());
        await within(once(client, 'open'), 'the WebSocket to open');
        client.send('hello');
        const [data] = await within(once(client, 'message'), 'the echo', DEADLINE_MS);
        assert.equal(String(data), 'hello!');
      }),
    );

    it(
      'serves as leanly as a bench asks for',
      given(program, async ({ scope }) => {
        const [target] = await targetsOf(scope, 1);
        const running = scope.own(
          await startProgram(
            program,
            (address) => http(address, { targets: [target!.address] }, { forwarded: 'off' }),
            { isLean: true },
          ),
        );
        assert.equal(
          (await fetchOnce(running.port, 'GET', '/x?y', { Host: 'a' })).text,
          'target 0',
        );
        const { target: path, fields } = await target!.next();
        assert.equal(path, '/x?y');
        assert.deepEqual(
          fields.map(({ name }) => name.toLowerCase()),
          ['host'],
        );
      }),
    );

    it(
      'serves with several workers',
      given(program, async ({ scope }) => {
        const targets = await targetsOf(scope, 2);
        const pool = { targets: targets.map(({ address }) => address) };
        const running = scope.own(
          await startProgram(program, (address) => http(address, pool), { workers: 2 }),
        );
        for (let i = 0; i < 8; i++)
          assert.equal((await fetchOnce(running.port, 'GET', '/')).status, 200);
        // Turns are taken over all workers.
        assert.deepEqual(
          targets.map(({ requests }) => requests.length),
          [4, 4],
        );
      }),
    );

    it(
      'writes an access log of JSON lines, whatever clients ask for',
      given(program, async ({ scope }) => {
        const place = scope.own(new Workplace());
        const [target] = await targetsOf(scope, 1);
        const socket = join(place.folder, 'tcp.sock');
        const echo = scope.own(await startEchoTarget());
        const file = join(place.folder, 'access log.json');
        const accessLog = program === 'nginx' ? file : true;
        const running = scope.own(
          await startProgram(program, (address) => ({
            listeners: {
              web: { address, protocol: 'http', pool: 'all', accessLog },
              db: { address: `unix:${socket}`, protocol: 'tcp', pool: 'echo', accessLog },
            },
            pools: { all: { targets: [target!.address] }, echo: { targets: [echo.address] } },
          })),
        );
        await fetchOnce(running.port, 'GET', '/"\'x?q="');
        const client = await connectRaw(socket);
        client.end('hello');
        await client.receivedText('hello');
        await within(client.ended, 'the end');
        const records = (): Record<string, unknown>[] => {
          const text = program === 'nginx' ? readFileSync(file, 'utf8') : running.output;
          return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
        };
        await eventually('both records', () =>
          ['web', 'db'].every((name) => records().some(({ listener }) => listener === name)),
        );
        const http = records().find(({ method }) => method === 'GET');
        assert.equal(http?.status, 200);
        assert.match(String(http?.path), /^\/("|#22)'x$/);
        assert.ok(String(http?.target).endsWith(target!.address));
        const tcp = records().find(({ listener }) => listener === 'db');
        assert.equal(tcp?.bytesOut, 5);
      }),
    );

    it(
      'speaks over socket files',
      given(program, async ({ scope }) => {
        const place = scope.own(new Workplace());
        const socket = join(place.folder, 'target.sock');
        scope.own(await startHttpTarget({ unixPath: socket, name: 'behind a file' }));
        const own = join(place.folder, 'own.sock');
        // Another listener has the port that tells when the program is up.
        const running = scope.own(
          await startProgram(program, (address) => ({
            listeners: {
              web: { address, protocol: 'http', pool: 'all' },
              local: { address: `unix:${own}`, protocol: 'http', pool: 'all' },
            },
            pools: { all: { targets: [`unix:${socket}`], hostHeader: 'target' } },
          })),
        );
        assert.equal((await fetchOnce(running.port, 'GET', '/')).text, 'behind a file');
        assert.equal((await fetchOnce(own, 'GET', '/')).text, 'behind a file');
      }),
    );

    it(
      'relays TCP, and the end of each side',
      { skip: program === 'nginx' && missingStream() },
      given(program, async ({ scope }) => {
        const target = scope.own(await startEchoTarget());
        const running = scope.own(
          await startProgram(program, (address) => ({
            listeners: { db: { address, protocol: 'tcp', pool: 'all' } },
            pools: { all: { targets: [target.address] } },
          })),
        );
        const client = await connectRaw(running.port);
        scope.defer(() => client.close());
        client.end('hello');
        await client.receivedText('hello');
        await within(client.ended, 'the end');
      }),
    );
  });
}

describe('an export to nginx', { skip: missing('nginx') || missingStream() }, () => {
  it(
    'relays UDP, a session a client',
    given('nginx', async ({ scope }) => {
      const target = scope.own(await openUdpTarget('one'));
      // The listener of TCP tells when nginx is up.
      const echo = scope.own(await startEchoTarget());
      const running = scope.own(
        await startProgram('nginx', (address) => ({
          listeners: {
            udp: { address, protocol: 'udp', pool: 'udp' },
            tcp: { address, protocol: 'tcp', pool: 'tcp' },
          },
          pools: { udp: { targets: [target.address] }, tcp: { targets: [echo.address] } },
        })),
      );
      const client = scope.own(await openUdp());
      for (const text of ['a', 'b']) {
        client.send(text, running.port);
        assert.match(await client.text(), /one/);
      }
      assert.equal(new Set(target.datagrams.map(({ from }) => from.port)).size, 1);
    }),
  );
});

describe('an export to haproxy', () => {
  it('leaves out what HAProxy cannot relay, and says so', () => {
    const { text, warnings } = exportFor('haproxy', {
      listeners: { media: { address: '127.0.0.1:9', protocol: 'udp', pool: 'all' } },
      pools: { all: { targets: ['127.0.0.1:8'] } },
    });
    assert.deepEqual(warnings, ['listeners.media: HAProxy does not relay UDP: left out']);
    assert.match(text, /^# listeners\.media: HAProxy does not relay UDP: left out$/m);
    assert.doesNotMatch(text, /^frontend/m);
  });
});
