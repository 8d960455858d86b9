// The transparent mode behind real netfilter: run by transparent.test.ts in a network of its own.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { records } from '../contract/cases/access-log.ts';
import { eventually } from '../support/deadline.ts';
import { requestBytes } from '../support/http-client.ts';
import { type NativeUnderTest, onBothLoops } from '../support/native-under-test.ts';
import { startHttpParent, startSocksParent } from '../support/parent-proxy.ts';
import { createAuthority, type Issued, temporaryFolder } from '../support/pki.ts';
import type { RawConnection } from '../support/raw-connection.ts';
import { type RunningEngine, startEngine } from '../support/running-engine.ts';
import { Scope } from '../support/scope.ts';
import { startTcpTarget, type TcpTarget, type TcpTargetOptions } from '../support/tcp-target.ts';
import { TestOracle } from '../support/test-oracle.ts';
import {
  BLOCKED,
  buildNetwork,
  connectTo,
  httpTo,
  OTHER,
  type Place,
  PRIVATE,
  redirectTo,
  SITE,
  SITE6,
  sayOverTls,
  stopRedirecting,
} from './redirected-network.ts';

const GREETING = 'here is the site';
/** Known to nobody but the oracle, which leads elsewhere. */
const ALLOWED = 'allowed.test';
const DENIED = 'denied.test';

/** By name alone, and only one name; and a block that is closed whatever the name. */
const RULES = {
  deny: ['45.0.9.0/24'],
  rules: [
    { name: 'no', match: { hosts: [DENIED] }, action: 'deny' },
    { name: 'yes', match: { hosts: [ALLOWED] }, action: 'allow' },
  ],
  default: 'deny',
};

buildNetwork();

