// PROXY headers of datagrams: each that a proxy in front sends has its own, and each to a target may be given one.
import assert from 'node:assert/strict';
import {
  readDatagramHeader,
  writeDatagramHeader,
} from '../../../src/engine/shared/proxy-header.ts';
import { eventually } from '../../support/deadline.ts';
import { type Case, type Feature, offers } from '../case.ts';
import { logFile, records } from './access-log.ts';
import { echo, udp, udpConfig } from './udp.ts';

const DESTINATION = { host: '198.51.100.9', port: 53 };
const FROM_HERE = { trustedProxies: ['127.0.0.1'] };
const REQUIRED = { ...FROM_HERE, proxyProtocol: 'required' };
const OPTIONAL = { ...FROM_HERE, proxyProtocol: 'optional' };
const SENT = { proxyProtocol: 'v2' };

/** What a proxy sends for the client `192.0.2.LAST:40000`. */
function spokenFor(last: number, payload: string): Buffer {
  const source = { host: `192.0.2.${last}`, port: 40_000 };
  return Buffer.concat([writeDatagramHeader(source, DESTINATION), Buffer.from(payload)]);
}

const LOCAL = Buffer.concat([writeDatagramHeader(null, null), Buffer.from('its own')]);

const accepting: Case[] = [
  {
    name: 'a header says whom a datagram is from, and the target gets what is behind it',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = await echo(test, 'echo ');
      const engine = await test.engine(
        udpConfig([target.address], { ...REQUIRED, accessLog, responses: 1 }),
      );
      const proxy = await udp(test);
      proxy.send(spokenFor(7, 'hello'), engine.port('media'));
      assert.equal(await proxy.text(), 'echo hello');
      const [record] = await records(accessLog, 1);
      assert.equal(record?.client, '192.0.2.7:40000');
      assert.equal(engine.stats().listener('media').bytes_in, 'hello'.length);
    },
  },
  {
    name: 'clients that one proxy speaks for from one port have a session each',
    run: async (test) => {
      const target = await echo(test);
      const engine = await test.engine(udpConfig([target.address], REQUIRED));
      const proxy = await udp(test);
      const said = Array.from({ length: 60 }, (_, i) => `${i % 5} says ${i}`);
      said.forEach((text, i) => {
        proxy.send(spokenFor(i % 5, text), engine.port('media'));
      });
      await proxy.received(said.length);
      assert.equal(engine.inFlight, 5);
      assert.equal(target.sources.size, 5);
      const of = (all: readonly string[], who: number) =>
        all.filter((text) => text.startsWith(`${who} `));
      const heard = proxy.datagrams.map(({ bytes }) => bytes.toString());
      for (let who = 0; who < 5; who++) assert.deepEqual(of(heard, who), of(said, who));
    },
  },
  {
    name: 'ip-hash goes by the client that is named',
    run: async (test) => {
      const targets = [await echo(test, 'a'), await echo(test, 'b'), await echo(test, 'c')];
      const engine = await test.engine(
        udpConfig(
          targets.map(({ address }) => address),
          REQUIRED,
          { strategy: 'ip-hash' },
        ),
      );
      const [one, other] = [await udp(test), await udp(test)];
      const answers = new Set<string>();
      for (let last = 0; last < 24; last++) {
        one.send(spokenFor(last, 'x'), engine.port('media'));
        const answer = await one.text();
        answers.add(answer);
        other.send(spokenFor(last, 'x'), engine.port('media'));
        assert.equal(await other.text(), answer);
      }
      assert.ok(answers.size > 1);
    },
  },
  {
    name: 'a header that speaks for nobody leaves the address that the datagram came from',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = await echo(test);
      const engine = await test.engine(
        udpConfig([target.address], { ...REQUIRED, accessLog, responses: 1 }),
      );
      const proxy = await udp(test);
      proxy.send(LOCAL, engine.port('media'));
      assert.equal(await proxy.text(), 'its own');
      const [record] = await records(accessLog, 1);
      assert.equal(record?.client, `127.0.0.1:${proxy.port}`);
    },
  },
  {
    name: 'a datagram with nothing behind its header is an empty one',
    run: async (test) => {
      const target = await echo(test);
      const engine = await test.engine(udpConfig([target.address], REQUIRED));
      const proxy = await udp(test);
      proxy.send(spokenFor(7, ''), engine.port('media'));
      assert.equal((await proxy.next()).bytes.length, 0);
    },
  },
  {
    name: 'required: what has no header, or a bad one, is dropped and counted, and harms nobody',
    run: async (test) => {
      const target = await echo(test);
      const engine = await test.engine(udpConfig([target.address], REQUIRED));
      const proxy = await udp(test);
      const good = spokenFor(7, 'good');
      const bad = [
        Buffer.from('no header'),
        Buffer.alloc(0),
        Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 40000 443\r\nhello'),
        good.subarray(0, 12),
        good.subarray(0, 27),
        Buffer.concat([good.subarray(0, 13), Uint8Array.of(0x13), good.subarray(14)]),
      ];
      for (const bytes of [good, ...bad, good]) proxy.send(bytes, engine.port('media'));
      await proxy.received(2);
      const { errors } = engine.stats().listener('media');
      assert.equal(errors.proxy_header_bad, bad.length);
      assert.deepEqual(
        target.datagrams.map(({ bytes }) => bytes.toString()),
        ['good', 'good'],
      );
    },
  },
  {
    name: "optional: without a header a datagram is its sender's, and a bad one is dropped",
    run: async (test) => {
      const target = await echo(test);
      const engine = await test.engine(udpConfig([target.address], OPTIONAL));
      const proxy = await udp(test);
      for (const bytes of [
        'plain',
        '\r\n',
        spokenFor(7, 'named'),
        spokenFor(7, '').subarray(0, 20),
      ])
        proxy.send(bytes, engine.port('media'));
      await proxy.received(3);
      assert.deepEqual(
        new Set(proxy.datagrams.map(({ bytes }) => bytes.toString())),
        new Set(['plain', '\r\n', 'named']),
      );
      assert.equal(engine.inFlight, 2);
      await eventually(
        'the bad one to be counted',
        () => engine.stats().listener('media').errors.proxy_header_bad === 1,
      );
    },
  },
  {
    name: 'nobody else is believed: what they send goes on as it is',
    run: async (test) => {
      const accessLog = await logFile(test);
      const target = await echo(test);
      const engine = await test.engine(
        udpConfig([target.address], {
          trustedProxies: ['10.0.0.0/8'],
          proxyProtocol: 'required',
          accessLog,
          responses: 1,
        }),
      );
      const client = await udp(test);
      const forged = spokenFor(7, 'hello');
      client.send(forged, engine.port('media'));
      assert.deepEqual((await client.next()).bytes, forged);
      const [record] = await records(accessLog, 1);
      assert.equal(record?.client, `127.0.0.1:${client.port}`);
    },
  },
  {
    name: 'a target that is gone: the same client goes on with another',
    run: async (test) => {
      const [first, second] = [await echo(test, 'first '), await echo(test, 'second ')];
      const engine = await test.engine(
        udpConfig([first.address, second.address], REQUIRED, { strategy: 'ip-hash', ...SENT }),
      );
      const proxy = await udp(test);
      const ask = async (): Promise<string> => {
        const before = proxy.datagrams.length;
        await eventually('an answer', () => {
          proxy.send(spokenFor(7, 'hello'), engine.port('media'));
          return proxy.datagrams.length > before;
        });
        return proxy.datagrams.at(-1)!.bytes.toString('latin1').split(' ')[0]!;
      };
      const answered = await ask();
      await (answered === 'first' ? first : second).close();
      await eventually('the other one to answer', async () => (await ask()) !== answered);
    },
  },
  {
    name: 'a reload begins to ask for headers, and stops',
    run: async (test) => {
      const target = await echo(test);
      const engine = await test.engine(udpConfig([target.address]));
      const client = await udp(test);
      const say = async (bytes: Buffer): Promise<string> => {
        client.send(bytes, engine.port('media'));
        return client.text();
      };
      assert.equal(await say(Buffer.from('plain')), 'plain');
      await engine.apply(udpConfig([target.address], REQUIRED));
      assert.equal(await say(spokenFor(7, 'named')), 'named');
      await engine.apply(udpConfig([target.address]));
      assert.equal(await say(Buffer.from('plain again')), 'plain again');
    },
  },
];

