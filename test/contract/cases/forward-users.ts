// Who may use a forward proxy, and how much of it.
import assert from 'node:assert/strict';
import { deferred, eventually, pause, settled, within } from '../../support/deadline.ts';
import type { HttpClient } from '../../support/http-client.ts';
import { ok } from '../../support/http-target.ts';
import { fieldValue } from '../../support/strict-http.ts';
import { startEchoTarget } from '../../support/tcp-target.ts';
import { type Case, type Feature, offering } from '../case.ts';
import {
  absolute,
  ask,
  basic,
  connect,
  connectBytes,
  forwardProxy,
  openTunnel,
  USERS_FILE,
  usersFile,
} from '../forward.ts';
import { logFile, records } from './access-log.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const proxyAuthorization = (value: string): Readonly<Record<string, string>> => ({
  'Proxy-Authorization': value,
});
const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64');

/** Values that are no login, whoever is known. */
const MALFORMED: Readonly<Record<string, string>> = {
  'nothing behind Basic': 'Basic',
  'another scheme': `Bearer ${base64('ann:secret')}`,
  'base64 without its padding': `Basic ${base64('ann:secret1').replace(/=+$/, '')}`,
  'characters that are not base64': 'Basic an:n;sec$ret',
  base64url: 'Basic YW5uOnNlY3JldD8_Pz8=',
  'no colon': `Basic ${base64('annsecret')}`,
  'two logins in one': `Basic ${base64('ann:secret')}, Basic ${base64('ann:secret')}`,
  'a control character': `Basic ${base64('ann:sec\u0000ret')}`,
  'bytes that are not UTF-8': `Basic ${base64(Uint8Array.of(0x61, 0x6e, 0x6e, 0x3a, 0xff))}`,
};

