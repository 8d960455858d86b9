// SOCKS clients that ask a forward proxy to relay datagrams: UDP ASSOCIATE.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { ErrorCode } from '../../../src/contract/codes.ts';
import { eventually, within } from '../../support/deadline.ts';
import type { RunningEngine } from '../../support/running-engine.ts';
import { ASSOCIATE, disclose, enclose, type SocksClient } from '../../support/socks-client.ts';
import { startEchoTarget } from '../../support/tcp-target.ts';
import { openUdp, openUdpTarget, type UdpOptions, type UdpSocket } from '../../support/udp.ts';
import { type Case, type CaseContext, type Feature, offering } from '../case.ts';
import { type ForwardOptions, forwardProxy, USERS_FILE } from '../forward.ts';
import { logFile, records } from './access-log.ts';
import { socks } from './forward-socks.ts';

interface Associated {
  readonly engine: RunningEngine;
  /** The TCP connection that it hangs on. */
  readonly client: SocksClient;
  /** Where datagrams go out from at the client. */
  readonly own: UdpSocket;
  /** Where the proxy takes them. */
  readonly port: number;
  /** Encloses and sends. */
  readonly say: (host: string, port: number, payload: string | Uint8Array) => void;
  /** The next datagram that the proxy brings: `host:port payload`. */
  readonly hear: () => Promise<string>;
}

async function udp(test: CaseContext, options: UdpOptions = {}): Promise<UdpSocket> {
  return test.own(await openUdp(options));
}

async function echo(test: CaseContext, name = '', options: UdpOptions = {}): Promise<UdpSocket> {
  return test.own(await openUdpTarget(name, options));
}

async function associate(test: CaseContext, options: ForwardOptions = {}): Promise<Associated> {
  const { engine } = await forwardProxy(test, options);
  return associateWith(test, engine);
}

async function associateWith(test: CaseContext, engine: RunningEngine): Promise<Associated> {
  const client = await socks(test, engine);
  await client.greet();
  const { code, bound, boundPort: port } = await client.request(ASSOCIATE, '0.0.0.0', 0);
  assert.equal(code, 0);
  assert.equal(bound, `127.0.0.1:${port}`);
  const own = await udp(test);
  return {
    engine,
    client,
    own,
    port,
    say: (host, to, payload) => own.send(enclose(host, to, payload), port),
    hear: async () => textOf((await own.next()).bytes),
  };
}

function textOf(datagram: Buffer): string {
  const { host, port, payload } = disclose(datagram);
  return `${host.includes(':') ? `[${host}]` : host}:${port} ${payload.toString('latin1')}`;
}

const counted = (engine: RunningEngine, code: ErrorCode): number =>
  engine.stats().listener('egress').errors[code];

/** A datagram behind others in the same association: once its answer is here, they had theirs, or get none. */
async function soundOut({ say, own }: Associated, target: UdpSocket): Promise<void> {
  const word = `sounding ${own.datagrams.length}`;
  const isHere = () => own.datagrams.some(({ bytes }) => bytes.includes(word));
  say('127.0.0.1', target.port, word);
  await eventually('the answer to come', isHere);
}

