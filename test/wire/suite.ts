// The wire suite: raw requests and raw responses replayed against an engine, whole and cut at every byte. What
// the target did NOT get is part of every case. Skips follow the contract's rules: by name, with a reason, and a
// skipped case that passes fails.
import assert from 'node:assert/strict';
import { describe, it, type TestContext, test } from 'node:test';
import { CASES_AT_ONCE } from '../support/concurrency.ts';
import { within } from '../support/deadline.ts';
import { fetchOnce, type HttpClient, openHttp } from '../support/http-client.ts';
import { type HttpTarget, ok, startHttpTarget } from '../support/http-target.ts';
import { type CreateEngine, startEngine } from '../support/running-engine.ts';
import { Scope } from '../support/scope.ts';
import { replayCorpus } from './corpus.ts';
import { assertForwarded, assertReplied, readForward, readReply } from './expectation.ts';
import { blockBytes, readCases, uncutOf, type WireBlock, type WireCase } from './read-cases.ts';
import { cutsOf, isShortEnough, sendCut } from './replay.ts';

export interface WireSkip {
  readonly reason: string;
  /** Names of cases; a name that ends in a colon stands for all its values. */
  readonly cases: readonly string[];
}

export interface WireEngine {
  readonly name: string;
  readonly create: CreateEngine;
  readonly skip?: readonly WireSkip[];
  /** Entries of the corpus that this engine treats otherwise, with the reason. */
  readonly corpusExceptions?: readonly {
    readonly reason: string;
    readonly entries: readonly string[];
  }[];
}

/** For targets that stall, which is what a case waits for: there, and nowhere else. */
const STALLED: ReadonlyMap<string, object> = new Map([
  ['stall head', { timeouts: { responseHeader: '500ms' } }],
  ['stall body', { timeouts: { bodyIdle: '500ms' } }],
]);

const LISTENER = {
  address: '127.0.0.1:0',
  protocol: 'http',
  pool: 'all',
  limits: { head: '16KiB', target: '4KiB' },
};

export function describeWire(under: WireEngine): void {
  const cases = readCases(new URL('cases/', import.meta.url));
  const skips = new Map(
    (under.skip ?? []).flatMap((s) => s.cases.map((name) => [name, s.reason] as const)),
  );

  test(`${under.name}: wire cases have names of their own and every skip names one`, () => {
    assert.equal(new Set(cases.map((c) => c.name)).size, cases.length);
    const isKnown = (skip: string) =>
      cases.some((c) => c.name === skip || (skip.endsWith(':') && c.name.startsWith(skip)));
    assert.deepEqual(
      [...skips.keys()].filter((skip) => !isKnown(skip)),
      [],
    );
  });

  for (const file of new Set(cases.map((c) => c.file))) {
    describe(`${under.name}: wire ${file}`, { concurrency: CASES_AT_ONCE }, () => {
      for (const one of cases.filter((c) => c.file === file)) {
        const group = one.name.slice(0, one.name.indexOf(':') + 1);
        const reason = skips.get(one.name) ?? skips.get(group);
        it(one.name, (t) => runWireCase(under, one, reason, t));
      }
    });
  }

  describe(`${under.name}: wire corpus`, () => replayCorpus(under));
}

async function runWireCase(
  under: WireEngine,
  one: WireCase,
  reason: string | undefined,
  t: TestContext,
): Promise<void> {
  const failure = await attempt(under, one);
  if (reason === undefined) {
    if (failure !== undefined) throw failure;
    return;
  }
  if (failure === undefined) assert.fail(`skip no longer needed: the case passes (${reason})`);
  t.skip(reason);
}

async function attempt(under: WireEngine, one: WireCase): Promise<unknown> {
  const scope = new Scope();
  try {
    const run = one.blocks.has('response') ? replayResponse : replayRequest;
    await within(run(under.create, one, scope), 'the case to end');
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await scope.close();
  }
}

function blockOf(one: WireCase, kind: string): WireBlock {
  const block = one.blocks.get(kind);
  if (!block) throw new Error(`${one.file}: ${one.name} has no ${kind} block`);
  return block;
}

