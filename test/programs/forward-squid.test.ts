// The forward proxy and Squid, each as the other's parent: what a proxy that we did not write says and understands.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../../src/bench/ports.ts';
import { temporaryFolder, writeText } from '../support/pki.ts';
import { Scope } from '../support/scope.ts';
import { missing, type Ran, runProgram, startListening } from './programs.ts';
import { enginesHere, runSluice } from './sluice.ts';

const NO_PROXIES = { http_proxy: '', https_proxy: '', all_proxy: '', no_proxy: '' };

describe('beside Squid', { skip: missing('squid') || missing('curl') }, () => {
  for (const engine of enginesHere()) {
    describe(engine, () => {
      const scope = new Scope();
      let ports: { sluice: number; parented: number; squid: number; child: number; site: number };
      before(async () => {
        const folder = await temporaryFolder(scope);
        // Where root starts it, Squid gives up root, and reads its files as somebody else.
        await chmod(folder, 0o755);
        const site = createServer((request, response) => {
          response.end(JSON.stringify({ url: request.url, ...request.headers }));
        }).listen(0, '127.0.0.1');
        await once(site, 'listening');
        scope.defer(() => {
          site.closeAllConnections();
          site.close();
        });
        const squid = await freePort();
        const child = await freePort();
        const forward = {
          protocol: 'forward',
          privateDestinations: ['127.0.0.0/8'],
          connectPorts: ['1-65535'],
        };
        const sluice = await runSluice(scope, folder, engine, {
          listeners: {
            direct: { ...forward, address: '127.0.0.1:0' },
            parented: {
              ...forward,
              address: '127.0.0.1:0',
              rules: [
                { name: 'not this one', match: { hosts: ['denied.test'] }, action: 'deny' },
                { name: 'by squid', action: 'allow', via: 'squid' },
              ],
            },
          },
          pools: { squid: { targets: [`127.0.0.1:${squid}`], parent: 'http' } },
          resolver: { hosts: { 'site.test': ['127.0.0.1'] } },
        });
        const hosts = await writeText(folder, 'hosts', '127.0.0.1 site.test\n');
        const direct = await sluice.portOf('direct');
        const start = async (port: number, more: string): Promise<void> => {
          const file = await writeText(
            folder,
            `squid-${port}.conf`,
            configuration(port, hosts, more),
          );
          await chmod(file, 0o644);
          await startListening(
            scope,
            'squid',
            ['-N', '-d', '1', '-n', `t${port}`, '-f', file],
            [port],
          );
        };
        await chmod(hosts, 0o644);
        await start(squid, 'http_access deny refused');
        await start(
          child,
          `cache_peer 127.0.0.1 parent ${direct} 0 no-query default\nnever_direct allow all`,
        );
        const parented = await sluice.portOf('parented');
        ports = {
          ...{ sluice: direct, parented, squid, child },
          site: (site.address() as AddressInfo).port,
        };
      });
      after(() => scope.close());

      const curl = (port: number, ...args: string[]): Promise<Ran> =>
        runProgram('curl', ['-sS', '-i', '-x', `http://127.0.0.1:${port}`, ...args], {
          env: NO_PROXIES,
        });

      it('forwards through Squid, in absolute form and by CONNECT', async () => {
        const url = `http://site.test:${ports.site}/hello`;
        const plain = await curl(ports.parented, url);
        assert.match(plain.stdout, /^HTTP\/1\.1 200 OK\r\n/, plain.stderr);
        assert.match(plain.stdout, /"url":"\/hello"/);
        assert.match(plain.stdout, /"via":"1\.1 sluice-\w+, 1\.1 squid\.test \(squid/);
        const tunnel = await curl(ports.parented, '-p', url);
        assert.match(tunnel.stdout, /\r\n\r\nHTTP\/1\.1 200 OK\r\n/, tunnel.stderr);
        assert.doesNotMatch(tunnel.stdout, /"via"/);
      });

      it('passes on what Squid says of a request, and says itself that it opened no tunnel', async () => {
        const plain = await curl(ports.parented, 'http://refused.test/');
        assert.match(plain.stdout, /^HTTP\/1\.1 403 Forbidden\r\n/);
        assert.match(plain.stdout, /^X-Squid-Error: ERR_ACCESS_DENIED/m);
        const tunnel = await curl(ports.parented, '-p', 'http://refused.test/');
        assert.match(tunnel.stdout, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
        assert.match(tunnel.stdout, /^Proxy-Status: sluice; error=destination_unavailable\r$/m);
        const denied = await curl(ports.parented, 'http://denied.test/');
        assert.match(denied.stdout, /^Proxy-Status: sluice; error=http_request_denied\r$/m);
      });

      it('is a parent of Squid', async () => {
        const url = `http://site.test:${ports.site}/hello`;
        const plain = await curl(ports.child, url);
        assert.match(plain.stdout, /^HTTP\/1\.1 200 OK\r\n/, plain.stderr);
        assert.match(plain.stdout, /"via":"1\.1 squid\.test \(squid\/[\d.]+\), 1\.1 sluice-/);
        const tunnel = await curl(ports.child, '-p', url);
        assert.match(tunnel.stdout, /\r\n\r\nHTTP\/1\.1 200 OK\r\n/, tunnel.stderr);
      });
    });
  }
});

function configuration(port: number, hosts: string, more: string): string {
  return `http_port 127.0.0.1:${port}
visible_hostname squid.test
hosts_file ${hosts}
acl refused dstdomain refused.test
${more}
http_access allow all
cache deny all
access_log none
cache_log /dev/null
netdb_filename none
pid_filename none
coredump_dir none
pinger_enable off
shutdown_lifetime 0 seconds
`;
}
