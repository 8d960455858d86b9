// SOCKS clients that a forward proxy turns away, and how it tells them: who they are, where they may go, what they say.
import assert from 'node:assert/strict';
import type { ErrorCode } from '../../../src/contract/codes.ts';
import { eventually, pause, within } from '../../support/deadline.ts';
import type { RunningEngine } from '../../support/running-engine.ts';
import {
  ASSOCIATE,
  BIND,
  CONNECT,
  greeting,
  login,
  request,
  request4,
  type SocksClient,
} from '../../support/socks-client.ts';
import { freeAddress } from '../../support/tcp-target.ts';
import { readVectors } from '../../unit/plan/vectors.ts';
import { type Case, type CaseContext, type Feature, offering } from '../case.ts';
import { absolute, type ForwardOptions, forwardProxy, USERS_FILE } from '../forward.ts';
import { socks } from './forward-socks.ts';

const NO_METHOD = 0xff;
const [SUCCEEDED, FAILED, DENIED, HOST_UNREACHABLE, REFUSED] = [0, 1, 2, 4, 5];
const [COMMAND_UNSUPPORTED, TYPE_UNSUPPORTED] = [7, 8];
const LONG = 'n'.repeat(255);
const USERS = { ada: 'secret', zoë: 'pässword', [LONG]: 'p'.repeat(255), blank: '' };

/** The proxy ends the connection in order. */
async function isClosed(client: SocksClient): Promise<void> {
  await within(client.connection.ended, 'the proxy to close');
  client.connection.end();
  assert.equal(await within(client.connection.closed, 'the proxy to close'), 'fin');
}

const counted = (engine: RunningEngine, code: ErrorCode): number =>
  engine.stats().listener('egress').errors[code];

/** What a proxy says to a request, by version 5 and, as 4 tells it, 4a; it closes both connections. */
async function refusal(
  test: CaseContext,
  engine: RunningEngine,
  [host, port]: readonly [string, number],
  expected: { readonly reply: number; readonly code: ErrorCode },
): Promise<void> {
  const before = counted(engine, expected.code);
  const five = await socks(test, engine);
  assert.equal(await five.open(host, port), expected.reply, `${host}:${port}`);
  await isClosed(five);
  assert.equal(five.text, '');
  const four = await socks(test, engine);
  assert.equal(await four.open4(host, port), 91, `${host}:${port}`);
  await isClosed(four);
  assert.equal(four.text, '');
  await eventually(
    `${expected.code} to be counted for ${host}:${port}`,
    () => counted(engine, expected.code) === before + 2,
  );
}

interface RefusalCase {
  readonly name: string;
  readonly reply: number;
  readonly code: ErrorCode;
  readonly options?: ForwardOptions;
  readonly to: (test: CaseContext) => Promise<readonly (readonly [string, number])[]>;
}

const to = (...places: (readonly [string, number])[]) => {
  return async () => places;
};

