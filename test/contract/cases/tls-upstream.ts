// TLS to targets: whose certificate is believed, what becomes of the others, and how connections end.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { eventually } from '../../support/deadline.ts';
import { type HttpTarget, type HttpTargetOptions, ok } from '../../support/http-target.ts';
import {
  createAuthority,
  type Issued,
  type IssueOptions,
  selfSigned,
  writePair,
  writeText,
} from '../../support/pki.ts';
import { fieldValue } from '../../support/strict-http.ts';
import type { TlsTargetOptions } from '../../support/tcp-target.ts';
import type { Case, CaseContext, Feature } from '../case.ts';
import { httpConfig, tcpConfig } from '../config.ts';
import { rootAuthority, rootFile } from '../credentials.ts';

const HOUR = 3_600_000;
const MIB = 1 << 20;

async function issue(options: IssueOptions = {}): Promise<Issued> {
  return (await rootAuthority()).issue({ usage: 'server', ...options });
}

function showing({ chainPem, keyPem }: Issued): TlsTargetOptions {
  return { cert: chainPem, key: keyPem };
}

/** An HTTP target over TLS that shows a certificate. */
async function secureTarget(
  test: CaseContext,
  issued: Issued,
  options: HttpTargetOptions = {},
): Promise<HttpTarget> {
  const { tls, ...rest } = options;
  return test.httpTarget({ ...rest, tls: { ...showing(issued), ...tls } });
}

/** The pool's `tls` that believes what the tests' authority has signed, for `localhost`. */
async function trusting(test: CaseContext, tls: object = {}): Promise<{ readonly tls: object }> {
  return { tls: { ca: await rootFile(test), serverName: 'localhost', ...tls } };
}

const talking: Case[] = [
  {
    name: 'requests reach a target whose certificate holds, by either version, and keep its connection',
    run: async (test) => {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const target = await secureTarget(test, await issue(), {
          tls: { minVersion: version, maxVersion: version },
        });
        const engine = await test.engine(httpConfig([target.address], {}, await trusting(test)));
        const client = await test.http(engine.port('web'));
        for (let turn = 0; turn < 3; turn++) assert.equal((await client.get('/')).text, 'target');
        assert.equal(target.connections.length, 1);
        assert.equal(engine.stats().target('all', target.address).connections, 1);
        assert.equal(engine.stats().target('all', target.address).errorTotal, 0);
        const { fields } = await target.next();
        assert.equal(fieldValue(fields, 'x-forwarded-proto'), 'http');
      }
    },
  },
  {
    name: 'a mebibyte goes each way, byte for byte',
    run: async (test) => {
      const target = await secureTarget(test, await issue(), { answer: (r) => ok(r.body) });
      const engine = await test.engine(httpConfig([target.address], {}, await trusting(test)));
      const client = await test.http(engine.port('web'));
      const body = randomBytes(MIB);
      const response = await client.request('POST', '/', {}, body);
      assert.equal(response.body.equals(body), true);
    },
  },
  {
    name: 'the name of the target is asked for; an address is not, and is what the certificate must be for',
    run: async (test) => {
      const asked: (string | false | null)[] = [];
      const noting: HttpTargetOptions = {
        onConnection: ({ socket }) =>
          asked.push((socket as { servername?: string }).servername ?? ''),
      };
      const named = await secureTarget(test, await issue({ names: ['www.a.test'] }), noting);
      const engine = await test.engine(
        httpConfig([named.address], {}, await trusting(test, { serverName: 'www.a.test' })),
      );
      const client = await test.http(engine.port('web'));
      assert.equal((await client.get('/')).status, 200);
      const addressed = await secureTarget(test, await issue({ ips: ['127.0.0.1'] }), noting);
      await engine.apply(
        httpConfig([`https://${addressed.address}`], {}, { tls: { ca: await rootFile(test) } }),
      );
      assert.equal((await client.get('/')).status, 200);
      const other = await secureTarget(test, await issue({ ips: ['127.0.0.2'] }));
      await engine.apply(
        httpConfig([`https://${other.address}`], {}, { tls: { ca: await rootFile(test) } }),
      );
      assert.equal((await client.get('/')).status, 502);
      assert.equal(other.requests.length, 0);
    },
  },
  {
    name: 'an upgraded connection goes on over TLS, each way',
    run: async (test) => {
      const target = await secureTarget(test, await issue(), {
        answer: () =>
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n',
      });
      const engine = await test.engine(httpConfig([target.address], {}, await trusting(test)));
      const client = await test.http(engine.port('web'));
      client.send('GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n');
      assert.equal((await client.response()).status, 101);
      const { connection } = await target.next();
      client.send('to the target');
      await connection.receivedText('to the target');
      connection.send('to the client');
      await client.connection.receivedText('to the client');
    },
  },
  {
    name: 'sessions are resumed by connection after connection to a target',
    run: async (test) => {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const resumed: boolean[] = [];
        const target = await secureTarget(test, await issue(), {
          tls: { minVersion: version, maxVersion: version },
          onHead: ({ connection }) => {
            resumed.push(
              (connection.socket as unknown as { isSessionReused(): boolean }).isSessionReused(),
            );
          },
          answer: () => ok('once', { Connection: 'close' }),
        });
        const engine = await test.engine(httpConfig([target.address], {}, await trusting(test)));
        const client = await test.http(engine.port('web'));
        for (let turn = 0; turn < 3; turn++) assert.equal((await client.get('/')).text, 'once');
        assert.deepEqual(resumed, [false, true, true], version);
      }
    },
  },
  {
    name: 'a target that asks for a certificate gets the one that is configured',
    run: async (test) => {
      const root = await rootAuthority();
      const asks = { ca: root.certPem, requestCert: true, rejectUnauthorized: true };
      const target = await secureTarget(test, await issue(), { tls: asks });
      const mine = await root.issue({ commonName: 'proxy', usage: 'client' });
      const certificate = await writePair(await test.folder(), mine);
      const config = async (tls: object) =>
        httpConfig([target.address], {}, await trusting(test, tls));
      const engine = await test.engine(await config({ certificate }));
      const client = await test.http(engine.port('web'));
      assert.equal((await client.get('/')).status, 200);
      await engine.apply(await config({}));
      const response = await client.get('/');
      assert.equal(response.status, 502);
      assert.equal(target.requests.length, 1);
    },
  },
];

