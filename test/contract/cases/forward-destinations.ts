// Destinations by name and by address: what is resolved, what may be reached, and that what was judged is what is
// connected to.
import assert from 'node:assert/strict';
import { deferred, eventually, within } from '../../support/deadline.ts';
import { requestBytes } from '../../support/http-client.ts';
import { freeAddress } from '../../support/tcp-target.ts';
import { type Case, type CaseContext, type Feature, offering } from '../case.ts';
import {
  absolute,
  ask,
  basic,
  connect,
  connectBytes,
  forwardProxy,
  openTunnel,
} from '../forward.ts';
import {
  FORBIDDEN_ANSWERS,
  FORBIDDEN_HOSTS,
  MALFORMED_HOSTS,
  MALFORMED_PORTS,
} from '../odd-destinations.ts';

const names: Case[] = [
  {
    name: 'a name whose answers change is connected to where the answer led that was judged',
    run: async (test) => {
      const origin = await test.httpTarget({ host: '0.0.0.0' });
      let asked = 0;
      const { port, oracle } = await forwardProxy(test, {
        listener: { privateDestinations: ['127.0.0.1'] },
        // What is asked a second time is told something else: somebody's name server tries it on.
        names: { 'rebind.test': () => [asked++ % 2 === 0 ? '127.0.0.1' : '127.0.0.2'] },
      });
      for (let i = 0; i < 3; i++) {
        const statuses: number[] = [];
        for (let turn = 0; turn < 2; turn++) {
          const client = await test.http(port);
          statuses.push((await connect(client, `rebind.test:${origin.port}`)).status);
        }
        assert.deepEqual(statuses, [200, 403]);
      }
      for (let i = 0; i < 2; i++) await ask(test, port, `http://rebind.test:${origin.port}/`);
      assert.equal(oracle.askedNames.length, 8);
      await eventually('all to have arrived', () => origin.connections.length === 4);
      const reached = origin.connections.map(({ socket }) => socket.localAddress);
      assert.deepEqual(new Set(reached), new Set(['127.0.0.1']));
    },
  },
  {
    name: 'a pooled connection serves no request whose name has another address by now',
    run: async (test) => {
      const origin = await test.httpTarget({ host: '0.0.0.0' });
      const { port, oracle } = await forwardProxy(test);
      const url = `http://moving.test:${origin.port}/`;
      for (const address of ['127.0.0.1', '127.0.0.1', '127.0.0.3', '127.0.0.1']) {
        oracle.names.set('moving.test', [address]);
        assert.equal((await ask(test, port, url)).status, 200);
        assert.equal(origin.requests.at(-1)!.connection.socket.localAddress, address);
      }
      // Unless nothing is kept, what leads to an address is found again.
      assert.equal(origin.accepts, 2);
    },
  },
  {
    name: 'of answers that are mixed only those that may be are connected to, at once',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test, {
        names: {
          'mixed.test': ['10.0.0.1', '169.254.169.254', '::ffff:10.0.0.1', '127.0.0.1', 'fd00::1'],
          'private.test': ['10.0.0.1', 'fd00::1'],
        },
      });
      assert.equal((await ask(test, port, `http://mixed.test:${origin.port}/`)).status, 200);
      assert.equal((await ask(test, port, `http://private.test:${origin.port}/`)).status, 403);
      const mixed = await connect(await test.http(port), `mixed.test:${origin.port}`);
      assert.equal(mixed.status, 200);
    },
  },
  {
    name: 'each address of a name is judged under its own rule: the first that is allowed and permitted decides',
    run: async (test) => {
      const parent = await test.httpTarget({ takes: 'proxy', name: 'parent' });
      const { port, engine } = await forwardProxy(test, {
        listener: {
          privateDestinations: ['127.0.0.9'],
          rules: [
            { name: 'refused', match: { hosts: ['127.0.0.3'] }, action: 'deny' },
            { name: 'up', match: { hosts: ['127.0.0.2'] }, action: 'allow', via: 'parents' },
            { name: 'rest', match: {}, action: 'allow' },
          ],
        },
        pools: { parents: { parent: 'http', targets: [parent.address] } },
        names: {
          'second.test': ['10.0.0.1', '127.0.0.2'],
          'denied.test': ['10.0.0.1', '127.0.0.3'],
          'private.test': ['10.0.0.1', '10.0.0.2'],
        },
      });
      assert.equal((await ask(test, port, 'http://second.test/')).text, 'parent');
      const refusal = async (url: string) => {
        const { status } = await ask(test, port, url);
        const { errors } = engine.stats().listener('egress');
        return [status, errors.destination_denied, errors.destination_forbidden];
      };
      assert.deepEqual(await refusal('http://denied.test/'), [403, 1, 0]);
      assert.equal(engine.stats().route('egress', 'refused').requests, 1);
      assert.deepEqual(await refusal('http://private.test/'), [403, 1, 1]);
    },
  },
  {
    name: 'the proxy itself is no destination: a loop, whether its address is permitted or not, after who asks',
    run: async (test) => {
      for (const privateDestinations of [[], ['127.0.0.0/8']]) {
        const { port, engine } = await forwardProxy(test, {
          listener: { privateDestinations },
          names: { 'here.test': ['127.0.0.1'] },
          users: { alice: 'secret' },
        });
        for (const host of ['127.0.0.1', 'here.test']) {
          const url = `http://${host}:${port}/`;
          assert.equal((await ask(test, port, url)).status, 407);
          const answer = await ask(test, port, url, basic('alice:secret'));
          assert.equal(answer.status, 502);
          assert.equal(answer.value('proxy-status'), 'sluice; error=proxy_loop_detected');
        }
        const { errors } = engine.stats().listener('egress');
        assert.deepEqual([errors.proxy_loop, errors.destination_forbidden], [2, 0]);
      }
    },
  },
  {
    name: 'OPTIONS of a whole host goes there as such',
    run: async (test) => {
      const origin = await test.httpTarget();
      const { port } = await forwardProxy(test);
      const client = await test.http(port);
      client.send(absolute('OPTIONS', `http://site.test:${origin.port}`));
      assert.equal((await client.response()).status, 200);
      const { method, target } = await origin.next();
      assert.deepEqual([method, target], ['OPTIONS', '*']);
    },
  },
  {
    name: 'an address that is permitted is, however it is written, and no other',
    run: async (test) => {
      const origin = await test.httpTarget({ host: '0.0.0.0' });
      const { port } = await forwardProxy(test, {
        listener: { privateDestinations: ['127.0.0.2'] },
        names: { 'mapped.test': ['::ffff:127.0.0.2'], 'other.test': ['::ffff:127.0.0.1'] },
      });
      for (const [host, status] of [
        ['127.0.0.2', 200],
        ['[::ffff:127.0.0.2]', 200],
        ['[::ffff:7f00:2]', 200],
        ['mapped.test', 200],
        ['127.0.0.1', 403],
        ['127.0.0.3', 403],
        ['[::ffff:127.0.0.1]', 403],
        ['[64:ff9b::127.0.0.1]', 403],
        ['[2002:7f00:1::]', 403],
        ['other.test', 403],
      ] as const) {
        const answer = await ask(test, port, `http://${host}:${origin.port}/`);
        assert.equal(answer.status, status, host);
      }
    },
  },
  {
    name: 'the first of two families that answers wins: one that refuses or is silent holds nobody up for long',
    run: async (test) => {
      const v4 = await test.httpTarget({ name: 'v4' });
      const hole = await test.blackhole();
      const v6 = await test.httpTarget({ name: 'v6', host: '::1', port: hole.port });
      const { port } = await forwardProxy(test, {
        names: {
          'refused-first.test': ['::1', '127.0.0.1'],
          'silent-first.test': ['127.0.0.1', '::1'],
          'silent-many.test': ['127.0.0.1', '127.0.0.1', '127.0.0.1', '::1'],
        },
        listener: { timeouts: { connect: '60s' } },
      });
      const textOf = async (url: string): Promise<string> => (await ask(test, port, url)).text;
      assert.equal(await textOf(`http://refused-first.test:${v4.port}/`), 'v4');
      assert.equal(await textOf(`http://silent-first.test:${hole.port}/`), 'v6');
      assert.equal(await textOf(`http://silent-many.test:${hole.port}/`), 'v6');
      const tunnel = await openTunnel(test, port, `silent-first.test:${hole.port}`);
      tunnel.send(requestBytes('GET', '/'));
      await tunnel.connection.receivedText('v6');
      assert.equal(v6.violations.length, 0);
    },
  },
  {
    name: 'addresses that all refuse: 502; that are all silent: 504 after timeouts.connect',
    run: async (test) => {
      const dead = await freeAddress();
      const hole = await test.blackhole();
      const { port } = await forwardProxy(test, {
        names: {
          'dead.test': [dead.host, '127.77.255.254', '::1'],
          'silent.test': ['127.0.0.1', '127.0.0.1'],
        },
        listener: { timeouts: { connect: '700ms' } },
      });
      const client = await test.http(port);
      const refused = await connect(client, `dead.test:${dead.port}`);
      assert.equal(refused.value('proxy-status'), 'sluice; error=connection_refused');
      const silent = await connect(client, `silent.test:${hole.port}`);
      assert.equal(silent.value('proxy-status'), 'sluice; error=connection_timeout');
      assert.equal(silent.status, 504);
    },
  },
  {
    name: 'a client that goes away while its name is being resolved leaves nothing behind',
    run: async (test) => {
      const origin = await test.httpTarget();
      const answer = deferred<readonly string[]>();
      const { port, oracle, engine } = await forwardProxy(test, {
        names: { 'slow.test': () => answer.promise },
        users: { ann: 'a' },
      });
      const login = `Proxy-Authorization: Basic ${Buffer.from('ann:a').toString('base64')}\r\n`;
      const authority = `slow.test:${origin.port}`;
      for (const line of [`GET http://${authority}/`, `CONNECT ${authority}`]) {
        const client = await test.http(port);
        client.send(`${line} HTTP/1.1\r\nHost: ${authority}\r\n${login}\r\n`);
        await eventually('the request', () => engine.engine.userStates()[0]!.active === 1);
        client.connection.reset();
        await eventually('it to be given up', () => engine.engine.userStates()[0]!.active === 0);
      }
      assert.ok(oracle.askedNames.length > 0);
      answer.resolve(['127.0.0.1']);
      oracle.names.set('slow.test', ['127.0.0.1']);
      await ask(test, port, `http://site.test:${origin.port}/fence`, {
        'Proxy-Authorization': login.slice('Proxy-Authorization: '.length, -2),
      });
      assert.equal(origin.accepts, 1);
      assert.equal(engine.stats().listener('egress').errors.client_aborted, 2);
    },
  },
  {
    name: 'connections go out from sourceAddresses in turn, of the same family',
    run: async (test) => {
      const v4 = await test.tcpTarget();
      const v6 = await test.tcpTarget({ host: '::1' });
      const { port } = await forwardProxy(test, {
        listener: { sourceAddresses: ['127.0.0.5', '127.0.0.6'] },
      });
      const from: (string | undefined)[] = [];
      for (let i = 0; i < 4; i++) {
        await openTunnel(test, port, `site.test:${v4.port}`);
        from.push((await v4.next()).socket.remoteAddress);
      }
      assert.deepEqual(from.toSorted(), ['127.0.0.5', '127.0.0.5', '127.0.0.6', '127.0.0.6']);
      assert.notEqual(from[0], from[1]);
      await openTunnel(test, port, `[::1]:${v6.port}`);
      assert.equal((await v6.next()).socket.remoteAddress, '::1');
    },
  },
];