const refusals: readonly RefusalCase[] = [
  {
    name: 'a destination that refuses the connection: 0x05',
    reply: REFUSED,
    code: 'connect_refused',
    to: async () => {
      const { host, port } = await freeAddress();
      return [
        [host, port],
        ['gone.test', port],
      ];
    },
    options: { names: { 'gone.test': ['127.77.255.254'] } },
  },
  {
    name: 'a name that does not exist: 0x04',
    reply: HOST_UNREACHABLE,
    code: 'name_not_found',
    to: to(['nowhere.test', 80]),
  },
  {
    name: 'a name that no name server answers for: 0x04',
    reply: HOST_UNREACHABLE,
    code: 'name_timeout',
    options: { names: { 'slow.test': 'name_timeout' } },
    to: to(['slow.test', 80]),
  },
  {
    name: 'a destination that does not answer in time: 0x04',
    reply: HOST_UNREACHABLE,
    code: 'connect_timeout',
    options: { listener: { timeouts: { connect: '300ms' } } },
    to: async (test) => [['127.0.0.1', (await test.blackhole()).port]],
  },
  {
    name: 'a destination that a rule denies, by name, suffix and block: 0x02',
    reply: DENIED,
    code: 'destination_denied',
    options: {
      names: { 'www.bad.test': ['127.0.0.1'], 'elsewhere.test': ['127.66.0.1'] },
      listener: { deny: ['site.test', '*.bad.test', '127.66.0.0/16'] },
    },
    to: to(['site.test', 80], ['www.bad.test', 80], ['127.66.1.2', 80], ['elsewhere.test', 80]),
  },
  {
    name: 'everything, where the rules allow CONNECT alone: 0x02',
    reply: DENIED,
    code: 'destination_denied',
    options: {
      listener: { rules: [{ match: { methods: ['SOCKS'] }, action: 'deny' }] },
    },
    to: to(['site.test', 80], ['127.0.0.1', 443]),
  },
  {
    name: 'a port that is not one of socksPorts: 0x02',
    reply: DENIED,
    code: 'destination_denied',
    options: { listener: { socksPorts: [443, '8000-8099'] } },
    to: to(['site.test', 80], ['127.0.0.1', 8100]),
  },
  {
    name: 'every port, where socksPorts is empty: 0x02',
    reply: DENIED,
    code: 'destination_denied',
    options: { listener: { socksPorts: [] } },
    to: to(['site.test', 80], ['127.0.0.1', 443]),
  },
  {
    name: 'addresses that are not public, whichever way they are written: 0x02',
    reply: DENIED,
    code: 'destination_forbidden',
    options: {
      listener: { privateDestinations: [] },
      names: { 'inside.test': ['10.0.0.1', 'fd00:ec2::254'], 'mapped.test': ['::ffff:127.0.0.1'] },
    },
    to: to(
      ['127.0.0.1', 80],
      ['127.255.255.254', 80],
      ['0.0.0.0', 80],
      ['10.0.0.1', 80],
      ['172.31.255.255', 80],
      ['192.168.1.1', 80],
      ['100.64.0.1', 80],
      ['169.254.169.254', 80],
      ['224.0.0.1', 80],
      ['255.255.255.255', 80],
      ['site.test', 80],
      ['inside.test', 80],
      ['mapped.test', 80],
    ),
  },
  {
    name: 'what is no host, or no port: 0x01',
    reply: FAILED,
    code: 'destination_malformed',
    to: to(
      ['site.test', 0],
      ['127.0.0.1', 0],
      ['user@site.test', 80],
      ['site.test:80', 80],
      ['http://site.test', 80],
      ['[::1]', 80],
      ['%31%32%37.0.0.1', 80],
      ['site.test/', 80],
      ['sité.test', 80],
      [`${'a'.repeat(64)}.test`, 80],
    ),
  },
  {
    name: 'the proxy itself: 0x01',
    reply: FAILED,
    code: 'proxy_loop',
    to: async () => [],
  },
];

const refusalCases: Case[] = refusals.map(({ name, reply, code, options, to: places }) => ({
  name: `refuses ${name}`,
  run: async (test) => {
    const { engine, port } = await forwardProxy(test, options);
    const all = code === 'proxy_loop' ? loops(port) : await places(test);
    assert.ok(all.length > 0);
    for (const place of all) await refusal(test, engine, place, { reply, code });
    assert.equal(engine.inFlight, 0);
  },
}));

const loops = (port: number): readonly (readonly [string, number])[] => [
  ['127.0.0.1', port],
  ['site.test', port],
];

/** What is sent, and the only thing that is answered before the connection is closed. */
interface Babble {
  readonly what: string;
  readonly sent: Buffer;
  readonly answer: string;
}

const hello = greeting([0]);

const babbles: readonly Babble[] = [
  {
    what: 'a request of another version',
    sent: Buffer.concat([hello, Buffer.of(4, 1, 0, 1)]),
    answer: '050005010001000000000000',
  },
  {
    what: 'a reserved byte that is not zero',
    sent: Buffer.concat([hello, Buffer.of(5, 1, 7, 1)]),
    answer: '050005010001000000000000',
  },
  {
    what: 'HTTP behind a greeting',
    sent: Buffer.concat([hello, Buffer.from('GET / HTTP/1.1\r\n\r\n')]),
    answer: '050005010001000000000000',
  },
  { what: 'no method at all', sent: greeting([]), answer: '05ff' },
  { what: 'methods of others', sent: greeting([1, 0x80, 0xfe]), answer: '05ff' },
  {
    what: 'SOCKS4 with a user that does not end',
    sent: Buffer.concat([request4(CONNECT, '127.0.0.1', 80).subarray(0, 8), Buffer.alloc(513, 97)]),
    answer: '005b000000000000',
  },
  {
    what: 'SOCKS4a with a name that does not end',
    sent: Buffer.concat([Buffer.of(4, 1, 0, 80, 0, 0, 0, 1, 0), Buffer.alloc(256, 97)]),
    answer: '005b000000000000',
  },
];