interface Rejected {
  readonly what: string;
  readonly certificate: () => Promise<Issued>;
  readonly tls?: (issued: Issued, test: CaseContext) => Promise<object> | object;
}

const REJECTED: readonly Rejected[] = [
  {
    what: 'has expired',
    certificate: () =>
      issue({
        notBefore: new Date(Date.now() - 48 * HOUR),
        notAfter: new Date(Date.now() - HOUR),
      }),
  },
  { what: 'names another host', certificate: () => issue({ names: ['other.test'] }) },
  {
    what: 'names the host only in its common name',
    certificate: () => issue({ commonName: 'localhost', names: ['x.test'] }),
  },
  {
    what: 'comes from a CA that nobody knows',
    certificate: async () => (await createAuthority()).issue({ usage: 'server' }),
  },
  { what: 'vouches for itself', certificate: () => selfSigned() },
  {
    what: 'is for clients',
    certificate: () => issue({ usage: 'client' }),
  },
  {
    what: 'is revoked',
    certificate: () => issue(),
    tls: async (issued, test) => {
      const list = await (await rootAuthority()).crl([issued]);
      return { crl: await writeText(await test.folder(), 'crl.pem', list) };
    },
  },
  {
    what: 'has another fingerprint than those pinned',
    certificate: () => issue(),
    tls: () => ({ fingerprints: ['ab'.repeat(32)] }),
  },
  {
    what: 'has another fingerprint than those pinned, where nothing else is verified',
    certificate: () => selfSigned(),
    tls: () => ({ verify: false, fingerprints: ['ab'.repeat(32)] }),
  },
];

