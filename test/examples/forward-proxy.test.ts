// The forward proxy as it stands, but for its ports: the commands of its README make the users, then it does what the
// README says, on every engine. And every configuration in its documentation is right.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, chmod, readFile, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { check } from '../../src/cli/check.ts';
import { hashPassword } from '../../src/control/password-hash.ts';
import { withUser } from '../../src/control/users-file.ts';
import { createProxy, type SluiceProxy } from '../../src/index.ts';
import { eventually, within } from '../support/deadline.ts';
import { selfSigned, temporaryFolder, writePair, writeText } from '../support/pki.ts';
import { Scope } from '../support/scope.ts';
import { ENGINES, startFreeTargets } from './example.ts';
import { copyExample } from './place.ts';

const ALICE = 'alice:wonderland';
const BOB = 'bob:can-we-fix-it';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

for (const engine of ENGINES) {
  describe(`the example forward-proxy, ${engine}`, () => {
    const scope = new Scope();
    let folder: string;
    let proxy: SluiceProxy;
    let ports: { readonly one: number; readonly two: number };

    before(async () => {
      ({ folder } = await copyExample(scope, 'forward-proxy'));
      const targets = scope.own(await startFreeTargets());
      ports = targets.ports;
      const file = join(folder, 'sluice.yaml');
      const text = await readFile(file, 'utf8');
      await writeFile(
        file,
        text
          .replace('address: 127.0.0.1:3128', 'address: 127.0.0.1:0')
          .replace('5001, 5002]', `${ports.one}, ${ports.two}]`),
      );
      proxy = await createProxy(file, { engine });
      scope.defer(() => proxy.close({ graceMs: 0 }));
      await proxy.start();
    });
    after(() => scope.close());

    const proxyPort = () => Number(proxy.addresses.proxy?.split(':')[1]);
    const login = (user: string | null) =>
      user === null
        ? {}
        : { 'Proxy-Authorization': `Basic ${Buffer.from(user).toString('base64')}` };

    const ask = async (user: string | null, url: string, method = 'GET'): Promise<Answer> => {
      const headers = { Host: new URL(url).host, ...login(user) };
      const outgoing = request({ port: proxyPort(), path: url, method, headers, agent: false });
      outgoing.end();
      const [response] = (await within(once(outgoing, 'response'), url)) as [IncomingMessage];
      const text = (await response.setEncoding('utf8').toArray()).join('');
      return { status: response.statusCode ?? 0, headers: response.headers, text };
    };
    const tunnel = async (
      user: string | null,
      path: string,
    ): Promise<[IncomingMessage, Socket]> => {
      const headers = { Host: path, ...login(user) };
      const options = { port: proxyPort(), path, headers, agent: false };
      const outgoing = request({ ...options, method: 'CONNECT' }).end();
      const came = await within(once(outgoing, 'connect'), `a tunnel to ${path}`);
      const [response, socket] = came as [IncomingMessage, Socket];
      scope.defer(() => void socket.destroy());
      return [response, socket];
    };

    it('wants to know who asks', async () => {
      for (const user of [null, 'alice:wrong', 'carol:wonderland']) {
        const { status, headers } = await ask(user, `http://one.example:${ports.one}/`);
        assert.equal(status, 407);
        assert.match(headers['proxy-authenticate'] ?? '', /^Basic realm="Example proxy"/);
      }
    });

    it('forwards, and tells of itself and not of the client', async () => {
      for (const user of [ALICE, BOB]) {
        const { status, text } = await ask(user, `http://one.example:${ports.one}/hello`);
        assert.equal(status, 200);
        const { target, path, headers } = JSON.parse(text);
        assert.deepEqual([target, path], ['one', '/hello']);
        assert.match(headers.via, /^1\.1 /);
        assert.equal(headers['x-forwarded-for'], undefined);
        assert.equal(headers['proxy-authorization'], undefined);
      }
    });

    it('opens tunnels, to the ports that are permitted', async () => {
      const [response, socket] = await tunnel(ALICE, `two.example:${ports.two}`);
      assert.equal(response.statusCode, 200);
      socket.write('GET /hello HTTP/1.1\r\nHost: two.example\r\nConnection: close\r\n\r\n');
      const text = Buffer.concat(await within(socket.toArray(), 'an answer')).toString();
      assert.match(text, /"target": "two"/);
      const [refused] = await tunnel(ALICE, 'two.example:22');
      assert.equal(refused.statusCode, 403);
    });

    it('denies by method where it sees one', async () => {
      const url = `http://two.example:${ports.two}/`;
      assert.equal((await ask(ALICE, url)).status, 200);
      const { status, text } = await ask(ALICE, url, 'DELETE');
      assert.equal(status, 403);
      assert.match(
        text,
        /<b>two\.example<\/b> cannot be reached, alice: .*<i>two is read-only<\/i>/,
      );
    });

    it('denies the block list, what is below it, and what is not public', async () => {
      const list = ['ads.example', 'banner.ads.example', 'banners.example', '203.0.113.7'];
      for (const host of list) {
        const { status, text } = await ask(ALICE, `http://${host}/`);
        assert.deepEqual([host, status], [host, 403]);
        assert.match(text, /<i>ads<\/i>/);
        assert.equal((await tunnel(ALICE, `${host}:443`))[0].statusCode, 403);
      }
      assert.match((await ask(ALICE, 'http://169.254.169.254/')).text, /not public/);
    });

    it('keeps bob from games at work', async () => {
      const isAtWork = () => {
        const now = new Date();
        return now.getDay() % 6 !== 0 && now.getHours() >= 9 && now.getHours() < 17;
      };
      const url = `http://www.games.example:${ports.one}/`;
      assert.equal((await ask(ALICE, url)).status, 200);
      const before = isAtWork();
      const { status } = await ask(BOB, url);
      // Unless the hour struck meanwhile.
      if (before === isAtWork()) assert.equal(status, before ? 403 : 200);
    });

    it('hands out the script for browsers without a password', async () => {
      const outgoing = request({ port: proxyPort(), path: '/proxy.pac', agent: false }).end();
      const [response] = (await within(once(outgoing, 'response'), 'a script')) as [
        IncomingMessage,
      ];
      assert.equal(response.headers['content-type'], 'application/x-ns-proxy-autoconfig');
      const text = (await response.setEncoding('utf8').toArray()).join('');
      assert.equal(text, await readFile(join(folder, 'proxy.pac'), 'utf8'));
    });

    it('reads the list again when it changes', async () => {
      const url = `http://one.example:${ports.one}/`;
      await appendFile(join(folder, 'ads.txt'), 'one.example\n');
      await eventually('the new list', async () => (await ask(ALICE, url)).status === 403);
    });
  });
}