const authentication: Case[] = [
  {
    name: 'without a login, or with a wrong one: 407 with a challenge, and the connection goes on',
    run: async (test) => {
      const origin = await test.httpTarget({ name: 'inside' });
      const { port, engine } = await forwardProxy(test, {
        users: { ann: 'secret' },
        listener: { users: { file: USERS_FILE, realm: 'The House' } },
      });
      const client = await test.http(port);
      const url = `http://site.test:${origin.port}/`;
      for (const fields of [
        {},
        basic('ann:wrong'),
        basic('bob:secret'),
        basic(':'),
        basic('ann:'),
      ]) {
        client.send(absolute('GET', url, fields));
        const answer = await client.response();
        assert.equal(answer.status, 407);
        assert.equal(
          answer.value('proxy-authenticate'),
          'Basic realm="The House", charset="UTF-8"',
        );
        assert.equal(answer.value('proxy-status'), 'sluice; error=http_request_denied');
        assert.equal(answer.value('connection'), undefined);
      }
      assert.equal(origin.accepts, 0);
      client.send(absolute('GET', url, basic('ann:secret')));
      assert.equal((await client.response()).text, 'inside');
      assert.equal(engine.stats().listener('egress').errors.proxy_auth_required, 5);
      assert.equal(fieldValue((await origin.next()).fields, 'proxy-authorization'), undefined);
    },
  },
  {
    name: 'a tunnel needs a login like anything else, and may be asked for again with one',
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const { port } = await forwardProxy(test, { users: { ann: 'secret' } });
      const client = await test.http(port);
      const authority = `site.test:${target.port}`;
      const refused = await connect(client, authority);
      assert.equal(refused.status, 407);
      assert.match(refused.value('proxy-authenticate') ?? '', /^Basic realm="/);
      assert.equal((await connect(client, authority, basic('ann:wrong'))).status, 407);
      assert.equal((await connect(client, authority, basic('ann:secret'))).status, 200);
      client.send('in');
      await client.connection.receivedText('in');
    },
  },
  {
    name: 'a body that comes with a refused login is read past, or ends the connection, and is never a request',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test, { users: { ann: 'secret' } });
      const url = `http://site.test:${origin.port}/`;
      const client = await test.http(port);
      client.send(
        absolute('POST', url, {}, absolute('GET', `${url}smuggled`, basic('ann:secret'))),
      );
      assert.equal((await client.response('POST')).status, 407);
      client.send(absolute('GET', `${url}fence`, basic('ann:secret')));
      assert.equal((await client.response()).status, 200);
      const large = await test.http(port);
      large.send(absolute('POST', url, { 'Content-Length': String(64 * MIB) }));
      const answer = await large.response('POST');
      assert.equal(answer.status, 407);
      assert.equal(answer.value('connection'), 'close');
      await within(large.closed, 'the close');
      assert.deepEqual(
        origin.heads.map(({ target }) => target),
        ['/fence'],
      );
    },
  },
  {
    name: 'a password may hold colons and be in any language, the scheme in any case; a second login is none',
    run: async (test) => {
      const origin = await test.httpTarget();
      const users = { ann: ':a:b:', jürgen: 'pässwörd ☃', mute: 'x'.repeat(255) };
      const { port, oracle } = await forwardProxy(test, { users });
      const url = `http://site.test:${origin.port}/`;
      for (const [name, password] of Object.entries(users)) {
        const answer = await ask(test, port, url, basic(`${name}:${password}`));
        assert.equal(answer.status, 200, name);
        assert.ok(oracle.askedPasswords.includes(`${name}:${password}`));
      }
      for (const scheme of ['bAsIc', 'BASIC  ']) {
        const fields = proxyAuthorization(`${scheme} ${base64('ann::a:b:')}`);
        assert.equal((await ask(test, port, url, fields)).status, 200, scheme);
      }
      const twice = await test.http(port);
      const login = basic('ann::a:b:')['Proxy-Authorization'];
      const line = `Proxy-Authorization: ${login}\r\n`;
      twice.send(`GET ${url} HTTP/1.1\r\nHost: site.test:${origin.port}\r\n${line}${line}\r\n`);
      assert.equal((await twice.response()).status, 407);
    },
  },
  {
    name: 'names and passwords as long as a head may be are wrong and nothing worse',
    run: async (test) => {
      const { port } = await forwardProxy(test, {
        users: { ann: 'secret' },
        listener: { limits: { head: '64KiB' } },
      });
      const client = await test.http(port);
      for (const login of [`ann:${'x'.repeat(30_000)}`, `${'x'.repeat(30_000)}:secret`]) {
        client.send(absolute('GET', 'http://site.test/', basic(login)));
        assert.equal((await client.response()).status, 407);
      }
    },
  },
  {
    name: 'what was right is asked about once, by many requests at once too, and what was wrong is no reason to let in',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port, oracle } = await forwardProxy(test, { users: { ann: 'secret' } });
      const url = `http://site.test:${origin.port}/`;
      const gate = deferred<void>();
      oracle.gate = gate.promise;
      const answers = Array.from({ length: 5 }, () => ask(test, port, url, basic('ann:secret')));
      await eventually('the question', () => oracle.askedPasswords.length > 0);
      await settled(() => oracle.askedPasswords.length);
      gate.resolve();
      for (const { status } of await Promise.all(answers)) assert.equal(status, 200);
      await ask(test, port, url, basic('ann:secret'));
      assert.deepEqual(oracle.askedPasswords, ['ann:secret']);
      assert.equal((await ask(test, port, url, basic('ann:secreT'))).status, 407);
      assert.equal(oracle.askedPasswords.length, 2);
    },
  },
  {
    name: 'a users file that has changed lets nobody in by what was true before, on open connections too',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port, oracle, engine, config } = await forwardProxy(test, {
        users: { ann: 'old', bob: 'b' },
      });
      const url = `http://site.test:${origin.port}/`;
      const client = await test.http(port);
      const status = async (login: string): Promise<number> => {
        client.send(absolute('GET', url, basic(login)));
        return (await client.response()).status;
      };
      assert.deepEqual([await status('ann:old'), await status('bob:b')], [200, 200]);
      oracle.passwords.set('ann', 'new');
      engine.replaceFiles({ users: usersFile(['ann', 'carl'], 'changed') });
      oracle.passwords.set('carl', 'c');
      await engine.apply(config);
      assert.deepEqual([await status('ann:old'), await status('ann:new')], [407, 200]);
      // The oracle still knows bob; the file does not.
      assert.deepEqual([await status('bob:b'), await status('carl:c')], [407, 200]);
    },
  },
  {
    name: 'the log and the stats name users, and no password',
    run: async (test) => {
      const accessLog = await logFile(test);
      const origin = await test.httpTarget();
      const { port, engine } = await forwardProxy(test, {
        users: { ann: 'hidden' },
        listener: { accessLog },
      });
      const url = `http://site.test:${origin.port}/`;
      await ask(test, port, url, basic('ann:hidden'));
      await ask(test, port, url, basic('ann:hidden-too'));
      const logged = await records(accessLog, 2);
      assert.deepEqual(
        logged.map(({ user, status, error, destination }) => [user, status, error, destination]),
        [
          ['ann', 200, null, null],
          [null, 407, 'proxy_auth_required', null],
        ],
      );
      assert.doesNotMatch(JSON.stringify(logged), /hidden|aGlkZGVu/);
      const [ann] = engine.engine.userStates();
      assert.equal(ann!.requests, 1);
      assert.equal(ann!.active, 0);
      assert.equal(ann!.bytesOut, 6);
      assert.equal(ann!.bytesToday, 6);
    },
  },
  {
    name: 'without an oracle nobody gets in, and names have no address',
    run: async (test) => {
      const origin = await test.httpTarget();
      const engine = await test.engine(
        {
          listeners: {
            egress: {
              address: '127.0.0.1:0',
              protocol: 'forward',
              privateDestinations: ['127.0.0.0/8'],
              users: USERS_FILE,
            },
            open: {
              address: '127.0.0.1:0',
              protocol: 'forward',
              privateDestinations: ['127.0.0.0/8'],
            },
          },
        },
        { files: { users: usersFile(['ann']) } },
      );
      const url = `http://127.0.0.1:${origin.port}/`;
      assert.equal((await ask(test, engine.port('egress'), url, basic('ann:'))).status, 407);
      assert.equal((await ask(test, engine.port('open'), url)).status, 200);
      assert.equal((await ask(test, engine.port('open'), 'http://site.test/')).status, 502);
    },
  },
];