const sending: Case[] = [
  {
    name: 'v2: each datagram to a target says whom it is from and where that was sent',
    run: async (test) => {
      const target = await udp(test);
      const engine = await test.engine(udpConfig([target.address], {}, SENT));
      const client = await udp(test);
      for (const text of ['one', '', 'three']) client.send(text, engine.port('media'));
      await target.received(3);
      const sent = target.datagrams.map(({ bytes }) => {
        const header = readDatagramHeader(bytes);
        assert.ok(header.kind === 'header');
        assert.equal(bytes[13], 0x12);
        assert.deepEqual(header.addresses, {
          source: { host: '127.0.0.1', port: client.port },
          destination: { host: '127.0.0.1', port: engine.port('media') },
        });
        return bytes.subarray(header.length).toString();
      });
      assert.deepEqual(sent, ['one', '', 'three']);
      await eventually(
        'the last to be counted',
        () => engine.stats().target('all', target.address).bytes_in === 8,
      );
      target.reply(target.datagrams[0]!, 'answer');
      assert.equal(await client.text(), 'answer');
    },
  },
  {
    name: 'v2: large datagrams and many of one size, on IPv6 too',
    run: async (test) => {
      for (const host of ['127.0.0.1', '::1']) {
        const address = host === '::1' ? '[::1]:0' : `${host}:0`;
        const target = await udp(test, { host });
        const engine = await test.engine(udpConfig([target.address], { address }, SENT));
        const client = await udp(test, { host });
        const payloads = [
          ...Array.from({ length: 40 }, (_, i) => Buffer.alloc(1200, i)),
          Buffer.alloc(30_000, 'x'),
        ];
        for (const payload of payloads) client.send(payload, engine.port('media'), host);
        await target.received(payloads.length);
        target.datagrams.forEach(({ bytes }, i) => {
          const header = readDatagramHeader(bytes);
          assert.ok(header.kind === 'header');
          assert.equal(header.addresses?.source.host, host);
          assert.deepEqual(bytes.subarray(header.length), payloads[i]);
        });
      }
    },
  },
  {
    name: 'what a header of a proxy in front says goes on to the target',
    run: async (test) => {
      const target = await udp(test);
      const engine = await test.engine(udpConfig([target.address], REQUIRED, SENT));
      const proxy = await udp(test);
      const datagram = spokenFor(7, 'hello');
      proxy.send(datagram, engine.port('media'));
      assert.deepEqual((await target.next()).bytes, datagram);
    },
  },
  {
    name: 'a datagram that its header makes too large is dropped and counted',
    run: async (test) => {
      const target = await udp(test);
      const engine = await test.engine(udpConfig([target.address], {}, SENT));
      const client = await udp(test);
      client.send(Buffer.alloc(65_507), engine.port('media'));
      client.send('small', engine.port('media'));
      assert.match((await target.next()).bytes.toString('latin1'), /small$/);
      await eventually(
        'the large one to be counted',
        () => engine.stats().listener('media').errors.datagram_dropped === 1,
      );
    },
  },
];

export const udpProxyProtocol: Feature = {
  name: 'udp: proxy protocol',
  cases: [...accepting, ...sending].map((one) => ({
    ...one,
    needs: (able) => able.proxyProtocol && offers('udp')(able),
  })),
};
