// The commands of docs/forward-proxy.md, as they stand there, on a gateway with a client behind it: two networks and a
// cable between them. Run by transparent.test.ts in a network of its own.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { NATIVE } from '../support/native-under-test.ts';
import { createAuthority } from '../support/pki.ts';
import type { RawConnection } from '../support/raw-connection.ts';
import { startEngine } from '../support/running-engine.ts';
import { Scope } from '../support/scope.ts';
import { startTcpTarget } from '../support/tcp-target.ts';
import { buildNetwork, PATH, run, SITE, SITE6 } from './redirected-network.ts';

const NOBODY = 65_534;

const guide = readFileSync(new URL('../../docs/forward-proxy.md', import.meta.url), 'utf8');
const [, section = ''] = /^## Transparent mode\n([\s\S]*?)^## /m.exec(guide) ?? [];
const blocks = (language: string): string[] =>
  [...section.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, text = '']) => text,
  );
const [config = ''] = blocks('yaml');
const [byNft = '', byIptables = '', ofTheMachine = ''] = blocks('sh');

const isThere = (program: string): boolean => {
  try {
    run(program, ['--version']);
    return true;
  } catch {
    return false;
  }
};

describe('the commands of the guide, on a gateway', { concurrency: false }, () => {
  let scope = new Scope();
  const sites = new Scope();
  let inLan: readonly string[] = [];

  before(async () => {
    buildNetwork();
    const lan = spawn(
      'unshare',
      ['--net', 'sh', '-c', 'ip link set lo up && echo up && exec sleep 3600'],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, PATH } },
    );
    sites.defer(async () => {
      lan.kill();
      await once(lan, 'exit');
    });
    await once(lan.stdout, 'data');
    inLan = [`--net=/proc/${lan.pid}/ns/net`];
    run('ip', [
      'link',
      'add',
      'lan0',
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      `${lan.pid}`,
    ]);
    const addresses = ['192.168.1.', 'fd01::'].map((prefix, i) => ({
      family: i === 0 ? '-4' : '-6',
      near: [`${prefix}1/${i === 0 ? 24 : 64}`, ...(i === 0 ? [] : ['nodad'])],
      far: [`${prefix}2/${i === 0 ? 24 : 64}`, ...(i === 0 ? [] : ['nodad'])],
      via: `${prefix}1`,
    }));
    for (const { near } of addresses) run('ip', ['address', 'add', ...near, 'dev', 'lan0']);
    run('ip', ['link', 'set', 'lan0', 'up']);
    for (const { far } of addresses)
      run('nsenter', [...inLan, 'ip', 'address', 'add', ...far, 'dev', 'eth0']);
    run('nsenter', [...inLan, 'ip', 'link', 'set', 'eth0', 'up']);
    for (const { family, via } of addresses)
      run('nsenter', [...inLan, 'ip', family, 'route', 'add', 'default', 'via', via]);
    const { certPem: cert, keyPem: key } = await (await createAuthority()).issue();
    const onConnection = (connection: RawConnection): void => {
      const from = connection.raw.remoteAddress ?? '';
      void connection.receivedText('\r\n\r\n').then(
        () => connection.end(`HTTP/1.0 200 OK\r\n\r\nasked by ${from}`),
        () => {},
      );
    };
    for (const host of [SITE, SITE6]) {
      sites.own(await startTcpTarget({ host, port: 80, onConnection }));
      sites.own(await startTcpTarget({ host, port: 443, onConnection, tls: { cert, key } }));
    }
  });
  after(() => sites.close());

  async function start(change: (listener: Record<string, unknown>) => void): Promise<number> {
    const written = parse(config) as { listeners: { intercepted: Record<string, unknown> } };
    change(written.listeners.intercepted);
    const engine = scope.own(await startEngine(NATIVE.create, written));
    scope.defer(() => {
      const { requests, errorTotal } = engine.stats().listener('intercepted');
      assert.ok(requests > 0);
      assert.equal(errorTotal, 0);
    });
    return engine.port('intercepted');
  }

  async function during(script: string, undo: string, work: () => Promise<void>): Promise<void> {
    assert.ok(script.includes('3130'));
    run('sh', ['-e', '-c', script]);
    try {
      await work();
    } finally {
      run('sh', ['-e', '-c', undo]);
      await scope.close();
      scope = new Scope();
    }
  }

  const curl = async (
    program: readonly [string, ...string[]],
    url: string,
    host: string,
    uid?: number,
  ): Promise<string> => {
    const resolve = ['80', '443'].flatMap((port) => [
      '--resolve',
      `site.test:${port}:${net.isIPv6(host) ? `[${host}]` : host}`,
    ]);
    const [name, ...parameters] = program;
    const { stdout } = await promisify(execFile)(
      name,
      [...parameters, '-sk', '--noproxy', '*', '--max-time', '60', ...resolve, url],
      { env: { ...process.env, PATH }, cwd: '/', ...(uid === undefined ? {} : { uid }) },
    );
    return stdout;
  };
  const fromLan = (url: string, host: string) => curl(['nsenter', ...inLan, 'curl'], url, host);

  /** The destination was asked by the proxy, not by the client. */
  async function bothReach(host: string): Promise<void> {
    for (const scheme of ['http', 'https'])
      assert.equal(await fromLan(`${scheme}://site.test/`, host), `asked by ${host}`);
  }

  it('reaches the sites of others without the proxy as the client itself', async () => {
    assert.equal(await fromLan('http://site.test/', SITE), 'asked by 192.168.1.2');
  });

  it('nftables', async () => {
    assert.equal(await start(() => {}), 3130);
    await during(byNft, 'nft delete table ip sluice', () => bothReach(SITE));
  });

  it('nftables with inet, on a listener for both families', async () => {
    await start((listener) => {
      listener.address = '[::]:3130';
      listener.rules = [{ match: { clients: ['192.168.1.0/24', 'fd01::/64'] }, action: 'allow' }];
    });
    const script = byNft.replaceAll(' ip ', ' inet ');
    await during(script, 'nft delete table inet sluice', async () => {
      await bothReach(SITE);
      await bothReach(SITE6);
    });
  });

  it('iptables', async (t) => {
    if (!isThere('iptables')) {
      t.skip('NOT CHECKED: iptables not found (apt-get install iptables)');
      return;
    }
    await start(() => {});
    await during(byIptables, 'iptables -t nat -F PREROUTING', () => bothReach(SITE));
  });

  it('nftables for what the machine itself sends', async (t) => {
    if (process.getuid?.() !== 0 || !canBecomeNobody()) {
      t.skip('NOT CHECKED: only root can become somebody else');
      return;
    }
    await start((listener) => {
      listener.address = '127.0.0.1:3130';
      listener.default = 'allow';
    });
    // Here the proxy runs as root, and its client as nobody.
    const script = ofTheMachine.replace('!= sluice', '!= 0');
    await during(script, 'nft delete table ip sluice', async () => {
      for (const scheme of ['http', 'https'])
        assert.equal(
          await curl(['curl'], `${scheme}://site.test/`, SITE, NOBODY),
          `asked by ${SITE}`,
        );
    });
  });
});

function canBecomeNobody(): boolean {
  // In a namespace of users there is nobody else to become.
  return readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/)[2] !== '1';
}
