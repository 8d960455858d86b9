// TLS that listeners end: versions, names, protocols, what is refused and how connections end.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { WebSocket, WebSocketServer } from 'ws';
import { Secret } from '../../../src/contract/secret.ts';
import type { LoadedCertificate } from '../../../src/plan/credentials.ts';
import { eventually, within } from '../../support/deadline.ts';
import { requestBytes } from '../../support/http-client.ts';
import { ok } from '../../support/http-target.ts';
import { selfSigned } from '../../support/pki.ts';
import { fieldValue } from '../../support/strict-http.ts';
import { startEchoTarget } from '../../support/tcp-target.ts';
import { handshakeFailure } from '../../support/tls-client.ts';
import type { Case, Feature } from '../case.ts';
import { counted } from '../counted.ts';
import { httpsConfig, makePairs, makeSite, tlsTcpConfig } from '../credentials.ts';
import { eachVersion, ONLY, sessions } from './tls-sessions.ts';

const MIB = 1 << 20;

const talking: Case[] = [
  ...eachVersion('answers over TLS, tells targets so, and says goodbye', (only) => async (test) => {
    const target = await test.httpTarget();
    const { pair, issued } = await makeSite(test);
    const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
    const client = await test.tls(engine.port('web'), only);
    assert.equal(client.fingerprint, issued.fingerprint);
    const response = await client.http.get('/x', { Connection: 'close' });
    assert.equal(response.text, 'target');
    const { fields } = await target.next();
    assert.equal(fieldValue(fields, 'x-forwarded-proto'), 'https');
    assert.match(fieldValue(fields, 'forwarded') ?? '', /;proto=https$/);
    assert.equal(await client.connection.closed, 'fin');
    assert.equal(client.wasCut, false);
    assert.equal(engine.stats().listener('web').tls_handshakes, 1);
    assert.equal(engine.stats().listener('web').tls_resumed, 0);
  }),
  {
    name: 'keeps connections alive and answers pipelined requests in order',
    run: async (test) => {
      const target = await test.httpTarget({ answer: (r) => ok(r.target) });
      const { pair } = await makeSite(test);
      const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
      const client = await test.tls(engine.port('web'));
      assert.equal((await client.http.get('/first')).text, '/first');
      const paths = Array.from({ length: 50 }, (_, i) => `/${i}`);
      client.http.send(Buffer.concat(paths.map((path) => requestBytes('GET', path))));
      for (const path of paths) assert.equal((await client.http.response()).text, path);
      assert.equal(engine.stats().listener('web').requests, 51);
      assert.equal(engine.stats().listener('web').tls_handshakes, 1);
    },
  },
  ...eachVersion('carries a mebibyte each way, byte for byte', (only) => async (test) => {
    const target = await test.httpTarget({ answer: (r) => ok(r.body) });
    const { pair } = await makeSite(test);
    const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
    const client = await test.tls(engine.port('web'), only);
    const body = randomBytes(MIB);
    const response = await client.http.request('POST', '/', {}, body);
    assert.equal(response.body.equals(body), true);
  }),
  {
    name: 'carries a WebSocket',
    run: async (test) => {
      const target = new WebSocketServer({ port: 0, host: '127.0.0.1' });
      await once(target, 'listening');
      test.defer(() => new Promise<void>((resolve) => target.close(() => resolve())));
      target.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
      const { port } = target.address() as { port: number };
      const { pair } = await makeSite(test);
      const engine = await test.engine(
        httpsConfig([`127.0.0.1:${port}`], { certificates: [pair] }),
      );
      const client = new WebSocket(`wss://localhost:${engine.port('web')}/chat`, {
        rejectUnauthorized: false,
      });
      test.defer(() => client.terminate());
      await within(once(client, 'open'), 'the WebSocket to open');
      client.send('x'.repeat(300_000));
      const [data] = await within(once(client, 'message'), 'the echo');
      assert.equal(String(data).length, 300_000);
      client.close(4000, 'done');
      const [code] = await within(once(client, 'close'), 'the close');
      assert.equal(code, 4000);
      await eventually('the tunnel to be gone', () => engine.inFlight === 0);
    },
  },
  {
    name: 'redirects to https by {scheme}, and adds Strict-Transport-Security where asked to',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const engine = await test.engine(
        httpsConfig(
          ['127.0.0.1:9'],
          { certificates: [pair] },
          {
            pool: undefined,
            hsts: { maxAge: '1h', includeSubDomains: true },
            routes: [{ redirect: { to: '{scheme}://{host}/new', status: 302 } }],
          },
        ),
      );
      const client = await test.tls(engine.port('web'));
      const response = await client.http.get('/old', { Host: 'a.test' });
      assert.equal(response.value('location'), 'https://a.test/new');
      assert.equal(response.value('strict-transport-security'), 'max-age=3600; includeSubDomains');
    },
  },
];