/** A proxy that permits nothing private, and something that listens wherever a trick might lead. */
async function besieged(test: CaseContext) {
  const loopback = await test.tcpTarget({ host: '0.0.0.0' });
  const loopback6 = await test.tcpTarget({ host: '::1', port: loopback.port });
  const proxy = await forwardProxy(test, {
    listener: { privateDestinations: [] },
    names: FORBIDDEN_ANSWERS,
  });
  const nothingCame = async (): Promise<void> => {
    // Had anything been connected, it would have come before this does.
    for (const [target, host] of [
      [loopback, '127.0.0.1'],
      [loopback6, '::1'],
    ] as const) {
      const fence = await test.connect(target.port, { host });
      await within(target.accepted(1), 'the fence');
      assert.equal(target.accepts, 1);
      fence.close();
    }
    assert.equal(proxy.engine.stats().target('egress/direct', 'direct').connections, 0);
  };
  return { ...proxy, target: loopback.port, nothingCame };
}

const FORMS = {
  CONNECT: (authority: string) => connectBytes(authority),
  'a plain request': (authority: string) => absolute('GET', `http://${authority}/`),
} as const;

const corpus: Case[] = Object.entries(FORMS).flatMap(([form, bytesOf]): Case[] => [
  {
    name: `spellings that are no host are refused by ${form}: 400, closed, nobody asked, nothing connected`,
    run: async (test) => {
      const { port, oracle, target, nothingCame, engine } = await besieged(test);
      const authorities = [
        ...MALFORMED_HOSTS.map((host) => `${host}:${target}`),
        ...MALFORMED_PORTS.flatMap((text) => [`site.test${text}`, `127.0.0.1${text}`]),
        `:${target}`,
        `site.test\0:${target}`,
        `site.test \0:${target}`,
        `127.0.0.1\t:${target}`,
        `\x7f:${target}`,
        ...(form === 'CONNECT' ? ['site.test', '127.0.0.1', '[::1]', 'site.test:', ''] : ['']),
      ];
      for (const authority of authorities) {
        const client = await test.http(port);
        // As UTF-8: text is sent byte by byte.
        client.send(bytesOf(Buffer.from(authority).toString('latin1')));
        const answer = await client.response();
        assert.equal(answer.status, 400, JSON.stringify(authority));
        assert.equal(answer.value('proxy-status'), 'sluice; error=http_request_error');
        await within(client.closed, 'the close');
      }
      assert.deepEqual(oracle.askedNames, []);
      await nothingCame();
      const { errors } = engine.stats().listener('egress');
      assert.equal(errors.destination_malformed + errors.request_malformed, authorities.length);
      assert.ok(errors.destination_malformed > 0);
    },
  },
  {
    name: `addresses that are not public are refused by ${form}: 403, nobody asked, nothing connected`,
    run: async (test) => {
      const { port, oracle, target, nothingCame, engine } = await besieged(test);
      const client = await test.http(port);
      for (const host of FORBIDDEN_HOSTS) {
        client.send(bytesOf(`${host}:${target}`));
        const answer = await client.response();
        assert.equal(answer.status, 403, host);
        assert.equal(answer.value('proxy-status'), 'sluice; error=destination_ip_prohibited');
        assert.match(answer.text, /its address is not public/);
      }
      assert.deepEqual(oracle.askedNames, []);
      await nothingCame();
      const { errors } = engine.stats().route('egress', 'default');
      assert.equal(errors.destination_forbidden, FORBIDDEN_HOSTS.length);
    },
  },
  {
    name: `names that lead to such addresses alone are refused by ${form}: 403, nothing connected`,
    run: async (test) => {
      const { port, oracle, target, nothingCame } = await besieged(test);
      const client = await test.http(port);
      for (const host of Object.keys(FORBIDDEN_ANSWERS)) {
        for (const spelling of [host, host.toUpperCase(), `${host}.`]) {
          client.send(bytesOf(`${spelling}:${target}`));
          const answer = await client.response();
          assert.equal(answer.status, 403, spelling);
          assert.equal(answer.value('proxy-status'), 'sluice; error=destination_ip_prohibited');
        }
      }
      assert.deepEqual(new Set(oracle.askedNames), new Set(Object.keys(FORBIDDEN_ANSWERS)));
      await nothingCame();
    },
  },
]);

export const forwardNames: Feature = {
  name: 'forward: names',
  cases: offering(['forward'], names),
};

export const forwardDestinations: Feature = {
  name: 'forward: destinations',
  cases: offering(['forward'], corpus),
};