/** The methods of the requests in a client's bytes, as far as they can be told. */
function methodsIn(bytes: Buffer): string[] {
  return [...bytes.toString('latin1').matchAll(/([A-Z]+) \S+ HTTP\/1/g)].map((m) => m[1] ?? '');
}

async function replayRequest(create: CreateEngine, one: WireCase, scope: Scope): Promise<void> {
  const { info, text, focus } = blockOf(one, 'request');
  const bytes = blockBytes(text);
  const forward = readForward(blockOf(one, 'forward').text);
  const reply = readReply(blockOf(one, 'reply').text);
  const target = scope.own(await startHttpTarget());
  const engine = scope.own(
    await startEngine(create, {
      listeners: { web: LISTENER },
      pools: { all: { targets: [target.address] } },
    }),
  );
  const port = engine.port('web');

  const cuts = cutsOf(bytes.length, focus);
  const open = async () => scope.own(await openHttp(port));
  const clients = await Promise.all(cuts.map(open));
  const bytewise = focus === undefined && isShortEnough(bytes) ? await open() : undefined;
  const all: HttpClient[] = bytewise ? [...clients, bytewise] : clients;
  await sendCut(
    bytes,
    clients.map((c) => c.connection),
    cuts,
    bytewise?.connection,
  );
  if (info === 'end') for (const client of all) client.connection.end();
  await Promise.all(all.map((client) => assertReplied(client, reply, methodsIn(bytes))));

  assert.equal((await fetchOnce(port, 'GET', '/fence')).status, 200, 'a fresh request must work');
  assertTarget(target, forward.mayBegin, all.length * forward.requests.length);
  assertForwarded(
    target.requests.filter((r) => r.target !== '/fence' && r.target !== '/after'),
    forward,
    all.length,
  );
}

function assertTarget(target: HttpTarget, mayBegin: boolean, requests: number): void {
  assert.deepEqual(target.violations, [], 'what the target got must be strict HTTP');
  const heads = target.heads.filter((h) => h.target !== '/fence' && h.target !== '/after').length;
  if (!mayBegin) assert.equal(heads, requests, `the target got ${heads} heads`);
}

async function replayResponse(create: CreateEngine, one: WireCase, scope: Scope): Promise<void> {
  const { info, text, focus } = blockOf(one, 'response');
  const bytes = blockBytes(text);
  const request =
    one.blocks.get('request')?.text ?? 'GET /cut/{cut} HTTP/1.1\\r\\nHost: test\\r\\n\\r\\n';
  const reply = readReply(blockOf(one, 'reply').text);
  const target = scope.own(
    await startHttpTarget({
      answer: async (r) => {
        const cut = /^\/cut\/(\d+)$/.exec(r.target)?.[1];
        if (cut === undefined) return ok('');
        r.connection.send(bytes.subarray(0, Number(cut) || bytes.length));
        if (Number(cut) > 0) {
          await new Promise((resolve) => setTimeout(resolve, 2));
          r.connection.send(bytes.subarray(Number(cut)));
        }
        if (info === '') r.connection.end();
        if (info === 'reset')
          r.connection.socket.write('', () => setImmediate(() => r.connection.reset()));
        return undefined;
      },
    }),
  );
  const engine = scope.own(
    await startEngine(create, {
      listeners: { web: { ...LISTENER, ...STALLED.get(info) } },
      pools: { all: { targets: [target.address], retries: 3, eject: { after: 0 } } },
    }),
  );
  const uncut = uncutOf(text);
  const cuts = cutsOf(bytes.length, focus).filter((cut) => cut !== uncut);
  await Promise.all(
    cuts.map(async (cut) => {
      const client = scope.own(await openHttp(engine.port('web')));
      const sent = blockBytes(request.replace('{cut}', String(cut)));
      client.send(sent);
      await assertReplied(client, reply, methodsIn(sent));
    }),
  );
  assert.equal(
    (await fetchOnce(engine.port('web'), 'GET', '/fence')).status,
    200,
    'a fresh request must work',
  );
  assert.deepEqual(target.violations, []);
  if (one.blocks.has('attempts')) return;
  const attempts = target.requests.filter((r) => r.target.startsWith('/cut/')).length;
  assert.equal(attempts, cuts.length, 'one attempt a request');
}