const names: Case[] = [
  {
    name: 'chooses the certificate by name: exact, a wildcard for one label, else the first',
    run: async (test) => {
      const sites = await makePairs(
        test,
        { names: ['first.test'] },
        { names: ['*.example.test'] },
        { names: ['www.example.test'] },
      );
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpsConfig([target.address], { certificates: sites.map(({ pair }) => pair) }),
      );
      const [first, wildcard, exact] = sites.map(({ issued }) => issued.fingerprint);
      for (const [servername, expected] of [
        ['', first],
        ['first.test', first],
        ['unknown.test', first],
        ['example.test', first],
        ['a.b.example.test', first],
        ['other.example.test', wildcard],
        ['www.example.test', exact],
        ['WWW.Example.TEST', exact],
      ] as const) {
        const client = await test.tls(engine.port('web'), { servername });
        assert.equal(client.fingerprint, expected, `for ${servername}`);
        client.close();
      }
    },
  },
  {
    name: 'unknownName: reject refuses unknown names, serves those without, and answers 421 for hosts that are not',
    run: async (test) => {
      const { pair, issued } = await makeSite(test, { names: ['a.test', '*.b.test'] });
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpsConfig([target.address], { certificates: [pair], unknownName: 'reject' }),
      );
      const port = engine.port('web');
      for (const only of Object.values(ONLY)) {
        const failure = await handshakeFailure(port, { servername: 'c.test', ...only });
        assert.match(failure, /UNRECOGNIZED_NAME/);
      }
      await counted(engine, 'tls_name_unknown', 2);
      const client = await test.tls(port, { servername: '' });
      assert.equal(client.fingerprint, issued.fingerprint);
      for (const host of ['a.test', 'A.test:8443', 'x.b.test']) {
        assert.equal((await client.http.get('/', { Host: host })).status, 200, host);
      }
      const misdirected = await client.http.get('/', { Host: 'c.test' });
      assert.equal(misdirected.status, 421);
      assert.match(misdirected.value('proxy-status') ?? '', /error=destination_not_found/);
      assert.equal(engine.stats().listener('web').errors.misdirected, 1);
      assert.equal(target.requests.length, 3);
    },
  },
  {
    name: 'serves an RSA and an ECDSA certificate of one name side by side',
    run: async (test) => {
      const [rsa, ec] = await makePairs(
        test,
        { names: ['a.test'], keyType: 'rsa' },
        { names: ['a.test'], keyType: 'ec' },
      );
      assert.ok(rsa && ec);
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpsConfig([target.address], { certificates: [rsa.pair, ec.pair] }),
      );
      for (const only of Object.values(ONLY)) {
        for (const servername of ['a.test', '']) {
          const options = { ...only, servername };
          const modern = await test.tls(engine.port('web'), {
            ...options,
            sigalgs: 'ecdsa_secp256r1_sha256',
          });
          assert.equal(modern.fingerprint, ec.issued.fingerprint);
          const old = await test.tls(engine.port('web'), {
            ...options,
            sigalgs: 'rsa_pss_rsae_sha256:RSA+SHA256',
          });
          assert.equal(old.fingerprint, rsa.issued.fingerprint);
          assert.equal((await old.http.get('/')).status, 200);
        }
      }
    },
  },
  {
    name: 'agrees on http/1.1, and refuses clients that offer only others',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.httpTarget();
      const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
      const port = engine.port('web');
      const agreed = await test.tls(port, { ALPNProtocols: ['h2', 'http/1.1'] });
      assert.equal(agreed.secure.alpnProtocol, 'http/1.1');
      assert.equal((await agreed.http.get('/')).status, 200);
      const silent = await test.tls(port);
      assert.equal(silent.secure.alpnProtocol, false);
      for (const only of Object.values(ONLY)) {
        const failure = await handshakeFailure(port, { ALPNProtocols: ['h2'], ...only });
        assert.match(failure, /NO_APPLICATION_PROTOCOL/);
      }
      await counted(engine, 'tls_handshake_failed', 2);
    },
  },
  {
    name: 'a tcp listener agrees on the protocols that it lists, best first, or on none',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = test.own(await startEchoTarget());
      const tls = { certificates: [pair] };
      const engine = await test.engine(
        tlsTcpConfig([target.address], { ...tls, alpn: ['imap', 'pop3'] }),
      );
      const client = await test.tls(engine.port('db'), { ALPNProtocols: ['pop3', 'imap'] });
      assert.equal(client.secure.alpnProtocol, 'imap');
      const failure = await handshakeFailure(engine.port('db'), { ALPNProtocols: ['x'] });
      assert.match(failure, /NO_APPLICATION_PROTOCOL/);
      await engine.apply(tlsTcpConfig([target.address], tls));
      const other = await test.tls(engine.port('db'), { ALPNProtocols: ['x'] });
      assert.equal(other.secure.alpnProtocol, false);
      other.connection.send('echo');
      await other.connection.receivedText('echo');
    },
  },
  {
    name: 'shows whoever offers acme-tls/1 alone the certificate of the challenge, and serves nothing else over it',
    run: async (test) => {
      const { pair, issued } = await makeSite(test, { names: ['a.test'] });
      const target = await test.httpTarget();
      const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
      const made = await selfSigned({ names: ['a.test'] });
      const challenge: LoadedCertificate = {
        name: 'acme a.test',
        chain: made.certPem,
        key: new Secret(made.keyPem),
        ocsp: new Uint8Array(0),
        hosts: ['a.test'],
        keyType: 'ec',
        notBeforeMs: 0,
        notAfterMs: 0,
      };
      await engine.apply(httpsConfig([target.address], { certificates: [pair] }), {
        tlsChallenges: new Map([['a.test', challenge]]),
      });
      const port = engine.port('web');
      const asking = { servername: 'a.test', ALPNProtocols: ['acme-tls/1'] };
      const validator = await test.tls(port, asking);
      assert.equal(validator.fingerprint, made.fingerprint);
      assert.equal(validator.secure.alpnProtocol, 'acme-tls/1');
      validator.http.send(requestBytes('GET', '/'));
      await validator.connection.closed;
      assert.equal(validator.connection.received.length, 0);
      const both = await test.tls(port, { ...asking, ALPNProtocols: ['acme-tls/1', 'http/1.1'] });
      assert.equal(both.fingerprint, issued.fingerprint);
      const other = await handshakeFailure(port, { ...asking, servername: 'b.test' });
      assert.match(other, /NO_APPLICATION_PROTOCOL/);
      assert.equal(target.requests.length, 0);
    },
  },
];

