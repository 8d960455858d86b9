import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ResolverConfig } from '../../../src/config/config.ts';
import { parseConfig } from '../../../src/config/parse.ts';
import { DnsResolver } from '../../../src/control/dns-resolver.ts';
import { parseHosts } from '../../../src/control/hosts-file.ts';
import { Names, type NamesOptions } from '../../../src/control/names.ts';
import type { Lookup } from '../../../src/control/resolve.ts';
import { deferred, eventually } from '../../support/deadline.ts';
import {
  a,
  aaaa,
  answersOf,
  cname,
  DnsResponder,
  NOERROR,
  NXDOMAIN,
  SERVFAIL,
} from '../../support/dns-responder.ts';
import { temporaryFolder } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

type ResolverInput = Record<string, unknown>;

function resolverOf(resolver: ResolverInput): ResolverConfig {
  const listeners = { p: { protocol: 'forward' } };
  return parseConfig({ listeners, resolver }).resolver;
}

const noLookup: Lookup = () => Promise.reject(new Error('the system is not to be asked'));

describe('names', () => {
  let scope: Scope;
  let folder: string;
  let dns: DnsResponder;
  let nowMs: number;

  beforeEach(async () => {
    scope = new Scope();
    folder = await temporaryFolder(scope);
    nowMs = 1_000_000;
    dns = scope.own(await DnsResponder.open(answersOf({})));
  });
  afterEach(() => scope.close());

  async function open(resolver: ResolverInput = {}, options: NamesOptions = {}): Promise<Names> {
    const config = resolverOf({ servers: [dns.address], ...resolver });
    return scope.own(
      await Names.open(config, {
        lookup: noLookup,
        hostsFile: { file: join(folder, 'hosts') },
        nowMs: () => nowMs,
        ...options,
      }),
    );
  }

  const texts = async (names: Names, host: string): Promise<string> => {
    const { addresses, error } = await names.addressesOf(host);
    return addresses.length === 0 ? error : addresses.map((one) => one.host).join(' ');
  };

  it('are answered with IPv6 first, each address once, and the shortest TTL', async () => {
    dns.answering = answersOf({
      'both.test': [
        a('both.test', '192.0.2.1', 50),
        a('both.test', '192.0.2.2', 40),
        a('both.test', '192.0.2.1', 50),
        aaaa('both.test', '2001:db8::1', 30),
      ],
    });
    const names = await open();
    assert.deepEqual(await names.addressesOf('both.test'), {
      addresses: [
        { family: 'ipv6', host: '2001:db8::1' },
        { family: 'ipv4', host: '192.0.2.1' },
        { family: 'ipv4', host: '192.0.2.2' },
      ],
      ttlMs: 30_000,
      error: 'none',
    });
  });

  it('are remembered for their TTL, of which less and less is left', async () => {
    dns.answering = answersOf({ 'one.test': [a('one.test', '192.0.2.1', 20)] });
    const names = await open();
    await names.addressesOf('one.test');
    nowMs += 19_000;
    const later = await names.addressesOf('one.test');
    assert.deepEqual([later.ttlMs, dns.asked('one.test')], [1000, 2]);
    dns.answering = answersOf({ 'one.test': [a('one.test', '192.0.2.9', 20)] });
    nowMs += 1_000;
    assert.equal(await texts(names, 'one.test'), '192.0.2.9');
    assert.equal(dns.asked('one.test'), 4);
  });

  it('have no case and may end with a dot', async () => {
    dns.answering = answersOf({ 'one.test': [a('one.test', '192.0.2.1')] });
    const names = await open();
    for (const host of ['one.test', 'ONE.Test', 'one.test.']) {
      assert.equal(await texts(names, host), '192.0.2.1');
    }
    assert.equal(dns.asked('one.test'), 2);
  });

  it('hold at least minTtl and at most maxTtl', async () => {
    dns.answering = answersOf({
      'short.test': [a('short.test', '192.0.2.1', 0)],
      'long.test': [a('long.test', '192.0.2.1', 86_400)],
    });
    const names = await open({ minTtl: '2s', maxTtl: '1m' });
    assert.equal((await names.addressesOf('short.test')).ttlMs, 2000);
    assert.equal((await names.addressesOf('long.test')).ttlMs, 60_000);
  });

  it('with a TTL of 0 are asked for every time where minTtl is 0 too', async () => {
    let last = 0;
    dns.answering = (name, type) =>
      type === 'AAAA'
        ? { code: NOERROR }
        : { code: NOERROR, records: [a(name, `192.0.2.${++last}`, 0)] };
    const names = await open({ minTtl: '0s' });
    assert.deepEqual(await names.addressesOf('moving.test'), {
      addresses: [{ family: 'ipv4', host: '192.0.2.1' }],
      ttlMs: 0,
      error: 'none',
    });
    assert.equal(await texts(names, 'moving.test'), '192.0.2.2');
  });

  it('are followed through aliases, whose TTL counts', async () => {
    dns.answering = answersOf({
      'www.test': [
        cname('www.test', 'edge.test', 15),
        cname('edge.test', 'host.test', 300),
        a('host.test', '192.0.2.1', 300),
        aaaa('host.test', '2001:db8::1', 300),
      ],
    });
    const names = await open();
    assert.equal(await texts(names, 'www.test'), '2001:db8::1 192.0.2.1');
    assert.equal((await names.addressesOf('www.test')).ttlMs, 15_000);
  });

  it('that do not exist, or have no address, are remembered for negativeTtl', async () => {
    dns.answering = answersOf({ 'empty.test': { code: NOERROR } });
    const names = await open({ negativeTtl: '7s' });
    for (const host of ['gone.test', 'empty.test']) {
      assert.deepEqual(await names.addressesOf(host), {
        addresses: [],
        ttlMs: 7000,
        error: 'name_not_found',
      });
      nowMs += 6_999;
      await names.addressesOf(host);
      assert.equal(dns.asked(host), 2);
      nowMs += 1;
      await names.addressesOf(host);
      assert.equal(dns.asked(host), 4);
    }
  });

  it('that a name server fails for are asked for again after a second', async () => {
    dns.answering = answersOf({ 'sick.test': { code: SERVFAIL } });
    const names = await open();
    assert.deepEqual(await names.addressesOf('sick.test'), {
      addresses: [],
      ttlMs: 1000,
      error: 'name_timeout',
    });
    dns.answering = answersOf({ 'sick.test': [a('sick.test', '192.0.2.1')] });
    assert.equal(await texts(names, 'sick.test'), 'name_timeout');
    nowMs += 1_000;
    assert.equal(await texts(names, 'sick.test'), '192.0.2.1');
  });

  it('that nobody answers for are given up after the timeout', async () => {
    dns.answering = () => 'silence';
    const names = await open({ timeout: '300ms' });
    assert.equal(await texts(names, 'silent.test'), 'name_timeout');
  });

  it('are asked for at another server when the first is silent', async () => {
    const silent = scope.own(await DnsResponder.open(() => 'silence'));
    dns.answering = answersOf({ 'one.test': [a('one.test', '192.0.2.1')] });
    const names = await open({ servers: [silent.address, dns.address], timeout: '3s' });
    assert.equal(await texts(names, 'one.test'), '192.0.2.1');
    assert.ok(silent.asked('one.test') > 0);
  });

  it('need only one family: the other may be silent, fail, or be said not to exist', async () => {
    for (const other of ['silence', { code: SERVFAIL }, { code: NXDOMAIN }] as const) {
      dns.answering = (name, type) =>
        type === 'A' ? { code: NOERROR, records: [a(name, '192.0.2.1', 300)] } : other;
      const names = await open();
      const { addresses, ttlMs } = await names.addressesOf('half.test');
      assert.deepEqual(addresses, [{ family: 'ipv4', host: '192.0.2.1' }]);
      assert.equal(ttlMs, other !== 'silence' && other.code === NXDOMAIN ? 300_000 : 30_000);
    }
    dns.answering = (name, type) =>
      type === 'AAAA' ? { code: NOERROR, records: [aaaa(name, '2001:db8::1')] } : 'silence';
    assert.equal(await texts(await open(), 'six.test'), '2001:db8::1');
  });

  it('do not count as missing when one family fails', async () => {
    dns.answering = (_name, type) => (type === 'A' ? { code: SERVFAIL } : { code: NOERROR });
    assert.equal(await texts(await open(), 'half.test'), 'name_timeout');
  });

  it('that are asked for many times at once are asked for once', async () => {
    const gate = deferred<void>();
    dns.answering = async (name, type) => {
      await gate.promise;
      return type === 'A' ? { code: NOERROR, records: [a(name, '192.0.2.1')] } : { code: NOERROR };
    };
    const names = await open();
    const answers = Array.from({ length: 50 }, () => names.addressesOf('busy.test'));
    await eventually('both questions', () => dns.asked('busy.test') === 2);
    gate.resolve();
    for (const { addresses } of await Promise.all(answers)) assert.equal(addresses.length, 1);
    assert.equal(dns.asked('busy.test'), 2);
  });

  it('are refused beyond a bound of questions at a time, and taken again after it', async () => {
    dns.answering = () => 'silence';
    const names = await open();
    const asked = Array.from({ length: 1024 }, (_, i) => names.addressesOf(`n${i}.test`));
    assert.deepEqual(await names.addressesOf('beyond.test'), {
      addresses: [],
      ttlMs: 0,
      error: 'name_timeout',
    });
    assert.equal(dns.asked('beyond.test'), 0);
    names.close();
    for (const { error } of await Promise.all(asked)) assert.equal(error, 'name_timeout');
  });

  it('that were asked for longest ago are forgotten first', async () => {
    const hostOf = (i: number) => `n${i}.test`;
    dns.answering = (name, type) =>
      type === 'A' ? { code: NOERROR, records: [a(name, '192.0.2.1', 3600)] } : { code: NOERROR };
    const names = await open({}, { maxEntries: 3 });
    for (const i of [1, 2, 3]) await names.addressesOf(hostOf(i));
    await names.addressesOf(hostOf(1));
    await names.addressesOf(hostOf(4));
    for (const i of [1, 3, 4]) await names.addressesOf(hostOf(i));
    assert.equal(dns.questions.length, 8);
    await names.addressesOf(hostOf(2));
    assert.equal(dns.asked(hostOf(2)), 4);
  });

  it('of the configuration win over everything', async () => {
    await writeFile(join(folder, 'hosts'), '192.0.2.8 own.test localhost\n');
    const names = await open({
      hosts: { 'Own.test': ['192.0.2.1', '2001:db8::1'], localhost: ['192.0.2.7'] },
    });
    assert.equal(await texts(names, 'own.test'), '2001:db8::1 192.0.2.1');
    assert.equal(await texts(names, 'localhost'), '192.0.2.7');
    assert.equal(dns.questions.length, 0);
  });

  it('that mean this machine are its loopback addresses, whatever others say', async () => {
    await writeFile(join(folder, 'hosts'), '192.0.2.8 localhost app.localhost\n');
    const names = await open();
    for (const host of ['localhost', 'app.localhost', 'LOCALHOST.']) {
      assert.equal(await texts(names, host), '::1 127.0.0.1');
    }
  });

  it('of the table of hosts win over name servers, and follow its changes', async () => {
    const file = join(folder, 'hosts');
    await writeFile(file, '192.0.2.8 listed.test\n');
    const names = await open({}, { hostsFile: { file, quietMs: 10, pollMs: 50 } });
    const alive = setInterval(() => {}, 1000);
    scope.defer(() => clearInterval(alive));
    assert.equal(await texts(names, 'listed.test'), '192.0.2.8');
    await writeFile(`${file}.new`, '192.0.2.9 listed.test\n');
    await rename(`${file}.new`, file);
    await eventually('the change', async () => (await texts(names, 'listed.test')) === '192.0.2.9');
    assert.equal(dns.questions.length, 0);
  });

  it('that are none are asked for nowhere', async () => {
    const names = await open();
    for (const host of ['', '.', 'a..b', '127.1', '0x7f.1', 'a b', '-', `${'a'.repeat(64)}.test`]) {
      assert.equal(await texts(names, host), 'name_not_found', host);
    }
    assert.equal(await texts(names, '192.0.2.1'), '192.0.2.1');
    assert.equal(await texts(names, '2001:db8::1'), '2001:db8::1');
    assert.equal(dns.questions.length, 0);
  });

  it('are not asked for of the system where name servers are given', async () => {
    const names = await open();
    assert.equal(await texts(names, 'gone.test'), 'name_not_found');
    assert.equal(await texts(names, 'printer.local'), 'name_not_found');
    assert.equal(dns.asked('printer.local'), 2);
  });

  it('are answered after close with a failure', async () => {
    dns.answering = () => 'silence';
    const names = await open({ timeout: '1h' });
    const waiting = texts(names, 'one.test');
    await eventually('the question', () => dns.asked('one.test') > 0);
    names.close();
    assert.equal(await waiting, 'name_timeout');
    assert.equal(await texts(names, 'two.test'), 'name_timeout');
    assert.equal(dns.asked('two.test'), 0);
  });
});

