// The corpus: raw requests gathered from the tests of open HTTP implementations, replayed under the golden rule.
// The bytes that a target receives re-parse strictly into exactly the requests that it answered and whose answers
// the client got; what must be rejected reaches no target; and a fresh request works afterwards.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { within } from '../support/deadline.ts';
import { fetchOnce, openHttp } from '../support/http-client.ts';
import { type HttpTarget, ok, startHttpTarget } from '../support/http-target.ts';
import { type RunningEngine, startEngine } from '../support/running-engine.ts';
import { Scope } from '../support/scope.ts';
import type { WireEngine } from './suite.ts';

interface Entry {
  readonly src: string;
  readonly id: string;
  /** The bytes, base64. */
  readonly b: string;
  readonly exp: string | null;
}

interface Slot {
  readonly name: string;
  readonly target: HttpTarget;
}

/** So many entries are under way at once, each with a listener and a target of its own. */
const SLOTS = 24;

export const CORPUS: readonly Entry[] = JSON.parse(
  readFileSync(new URL('corpus/h1-open.json', import.meta.url), 'utf8'),
);

/**
 * Entries that their suites reject and that a proxy may accept all the same, or the other way round. Every one of
 * them still has to keep the golden rule.
 */
const EXCEPTIONS: readonly { readonly reason: string; readonly entries: readonly string[] }[] = [];

function nameOf(entry: Entry): string {
  return `${entry.src}/${entry.id}`;
}

/** Whether no part of the entry may reach a target. */
function mustReject({ exp }: Entry): boolean {
  if (exp === 'reject' || exp === 'reject-strict') return true;
  return exp !== null && /^[45]\d\d/.test(exp) && !/2xx|20\d/.test(exp);
}

export function replayCorpus(under: WireEngine): void {
  const exceptions = new Map(
    [...EXCEPTIONS, ...(under.corpusExceptions ?? [])].flatMap((e) =>
      e.entries.map((name) => [name, e.reason] as const),
    ),
  );

  it('exceptions name entries', () => {
    const known = new Set(CORPUS.map(nameOf));
    assert.deepEqual(
      [...exceptions.keys()].filter((name) => !known.has(name)),
      [],
    );
  });

  it(`keeps the golden rule for ${CORPUS.length} requests of open suites`, async () => {
    const scope = new Scope();
    try {
      const problems = await replayAll(under, scope, exceptions);
      assert.deepEqual(problems, []);
    } finally {
      await scope.close();
    }
  });
}

async function replayAll(
  under: WireEngine,
  scope: Scope,
  exceptions: ReadonlyMap<string, string>,
): Promise<string[]> {
  const slots = await Promise.all(Array.from({ length: SLOTS }, (_, i) => startSlot(scope, i)));
  const timeouts = {
    requestHeader: '150ms',
    bodyIdle: '150ms',
    keepAlive: '100ms',
    responseHeader: '1s',
  };
  const engine = scope.own(
    await startEngine(under.create, {
      listeners: Object.fromEntries(
        slots.map(({ name }) => [
          name,
          { address: '127.0.0.1:0', protocol: 'http', pool: name, timeouts },
        ]),
      ),
      pools: Object.fromEntries(
        slots.map(({ name, target }) => [name, { targets: [target.address] }]),
      ),
    }),
  );
  const problems: string[] = [];
  const left = [...CORPUS];
  await Promise.all(
    slots.map(async (slot) => {
      for (let entry = left.shift(); entry !== undefined; entry = left.shift()) {
        const found = await replayEntry(engine, slot, entry);
        const isExcepted = exceptions.has(nameOf(entry));
        const unexpected = found.filter(
          (problem) => !(isExcepted && problem.startsWith('expected')),
        );
        if (isExcepted && found.length === 0) unexpected.push('exception no longer needed');
        problems.push(...unexpected.map((problem) => `${nameOf(entry)}: ${problem}`));
      }
    }),
  );
  return problems;
}

async function startSlot(scope: Scope, index: number): Promise<Slot> {
  let seen = 0;
  const target = scope.own(
    await startHttpTarget({ answer: () => ok('', { 'X-Seen': String(seen++) }) }),
  );
  return { name: `slot${index}`, target };
}

async function replayEntry(engine: RunningEngine, slot: Slot, entry: Entry): Promise<string[]> {
  const problems: string[] = [];
  const { target } = slot;
  const port = engine.port(slot.name);
  const [requests, heads, violations] = [
    target.requests.length,
    target.heads.length,
    target.violations.length,
  ];
  const client = await openHttp(port);
  client.send(Buffer.from(entry.b, 'base64'));
  try {
    await within(client.closed, 'the close', 3000);
  } catch {
    problems.push('the connection is never closed');
    client.close();
  }
  const answered = [...client.connection.text.matchAll(/^x-seen: (\d+)\r$/gim)].map((m) =>
    Number(m[1]),
  );
  const got = target.requests.length - requests;
  problems.push(...target.violations.slice(violations).map((v) => `the target got ${v}`));
  const wanted = Array.from({ length: got }, (_, i) => requests + i);
  if (answered.join() !== wanted.join())
    problems.push(`requests ${wanted} at the target, answers ${answered} at the client`);
  const status = /^HTTP\/1\.1 (\d+)/.exec(client.connection.text)?.[1] ?? 'silence';
  if (mustReject(entry) && target.heads.length > heads)
    problems.push(`expected a refusal, got ${status} and it was forwarded`);
  if (entry.exp === 'accept' && !status.startsWith('2'))
    problems.push(`expected acceptance, got ${status}`);
  const fence = await fetchOnce(port, 'GET', '/fence').catch((error: Error) => error.message);
  if (typeof fence === 'string' || fence.status !== 200)
    problems.push(`a fresh request fails: ${JSON.stringify(fence)}`);
  return problems;
}