const refusals: Case[] = [
  {
    name: 'plain HTTP gets a plain 400 and the connection is closed',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.httpTarget();
      const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
      const client = await test.http(engine.port('web'));
      const response = await client.get('/');
      assert.equal(response.status, 400);
      assert.equal(response.value('connection'), 'close');
      assert.match(response.value('proxy-status') ?? '', /error=http_request_error/);
      await client.closed;
      assert.equal(engine.stats().listener('web').errors.plain_on_tls, 1);
      assert.equal(target.requests.length, 0);
    },
  },
  {
    name: 'plain text at a tcp listener that ends TLS is closed, and no target hears of it',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.tcpTarget();
      const engine = await test.engine(tlsTcpConfig([target.address], { certificates: [pair] }));
      const client = await test.connect(engine.port('db'));
      client.send('GET / HTTP/1.1\r\n\r\n');
      await client.ended;
      await counted(engine, 'tls_handshake_failed', 1, 'db');
      assert.equal(target.connections.length, 0);
      await eventually('it to be gone', () => engine.stats().listener('db').active === 0);
    },
  },
  {
    name: 'garbage, a ClientHello that lies about its length, and one cut short end the connection, and others go on',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.httpTarget();
      const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
      const good = await test.tls(engine.port('web'));
      const inputs = [
        Buffer.from([0x80, 0x2e, 1, 0, 2, 0, 21, 0, 0, 0, 16, ...Array(40).fill(0)]),
        Buffer.from([22, 3, 1, 0xff, 0xff, 1, 0, 0, 1]),
        Buffer.from([22, 3, 1, 0, 8, 1, 0, 0, 4, 3, 3, 0, 0]),
        Buffer.concat([Buffer.from([22, 3, 1, 0, 200]), randomBytes(200)]),
        Buffer.from([21, 3, 1, 0, 2, 2, 40]),
        Buffer.from([0, 0, 0, 0, 0, 0, 0, 0]),
      ];
      for (const input of inputs) {
        const client = await test.connect(engine.port('web'));
        client.send(input);
        await within(client.ended, `the end of ${input.toString('hex').slice(0, 20)}`);
        client.close();
      }
      const short = await test.connect(engine.port('web'));
      short.end(Buffer.from([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]));
      await short.ended;
      await eventually('every failure to be counted', () => {
        const { errors } = engine.stats().listener('web');
        return errors.tls_handshake_failed === inputs.length + 1;
      });
      assert.equal((await good.http.get('/')).status, 200);
      good.close();
      await eventually('every connection to be gone', () => {
        return engine.stats().listener('web').active === 0;
      });
    },
  },
  {
    name: 'a handshake that stalls is closed after timeouts.handshake, however it trickles',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpsConfig(
          [target.address],
          { certificates: [pair] },
          { timeouts: { handshake: '300ms' } },
        ),
      );
      const silent = await test.connect(engine.port('web'));
      const slow = await test.connect(engine.port('web'));
      const hello = Buffer.from([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, ...Array(200).fill(7)]);
      let at = 0;
      const drip = setInterval(() => slow.send(hello.subarray(at, ++at)), 20);
      test.defer(() => clearInterval(drip));
      await Promise.all([silent.ended, slow.ended]);
      assert.equal(engine.stats().listener('web').errors.handshake_timeout, 2);
      assert.equal(silent.received.length, 0);
    },
  },
  {
    name: 'agrees on no version and no cipher that the terms leave out',
    run: async (test) => {
      const { pair } = await makeSite(test, { keyType: 'rsa' });
      const target = await test.httpTarget();
      const config = (terms: object) =>
        httpsConfig([target.address], { certificates: [pair], ...terms });
      const engine = await test.engine(config({}));
      const port = engine.port('web');
      const old = {
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'ALL:@SECLEVEL=0',
      } as const;
      assert.match(await handshakeFailure(port, old), /PROTOCOL_VERSION/);
      const weak = { ...ONLY['TLS 1.2'], ciphers: 'AES128-SHA' };
      assert.match(await handshakeFailure(port, weak), /HANDSHAKE_FAILURE/);
      await engine.apply(config({ profile: 'old' }));
      assert.equal((await test.tls(port, old)).secure.getProtocol(), 'TLSv1.1');
      assert.equal((await test.tls(port, weak)).secure.getCipher().name, 'AES128-SHA');
      await engine.apply(config({ profile: 'modern' }));
      assert.match(await handshakeFailure(port, ONLY['TLS 1.2']), /PROTOCOL_VERSION/);
      await engine.apply(
        config({
          maxVersion: 'TLSv1.2',
          ciphers: ['ECDHE-RSA-AES256-GCM-SHA384'],
          curves: ['P-384'],
        }),
      );
      const client = await test.tls(port);
      assert.equal(client.secure.getProtocol(), 'TLSv1.2');
      assert.equal(client.secure.getCipher().name, 'ECDHE-RSA-AES256-GCM-SHA384');
      assert.deepEqual(
        (client.secure.getEphemeralKeyInfo() as { name?: string }).name,
        'secp384r1',
      );
    },
  },
  {
    name: 'a client that asks to negotiate anew is refused, and its session goes on or ends',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.httpTarget();
      const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
      const client = await test.tls(engine.port('web'), ONLY['TLS 1.2']);
      assert.equal((await client.http.get('/')).status, 200);
      client.secure.renegotiate({}, (error) => assert.notEqual(error, null));
      client.http.send(requestBytes('GET', '/'));
      await client.http.response().catch(() => {});
      assert.equal(engine.stats().listener('web').tls_handshakes, 1);
      const other = await test.tls(engine.port('web'));
      assert.equal((await other.http.get('/')).status, 200);
    },
  },
  {
    name: 'a connection beyond maxConnections is closed before its handshake',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.httpTarget();
      const engine = await test.engine(
        httpsConfig([target.address], { certificates: [pair] }, { maxConnections: 1 }),
      );
      const first = await test.tls(engine.port('web'));
      assert.notEqual(await handshakeFailure(engine.port('web')), 'none');
      assert.equal(engine.stats().listener('web').errors.connection_limit, 1);
      assert.equal((await first.http.get('/')).status, 200);
    },
  },
];

