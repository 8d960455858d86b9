// Leaks: after every burst of traffic of every kind, much of it cut off, the engine's process must come back to the
// descriptors it had, and its memory must not climb from burst to burst.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually, pause } from '../support/deadline.ts';
import { type EngineProcess, startEngineProcess } from '../support/engine-process.ts';
import { openHttp, requestBytes } from '../support/http-client.ts';
import { ok, startHttpTarget } from '../support/http-target.ts';
import { connectRaw } from '../support/raw-connection.ts';
import { type Scope, withScope } from '../support/scope.ts';
import { freeAddress, startEchoTarget } from '../support/tcp-target.ts';
import { openUdp, openUdpTarget } from '../support/udp.ts';

const MIB = 1024 * 1024;
const BURSTS = 10;
/** Ends of the empty pipes that each of two workers keeps for the next bulk, as native/net/pump.h says. */
const POOLED_PIPE_ENDS = 2 * 2 * 64;

export function describeLeaks(engine: string): void {
  describe(`${engine}: leaks`, () => {
    it('bursts of traffic and reloads leave no descriptors and no memory behind', () =>
      withScope((scope) => run(engine, scope)));
  });
}

async function run(engine: string, scope: Scope): Promise<void> {
  const web = scope.own(await startHttpTarget({ answer: (r) => ok(r.body) }));
  const db = scope.own(await startEchoTarget());
  const media = scope.own(await openUdpTarget(''));
  const dead = (await freeAddress()).text;
  const config = {
    listeners: {
      web: {
        address: '127.0.0.1:0',
        protocol: 'http',
        routes: [{ match: { path: '/dead' }, pool: 'dead' }, { pool: 'web' }],
      },
      db: { address: '127.0.0.1:0', protocol: 'tcp', pool: 'db' },
      media: { address: '127.0.0.1:0', protocol: 'udp', pool: 'media', idleTimeout: '500ms' },
      egress: {
        address: '127.0.0.1:0',
        protocol: 'forward',
        privateDestinations: ['127.0.0.1'],
        connectPorts: ['1-65535'],
        timeouts: { keepAlive: '2s' },
        rules: [{ action: 'allow', match: { methods: ['PUT'] }, via: 'parents' }],
      },
    },
    pools: {
      web: { targets: [web.address], keepAlive: { idle: '200ms' } },
      db: { targets: [db.address] },
      media: { targets: [media.address] },
      dead: { targets: [dead] },
      parents: { parent: 'http', targets: [dead, web.address], keepAlive: { idle: '200ms' } },
    },
  };
  const visits: Visits = { web: web.address, db: db.address, dead };
  const child = scope.own(await startEngineProcess(engine, config));
  const { pipeEnds: unpooled } = await child.facts();
  // What the first burst opens for good is no leak.
  await burst(child, visits);
  await settledDown(child, Number.POSITIVE_INFINITY, unpooled);
  const idle = await child.facts();
  const settled = idle.descriptors - idle.pipeEnds;
  const rss: number[] = [];
  for (let i = 0; i < BURSTS; i++) {
    await burst(child, visits);
    await child.apply(config);
    await settledDown(child, settled, unpooled);
    rss.push((await child.facts()).rssBytes);
  }
  // The first bursts warm up: pools, buffers, compiled code. From then on memory must not climb.
  // The least of three each: what Node's own heap adds comes and goes.
  const warm = rss.slice(-6);
  const climb = Math.min(...warm.slice(3)) - Math.min(...warm.slice(0, 3));
  const shown = rss.map((bytes) => (bytes / MIB).toFixed(1)).join(' ');
  // V8 grows and shrinks its heap in steps of several MiB; the native engine's memory is its own.
  const most = engine === 'js' ? 16 * MIB : 4 * MIB;
  assert.ok(climb < most, `resident MiB after each burst: ${shown}`);
  await child.stop();
  const { descriptors, pipeEnds } = await child.facts();
  assert.ok(descriptors - pipeEnds < settled, 'closing lets the listeners go');
  assert.ok(
    pipeEnds <= unpooled,
    `closing lets the pipes go: ${pipeEnds} ends, ${unpooled} before`,
  );
}