describe('names that wait for an answer when the system turns to other name servers', () => {
  it('are asked for there', async () => {
    const scope = new Scope();
    try {
      const folder = await temporaryFolder(scope);
      const file = join(folder, 'resolv.conf');
      await writeFile(file, 'nameserver 192.0.2.1\n');
      let dns = scope.own(await DnsResponder.open(() => 'silence'));
      const first = dns;
      const names = scope.own(
        await Names.open(resolverOf({ timeout: '1h' }), {
          lookup: noLookup,
          hostsFile: { file: join(folder, 'hosts') },
          resolvConf: { file, quietMs: 10, pollMs: 50 },
          openResolver: ({ timeoutMs }) => new DnsResolver({ servers: [dns.address], timeoutMs }),
        }),
      );
      const alive = setInterval(() => {}, 1000);
      scope.defer(() => clearInterval(alive));
      const asked = names.addressesOf('one.test');
      await eventually('the questions', () => first.asked('one.test') === 2);
      dns = scope.own(
        await DnsResponder.open(answersOf({ 'one.test': [a('one.test', '192.0.2.1')] })),
      );
      await writeFile(`${file}.new`, 'nameserver 192.0.2.2\n');
      await rename(`${file}.new`, file);
      const { addresses, error } = await asked;
      assert.deepEqual([addresses.map(({ host }) => host), error], [['192.0.2.1'], 'none']);
    } finally {
      await scope.close();
    }
  });
});