await onBothLoops(({ name, create }: NativeUnderTest) => {
  describe(`transparent, ${name}`, { concurrency: false }, () => {
    let issued: Issued;
    let scope = new Scope();
    let oracle = new TestOracle();

    before(async () => {
      issued = await (await createAuthority()).issue({ names: [ALLOWED] });
    });
    beforeEach(() => {
      scope = new Scope();
      oracle = new TestOracle({ [ALLOWED]: [OTHER], [DENIED]: [OTHER] });
    });
    afterEach(() => scope.close());
    after(() => stopRedirecting());

    async function start(
      listener: object = RULES,
      pools: object | undefined = undefined,
      address = '127.0.0.1:0',
    ): Promise<RunningEngine> {
      const egress = { address, protocol: 'forward', transparent: true, ...listener };
      const config = { listeners: { egress }, ...(pools === undefined ? {} : { pools }) };
      const engine = scope.own(await startEngine(create, config, { oracle }));
      redirectTo(engine.port('egress'));
      return engine;
    }

    const site = async (options: TcpTargetOptions = {}): Promise<TcpTarget & Place> => {
      const host = options.host ?? SITE;
      const target = scope.own(await startTcpTarget({ ...options, host }));
      return Object.assign(target, { host }) as TcpTarget & Place;
    };
    const greetingSite = (options: TcpTargetOptions = {}) =>
      site({
        ...options,
        onConnection: (connection) => {
          connection.send(GREETING);
          void connection.ended.then(() => connection.end());
        },
      });
    const secureSite = (host = SITE) =>
      greetingSite({ host, tls: { cert: issued.certPem, key: issued.keyPem } });
    const errors = (engine: RunningEngine) => engine.stats().listener('egress').errors;

    it('lets TLS through by the name that the ClientHello asks for', async () => {
      const engine = await start();
      const place = await secureSite();
      assert.equal(await sayOverTls(scope, place, ALLOWED), GREETING);
      assert.equal(place.accepts, 1);
      await eventually('the end', () => engine.stats().listener('egress').active === 0);
      const stats = engine.stats();
      assert.equal(stats.route('egress', 'yes').requests, 1);
      assert.equal(stats.pool('egress/direct').requests, 1);
      assert.equal(stats.listener('egress').requests, 1);
      assert.equal(stats.listener('egress').connections, 1);
    });

    it('refuses TLS with an alert, by name, without one, and by an address under a good name', async () => {
      const engine = await start();
      const place = await secureSite();
      const blocked = await secureSite(BLOCKED);
      const isDenied = { code: 'ERR_SSL_TLSV1_ALERT_ACCESS_DENIED' };
      await assert.rejects(sayOverTls(scope, place, DENIED), isDenied);
      await assert.rejects(sayOverTls(scope, place, undefined), isDenied);
      await assert.rejects(sayOverTls(scope, blocked, ALLOWED), isDenied);
      assert.equal(place.accepts + blocked.accepts, 0);
      const stats = engine.stats();
      assert.equal(stats.listener('egress').errors.destination_denied, 3);
      assert.equal(stats.route('egress', 'no').errors.destination_denied, 1);
      assert.equal(stats.route('egress', 'deny').errors.destination_denied, 1);
      assert.equal(stats.route('egress', 'default').errors.destination_denied, 1);
      // The alert comes before its connection is let go.
      await eventually('the end', () => engine.stats().listener('egress').active === 0);
    });

    it('passes plain HTTP on as it is, by its Host', async () => {
      await start();
      const place = await site();
      const client = await connectTo(scope, place);
      const request = `GET /a?b HTTP/1.1\r\nhost:  Allowed.Test:${place.port}\r\nX-Odd:a\r\n\r\n`;
      // In two pieces: it waits for the head.
      client.send(request.slice(0, 20));
      client.send(request.slice(20));
      const connection = await place.next();
      await connection.receivedText('\r\n\r\n');
      assert.equal(connection.text, request);
      connection.send('HTTP/1.0 200 whatever\n\nbytes');
      await client.receivedText('whatever\n\nbytes');
    });

    it('refuses plain HTTP with the page, and closes', async () => {
      const engine = await start();
      const place = await site();
      for (const method of ['GET', 'HEAD', 'POST']) {
        const client = await httpTo(scope, place);
        const body = method === 'POST' ? 'a body' : '';
        client.send(requestBytes(method, '/', { Host: DENIED }, body));
        const answer = await client.response(method);
        assert.equal(answer.status, 403);
        assert.equal(answer.value('connection'), 'close');
        assert.equal(answer.value('content-type'), 'text/html; charset=utf-8');
        assert.equal(answer.value('proxy-status'), 'sluice; error=http_request_denied');
        if (method !== 'HEAD') assert.match(answer.body.toString(), /a rule denies it/);
        await client.connection.ended;
      }
      assert.equal(place.accepts, 0);
      assert.equal(engine.stats().route('egress', 'no').status_4xx, 3);
    });

    it('goes by the address alone where the other side begins, or neither speaks TLS nor HTTP', async () => {
      await start({ ...RULES, rules: [{ match: { hosts: [SITE] }, action: 'allow' }] });
      const place = await greetingSite();
      const silent = await connectTo(scope, place);
      await silent.receivedText(GREETING);
      silent.end('QUIT\r\n');
      const connection = await place.next();
      await connection.receivedText('QUIT\r\n');
      await connection.ended;
      const talkative = await connectTo(scope, place);
      talkative.send('SSH-2.0-client\r\n');
      await talkative.receivedText(GREETING);
      await (await place.next()).receivedText('SSH-2.0-client\r\n');
      // An end before a word is passed on as well.
      const ended = await connectTo(scope, place);
      ended.end();
      await ended.receivedText(GREETING);
      await (await place.next()).ended;
    });

    it('refuses by a reset whoever speaks neither', async () => {
      const engine = await start({ deny: [`${BLOCKED}/32`] });
      const place = await greetingSite({ host: BLOCKED });
      const silent = await connectTo(scope, place);
      assert.equal(await silent.closed, 'reset');
      const talkative = await connectTo(scope, place);
      talkative.send('SSH-2.0-client\r\n');
      assert.equal(await talkative.closed, 'reset');
      assert.equal(place.accepts, 0);
      assert.equal(errors(engine).destination_denied, 2);
    });

    it('goes where the client was going, not where the name that it claims leads', async () => {
      await start({});
      const place = await greetingSite();
      const elsewhere = await greetingSite({ host: OTHER, port: place.port });
      const client = await connectTo(scope, place);
      client.send(`GET / HTTP/1.1\r\nHost: ${ALLOWED}\r\n\r\n`);
      await client.receivedText(GREETING);
      assert.equal(place.accepts, 1);
      assert.equal(elsewhere.accepts, 0);
      assert.deepEqual(oracle.askedNames, []);
    });

    it('closes what came straight to it, with netfilter and without', async () => {
      const engine = await start({});
      const straight = { host: '127.0.0.1', port: engine.port('egress') };
      const closed = async (): Promise<void> => {
        // Not redirected: it comes to 127.0.0.1 as what it is.
        const client = await connectTo(scope, straight);
        await client.ended;
        assert.equal(client.text, '');
      };
      await closed();
      assert.equal(errors(engine).proxy_loop, 1);
      stopRedirecting();
      await closed();
      const { proxy_loop = 0, destination_malformed = 0 } = errors(engine);
      assert.equal(proxy_loop + destination_malformed, 2);
      assert.equal(engine.stats().listener('egress').active, 0);
    });

    it('moves bulk intact in both directions at once', async () => {
      const engine = await start({});
      const bulk = Buffer.alloc(24 << 20);
      for (let at = 0; at < bulk.length; at += 4)
        bulk.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
      const digest = (connection: RawConnection) =>
        createHash('sha256').update(connection.received).digest('hex');
      const place = await site();
      const client = await connectTo(scope, place);
      client.send('begin ');
      const connection = await place.next();
      client.end(bulk);
      connection.end(bulk);
      await Promise.all([client.ended, connection.ended]);
      const whole = createHash('sha256').update(bulk).digest('hex');
      assert.equal(digest(client), whole);
      assert.equal(connection.received.subarray(0, 6).toString(), 'begin ');
      assert.equal(
        createHash('sha256').update(connection.received.subarray(6)).digest('hex'),
        whole,
      );
      await eventually('the end', () => engine.stats().listener('egress').active === 0);
      const stats = engine.stats().listener('egress');
      assert.equal(stats.bytes_in, bulk.length + 6);
      assert.equal(stats.bytes_out, bulk.length);
    });

    it('refuses addresses that are not public, unless they are permitted', async () => {
      const engine = await start({});
      const place = await greetingSite({ host: PRIVATE });
      const client = await httpTo(scope, place);
      client.send(requestBytes('GET', '/', { Host: ALLOWED }));
      const answer = await client.response('GET');
      assert.equal(answer.status, 403);
      assert.equal(answer.value('proxy-status'), 'sluice; error=destination_ip_prohibited');
      assert.match(answer.body.toString(), /its address is not public/);
      assert.equal(errors(engine).destination_forbidden, 1);
      await start({ privateDestinations: [`${PRIVATE}/32`] });
      const again = await connectTo(scope, place);
      await again.receivedText(GREETING);
    });

    it('resets when the destination cannot be reached', async () => {
      const engine = await start({});
      const place = await site();
      const { port } = place;
      await place.close();
      const client = await connectTo(scope, { host: SITE, port });
      client.send(`GET / HTTP/1.1\r\nHost: ${ALLOWED}\r\n\r\n`);
      assert.equal(await client.closed, 'reset');
      assert.equal(errors(engine).connect_refused, 1);
    });

    it('hands what goes by a parent on by name, and without a name by address', async () => {
      const parent = scope.own(await startHttpParent());
      const socks = scope.own(await startSocksParent());
      const near = scope.own(
        await startTcpTarget({ onConnection: (connection) => connection.send(GREETING) }),
      );
      const far = { host: SITE, port: near.port };
      const pools = {
        up: { targets: [parent.address], parent: { protocol: 'http' } },
        socks: { targets: [socks.address], parent: { protocol: 'socks5' } },
      };
      await start({ rules: [{ action: 'allow', via: 'up' }] }, pools);
      const client = await connectTo(scope, far);
      client.send(`GET / HTTP/1.1\r\nHost: ${ALLOWED}\r\n\r\n`);
      await client.receivedText(GREETING);
      await (await near.next()).receivedText(`Host: ${ALLOWED}\r\n\r\n`);
      const silent = await connectTo(scope, far);
      await silent.receivedText(GREETING);
      assert.deepEqual(
        parent.asked.map((head) => head.split(' ')[1]),
        [`${ALLOWED}:${near.port}`, `${SITE}:${near.port}`],
      );
      await start({ rules: [{ action: 'allow', via: 'socks' }] }, pools);
      await (await connectTo(scope, far)).receivedText(GREETING);
      assert.deepEqual(socks.asked, [`1 @${SITE}:${near.port}`]);
      assert.deepEqual(oracle.askedNames, []);
    });

    it('logs what the client claimed and where it went', async () => {
      const accessLog = join(await temporaryFolder(scope), 'access.log');
      await start({ ...RULES, accessLog });
      const place = await secureSite();
      await sayOverTls(scope, place, ALLOWED);
      const [through] = await records(accessLog, 1);
      const { time, client, bytesIn, bytesOut, durationMs, upstreamMs, ...rest } = through!;
      const fixed = {
        listener: 'egress',
        method: 'CONNECT',
        path: null,
        user: null,
        destination: `${SITE}:${place.port}`,
      };
      assert.deepEqual(rest, {
        ...fixed,
        route: 'yes',
        host: ALLOWED,
        status: null,
        target: 'direct',
        error: null,
      });
      assert.ok(Number(bytesIn) > 0 && Number(bytesOut) > GREETING.length);
      assert.equal(typeof time, 'string');
      assert.match(String(client), /^10\.9\.0\.2:\d+$/);
      assert.ok(Number(durationMs) >= Number(upstreamMs));
      const plain = await httpTo(scope, place);
      plain.send(requestBytes('GET', '/', { Host: DENIED }));
      await plain.response('GET');
      const [, refused] = await records(accessLog, 2);
      assert.equal(refused?.route, 'no');
      assert.equal(refused?.host, DENIED);
      assert.equal(refused?.status, 403);
      assert.equal(refused?.destination, `${SITE}:${place.port}`);
      assert.equal(refused?.error, 'destination_denied');
    });

    it('waits for what a client has begun, and no longer than for a handshake', async () => {
      const engine = await start({ timeouts: { handshake: '1s' } });
      const place = await site();
      const client = await connectTo(scope, place);
      client.send('GET / HTTP/1.1\r\nHost: al');
      await client.ended;
      assert.equal(errors(engine).handshake_timeout, 1);
      assert.equal(place.accepts, 0);
    });

    it('keeps to the limit of connections, and says nothing to those beyond it', async () => {
      const engine = await start({ maxConnections: 1 });
      const place = await greetingSite();
      const first = await connectTo(scope, place);
      await first.receivedText(GREETING);
      const second = await connectTo(scope, place);
      second.send('GET / HTTP/1.1\r\n\r\n');
      await second.ended;
      assert.equal(second.text, '');
      assert.equal(errors(engine).connection_limit, 1);
      first.close();
      await eventually('room', () => engine.stats().listener('egress').active === 0);
      await (await connectTo(scope, place)).receivedText(GREETING);
    });

    it('closes those that wait and leaves tunnels alone when it drains', async () => {
      const engine = await start({});
      const place = await greetingSite();
      const tunnel = await connectTo(scope, place);
      await tunnel.receivedText(GREETING);
      const waiting = await connectTo(scope, place);
      waiting.send('GET / HTTP');
      await eventually('both', () => engine.stats().listener('egress').active === 2);
      const closing = engine.close(60_000);
      await waiting.ended;
      tunnel.send('still here');
      await (await place.next()).receivedText('still here');
      tunnel.end();
      place.connections[0]?.end();
      await closing;
    });

    it('forgets clients that go away, whatever they were waiting for', async () => {
      const engine = await start({});
      const place = await site();
      const silent = await connectTo(scope, place);
      const begun = await connectTo(scope, place);
      begun.send('GET / HT');
      await eventually('both', () => engine.stats().listener('egress').active === 2);
      silent.reset();
      begun.reset();
      await eventually('none', () => engine.stats().listener('egress').active === 0);
      assert.equal(errors(engine).client_aborted, 2);
      assert.equal(place.accepts, 0);
    });

    it('takes IPv6, and IPv4 on a socket for both', async () => {
      await start({}, undefined, '[::]:0');
      const place = await greetingSite({ host: SITE6 });
      await (await connectTo(scope, place)).receivedText(GREETING);
      const engine = await start({ deny: [`${SITE6}/128`] }, undefined, '[::]:0');
      const refused = await connectTo(scope, place);
      assert.equal(await refused.closed, 'reset');
      assert.equal(errors(engine).destination_denied, 1);
      const old = await greetingSite();
      await (await connectTo(scope, old)).receivedText(GREETING);
    });
  });
});