const ends: Case[] = [
  ...eachVersion('a tcp listener passes half-close on, each way', (only) => async (test) => {
    const { pair } = await makeSite(test);
    const target = await test.tcpTarget();
    const engine = await test.engine(tlsTcpConfig([target.address], { certificates: [pair] }));
    const client = await test.tls(engine.port('db'), { ...only, allowHalfOpen: true });
    client.connection.end('all of it');
    const there = await target.next();
    await there.ended;
    assert.equal(there.text, 'all of it');
    there.end('and back');
    assert.equal(await client.connection.closed, 'fin');
    assert.equal(client.connection.text, 'and back');
    assert.equal(client.wasCut, false);
    await there.closed;

    const second = await test.tls(engine.port('db'), { ...only, allowHalfOpen: true });
    const other = await target.next();
    other.end('first');
    await second.connection.ended;
    assert.equal(second.wasCut, false);
    second.connection.end('last');
    assert.equal(await other.closed, 'fin');
    assert.equal(other.text, 'last');
    await eventually('both to be gone', () => engine.stats().listener('db').active === 0);
    assert.equal(engine.stats().listener('db').errorTotal, 0);
  }),
  ...eachVersion(
    'a tcp client cut off without a goodbye cuts the target off, too',
    (only) => async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.tcpTarget();
      const engine = await test.engine(tlsTcpConfig([target.address], { certificates: [pair] }));
      const client = await test.tls(engine.port('db'), only);
      const there = await target.next();
      client.connection.send('begun');
      await there.receivedText('begun');
      client.connection.cut();
      assert.equal(await there.closed, 'reset');
      await eventually('it to be counted', () => {
        return engine.stats().listener('db').errors.client_aborted === 1;
      });
    },
  ),
  {
    name: 'a target that resets a tcp connection cuts the client off: no goodbye',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.tcpTarget();
      const engine = await test.engine(tlsTcpConfig([target.address], { certificates: [pair] }));
      const client = await test.tls(engine.port('db'));
      const there = await target.next();
      there.send('begun');
      await client.connection.receivedText('begun');
      there.reset();
      assert.equal(await client.connection.closed, 'reset');
    },
  },
  {
    name: 'a body without length that the target cuts short reaches no client of HTTP/1.0 as a whole one',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: ({ connection }) => {
          connection.send('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npart');
          setTimeout(() => connection.reset(), 50);
        },
      });
      const { pair } = await makeSite(test);
      const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
      const client = await test.tls(engine.port('web'));
      client.http.send('GET / HTTP/1.0\r\nHost: test\r\n\r\n');
      const end = await client.connection.closed;
      assert.equal(end === 'reset' || client.wasCut, true);
    },
  },
  {
    name: 'a client cut off during its upload aborts the request',
    run: async (test) => {
      const target = await test.httpTarget();
      const { pair } = await makeSite(test);
      const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
      const client = await test.tls(engine.port('web'));
      client.http.send('POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nfive!');
      await target.receivedHeads(1);
      client.connection.cut();
      await eventually('it to be counted', () => {
        return engine.stats().listener('web').errors.client_aborted === 1;
      });
      assert.equal(target.requests.length, 0);
    },
  },
];