describe('the names of the system', () => {
  let scope: Scope;

  beforeEach(() => {
    scope = new Scope();
  });
  afterEach(() => scope.close());

  const open = async (lookup: Lookup, timeout = '5s'): Promise<Names> =>
    scope.own(await Names.open(resolverOf({ timeout }), { lookup }));

  it('below .local are looked up by the system, as they stand', async () => {
    const asked: string[] = [];
    const names = await open(async (host) => {
      asked.push(host);
      return [
        { address: '192.0.2.1', family: 4 },
        { address: 'fe80::1%eth0', family: 6 },
        { address: '2001:db8::1', family: 6 },
      ];
    });
    assert.deepEqual(await names.addressesOf('Printer.local'), {
      addresses: [
        { family: 'ipv6', host: '2001:db8::1' },
        { family: 'ipv4', host: '192.0.2.1' },
      ],
      ttlMs: 30_000,
      error: 'none',
    });
    // A trailing dot keeps the system from adding its search domains.
    assert.deepEqual(asked, ['printer.local.']);
  });

  it('that it does not find, or cannot look up, are told apart', async () => {
    const names = await open((host) => {
      const code = host.startsWith('gone') ? 'ENOTFOUND' : 'EAI_AGAIN';
      return Promise.reject(Object.assign(new Error(code), { code }));
    });
    assert.equal((await names.addressesOf('gone.local')).error, 'name_not_found');
    assert.equal((await names.addressesOf('sick.local')).error, 'name_timeout');
  });

  it('are looked up two at a time, and not for ever', async () => {
    const gate = deferred<void>();
    let looking = 0;
    let most = 0;
    const names = await open(async () => {
      most = Math.max(most, ++looking);
      await gate.promise;
      looking--;
      return [{ address: '192.0.2.1', family: 4 }];
    }, '200ms');
    const asked = Array.from({ length: 10 }, (_, i) => names.addressesOf(`n${i}.local`));
    for (const { error } of await Promise.all(asked)) assert.equal(error, 'name_timeout');
    assert.equal(most, 2);
    gate.resolve();
  });
});