describe('docs/forward-proxy.md', () => {
  const scope = new Scope();
  after(() => scope.close());

  it('has configurations that sluice check takes, with the files that they name', async () => {
    const document = new URL('../../docs/forward-proxy.md', import.meta.url);
    const blocks = [...(await readFile(document, 'utf8')).matchAll(/```yaml\n(.*?)```/gs)];
    assert.ok(blocks.length >= 8);
    const folder = await temporaryFolder(scope);
    await writePair(folder, await selfSigned({ names: ['proxy.example'] }), 'proxy');
    await writeText(folder, 'ads.txt', 'ads.example\n');
    const { text: users } = withUser('', 'guest', await hashPassword('a password'));
    await writeText(folder, 'users.txt', users);
    await chmod(join(folder, 'users.txt'), 0o600);
    const { error, log } = console;
    const complaints: string[] = [];
    Object.assign(console, { log: () => {}, error: (text: string) => complaints.push(text) });
    scope.defer(() => void Object.assign(console, { error, log }));
    for (const [i, [, text = '']] of blocks.entries()) {
      const file = await writeText(folder, `${i}.yaml`, text);
      await check(file).catch((problem: Error) => complaints.push(`${problem.message}\n${text}`));
    }
    assert.deepEqual(complaints, []);
  });
});