const tunnelsAndDrains: Case[] = [
  {
    name: 'a client of an upgraded connection that is cut off without a goodbye cuts the target off, too',
    run: async (test) => {
      const target = await test.httpTarget({
        answer: () =>
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n',
      });
      const { pair } = await makeSite(test);
      const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
      const client = await test.tls(engine.port('web'));
      client.http.send(
        'GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n',
      );
      assert.equal((await client.http.response()).status, 101);
      const { connection } = await target.next();
      client.connection.send('begun');
      await connection.receivedText('begun');
      client.connection.cut();
      await connection.ended;
      connection.end();
      assert.equal(await connection.closed, 'reset');
    },
  },
  ...eachVersion(
    'a tcp client that stops reading holds the target back, and loses nothing',
    (only) => async (test) => {
      const size = 8 * MIB;
      const sent = randomBytes(size);
      const target = await test.tcpTarget();
      const { pair } = await makeSite(test);
      const engine = await test.engine(tlsTcpConfig([target.address], { certificates: [pair] }));
      const client = await test.tls(engine.port('db'), only);
      const there = await target.next();
      client.secure.pause();
      there.send(sent);
      client.connection.send(sent);
      assert.equal((await there.receivedLength(size)).equals(sent), true);
      client.secure.resume();
      assert.equal((await client.connection.receivedLength(size)).equals(sent), true);
    },
  ),
  {
    name: 'closing waits for the request in flight, says so, and says goodbye; handshakes under way end',
    run: async (test) => {
      let answer = () => {};
      const target = await test.httpTarget({
        answer: () =>
          new Promise((resolve) => {
            answer = () => resolve(ok('late'));
          }),
      });
      const { pair } = await makeSite(test);
      const engine = await test.engine(httpsConfig([target.address], { certificates: [pair] }));
      const port = engine.port('web');
      const half = await test.connect(port);
      half.send(Buffer.from([22, 3, 1, 0, 200]));
      const idle = await test.tls(port);
      const busy = await test.tls(port);
      busy.http.send(requestBytes('GET', '/'));
      await target.next();
      const closed = engine.close(10_000);
      await Promise.all([idle.connection.ended, half.ended]);
      assert.equal(idle.wasCut, false);
      answer();
      const response = await busy.http.response();
      assert.equal(response.text, 'late');
      assert.equal(response.value('connection'), 'close');
      await busy.connection.ended;
      assert.equal(busy.wasCut, false);
      await closed;
    },
  },
];

