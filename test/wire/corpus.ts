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
const SLOTS = 48;

export const CORPUS: readonly Entry[] = JSON.parse(
  readFileSync(new URL('corpus/h1-open.json', import.meta.url), 'utf8'),
);

interface CorpusException {
  readonly reason: string;
  readonly entries: readonly string[];
}

/** Entries that a suite judges otherwise than we do. Every one of them still has to keep the golden rule. */
const EXCEPTIONS: readonly CorpusException[] = [
  {
    reason: 'the suite runs with lower limits than ours',
    entries: ['006', '007', '008', '010', '017', 'limit_header_default_01']
      .map((id) => `gunicorn-invalid/${id}+host`)
      .concat('gunicorn-invalid/011', 'gunicorn-invalid/012'),
  },
  {
    reason: 'fields whose names only differ by an underscore are left out, not refused',
    entries: ['gunicorn-invalid/040+host', 'gunicorn-invalid/chunked_07+host'],
  },
  {
    reason: "a client's claims about itself are replaced, not compared",
    entries: ['gunicorn-invalid/019+host'],
  },
  { reason: 'a repeated Content-Type frames nothing', entries: ['gunicorn-invalid/041'] },
  {
    reason: 'trailers that may not be trailers are left out, not refused',
    entries: ['host', 'te', 'cl'].map(
      (name) => `gunicorn-invalid/rfc9110_trailer_forbidden_${name}_01`,
    ),
  },
  {
    reason: 'a good request, and then bytes that nobody reads or that are refused on their own',
    entries: [
      'llhttp/connection#2+host',
      'llhttp/connection#4',
      'llhttp-lenient/connection#3+host',
      'llhttp-lenient/lenient-headers#1+host',
    ],
  },
  {
    reason: 'llhttp stops where an upgrade begins; a request that asks for one is a good request',
    entries: [
      'llhttp/connection#9+host',
      'llhttp/connection#14+host',
      'llhttp/connection#15',
      'llhttp/connection#16',
    ],
  },
  {
    reason: 'the entry has lost its non-ASCII bytes: a path and a query are left',
    entries: ['http11probe/MAL-NON-ASCII-URL', 'http11probe/MAL-URL-OVERLONG-UTF8'],
  },
  {
    reason: 'a fragment has no place in a request target',
    entries: ['gunicorn-valid/005+host', 'gunicorn-valid/009+host', 'llhttp/uri#7+host'],
  },
  { reason: 'white space in a chunk extension', entries: ['gunicorn-valid/013+host'] },
  {
    reason: 'a coding other than chunked',
    entries: ['025', '025_line', '029', '030']
      .map((id) => `gunicorn-valid/${id}+host`)
      .concat('gunicorn-valid/rfc9112_smuggle_gzip_chunked_01')
      .concat('gunicorn-valid/rfc9112_smuggle_te_identity_chunked_01')
      .concat('llhttp/transfer-encoding#19+host', 'llhttp/transfer-encoding#20+host'),
  },
  { reason: 'a space before the colon', entries: ['gunicorn-valid/028+host'] },
  { reason: 'non-ASCII in the target', entries: ['gunicorn-valid/027+host'] },
  {
    reason: 'a folded field',
    entries: ['gunicorn-valid/compat_obs_fold', 'gunicorn-valid/compat_obs_fold_huge+host'],
  },
  {
    reason: 'the PROXY protocol is not HTTP',
    entries: ['01', '02', '04', '05'].map((id) => `gunicorn-valid/pp_${id}`),
  },
  {
    reason: 'userinfo in the target',
    entries: ['gunicorn-valid/rfc9112_target_absolute_userinfo_01'],
  },
  {
    reason: 'CONNECT is for forward proxies',
    entries: ['ipv6', 'connect'].map(
      (form) => `gunicorn-valid/rfc9112_target_authority_${form}_01`,
    ),
  },
  { reason: 'a method is any token', entries: ['gunicorn-invalid/003c+host'] },
  { reason: 'only OPTIONS may ask for *', entries: ['llhttp/method#4'] },
  {
    reason: 'a protocol other than HTTP/1, or none',
    entries: ['llhttp/method#11', 'llhttp/method#12', 'llhttp/method#13', 'llhttp/sample#9'],
  },
  { reason: 'Host contradicts the absolute target', entries: ['llhttp/uri#2+host'] },
];

function nameOf(entry: Entry): string {
  return `${entry.src}/${entry.id}`;
}

/** Whether no request of the entry may get to a target whole; of a body that goes wrong the begin may. */
function mustReject({ exp }: Entry): boolean {
  if (exp === 'reject' || exp === 'reject-strict') return true;
  return exp !== null && /^[45]\d\d/.test(exp) && !/2xx|20\d/.test(exp);
}

export function replayCorpus(under: WireEngine): void {
  const shared = EXCEPTIONS.flatMap((e) => e.entries);
  const own = (under.corpusExceptions ?? []).flatMap((e) => e.entries);

  it('exceptions name entries', () => {
    const known = new Set(CORPUS.map(nameOf));
    assert.deepEqual(
      [...shared, ...own].filter((name) => !known.has(name)),
      [],
    );
  });

  it(`keeps the golden rule for ${CORPUS.length} requests of open suites`, async () => {
    const scope = new Scope();
    try {
      const problems = await replayAll(under, scope, {
        shared: new Set(shared),
        own: new Set(own),
      });
      if (problems.length > 0) assert.fail(`${problems.length} problems:\n${problems.join('\n')}`);
    } finally {
      await scope.close();
    }
  });
}

async function replayAll(
  under: WireEngine,
  scope: Scope,
  exceptions: { readonly shared: ReadonlySet<string>; readonly own: ReadonlySet<string> },
): Promise<string[]> {
  const slots = await Promise.all(Array.from({ length: SLOTS }, (_, i) => startSlot(scope, i)));
  const timeouts = {
    requestHeader: '750ms',
    bodyIdle: '750ms',
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
        const name = nameOf(entry);
        const isOwn = exceptions.own.has(name);
        const isExcepted = isOwn || exceptions.shared.has(name);
        const unexpected = found.filter((p) => !(isExcepted && p.startsWith('expected')));
        if (isOwn && found.length === 0) unexpected.push('exception no longer needed');
        problems.push(...unexpected.map((problem) => `${name}: ${problem}`));
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
  const [requests, violations] = [target.requests.length, target.violations.length];
  const client = await openHttp(port);
  client.send(Buffer.from(entry.b, 'base64'));
  try {
    await within(client.closed, 'the close');
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
  if (mustReject(entry) && got > 0)
    problems.push(`expected a refusal, got ${status} and it was forwarded`);
  // 408 says that the entry ends within its head or body, as many of a parser's tests do.
  if (entry.exp === 'accept' && !/^(2|408)/.test(status))
    problems.push(`expected acceptance, got ${status}`);
  const fence = await fetchOnce(port, 'GET', '/fence').catch((error: Error) => error.message);
  if (typeof fence === 'string' || fence.status !== 200)
    problems.push(`a fresh request fails: ${JSON.stringify(fence)}`);
  return problems;
}