const words: Case[] = [
  {
    name: 'answers BIND with 0x07, and commands that nobody knows',
    run: async (test) => {
      const { engine } = await forwardProxy(test);
      for (const command of [BIND, 0, 4, 255]) {
        const client = await socks(test, engine);
        await client.greet();
        const { code, bound } = await client.request(command, '127.0.0.1', 80);
        assert.deepEqual([code, bound], [COMMAND_UNSUPPORTED, '0.0.0.0:0']);
        await isClosed(client);
      }
      for (const command of [BIND, ASSOCIATE, 0]) {
        const client = await socks(test, engine);
        client.send(request4(command, '127.0.0.1', 80));
        assert.equal(await client.reply4(), 91);
        await isClosed(client);
      }
    },
  },
  {
    name: 'answers types of addresses that nobody knows with 0x08',
    run: async (test) => {
      const { engine } = await forwardProxy(test);
      for (const type of [0, 2, 5, 255]) {
        const client = await socks(test, engine);
        await client.greet();
        client.send(Buffer.of(5, 1, 0, type, 127, 0, 0, 1, 0, 80));
        assert.equal((await client.reply()).code, TYPE_UNSUPPORTED);
        await isClosed(client);
      }
    },
  },
  {
    name: 'closes what is not SOCKS, with no more of an answer than it came far enough for',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test);
      for (const { what, sent, answer } of babbles) {
        const client = await socks(test, engine);
        client.send(sent);
        await isClosed(client);
        assert.equal(client.rest.toString('hex'), answer, what);
      }
      await eventually(
        'every one to be counted',
        () =>
          counted(engine, 'socks_malformed') === babbles.length &&
          engine.stats().listener('egress').active === 0,
      );
      assert.equal(target.accepts, 0);
    },
  },
  {
    name: 'refuses every malformed host of the shared vectors, and asks nobody about it',
    run: async (test) => {
      const { engine, oracle } = await forwardProxy(test);
      const bad = readVectors('destination').filter(
        ([kind, text = '', result]) => kind === 'host' && result === '-' && text.length < 256,
      );
      assert.ok(bad.length > 5);
      for (const [, text = ''] of bad) {
        const client = await socks(test, engine);
        await client.greet();
        const name = Buffer.from(text, 'latin1');
        client.send(
          Buffer.concat([Buffer.of(5, CONNECT, 0, 3, name.length), name, Buffer.of(0, 80)]),
        );
        assert.equal((await client.reply()).code, FAILED, text);
      }
      assert.deepEqual(oracle.askedNames, []);
    },
  },
  {
    name: 'gives a handshake its time and no more, however it trickles',
    run: async (test) => {
      const { engine } = await forwardProxy(test, {
        listener: { timeouts: { handshake: '400ms' } },
        users: USERS,
      });
      const silent = await socks(test, engine);
      silent.send(Buffer.of(5));
      // However far these come in time, they do not go on.
      const greeted = await socks(test, engine);
      greeted.send(greeting([2]));
      const known = await socks(test, engine);
      known.send(Buffer.concat([greeting([2]), login('ada', 'secret')]));
      const trickling = await socks(test, engine);
      const drip = setInterval(() => trickling.send(Buffer.of(5)), 50);
      test.defer(() => clearInterval(drip));
      for (const client of [silent, greeted, known, trickling]) {
        await within(client.connection.ended, 'the proxy to close');
      }
      clearInterval(drip);
      await eventually(
        'all to be counted',
        () => counted(engine, 'handshake_timeout') >= 3 && engine.inFlight === 0,
      );
    },
  },
  {
    name: 'the time of a handshake begins with its first byte, not before',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test, { listener: { timeouts: { handshake: '2s' } } });
      const client = await socks(test, engine);
      await pause(2200);
      await client.greet();
      assert.equal((await client.request(CONNECT, '127.0.0.1', target.port)).code, 0);
    },
  },
  {
    name: 'a client that breaks off is forgotten',
    run: async (test) => {
      const { engine, oracle } = await forwardProxy(test, {
        names: { 'never.test': () => new Promise<readonly string[]>(() => {}) },
      });
      const half = await socks(test, engine);
      await half.greet();
      half.connection.end(Buffer.of(5, 1));
      await isClosed(half);
      await eventually('it to be counted', () => counted(engine, 'socks_malformed') === 1);
      const gone = await socks(test, engine);
      await gone.greet();
      gone.send(request(CONNECT, 'never.test', 80));
      await eventually('the name to be asked for', () => oracle.askedNames.length === 1);
      gone.connection.reset();
      await eventually(
        'both to be forgotten',
        () => engine.stats().listener('egress').active === 0,
      );
      assert.equal(counted(engine, 'client_aborted'), 1);
    },
  },
  {
    name: 'speaks only what accept lists, and says nothing to the rest but HTTP',
    run: async (test) => {
      const target = await test.tcpTarget();
      const five = Buffer.concat([greeting([0]), request(CONNECT, '127.0.0.1', target.port)]);
      const four = request4(CONNECT, '127.0.0.1', target.port);
      const http = absolute('GET', `http://${target.address}/`);
      const spoken = { socks5: five, socks4: four, http };
      for (const accept of [['http'], ['socks5'], ['socks4'], ['socks5', 'socks4']]) {
        const { engine } = await forwardProxy(test, { listener: { accept } });
        for (const [protocol, bytes] of Object.entries(spoken)) {
          if (accept.includes(protocol)) continue;
          const client = await socks(test, engine);
          client.send(bytes);
          await within(client.connection.ended, 'the proxy to close');
          if (protocol === 'http') assert.match(client.text, /^HTTP\/1\.1 400 /);
          else assert.equal(client.text, '', `${protocol} where ${accept} is spoken`);
        }
        const refused = ['socks5', 'socks4'].filter((one) => !accept.includes(one)).length;
        await eventually(
          'them to be counted',
          () => counted(engine, 'socks_malformed') === refused,
        );
      }
      assert.equal(target.accepts, 0);
    },
  },
];