const reloads: Case[] = [
  {
    name: 'a reload brings another certificate to new connections, and open ones go on',
    run: async (test) => {
      const [before, after] = await makePairs(test, {}, {});
      assert.ok(before && after);
      const target = await test.httpTarget();
      const config = (pair: object) => httpsConfig([target.address], { certificates: [pair] });
      const engine = await test.engine(config(before.pair));
      const port = engine.port('web');
      const open = await test.tls(port);
      assert.equal((await open.http.get('/')).status, 200);
      await engine.apply(config(after.pair));
      assert.equal(engine.port('web'), port);
      assert.equal((await open.http.get('/')).status, 200);
      const fresh = await test.tls(port);
      assert.equal(fresh.fingerprint, after.issued.fingerprint);
      assert.equal((await fresh.http.get('/')).status, 200);
      assert.equal(open.fingerprint, before.issued.fingerprint);
      assert.equal(engine.stats().listener('web').tls_handshakes, 2);
    },
  },
  {
    name: 'a plan with a key that is none is refused, and the old certificate stays; no key is shown',
    run: async (test) => {
      const { pair, issued } = await makeSite(test);
      const other = await makeSite(test);
      const target = await test.httpTarget();
      const config = httpsConfig([target.address], { certificates: [pair] });
      const engine = await test.engine(config);
      const loaded: LoadedCertificate = {
        name: 'bent.pem',
        chain: issued.chainPem,
        key: new Secret(await readFile(other.pair.key, 'utf8')),
        ocsp: new Uint8Array(0),
        hosts: ['localhost'],
        keyType: 'ec',
        notBeforeMs: 0,
        notAfterMs: 0,
      };
      const certificates = new Map([[`${pair.cert}\0${pair.key}\0`, loaded]]);
      await assert.rejects(engine.apply(config, { certificates }), (error: Error) => {
        assert.equal((error as Error & { code: string }).code, 'plan_rejected');
        assert.match(error.message, /listener web/);
        const lines = loaded.key.reveal().split('\n').slice(1, 3);
        for (const line of lines) assert.equal(error.message.includes(line), false);
        return true;
      });
      const client = await test.tls(engine.port('web'));
      assert.equal(client.fingerprint, issued.fingerprint);
      assert.equal((await client.http.get('/')).status, 200);
    },
  },
  {
    name: 'an http listener becomes an https one on the same port, and back',
    run: async (test) => {
      const { pair } = await makeSite(test);
      const target = await test.httpTarget();
      const pools = { all: { targets: [target.address] } };
      const web = { address: '127.0.0.1:0', pool: 'all' };
      const plain = { listeners: { web: { ...web, protocol: 'http' } }, pools };
      const engine = await test.engine(plain);
      const port = engine.port('web');
      const open = await test.http(port);
      assert.equal((await open.get('/')).status, 200);
      await engine.apply(httpsConfig([target.address], { certificates: [pair] }));
      assert.equal(engine.port('web'), port);
      const client = await test.tls(port);
      assert.equal((await client.http.get('/')).status, 200);
      assert.equal((await open.get('/')).status, 200);
      await engine.apply(plain);
      assert.equal((await (await test.http(port)).get('/')).status, 200);
      assert.equal((await client.http.get('/')).status, 200);
    },
  },
];

export const tlsTermination: Feature = {
  name: 'tls',
  cases: [
    ...talking,
    ...names,
    ...sessions,
    ...refusals,
    ...ends,
    ...tunnelsAndDrains,
    ...reloads,
  ].map((one) => ({
    ...one,
    needs: (capabilities) => capabilities.tls && capabilities.protocols.includes('tcp'),
  })),
};