describe('a process that looked names up and closed', () => {
  it('ends by itself', () => {
    const script = `
      import { Names } from './src/control/names.ts';
      import { parseConfig } from './src/config/parse.ts';
      const { resolver } = parseConfig({
        listeners: { p: { protocol: 'forward' } },
        resolver: { servers: ['127.0.0.1:9'], timeout: '1h' },
      });
      const names = await Names.open(resolver);
      const waiting = names.addressesOf('one.test');
      names.close();
      console.log((await waiting).error);`;
    const { stdout, signal } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', script],
      { timeout: 30_000, encoding: 'utf8' },
    );
    assert.deepEqual([stdout.trim(), signal], ['name_timeout', null]);
  });
});

describe('a table of hosts', () => {
  it('has comments, aliases, several lines for a name, and lines that make no sense', () => {
    const hosts = parseHosts(
      '# hosts\r\n127.0.0.1\tlocalhost  Host.Test. # me\r\n::1 host.test\nfe80::1%lo0 zone.test\nnonsense x\n192.0.2.1\n\n',
    );
    assert.deepEqual(
      [...hosts].map(([name, found]) => [name, found.map(({ host }) => host)]),
      [
        ['localhost', ['127.0.0.1']],
        ['host.test', ['127.0.0.1', '::1']],
      ],
    );
  });
});
