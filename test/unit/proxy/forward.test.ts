// Forward proxies over the life of a proxy: what engines ask is answered, and what they are made of is read again while
// they run.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { formatPasswordHash, hashPassword } from '../../../src/control/password-hash.ts';
import { type ConfigInput, createProxy, type SluiceProxy } from '../../../src/index.ts';
import { eventually } from '../../support/deadline.ts';
import { a, answersOf, DnsResponder } from '../../support/dns-responder.ts';
import { temporaryFolder } from '../../support/pki.ts';
import { Scope } from '../../support/scope.ts';

interface Answer {
  readonly status: number;
  readonly body: string;
}

describe('a forward proxy', () => {
  let scope: Scope;
  let folder: string;
  let port: number;
  let dns: DnsResponder;
  let warnings: string[];

  beforeEach(async () => {
    scope = new Scope();
    folder = await temporaryFolder(scope);
    warnings = [];
    const origin = createServer((asked, answer) => answer.end(`hello ${asked.headers.host}`));
    origin.listen(0, '127.0.0.1');
    await once(origin, 'listening');
    scope.defer(() => void origin.close());
    port = (origin.address() as AddressInfo).port;
    dns = scope.own(
      await DnsResponder.open(
        answersOf({
          'site.test': [a('site.test', '127.0.0.1', 1)],
          'other.test': [a('other.test', '127.0.0.1', 1)],
        }),
      ),
    );
  });
  afterEach(() => scope.close());

  async function put(name: string, text: string): Promise<void> {
    const file = join(folder, name);
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  function configOf(listener: object, rest: object = {}): ConfigInput {
    return {
      engine: 'js',
      resolver: { servers: [dns.address] },
      listeners: {
        p: {
          address: '127.0.0.1:0',
          protocol: 'forward',
          privateDestinations: ['127.0.0.0/8'],
          ...listener,
        },
      },
      ...rest,
    };
  }

  async function started(config: ConfigInput): Promise<SluiceProxy> {
    const proxy = await createProxy(config);
    proxy.on('warning', (message) => void warnings.push(message.replaceAll(`${folder}/`, '')));
    await proxy.start();
    scope.defer(() => proxy.close({ graceMs: 0 }));
    return proxy;
  }

  async function get(proxy: SluiceProxy, host: string, login?: string): Promise<Answer> {
    const [, at = ''] = (proxy.addresses.p ?? '').split(':');
    const asked = request({
      port: Number(at),
      host: '127.0.0.1',
      path: `http://${host}:${port}/`,
      agent: false,
      headers: {
        host: `${host}:${port}`,
        ...(login === undefined
          ? {}
          : { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` }),
      },
    }).end();
    const [answer] = await once(asked, 'response');
    const body = (await answer.setEncoding('utf8').toArray()).join('');
    return { status: answer.statusCode, body };
  }

  const statusOf = async (proxy: SluiceProxy, host: string, login?: string): Promise<number> =>
    (await get(proxy, host, login)).status;

  it('finds destinations through the resolver of the configuration, which a reload may change', async () => {
    const proxy = await started(configOf({}));
    assert.deepEqual(await get(proxy, 'site.test'), {
      status: 200,
      body: `hello site.test:${port}`,
    });
    assert.equal(await statusOf(proxy, 'gone.test'), 502);
    const config = configOf(
      {},
      { resolver: { servers: [dns.address], hosts: { 'gone.test': ['127.0.0.1'] } } },
    );
    await proxy.reload(config);
    await eventually('the new host', async () => (await statusOf(proxy, 'gone.test')) === 200);
  });

  it('takes a list over as soon as it changes', async () => {
    await put('ads.txt', 'site.test\n');
    const lists = { lists: { ads: join(folder, 'ads.txt') } };
    const rules = [{ match: { lists: ['ads'] }, action: 'deny' as const }];
    const proxy = await started(configOf({ rules }, lists));
    const reasons: string[] = [];
    proxy.on('reload', ({ reason }) => void reasons.push(reason));
    assert.equal(await statusOf(proxy, 'site.test'), 403);
    assert.equal(await statusOf(proxy, 'other.test'), 200);
    await put('ads.txt', 'other.test\nnot a host\n');
    await eventually('the new list', () => reasons.length > 0);
    assert.equal(await statusOf(proxy, 'site.test'), 200);
    assert.equal(await statusOf(proxy, 'other.test'), 403);
    assert.deepEqual(reasons, ['read again: ads']);
    assert.deepEqual(warnings, [
      'lists.ads: a line is no host, *.host, address or block and counts for nothing: ads.txt:2 ("not a host")',
    ]);
  });

  it('knows users by their passwords, and those of a new file, and tells what they used', async () => {
    const lineOf = async (name: string, password: string) =>
      `${name}:${formatPasswordHash(await hashPassword(password))}\n`;
    await put('users.txt', await lineOf('alice', 'one'));
    const proxy = await started(configOf({ users: join(folder, 'users.txt') }));
    const reloaded = once(proxy, 'reload');
    assert.equal(await statusOf(proxy, 'site.test'), 407);
    assert.equal(await statusOf(proxy, 'site.test', 'alice:two'), 407);
    assert.equal(await statusOf(proxy, 'site.test', 'alice:one'), 200);
    const [alice] = proxy.stats().users;
    assert.deepEqual(
      [alice?.file, alice?.name, alice?.requests],
      [join(folder, 'users.txt'), 'alice', 1],
    );
    assert.ok((alice?.bytesToday ?? 0) > 0);
    await put('users.txt', await lineOf('bob', 'three'));
    await reloaded;
    assert.equal(await statusOf(proxy, 'site.test', 'alice:one'), 407);
    assert.equal(await statusOf(proxy, 'site.test', 'bob:three'), 200);
    await put('users.txt', 'bob:three\n');
    await eventually('the warning', () => warnings.length > 0);
    assert.match(
      warnings[0] ?? '',
      /^listeners\.p\.users: expected a hash by scrypt or bcrypt .* at users\.txt:1; what was read before stays in force$/,
    );
    assert.equal(await statusOf(proxy, 'site.test', 'bob:three'), 200);
  });

  it('does not start, or reload, with files that are wrong, and says what is', async () => {
    const users = join(folder, 'users.txt');
    const proxy = await createProxy(configOf({ users }));
    await assert.rejects(proxy.start(), {
      code: 'files_invalid',
      message: /users\.txt, which does not exist$/,
    });
    const good = await started(configOf({}));
    await assert.rejects(good.reload(configOf({ users })), { code: 'files_invalid' });
    assert.equal(await statusOf(good, 'site.test'), 200);
  });
});
