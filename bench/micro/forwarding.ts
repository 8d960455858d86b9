// Header edits: from a parsed head to the bytes of the one that the target gets, with the fields about the client and
// what the route edits.
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { parseConfig } from '../../src/config/parse.ts';
import { EntityTable, LivePlan } from '../../src/engine/shared/live-plan.ts';
import { type ForwardContext, requestFields } from '../../src/engine/shared/request-fields.ts';
import { type RequestHead, readRequestHead } from '../../src/engine/shared/request-head.ts';
import { compile } from '../../src/plan/compile.ts';
import { encodePlan } from '../../src/plan/encode.ts';
import { rewritePath } from '../../src/plan/match.ts';
import { createLlhttp } from './parsers.ts';
import {
  type Contestant,
  jsContestant,
  loopContestant,
  type MicroCase,
  type Tools,
} from './rounds.ts';
import { BROWSER, HUNDRED, type Shape, TINY } from './shapes.ts';

/** The client that native/micro/work.h forwards for. */
const CLIENT = '192.0.2.7';
const OUT_BYTES = 64 * 1024;

/** One of each kind for every three: set one that is there, add a new one, remove one. */
const EDITS = {
  none: {},
  three: {
    set: { 'User-Agent': 'sluice' },
    add: { 'X-Tenant': 'blue' },
    remove: ['Referer'],
  },
  nine: {
    set: { 'User-Agent': 'sluice', Accept: '*/*', 'X-Region': 'eu-1' },
    add: { 'X-Tenant': 'blue', 'X-Request-Source': 'edge', 'Cache-Control': 'no-store' },
    remove: ['Referer', 'Cookie', 'X-Trace-Attribute-5'],
  },
} as const;
type Edits = keyof typeof EDITS;

const ROUTES = Object.keys(EDITS) as Edits[];
const PLAN = compile(
  parseConfig({
    listeners: {
      web: {
        address: '127.0.0.1:8080',
        protocol: 'http',
        routes: ROUTES.map((name) => ({
          name,
          match: { path: '/*' },
          pool: 'any',
          requestHeaders: EDITS[name],
        })),
      },
    },
    pools: { any: { targets: ['10.0.0.1:3000'] } },
  }),
  new Map(),
  1,
);

const WORK: readonly { readonly shape: Shape; readonly edits: Edits }[] = [
  { shape: TINY, edits: 'none' },
  { shape: TINY, edits: 'three' },
  { shape: BROWSER, edits: 'none' },
  { shape: BROWSER, edits: 'three' },
  { shape: BROWSER, edits: 'nine' },
  { shape: HUNDRED, edits: 'three' },
];

export function forwardingCases(tools: Tools): readonly MicroCase[] {
  return WORK.map(({ shape, edits }) => ({
    group: 'header edits',
    name: `${shape.name}, ${edits === 'none' ? 'no edits' : `${edits} edits`}`,
    bytes: shape.head.length,
    prepare: () => contestantsFor(tools, shape, ROUTES.indexOf(edits)),
  }));
}

async function contestantsFor(
  { loops, crossing }: Tools,
  { head: bytes }: Shape,
  route: number,
): Promise<Contestant[]> {
  const head = jsHead(bytes);
  const context = jsContext(route);
  const reference = linesOf(forwardByJs(head, context));
  const contestants: Contestant[] = [];
  if (loops !== null) {
    await loops.takePlan(PLAN);
    await loops.takeHead(bytes);
    assert.deepEqual(linesOf((await loops.forward(route, 0, 0)).head), reference, 'C++ loop');
    contestants.push(loopContestant((milliseconds) => loops.forward(route, 0, milliseconds)));
  }
  if (crossing !== null) {
    assert.equal(crossing.takePlan(encodePlan(PLAN)), '');
    assert.equal(crossing.takeHead(bytes), '');
    const out = Buffer.alloc(OUT_BYTES);
    const length = crossing.forward(route, 0, out);
    assert.deepEqual(linesOf(out.toString('latin1', 0, length)), reference, 'N-API');
    contestants.push(jsContestant('crossing', () => crossing.forward(route, 0, out)));
  }
  const text = Buffer.alloc(OUT_BYTES);
  contestants.push(jsContestant('js', () => text.write(forwardByJs(head, context), 'latin1')));
  return contestants;
}

/** The head as the js engine reads it, from what Node's parser makes of it. */
function jsHead(bytes: Buffer): RequestHead {
  const { method, target, fields } = createLlhttp().parse(bytes);
  const message = { method, url: target, httpVersionMajor: 1, httpVersionMinor: 1 };
  const [listener] = PLAN.listeners;
  assert.ok(listener);
  // What readRequestHead() reads of a message.
  const incoming = { ...message, rawHeaders: fields } as unknown as IncomingMessage;
  const outcome = readRequestHead(incoming, listener.limits);
  if ('code' in outcome) throw new Error(`refused: ${outcome.code}`);
  return outcome.head;
}

function jsContext(index: number): ForwardContext {
  const [listener] = new LivePlan(PLAN, new EntityTable(), () => null).listeners;
  const route = PLAN.routes[index];
  const [target] = PLAN.targets;
  assert.ok(listener && route && target);
  return { listener, route, target, clientHost: CLIENT, facts: null };
}

/** What the js engine hands to node:http, as the text that node:http makes of it. */
function forwardByJs(head: RequestHead, context: ForwardContext): string {
  const fields = requestFields(head, context);
  let text = `${head.method} ${rewritePath(context.route, head.path)}${head.query} HTTP/1.1\r\n`;
  for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return `${text}\r\n`;
}

/** The request line, and the fields in an order of their own: engines put them differently. */
function linesOf(head: string): readonly string[] {
  const [first = '', ...fields] = head.split('\r\n');
  return [first, ...fields.sort()];
}