/** Greets, logs in, asks; the code of the reply. */
async function openAs(client: SocksClient, name: string, port: number): Promise<number> {
  assert.equal(await client.greet([0, 2]), 2);
  const password = (USERS as Readonly<Record<string, string>>)[name] ?? '';
  assert.equal(await client.logIn(name, password), 0);
  return (await client.request(CONNECT, '127.0.0.1', port)).code;
}

const users: Case[] = [
  {
    name: 'asks for a name and a password where there are users, whatever else is offered',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test, { users: USERS });
      for (const name of Object.keys(USERS)) {
        const client = await socks(test, engine);
        assert.equal(await openAs(client, name, target.port), SUCCEEDED, name);
        client.send('in');
        await (await target.next()).receivedText('in');
      }
    },
  },
  {
    name: 'everything at once, or one byte at a time: logged in all the same',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test, { users: USERS });
      const all = Buffer.concat([
        greeting([2]),
        login('ada', 'secret'),
        request(CONNECT, '127.0.0.1', target.port),
        Buffer.from('early'),
      ]);
      const atOnce = await socks(test, engine);
      atOnce.connection.end(all);
      const byBytes = await socks(test, engine);
      for (const byte of all) await byBytes.connection.sent(Buffer.of(byte));
      for (const client of [atOnce, byBytes]) {
        const upstream = await target.next();
        await upstream.receivedText('early');
        assert.equal((await client.take(14)).toString('hex', 0, 8), '0502010005000001');
      }
    },
  },
  {
    name: 'turns away wrong names and passwords, and whoever shows none',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test, { users: USERS });
      const wrong: readonly (readonly [string | Uint8Array, string | Uint8Array])[] = [
        ['ada', 'wrong'],
        ['ada', ''],
        ['ada', 'secre'],
        ['ada', 'secret\0'],
        ['Ada', 'secret'],
        ['nobody', 'secret'],
        ['', ''],
        [LONG, LONG],
        [Buffer.of(0xff, 0xfe), 'secret'],
        ['ada', Buffer.of(0xc3)],
      ];
      for (const [name, password] of wrong) {
        const client = await socks(test, engine);
        assert.equal(await client.greet([2]), 2);
        client.send(
          Buffer.concat([login(name, password), request(CONNECT, '127.0.0.1', target.port)]),
        );
        const answer = await client.take(2);
        assert.equal(answer[0], 1);
        assert.notEqual(answer[1], 0, `${name}:${password}`);
        await isClosed(client);
        assert.equal(client.text, '');
      }
      for (const methods of [[0], [1], [0, 1, 0x80]]) {
        const client = await socks(test, engine);
        assert.equal(await client.greet(methods), NO_METHOD);
        await isClosed(client);
      }
      const four = await socks(test, engine);
      assert.equal(await four.open4('127.0.0.1', target.port, 'ada'), 93);
      await isClosed(four);
      await eventually(
        'every one to be counted',
        () => counted(engine, 'proxy_auth_required') === wrong.length + 4,
      );
      assert.equal(target.accepts, 0);
    },
  },
  {
    name: 'closes on a login of another version, and on a request instead of one',
    run: async (test) => {
      const { engine } = await forwardProxy(test, { users: USERS });
      for (const sent of [Buffer.of(2, 1, 97, 1, 97), request(CONNECT, '127.0.0.1', 80)]) {
        const client = await socks(test, engine);
        assert.equal(await client.greet([2]), 2);
        client.send(sent);
        await isClosed(client);
        assert.equal(client.text, '');
      }
      await eventually('both to be counted', () => counted(engine, 'socks_malformed') === 2);
    },
  },
  {
    name: 'rules know the user',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test, {
        users: USERS,
        listener: {
          rules: [{ match: { users: ['ada'] }, action: 'allow' }],
          default: 'deny',
        },
      });
      const ada = await socks(test, engine);
      assert.equal(await openAs(ada, 'ada', target.port), SUCCEEDED);
      const other = await socks(test, engine);
      assert.equal(await openAs(other, 'blank', target.port), DENIED);
    },
  },
  {
    name: 'a user has as many tunnels as permitted: 0x02 for one more',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test, {
        users: USERS,
        listener: { users: { file: USERS_FILE, limits: { connections: 1 } } },
      });
      const first = await socks(test, engine);
      assert.equal(await openAs(first, 'ada', target.port), SUCCEEDED);
      const second = await socks(test, engine);
      assert.equal(await openAs(second, 'ada', target.port), DENIED);
      await eventually('it to be counted', () => counted(engine, 'user_limit') === 1);
      const other = await socks(test, engine);
      assert.equal(await openAs(other, 'blank', target.port), SUCCEEDED);
      first.connection.reset();
      await eventually('the first tunnel to end', async () => {
        const again = await socks(test, engine);
        return (await openAs(again, 'ada', target.port)) === SUCCEEDED;
      });
    },
  },
  {
    name: 'a tunnel is cut when the quota of its user is used up, and the next is refused with 0x02',
    run: async (test) => {
      const target = await test.tcpTarget();
      const { engine } = await forwardProxy(test, {
        users: USERS,
        listener: { users: { file: USERS_FILE, limits: { quota: 1000 } } },
      });
      const client = await socks(test, engine);
      assert.equal(await openAs(client, 'ada', target.port), SUCCEEDED);
      client.send(Buffer.alloc(900));
      const upstream = await target.next();
      await upstream.receivedLength(900);
      client.send(Buffer.alloc(200));
      await within(client.connection.ended, 'the tunnel to be cut');
      await within(upstream.ended, 'the end at the destination');
      assert.ok(upstream.received.length <= 1000);
      await eventually('it to be counted', () => counted(engine, 'user_quota') === 1);
      const late = await socks(test, engine);
      assert.equal(await openAs(late, 'ada', target.port), DENIED);
    },
  },
];

export const forwardSocksRefusals: Feature = {
  name: 'forward: socks refusals',
  cases: offering(['forward'], [...refusalCases, ...words, ...users]),
};