const trust: Case[] = [
  ...REJECTED.map(
    ({ what, certificate, tls }): Case => ({
      name: `502 tls_certificate_error for a certificate that ${what}; the target is sent nothing`,
      run: async (test) => {
        const issued = await certificate();
        const target = await secureTarget(test, issued);
        const pool = await trusting(test, (await tls?.(issued, test)) ?? {});
        const engine = await test.engine(httpConfig([target.address], {}, pool));
        const client = await test.http(engine.port('web'));
        for (const method of ['GET', 'POST']) {
          const response = await client.request(method, '/', {}, method === 'POST' ? 'body' : '');
          assert.equal(response.status, 502);
          assert.match(response.value('proxy-status') ?? '', /error=tls_certificate_error/);
        }
        assert.equal(target.requests.length, 0);
        assert.equal(
          target.connections.every(({ received }) => received.length === 0),
          true,
        );
        const stats = engine.stats();
        assert.equal(stats.listener('web').errors.upstream_certificate_rejected, 2);
        assert.equal(stats.target('all', target.address).errors.upstream_certificate_rejected, 2);
      },
    }),
  ),
  {
    name: 'a pinned certificate is believed, besides what verify asks, and verify: false believes anybody',
    run: async (test) => {
      const good = await issue();
      const own = await selfSigned();
      for (const [issued, tls] of [
        [good, { fingerprints: ['cd'.repeat(32), good.fingerprint] }],
        [own, { verify: false, fingerprints: [own.fingerprint] }],
        [own, { verify: false }],
      ] as const) {
        const target = await secureTarget(test, issued);
        const engine = await test.engine(
          httpConfig([target.address], {}, await trusting(test, tls)),
        );
        const client = await test.http(engine.port('web'));
        assert.equal((await client.get('/')).status, 200);
      }
      const pinned = await secureTarget(test, own);
      const engine = await test.engine(
        httpConfig([pinned.address], {}, await trusting(test, { fingerprints: [own.fingerprint] })),
      );
      assert.equal((await (await test.http(engine.port('web'))).get('/')).status, 502);
    },
  },
  {
    name: 'without a bundle of its own a pool believes the system’s CAs, not everybody',
    run: async (test) => {
      const target = await secureTarget(test, await issue({ ips: ['127.0.0.1'] }));
      const engine = await test.engine(httpConfig([`https://${target.address}`]));
      const response = await (await test.http(engine.port('web'))).get('/');
      assert.equal(response.status, 502);
      assert.match(response.value('proxy-status') ?? '', /error=tls_certificate_error/);
      assert.equal(target.requests.length, 0);
    },
  },
  {
    name: 'another target is tried where a certificate does not hold, for requests with a body, too',
    run: async (test) => {
      const bad = await secureTarget(test, await selfSigned());
      const good = await secureTarget(test, await issue(), { answer: (r) => ok(r.body) });
      const engine = await test.engine(
        httpConfig([bad.address, good.address], {}, { retries: 1, ...(await trusting(test)) }),
      );
      const client = await test.http(engine.port('web'));
      for (let turn = 0; turn < 4; turn++) {
        assert.equal((await client.request('POST', '/', {}, `body ${turn}`)).text, `body ${turn}`);
      }
      assert.equal(bad.requests.length, 0);
      assert.ok(engine.stats().listener('web').retries >= 1);
    },
  },
  {
    name: 'connections made under other terms are not used after a reload',
    run: async (test) => {
      const target = await secureTarget(test, await issue());
      const other = await createAuthority();
      const ca = await writeText(await test.folder(), 'other.pem', other.certPem);
      const config = async (tls: object) =>
        httpConfig([target.address], {}, await trusting(test, tls));
      const engine = await test.engine(await config({}));
      const client = await test.http(engine.port('web'));
      assert.equal((await client.get('/')).status, 200);
      await engine.apply(await config({ ca }));
      assert.equal((await client.get('/')).status, 502);
      await engine.apply(await config({}));
      assert.equal((await client.get('/')).status, 200);
      assert.equal(target.requests.length, 2);
    },
  },
];

const failures: Case[] = [
  {
    name: '502 tls_protocol_error for a target that speaks no TLS, ends the handshake, or agrees on nothing',
    run: async (test) => {
      const plain = await test.tcpTarget({
        onConnection: (connection) => connection.send('220 welcome\r\n'),
      });
      const closing = await test.tcpTarget({ onConnection: (connection) => connection.end() });
      const resetting = await test.tcpTarget({
        onConnection: (connection) => {
          connection.socket.once('data', () => connection.reset());
        },
      });
      const old = await secureTarget(test, await issue(), {
        tls: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' },
      });
      const targets = [plain.address, closing.address, resetting.address, old.address];
      for (const address of targets) {
        const engine = await test.engine(
          httpConfig([address], {}, await trusting(test, { minVersion: 'TLSv1.3' })),
        );
        const response = await (await test.http(engine.port('web'))).get('/');
        assert.equal(response.status, 502);
        assert.match(response.value('proxy-status') ?? '', /error=tls_protocol_error/);
        assert.equal(engine.stats().target('all', address).errors.upstream_tls_failed, 1);
        await eventually('nothing to be in flight', () => engine.inFlight === 0);
      }
    },
  },
  {
    name: '504 for a target that stalls in its handshake for longer than timeouts.connect',
    run: async (test) => {
      const target = await test.tcpTarget();
      const engine = await test.engine(
        httpConfig([target.address], { timeouts: { connect: '300ms' } }, await trusting(test)),
      );
      const response = await (await test.http(engine.port('web'))).get('/');
      assert.equal(response.status, 504);
      assert.equal(engine.stats().listener('web').errors.connect_timeout, 1);
      const there = await target.next();
      await there.ended;
    },
  },
  {
    name: 'a client that leaves during the handshake with the target ends it',
    run: async (test) => {
      const target = await test.tcpTarget();
      const engine = await test.engine(httpConfig([target.address], {}, await trusting(test)));
      const client = await test.http(engine.port('web'));
      client.send('GET / HTTP/1.1\r\nHost: test\r\n\r\n');
      const there = await target.next();
      await there.receivedLength(1);
      client.connection.reset();
      await there.ended;
      await eventually('the request to be gone', () => engine.inFlight === 0);
    },
  },
];