const cases: Case[] = [
  {
    name: 'a source address that is not there any more has datagrams dropped, not sent from another',
    run: async (test) => {
      const target = await echo(test);
      const { engine, own, say } = await associate(test, {
        listener: { sourceAddresses: ['192.0.2.1'] },
      });
      for (const [i, word] of ['one', 'two', 'three'].entries()) {
        say('127.0.0.1', target.port, word);
        await eventually('the drop', () => counted(engine, 'datagram_dropped') > i);
      }
      own.send('direct', target.port);
      await eventually('what comes behind them', () => target.datagrams.length > 0);
      assert.deepEqual(
        target.datagrams.map(({ bytes }) => bytes.toString()),
        ['direct'],
      );
      assert.equal(counted(engine, 'datagram_dropped'), 3);
    },
  },
  {
    name: 'relays datagrams and their answers, with where they come from',
    run: async (test) => {
      const target = await echo(test, 'echo ');
      const { say, hear, own, port } = await associate(test);
      say('127.0.0.1', target.port, 'hello');
      assert.equal(await hear(), `127.0.0.1:${target.port} echo hello`);
      say('127.0.0.1', target.port, '');
      assert.equal(await hear(), `127.0.0.1:${target.port} echo `);
      assert.deepEqual([...own.sources], [port]);
      assert.deepEqual(
        target.datagrams.map(({ bytes }) => bytes.toString()),
        ['hello', ''],
      );
    },
  },
  {
    name: 'to a name, and to an IPv6 address',
    run: async (test) => {
      const four = await echo(test, 'four ');
      const six = await echo(test, 'six ', { host: '::1' });
      const { say, hear } = await associate(test);
      say('site.test', four.port, 'hello');
      assert.equal(await hear(), `127.0.0.1:${four.port} four hello`);
      say('::1', six.port, 'hello');
      assert.equal(await hear(), `[::1]:${six.port} six hello`);
      say('Site.Test.', four.port, 'again');
      assert.equal(await hear(), `127.0.0.1:${four.port} four again`);
    },
  },
  {
    name: 'keeps the order of what is sent to a name that has to be found first',
    run: async (test) => {
      const target = await echo(test);
      let found: (addresses: readonly string[]) => void = () => {};
      const finding = new Promise<readonly string[]>((resolve) => {
        found = resolve;
      });
      const association = await associate(test, { names: { 'late.test': () => finding } });
      const { say, hear } = association;
      for (let i = 0; i < 5; i++) say('late.test', target.port, `${i}`);
      // Somebody else need not wait for it.
      await soundOut(association, target);
      assert.match(await hear(), /sounding/);
      found(['127.0.0.1']);
      for (let i = 0; i < 5; i++) assert.equal(await hear(), `127.0.0.1:${target.port} ${i}`);
    },
  },
  {
    name: 'carries payloads of any size that fits, unharmed',
    run: async (test) => {
      const target = await echo(test);
      const { say, own } = await associate(test);
      for (const size of [1, 1400, 1473, 9000, 65_497]) {
        const payload = randomBytes(size);
        say('127.0.0.1', target.port, payload);
        assert.deepEqual(disclose((await own.next()).bytes).payload, payload, `${size} bytes`);
      }
    },
  },
  {
    name: 'many destinations in one association, each with its own answers',
    run: async (test) => {
      const targets = await Promise.all(Array.from({ length: 40 }, (_, i) => echo(test, `${i} `)));
      const { say, own } = await associate(test);
      for (const round of ['a', 'b']) {
        for (const { port } of targets) {
          say('127.0.0.1', port, round);
          await own.next();
        }
      }
      assert.deepEqual(
        own.datagrams.map(({ bytes }) => textOf(bytes)),
        ['a', 'b'].flatMap((round) =>
          targets.map(({ port }, i) => `127.0.0.1:${port} ${i} ${round}`),
        ),
      );
      // One socket of ours speaks to all of them.
      assert.equal(new Set(targets.flatMap((target) => [...target.sources])).size, 1);
    },
  },
  {
    name: 'more destinations than it remembers: the one used last goes on',
    run: async (test) => {
      const target = await echo(test);
      const association = await associate(test);
      for (let i = 1; i <= 600; i++) {
        association.say(`127.99.${i >> 8}.${i & 255}`, 9, 'x');
        if (i % 50 === 0) await soundOut(association, target);
      }
      await soundOut(association, target);
    },
  },
  {
    name: 'drops fragments, and what has no header',
    run: async (test) => {
      const target = await echo(test);
      const association = await associate(test);
      const { own, port, engine } = association;
      await soundOut(association, target);
      const whole = enclose('127.0.0.1', target.port, 'no');
      const bad = [
        enclose('127.0.0.1', target.port, 'no', 1),
        enclose('127.0.0.1', target.port, 'no', 0x81),
        Buffer.alloc(0),
        whole.subarray(0, 9),
        Buffer.concat([Buffer.of(0, 1), whole.subarray(2)]),
        Buffer.concat([Buffer.of(0, 0, 0, 2), whole.subarray(4)]),
        enclose('127.0.0.1', 0, 'no'),
        enclose('', target.port, 'no'),
        enclose('0x7f.1', target.port, 'no'),
      ];
      for (const bytes of bad) own.send(bytes, port);
      await soundOut(association, target);
      assert.equal(target.datagrams.length, 2);
      assert.equal(counted(engine, 'datagram_dropped'), bad.length);
    },
  },
  {
    name: 'hears nobody but the client: neither other addresses nor, once it is known, other ports',
    run: async (test) => {
      const target = await echo(test);
      const association = await associate(test);
      const { port } = association;
      const elsewhere = await udp(test, { host: '127.0.0.9' });
      elsewhere.send(enclose('127.0.0.1', target.port, 'other host'), port);
      await soundOut(association, target);
      const beside = await udp(test);
      beside.send(enclose('127.0.0.1', target.port, 'other port'), port);
      elsewhere.send(enclose('127.0.0.1', target.port, 'other host'), port);
      await soundOut(association, target);
      assert.deepEqual(
        target.datagrams.map(({ bytes }) => bytes.toString()).filter((t) => t.startsWith('other')),
        [],
      );
      assert.deepEqual([beside.datagrams.length, elsewhere.datagrams.length], [0, 0]);
    },
  },
  {
    name: 'a client that names its port is heard from there alone',
    run: async (test) => {
      const target = await echo(test);
      const { engine } = await forwardProxy(test);
      const own = await udp(test);
      const other = await udp(test);
      for (const host of ['0.0.0.0', '127.0.0.1']) {
        const client = await socks(test, engine);
        await client.greet();
        const { code, boundPort } = await client.request(ASSOCIATE, host, own.port);
        assert.equal(code, 0);
        other.send(enclose('127.0.0.1', target.port, 'other'), boundPort);
        own.send(enclose('127.0.0.1', target.port, host), boundPort);
        assert.equal(textOf((await own.next()).bytes), `127.0.0.1:${target.port} ${host}`);
      }
      assert.equal(other.datagrams.length, 0);
      assert.equal(target.datagrams.length, 2);
    },
  },
  {
    name: 'what a client says of itself behind a translator of addresses does not count',
    run: async (test) => {
      const target = await echo(test);
      const { engine } = await forwardProxy(test);
      const client = await socks(test, engine);
      await client.greet();
      const { code, boundPort } = await client.request(ASSOCIATE, '192.168.1.7', 5000);
      assert.equal(code, 0);
      const own = await udp(test);
      own.send(enclose('127.0.0.1', target.port, 'here'), boundPort);
      assert.equal(textOf((await own.next()).bytes), `127.0.0.1:${target.port} here`);
    },
  },
  {
    name: 'brings nothing from where the client has not sent to',
    run: async (test) => {
      const target = await echo(test);
      const stranger = await udp(test);
      const association = await associate(test);
      await soundOut(association, target);
      const [port] = target.sources;
      stranger.send('unasked', port ?? 0);
      await soundOut(association, target);
      assert.equal(association.own.datagrams.length, 2);
      association.say('127.0.0.1', stranger.port, 'hello');
      const asked = await stranger.next();
      stranger.reply(asked, 'now');
      await association.own.received(3);
      assert.equal(textOf(association.own.datagrams[2]!.bytes), `127.0.0.1:${stranger.port} now`);
    },
  },
  {
    name: 'drops what is denied, not public or not found, without a word, and counts it',
    run: async (test) => {
      const target = await echo(test);
      const denied = await echo(test, '', { host: '127.66.0.1' });
      const hidden = await echo(test, '', { host: '::1' });
      const association = await associate(test, {
        names: { 'bad.test': ['127.0.0.1'], 'hidden.test': ['::1'] },
        listener: {
          deny: ['127.66.0.0/16', 'bad.test'],
          privateDestinations: ['127.0.0.0/8'],
          socksPorts: ['1024-65535'],
        },
      });
      const { say, engine } = association;
      for (let i = 0; i < 2; i++) {
        say('127.66.0.1', denied.port, 'no');
        say('bad.test', target.port, 'no');
        say('hidden.test', hidden.port, 'no');
        say('::1', hidden.port, 'no');
        say('nowhere.test', target.port, 'no');
        say('127.0.0.1', 53, 'no');
        await soundOut(association, target);
      }
      assert.deepEqual([denied.datagrams.length, hidden.datagrams.length], [0, 0]);
      assert.equal(target.datagrams.length, 2);
      // Once for each destination, however much was sent there.
      assert.deepEqual(
        (['destination_denied', 'destination_forbidden', 'name_not_found'] as const).map((code) =>
          counted(engine, code),
        ),
        [3, 2, 1],
      );
      assert.equal(engine.stats().route('egress', 'deny').errors.destination_denied, 2);
    },
  },
  {
    name: 'goes through no parent: what a rule sends there is dropped, and nothing goes past it',
    run: async (test) => {
      const parent = await test.tcpTarget();
      const target = await echo(test);
      const association = await associate(test, {
        listener: {
          rules: [{ match: { hosts: ['far.test'] }, action: 'allow', via: 'parents' }],
        },
        names: { 'far.test': ['127.0.0.1'] },
        pools: { parents: { parent: 'socks5', targets: [parent.address] } },
      });
      association.say('far.test', target.port, 'no');
      await soundOut(association, target);
      assert.equal(target.datagrams.length, 1);
      assert.equal(parent.accepts, 0);
      assert.equal(counted(association.engine, 'destination_denied'), 1);
    },
  },
  {
    name: 'ends with its TCP connection, however that ends',
    run: async (test) => {
      const target = await echo(test);
      const { engine } = await forwardProxy(test);
      for (const how of ['end', 'reset'] as const) {
        const { client, say, hear, own } = await associateWith(test, engine);
        say('127.0.0.1', target.port, 'there');
        await hear();
        assert.equal(engine.stats().listener('egress').active, 1);
        client.connection[how]();
        await within(client.connection.closed, 'the proxy to close');
        await eventually('it to end', () => engine.stats().listener('egress').active === 0);
        const before = target.datagrams.length;
        say('127.0.0.1', target.port, 'gone');
        const again = await associateWith(test, engine);
        await soundOut(again, target);
        assert.deepEqual([target.datagrams.length, own.datagrams.length], [before + 1, 1]);
        again.client.connection.end();
        await eventually('it to end', () => engine.stats().listener('egress').active === 0);
      }
      assert.equal(engine.stats().listener('egress').errorTotal, 0);
    },
  },
  {
    name: 'ends when nothing moves for tunnelIdle, its TCP connection with it',
    run: async (test) => {
      const target = await echo(test);
      const { client, say, hear, engine } = await associate(test, {
        listener: { timeouts: { tunnelIdle: '2s' } },
      });
      say('127.0.0.1', target.port, 'there');
      await hear();
      await within(client.connection.ended, 'the proxy to close');
      await eventually('it to be counted', () => counted(engine, 'idle_timeout') === 1);
    },
  },
  {
    name: 'what comes on its TCP connection means nothing',
    run: async (test) => {
      const target = await echo(test);
      const { client, say, hear } = await associate(test);
      client.send(randomBytes(100_000));
      say('127.0.0.1', target.port, 'there');
      assert.equal(await hear(), `127.0.0.1:${target.port} there`);
      assert.equal(client.text, '');
    },
  },
  {
    name: 'counts datagrams and bytes for the listener, the rule, the pool and the target',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = await echo(test, '123');
      const { client, say, hear, engine } = await associate(test, {
        listener: {
          accessLog,
          rules: [{ name: 'local', match: { hosts: ['127.0.0.0/8'] }, action: 'allow' }],
        },
      });
      for (let i = 0; i < 3; i++) {
        say('127.0.0.1', target.port, '12345');
        await hear();
      }
      const stats = engine.stats();
      for (const entity of [
        stats.listener('egress'),
        stats.route('egress', 'local'),
        stats.pool('egress/direct'),
        stats.target('egress/direct', 'direct'),
      ]) {
        const { datagrams_in, datagrams_out, bytes_in, bytes_out } = entity;
        assert.deepEqual([datagrams_in, datagrams_out, bytes_in, bytes_out], [3, 3, 15, 24]);
      }
      client.connection.end();
      const [record] = await records(accessLog, 1);
      const { method, destination, route, bytesIn, bytesOut, error } = record!;
      assert.deepEqual(
        { method, destination, route, bytesIn, bytesOut, error },
        {
          method: 'SOCKS',
          destination: null,
          route: null,
          bytesIn: 15,
          bytesOut: 24,
          error: null,
        },
      );
    },
  },
  {
    name: 'is one of the connections of its user, and at the expense of its quota',
    run: async (test) => {
      const target = await echo(test);
      const tcp = test.own(await startEchoTarget());
      const { engine } = await forwardProxy(test, {
        users: { ada: 'secret' },
        listener: { users: { file: USERS_FILE, limits: { connections: 1, quota: 1000 } } },
      });
      const logIn = async (): Promise<SocksClient> => {
        const client = await socks(test, engine);
        assert.equal(await client.greet([2]), 2);
        assert.equal(await client.logIn('ada', 'secret'), 0);
        return client;
      };
      const client = await logIn();
      const { code, boundPort } = await client.request(ASSOCIATE, '0.0.0.0', 0);
      assert.equal(code, 0);
      assert.equal((await (await logIn()).request(1, '127.0.0.1', tcp.port)).code, 2);
      const own = await udp(test);
      own.send(enclose('127.0.0.1', target.port, Buffer.alloc(400)), boundPort);
      await own.next();
      own.send(enclose('127.0.0.1', target.port, Buffer.alloc(400)), boundPort);
      await within(client.connection.ended, 'the association to end');
      await eventually('it to be counted', () => counted(engine, 'user_quota') === 1);
      assert.equal((await (await logIn()).request(ASSOCIATE, '0.0.0.0', 0)).code, 2);
    },
  },
  {
    name: 'drops what is beyond the bandwidth of its user, and what is within goes on',
    run: async (test) => {
      const target = await echo(test);
      const { engine } = await forwardProxy(test, {
        users: { ada: 'secret' },
        listener: { users: { file: USERS_FILE, limits: { bandwidth: 20_000 } } },
      });
      const client = await socks(test, engine);
      await client.greet([2]);
      await client.logIn('ada', 'secret');
      const { boundPort } = await client.request(ASSOCIATE, '0.0.0.0', 0);
      const own = await udp(test);
      for (let i = 0; i < 100; i++) {
        own.send(enclose('127.0.0.1', target.port, Buffer.alloc(1000)), boundPort);
      }
      await eventually('some to be dropped', () => counted(engine, 'datagram_dropped') > 50);
      await eventually('it to go on', () => {
        own.send(enclose('127.0.0.1', target.port, 'later'), boundPort);
        return own.datagrams.some(({ bytes }) => bytes.includes('later'));
      });
      assert.ok(target.datagrams.filter(({ bytes }) => bytes.length === 1000).length < 50);
    },
  },
];

export const forwardSocksUdp: Feature = {
  name: 'forward: socks udp',
  cases: offering(['forward'], cases),
};