const malformed: Case[] = Object.entries(MALFORMED).map(([what, value]) => ({
  name: `Proxy-Authorization with ${what}: 407, and nobody is asked`,
  run: async (test) => {
    const { port, oracle } = await forwardProxy(test, { users: { ann: 'secret' } });
    const answer = await ask(test, port, 'http://site.test/', proxyAuthorization(value));
    assert.equal(answer.status, 407);
    assert.deepEqual(oracle.askedPasswords, []);
  },
}));

const limits: Case[] = [
  {
    name: 'a user has so many requests and tunnels at a time, others have their own',
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const origin = await test.httpTarget({
        answer: ({ target: path }) => (path === '/wait' ? undefined : ok('ok')),
      });
      const { port, engine } = await forwardProxy(test, {
        users: { ann: 'a', bob: 'b' },
        listener: { users: { file: USERS_FILE, limits: { connections: 2 } } },
      });
      const url = `http://site.test:${origin.port}`;
      const tunnel = await openTunnel(test, port, `site.test:${target.port}`, basic('ann:a'));
      const waiting = await test.http(port);
      waiting.send(absolute('GET', `${url}/wait`, basic('ann:a')));
      const { connection } = await origin.next();
      const third = await test.http(port);
      third.send(absolute('GET', `${url}/`, basic('ann:a')));
      const refused = await third.response();
      assert.equal(refused.status, 429);
      assert.equal(refused.value('proxy-status'), 'sluice; error=connection_limit_reached');
      assert.equal((await connect(third, `site.test:${target.port}`, basic('ann:a'))).status, 429);
      assert.equal((await ask(test, port, `${url}/`, basic('bob:b'))).status, 200);
      assert.equal(engine.engine.userStates()[0]!.active, 2);
      connection.send(ok('now'));
      assert.equal((await waiting.response()).text, 'now');
      third.send(absolute('GET', `${url}/`, basic('ann:a')));
      assert.equal((await third.response()).status, 200);
      tunnel.close();
      await eventually('nothing to be counted', () => engine.engine.userStates()[0]!.active === 0);
      assert.equal(engine.stats().listener('egress').errors.user_limit, 2);
    },
  },
  {
    name: 'a request that is refused for another reason is no longer counted',
    run: async (test) => {
      const { port, engine } = await forwardProxy(test, {
        users: { ann: 'a' },
        listener: { deny: ['bad.test'], users: { file: USERS_FILE, limits: { connections: 1 } } },
      });
      const client = await test.http(port);
      for (const [host, status] of [
        ['bad.test', 403],
        ['nowhere.test', 502],
        ['bad.test', 403],
      ] as const) {
        client.send(absolute('GET', `http://${host}/`, basic('ann:a')));
        assert.equal((await client.response()).status, status);
      }
      await eventually('nothing to be counted', () => engine.engine.userStates()[0]!.active === 0);
    },
  },
  {
    name: 'a quota that is used up cuts what is in flight and refuses what comes after, of that user alone',
    run: async (test) => {
      const large = Buffer.alloc(4 * MIB);
      const origin = await test.httpTarget({
        answer: ({ target }) => ok(target === '/large' ? large : 'ok'),
      });
      const { port, engine } = await forwardProxy(test, {
        users: { ann: 'a', bob: 'b' },
        listener: {
          users: {
            file: USERS_FILE,
            limits: { quota: '1MiB' },
            each: { bob: { quota: '64MiB' } },
          },
        },
      });
      const url = `http://site.test:${origin.port}`;
      const client = await test.http(port);
      client.send(absolute('GET', `${url}/large`, basic('ann:a')));
      await within(client.closed, 'the cut');
      assert.ok(client.connection.received.length < 2 * MIB);
      const refused = await ask(test, port, `${url}/`, basic('ann:a'));
      assert.equal(refused.status, 429);
      assert.equal(refused.value('proxy-status'), 'sluice; error=http_request_denied');
      const other = await ask(test, port, `${url}/large`, basic('bob:b'));
      assert.equal(other.body.length, large.length);
      const { errors } = engine.stats().listener('egress');
      assert.equal(errors.user_quota, 2);
      assert.equal(engine.stats().target('egress/direct', 'direct').errorTotal, 0);
    },
  },
  {
    name: 'a quota ends tunnels too, and counts both directions',
    run: async (test) => {
      const target = test.own(await startEchoTarget());
      const { port, engine } = await forwardProxy(test, {
        users: { ann: 'a' },
        listener: { users: { file: USERS_FILE, limits: { quota: 100_000 } } },
      });
      const client = await openTunnel(test, port, `site.test:${target.port}`, basic('ann:a'));
      client.send(Buffer.alloc(30_000));
      await client.connection.until('the echo', () =>
        client.rest.length === 30_000 ? true : undefined,
      );
      const [ann] = engine.engine.userStates();
      assert.equal(ann!.bytesIn, 30_000);
      assert.equal(ann!.bytesOut, 30_000);
      assert.equal(ann!.bytesToday, 60_000);
      client.send(Buffer.alloc(30_000));
      await within(client.closed, 'the cut');
      assert.ok(client.rest.length < 60_000);
      await eventually(
        'it to be counted',
        () => engine.stats().listener('egress').errors.user_quota === 1,
      );
      assert.equal(
        (await connect(await test.http(port), `site.test:${target.port}`, basic('ann:a'))).status,
        429,
      );
    },
  },
  {
    name: 'what a user has used is remembered over reloads, and limits that change hold at once',
    run: async (test) => {
      const origin = await test.httpTarget({ answer: () => ok(Buffer.alloc(1000)) });
      const { port, engine, config } = await forwardProxy(test, { users: { ann: 'a' } });
      const url = `http://site.test:${origin.port}/`;
      assert.equal((await ask(test, port, url, basic('ann:a'))).status, 200);
      const { egress } = (config as { listeners: { egress: object } }).listeners;
      const users = { file: USERS_FILE, limits: { quota: 1500 } };
      await engine.apply({ listeners: { egress: { ...egress, users } } });
      assert.equal(engine.engine.userStates()[0]!.bytesToday, 1000);
      await ask(test, port, url, basic('ann:a')).catch(() => undefined);
      await eventually(
        'the quota to be used up',
        () => engine.engine.userStates()[0]!.bytesToday >= 1500,
      );
      assert.equal((await ask(test, port, url, basic('ann:a'))).status, 429);
    },
  },
  {
    name: 'bandwidth paces a user and nobody else: what takes one hours, another has at once',
    run: async (test) => {
      const large = Buffer.alloc(16 * MIB);
      const origin = await test.httpTarget({ answer: () => ok(large) });
      const { port, engine } = await forwardProxy(test, {
        users: { ann: 'a', bob: 'b' },
        listener: {
          users: { file: USERS_FILE, each: { ann: { bandwidth: KIB } } },
          timeouts: { bodyIdle: '3s' },
        },
      });
      const url = `http://site.test:${origin.port}/`;
      const paced = await test.http(port);
      paced.send(absolute('GET', url, basic('ann:a')));
      await paced.connection.receivedText('\r\n\r\n');
      const other = await ask(test, port, url, basic('bob:b'));
      assert.equal(other.body.length, large.length);
      assert.ok(
        paced.connection.received.length < MIB,
        'a user of 1 KiB/s has got less than 1 MiB',
      );
      // It is not held against anybody that nothing moves meanwhile, for longer than a body may be idle.
      await pause(3500);
      const moved = await settled(() => engine.engine.userStates()[0]!.bytesOut);
      assert.ok(moved < MIB);
      assert.equal(paced.connection.isClosed, false);
      assert.equal(engine.stats().listener('egress').errorTotal, 0);
    },
  },
  {
    name: 'bandwidth is one for all that a user does, uploads and tunnels among it',
    run: async (test) => {
      const target = await test.tcpTarget({ record: false });
      const { port, engine } = await forwardProxy(test, {
        users: { ann: 'a' },
        listener: {
          users: { file: USERS_FILE, limits: { bandwidth: KIB } },
          timeouts: { tunnelIdle: '1s' },
        },
      });
      const flood = async (): Promise<HttpClient> => {
        // All in one: no tunnel is idle before it has to wait.
        const client = await test.http(port, { allowHalfOpen: true });
        const head = connectBytes(`site.test:${target.port}`, basic('ann:a'));
        client.send(Buffer.concat([Buffer.from(head), Buffer.alloc(8 * MIB)]));
        assert.equal((await client.response('CONNECT')).status, 200);
        return client;
      };
      const clients = [await flood(), await flood(), await flood()];
      const moved = await settled(() => engine.engine.userStates()[0]!.bytesIn);
      assert.ok(moved > 0 && moved < 2 * MIB, `${moved} bytes have moved`);
      // Whoever has to wait is not idle.
      await pause(1500);
      for (const client of clients) assert.equal(client.connection.isClosed, false);
      assert.equal(engine.engine.userStates()[0]!.active, 3);
    },
  },
  {
    name: 'bandwidth that suffices loses and reorders nothing',
    run: async (test) => {
      const payload = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i & 255));
      const target = test.own(await startEchoTarget());
      const { port } = await forwardProxy(test, {
        users: { ann: 'a' },
        listener: { users: { file: USERS_FILE, limits: { bandwidth: '8MiB' } } },
      });
      const client = await openTunnel(test, port, `site.test:${target.port}`, basic('ann:a'));
      client.send(payload);
      client.connection.end();
      await within(client.closed, 'the close');
      assert.ok(client.rest.equals(payload));
    },
  },
];

export const forwardUsers: Feature = {
  name: 'forward: users',
  cases: offering(['forward'], [...authentication, ...malformed]),
};

export const forwardLimits: Feature = {
  name: 'forward: limits of users',
  cases: offering(['forward'], limits),
};