const ends: Case[] = [
  {
    name: 'a body that ends with the connection is whole only after a goodbye',
    run: async (test) => {
      const target = await secureTarget(test, await issue(), {
        answer: ({ connection }) => {
          connection.send('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it');
        },
      });
      const engine = await test.engine(httpConfig([target.address], {}, await trusting(test)));
      const errors = () => engine.stats().listener('web').errors;
      for (const version of ['1.0', '1.1']) {
        const request = `GET / HTTP/${version}\r\nHost: test\r\n\r\n`;
        const whole = await test.http(engine.port('web'));
        whole.send(request);
        await whole.connection.receivedText('all of it');
        (await target.next()).connection.end();
        assert.equal((await whole.response()).text, 'all of it');

        const cut = await test.http(engine.port('web'));
        cut.send(request);
        await cut.connection.receivedText('all of it');
        const before = errors().response_incomplete;
        (await target.next()).connection.cut();
        const end = await cut.closed;
        // Chunks say by themselves that there is no last one.
        if (version === '1.0') assert.equal(end, 'reset');
        else await assert.rejects(cut.response());
        await eventually('it to be counted', () => errors().response_incomplete === before + 1);
      }
      assert.equal(engine.stats().listener('web').errorTotal, 2);
    },
  },
  {
    name: 'a body with a length is whole without a goodbye, and one in chunks, too',
    run: async (test) => {
      for (const bytes of [
        'Content-Length: 5\r\n\r\nwhole',
        'Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n',
      ]) {
        const target = await secureTarget(test, await issue(), {
          answer: async ({ connection }) => {
            await connection.sent(`HTTP/1.1 200 OK\r\nConnection: close\r\n${bytes}`);
            connection.cut();
          },
        });
        const engine = await test.engine(httpConfig([target.address], {}, await trusting(test)));
        const client = await test.http(engine.port('web'));
        for (let turn = 0; turn < 2; turn++) assert.equal((await client.get('/')).text, 'whole');
        assert.equal(engine.stats().listener('web').errorTotal, 0);
      }
    },
  },
  {
    name: 'a tcp listener speaks TLS to its targets and passes half-close on, each way',
    run: async (test) => {
      const target = await test.tcpTarget({ tls: showing(await issue()) });
      const engine = await test.engine(tcpConfig([target.address], {}, await trusting(test)));
      const client = await test.connect(engine.port('db'));
      client.end('all of it');
      const there = await target.next();
      await there.ended;
      assert.equal(there.text, 'all of it');
      there.end('and back');
      assert.equal(await client.closed, 'fin');
      assert.equal(client.text, 'and back');
      await eventually('it to be gone', () => engine.stats().listener('db').active === 0);
      assert.equal(engine.stats().listener('db').errorTotal, 0);
    },
  },
  {
    name: 'a tcp target cut off without a goodbye resets the client',
    run: async (test) => {
      const target = await test.tcpTarget({ tls: showing(await issue()) });
      const engine = await test.engine(tcpConfig([target.address], {}, await trusting(test)));
      const client = await test.connect(engine.port('db'));
      const there = await target.next();
      there.send('begun');
      await client.receivedText('begun');
      there.cut();
      assert.equal(await client.closed, 'reset');
      await eventually('it to be counted', () => {
        return engine.stats().listener('db').errors.upstream_reset === 1;
      });
    },
  },
  {
    name: 'a tcp client that resets cuts the target off: no goodbye',
    run: async (test) => {
      const target = await test.tcpTarget({ tls: showing(await issue()) });
      const engine = await test.engine(tcpConfig([target.address], {}, await trusting(test)));
      const client = await test.connect(engine.port('db'));
      const there = await target.next();
      client.send('begun');
      await there.receivedText('begun');
      client.reset();
      assert.equal(await there.closed, 'reset');
    },
  },
  {
    name: 'a tcp listener tries another target where a certificate does not hold, and refuses where none does',
    run: async (test) => {
      const bad = await test.tcpTarget({ tls: showing(await selfSigned()) });
      const good = await test.tcpTarget({ tls: showing(await issue()) });
      const pool = await trusting(test);
      const engine = await test.engine(
        tcpConfig([bad.address, good.address], {}, { retries: 1, ...pool }),
      );
      const client = await test.connect(engine.port('db'));
      const there = await good.next();
      there.send('welcome');
      await client.receivedText('welcome');
      await engine.apply(tcpConfig([bad.address], {}, pool));
      const refused = await test.connect(engine.port('db'));
      await refused.ended;
      assert.equal(refused.received.length, 0);
      await eventually('it to be counted', () => {
        return engine.stats().listener('db').errors.upstream_certificate_rejected === 1;
      });
    },
  },
];

export const tlsUpstream: Feature = {
  name: 'tls to targets',
  cases: [...talking, ...trust, ...failures, ...ends].map((one) => ({
    ...one,
    needs: (capabilities) => capabilities.tls && capabilities.protocols.includes('tcp'),
  })),
};
