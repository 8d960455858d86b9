// A forward proxy that is spoken to over TLS, behind a PROXY header, and on a unix socket: what is in front of its
// protocols.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { eventually, within } from '../../support/deadline.ts';
import { HttpClient, requestBytes } from '../../support/http-client.ts';
import { fieldValue } from '../../support/strict-http.ts';
import { startEchoTarget } from '../../support/tcp-target.ts';
import { type Case, type Feature, offering } from '../case.ts';
import { makeSite, rootFile } from '../credentials.ts';
import { absolute, basic, connect, forwardProxy } from '../forward.ts';
import { logFile, records } from './access-log.ts';

const cases: Case[] = [
  {
    name: 'plain requests and tunnels go over TLS to the proxy, and over TLS the PAC file says so',
    needs: (capabilities) => capabilities.tls,
    run: async (test) => {
      const origin = await test.httpTarget({ name: 'origin' });
      const echo = test.own(await startEchoTarget());
      const { pair } = await makeSite(test);
      const { port, engine } = await forwardProxy(test, {
        listener: { tls: { certificates: [pair] }, pac: true },
      });
      const { http } = await test.tls(port);
      http.send(requestBytes('GET', '/proxy.pac', { Host: 'proxy.test:8443' }));
      assert.match((await http.response()).text, /"HTTPS proxy\.test:8443"/);
      http.send(absolute('GET', `http://site.test:${origin.port}/`));
      assert.equal((await http.response()).text, 'origin');
      const { fields } = await origin.next();
      assert.equal(fieldValue(fields, 'x-forwarded-proto'), undefined);
      assert.equal((await connect(http, `site.test:${echo.port}`)).status, 200);
      const payload = randomBytes(1 << 20);
      http.send(payload);
      await http.connection.until('the echo', () =>
        http.rest.length >= payload.length ? true : undefined,
      );
      assert.ok(http.rest.equals(payload));
      assert.equal(engine.stats().listener('egress').tls_handshakes, 1);
    },
  },
  {
    name: 'TLS goes through a tunnel that is in TLS, and its ends pass on',
    needs: (capabilities) => capabilities.tls,
    run: async (test) => {
      const { pair, issued } = await makeSite(test);
      const inner = await test.httpTarget({
        name: 'inside',
        tls: { cert: issued.chainPem, key: issued.keyPem },
      });
      const { port, engine } = await forwardProxy(test, {
        listener: { tls: { certificates: [pair] } },
      });
      const outer = await test.tls(port);
      assert.equal((await connect(outer.http, `site.test:${inner.port}`)).status, 200);
      const { connect: connectOver } = await import('node:tls');
      outer.secure.removeAllListeners('data');
      const secure = connectOver({ socket: outer.secure, rejectUnauthorized: false });
      test.defer(() => void secure.destroy());
      secure.on('error', () => {});
      const answered = new Promise<string>((resolve) =>
        secure.once('data', (bytes) => resolve(String(bytes))),
      );
      secure.write(requestBytes('GET', '/x', { Connection: 'close' }));
      assert.match(await within(answered, 'the answer'), /inside$/);
      secure.end();
      await eventually('the tunnel to be gone', () => engine.inFlight === 0);
    },
  },
  {
    name: 'plain HTTP to a proxy that speaks TLS: 400',
    needs: (capabilities) => capabilities.tls,
    run: async (test) => {
      const { pair } = await makeSite(test);
      const { port, engine } = await forwardProxy(test, {
        listener: { tls: { certificates: [pair] } },
      });
      const client = await test.http(port);
      client.send(absolute('GET', 'http://site.test/'));
      assert.equal((await client.response()).status, 400);
      assert.equal(engine.stats().listener('egress').errors.plain_on_tls, 1);
    },
  },
  {
    name: 'the name in a destination has nothing to do with the names that the proxy serves over TLS',
    needs: (capabilities) => capabilities.tls,
    run: async (test) => {
      const origin = await test.httpTarget();
      const { pair } = await makeSite(test, { names: ['proxy.test'] });
      const { port } = await forwardProxy(test, {
        listener: { tls: { certificates: [pair], unknownName: 'reject' } },
      });
      const client = await test.tls(port, { servername: 'proxy.test' });
      client.http.send(absolute('GET', `http://site.test:${origin.port}/`));
      assert.equal((await client.http.response()).status, 200);
    },
  },
  {
    name: 'a PROXY header says who the client is, ahead of whatever is spoken; destinations are never sent one',
    needs: (capabilities) => capabilities.proxyProtocol,
    run: async (test) => {
      const accessLog = await logFile(test);
      const origin = await test.httpTarget();
      const echo = await test.tcpTarget();
      const { port } = await forwardProxy(test, {
        listener: {
          accessLog,
          anonymity: 'transparent',
          proxyProtocol: 'required',
          trustedProxies: ['127.0.0.1'],
        },
      });
      const header = 'PROXY TCP4 192.0.2.7 198.51.100.1 1234 3128\r\n';
      const plain = await test.http(port);
      plain.send(header);
      plain.send(absolute('GET', `http://site.test:${origin.port}/`));
      assert.equal((await plain.response()).status, 200);
      const { fields } = await origin.next();
      assert.equal(fieldValue(fields, 'x-forwarded-for'), '192.0.2.7');
      const tunnel = await test.http(port);
      tunnel.send(header);
      assert.equal((await connect(tunnel, `site.test:${echo.port}`)).status, 200);
      tunnel.send('first');
      const upstream = await echo.next();
      await upstream.receivedText('first');
      assert.equal(upstream.text, 'first');
      tunnel.connection.reset();
      const logged = await records(accessLog, 2);
      assert.deepEqual(new Set(logged.map(({ client }) => client)), new Set(['192.0.2.7:1234']));
      const without = await test.http(port);
      without.send(absolute('GET', 'http://site.test/'));
      await within(without.closed, 'the close');
      assert.equal(without.connection.received.length, 0);
    },
  },
  {
    name: 'a proxy on a unix socket serves like any other',
    needs: (capabilities) => capabilities.unixListeners,
    run: async (test) => {
      const path = await test.unixPath();
      const origin = await test.httpTarget({ name: 'origin' });
      const echo = test.own(await startEchoTarget());
      await forwardProxy(test, {
        users: { ann: 'a' },
        listener: { address: `unix:${path}` },
      });
      const client = await test.http(path);
      client.send(absolute('GET', `http://site.test:${origin.port}/`, basic('ann:a')));
      assert.equal((await client.response()).text, 'origin');
      assert.equal((await connect(client, `site.test:${echo.port}`, basic('ann:a'))).status, 200);
      client.send('echo');
      await client.connection.receivedText('echo');
    },
  },
  {
    name: 'a client certificate that is required is required of clients of a proxy too',
    needs: (capabilities) => capabilities.tls,
    run: async (test) => {
      const origin = await test.httpTarget({ name: 'origin' });
      const [{ pair }, { issued }] = [await makeSite(test), await makeSite(test)];
      const { port, engine } = await forwardProxy(test, {
        listener: {
          tls: {
            certificates: [pair],
            clientCertificates: { mode: 'require', ca: await rootFile(test) },
          },
        },
      });
      const bytes = absolute('GET', `http://site.test:${origin.port}/`);
      const client = await test.tls(port, { cert: issued.chainPem, key: issued.keyPem });
      client.http.send(bytes);
      assert.equal((await client.http.response()).text, 'origin');
      const nobody = await test.tls(port).catch(() => null);
      if (nobody !== null) {
        const http = new HttpClient(nobody.connection);
        http.send(bytes);
        await within(http.closed, 'the close');
        assert.equal(http.connection.received.length, 0);
      }
      await eventually(
        'it to be counted',
        () => engine.stats().listener('egress').errors.client_certificate_rejected === 1,
      );
      assert.equal(origin.requests.length, 1);
    },
  },
];

export const forwardFront: Feature = {
  name: 'forward: TLS and PROXY headers',
  cases: offering(['forward'], cases),
};
