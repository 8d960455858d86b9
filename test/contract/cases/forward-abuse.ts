// What clients, origins and files may do to a forward proxy that it has to get through unharmed.
import assert from 'node:assert/strict';
import { eventually, pause } from '../../support/deadline.ts';
import { requestBytes } from '../../support/http-client.ts';
import { type Case, type Feature, offering } from '../case.ts';
import { absolute, ask, basic, connectBytes, forwardProxy, LOOPBACK } from '../forward.ts';

const KIB = 1024;

const cases: Case[] = [
  {
    name: 'a CONNECT that comes in pieces and is refused leaves the connection usable',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { port } = await forwardProxy(test, { users: { ann: 'secret' } });
      const authority = `site.test:${target.port}`;
      const client = await test.http(port);
      for (const [fields, status] of [
        [{}, 407],
        [basic('ann:wrong'), 407],
        [basic('ann:secret'), 200],
      ] as const) {
        const bytes = connectBytes(authority, fields);
        client.send(bytes.subarray(0, 20));
        await pause(50);
        client.send(bytes.subarray(20));
        const answer = await client.response('CONNECT');
        assert.equal(answer.value('connection'), undefined);
        assert.equal(answer.status, status);
      }
      client.send('in');
      await (await target.next()).receivedText('in');
    },
  },
  {
    name: 'a connection that was authenticated by NTLM or Negotiate serves nobody else',
    run: async (test) => {
      const origin = await test.httpTarget({ name: 'inside' });
      const { port } = await forwardProxy(test);
      const url = `http://site.test:${origin.port}/`;
      for (const [i, value] of ['NTLM TlRMTVNTUAAD', 'negotiate YII=', 'Negotiate'].entries()) {
        assert.equal((await ask(test, port, url, { Authorization: value })).status, 200);
        assert.equal((await origin.next()).turn, 0);
        assert.equal(origin.accepts, i + 1);
      }
      // What authenticates a request alone is no reason.
      for (const value of ['Basic YTpi', 'Bearer Negotiate', 'NTLMv9 x']) {
        await ask(test, port, url, { Authorization: value });
      }
      assert.equal(origin.accepts, 4);
    },
  },
  {
    name: 'listeners with different sourceAddresses lend each other no connection',
    run: async (test) => {
      const origin = await test.httpTarget({ name: 'inside' });
      const listenerFrom = (source: string) => ({
        address: '127.0.0.1:0',
        protocol: 'forward',
        privateDestinations: LOOPBACK,
        sourceAddresses: [source],
      });
      const config = {
        listeners: { left: listenerFrom('127.0.0.5'), right: listenerFrom('127.0.0.6') },
      };
      const engine = await test.engine(config, { workers: 1 });
      const url = `http://127.0.0.1:${origin.port}/`;
      const from: (string | undefined)[] = [];
      for (const name of ['left', 'right', 'left', 'right']) {
        await ask(test, engine.port(name), url);
        const { connection } = await origin.next();
        from.push(connection.socket.remoteAddress);
      }
      assert.deepEqual(from, ['127.0.0.5', '127.0.0.6', '127.0.0.5', '127.0.0.6']);
      assert.equal(origin.accepts, 2);
    },
  },
  {
    name: 'a PAC file and a page of many KiB arrive whole, one request after the other',
    run: async (test) => {
      const script = `function FindProxyForURL() { return "DIRECT"; }\n${'// more\n'.repeat(15 * KIB)}`;
      const page = `<p>{host}</p>${'<br>'.repeat(7 * KIB)}<i>{reason}</i>`;
      const { port } = await forwardProxy(test, {
        files: {
          texts: new Map([
            ['/own.pac', Buffer.from(script)],
            ['/page.html', Buffer.from(page)],
          ]),
        },
        listener: { pac: '/own.pac', denyPage: '/page.html', default: 'deny' },
      });
      const client = await test.http(port);
      for (let i = 0; i < 3; i++) {
        client.send(requestBytes('GET', '/proxy.pac', { Host: 'proxy.test' }));
        const answer = await client.response();
        assert.equal(answer.status, 200);
        assert.equal(answer.text, script);
        client.send(absolute('GET', 'http://site.test/'));
        const refused = await client.response();
        assert.equal(refused.status, 403);
        const filled = page.replace('{host}', 'site.test').replace('{reason}', 'a rule denies it');
        assert.equal(refused.text, filled);
        client.send(absolute('HEAD', 'http://site.test/'));
        const head = await client.response('HEAD');
        assert.equal(head.value('content-length'), String(filled.length));
      }
    },
  },
  {
    name: 'very many names at a time are asked for, each is answered, and none of them stays',
    run: async (test) => {
      const { port, engine, oracle } = await forwardProxy(test);
      const client = await test.http(port);
      const names = Array.from({ length: 2000 }, (_, i) => `n${i}.test`);
      for (const name of names) client.send(absolute('GET', `http://${name}/`));
      for (const _ of names) assert.equal((await client.response()).status, 502);
      assert.equal(new Set(oracle.askedNames).size, 2000);
      await eventually('nothing to be in flight', () => engine.inFlight === 0);
      assert.equal(engine.stats().listener('egress').active, 1);
    },
  },
  {
    name: 'clients that are gone before their names are known, and a reload meanwhile, leave nothing',
    run: async (test) => {
      let tell = (_: readonly string[]): void => {};
      const known = new Promise<readonly string[]>((resolve) => {
        tell = resolve;
      });
      const origin = await test.httpTarget({ name: 'inside' });
      const { port, engine, oracle, config } = await forwardProxy(test, {
        names: { 'slow.test': () => known },
        users: { ann: 'secret' },
      });
      const login = basic('ann:secret');
      const stays = await test.http(port);
      stays.send(absolute('GET', `http://slow.test:${origin.port}/`, login));
      const leaving = await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          const client = await test.http(port);
          const authority = `slow.test:${origin.port}`;
          client.send(
            i % 2 ? connectBytes(authority, login) : absolute('GET', `http://${authority}/`, login),
          );
          return client;
        }),
      );
      await eventually('the name to be asked for', () => oracle.askedNames.length > 0);
      await eventually(
        'all to be under way',
        () => engine.stats().listener('egress').requests === 21,
      );
      for (const client of leaving) client.connection.reset();
      await engine.apply(config);
      await eventually('them to be gone', () => engine.stats().listener('egress').active === 1);
      tell(['127.0.0.1']);
      assert.equal((await stays.response()).text, 'inside');
      await eventually('nothing to be in flight', () => engine.inFlight === 0);
      assert.equal(engine.engine.userStates()[0]?.active, 0);
      assert.equal(origin.accepts, 1);
    },
  },
];

export const forwardAbuse: Feature = {
  name: 'forward: abuse',
  cases: offering(['forward'], cases),
};