/**
 * Resolves once nothing is open or in flight any more and no more than `descriptors` are, beside pipes: of those a
 * pool keeps as many as were ever in use at once, so that their number is bounded but not the same after each burst.
 */
async function settledDown(
  child: EngineProcess,
  descriptors: number,
  idlePipeEnds: number,
): Promise<void> {
  let shown = '';
  const isDown = async () => {
    const facts = await child.facts();
    const active = Object.values(facts.listeners).reduce(
      (sum, listener) => sum + listener.active,
      0,
    );
    const open = facts.descriptors - facts.pipeEnds;
    shown = `${open} descriptors, ${facts.pipeEnds} ends of pipes, ${active} active, ${facts.inFlight} in flight`;
    const isPoolBounded = facts.pipeEnds <= idlePipeEnds + POOLED_PIPE_ENDS;
    return facts.inFlight === 0 && active === 0 && open <= descriptors && isPoolBounded;
  };
  await eventually(`at most ${descriptors} descriptors`, isDown).catch((error: Error) => {
    throw new Error(`${error.message}: ${shown}`);
  });
  // Idle upstream connections are kept for 200 ms, those of the forward proxy for 2 s.
  if (descriptors === Number.POSITIVE_INFINITY) await pause(2400);
}

/** Where the clients of the forward proxy want to go. */
interface Visits {
  readonly web: string;
  readonly db: string;
  readonly dead: string;
}

async function burst(child: EngineProcess, visits: Visits): Promise<void> {
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      await visitAll(child, i);
      await goOut(child, visits, i);
    }),
  );
}

/** By way of the forward proxy: requests, directly and through parents, refusals, and tunnels of both kinds. */
async function goOut(child: EngineProcess, { web, db, dead }: Visits, i: number): Promise<void> {
  const client = await openHttp(child.port('egress'));
  for (let k = 0; k < 5; k++) await client.request('POST', `http://${web}/`, { Host: web }, 'x');
  await client.request('PUT', `http://${web}/`, { Host: web }, 'x'.repeat(20_000));
  await client.request('GET', `http://${dead}/`, { Host: dead });
  await client.request('GET', 'http://10.0.0.1/', { Host: '10.0.0.1' });
  client.send(requestBytes('CONNECT', dead, { Host: dead }));
  await client.response('CONNECT');
  if (i % 4 === 0) client.send(requestBytes('CONNECT', 'no port', { Host: 'no port' }));
  else if (i % 4 === 1) client.send(`CONNECT ${db} HTTP/1.1\r\nHo`);
  else if (i % 4 === 2) client.send(requestBytes('CONNECT', db, { Host: db }));
  const port = Number(db.split(':').at(-1));
  const socks = await connectRaw(child.port('egress'));
  socks.send(Uint8Array.of(5, 1, 0));
  await socks.receivedLength(2);
  if (i % 5 !== 0) {
    socks.send(Uint8Array.of(5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255));
    await socks.receivedLength(12);
    socks.send('y'.repeat(100_000));
    await socks.receivedLength(100_012);
  }
  await pause(i % 3);
  if (i % 2) client.connection.reset();
  else client.close();
  if (i % 3) socks.reset();
  else socks.end();
  await socks.closed;
}

async function visitAll(child: EngineProcess, i: number): Promise<void> {
  const client = await openHttp(child.port('web'));
  for (let k = 0; k < 10; k++) await client.request('PUT', '/', {}, 'x'.repeat(20_000));
  await client.get('/dead');
  if (i % 4 === 0) client.send('GET / HTTP/1.1\r\nBad');
  if (i % 4 === 1) client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf');
  if (i % 4 === 2) client.send('GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n');
  const stream = await connectRaw(child.port('db'));
  stream.send('y'.repeat(300_000));
  await stream.receivedLength(300_000);
  const session = await openUdp();
  for (let k = 0; k < 5; k++) {
    // UDP may lose a datagram, or a session end just then: the client says it again.
    await eventually('a reply', async () => {
      session.send('z', child.port('media'));
      return session.received(k + 1, 1000).then(
        () => true,
        () => false,
      );
    });
  }
  await pause(i % 5);
  if (i % 2) client.connection.reset();
  else client.close();
  if (i % 3) stream.reset();
  else stream.end();
  await stream.closed;
  await session.close();
}
