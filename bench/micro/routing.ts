// Finding the route of a request: the last one of many, which is the dearest.
import assert from 'node:assert/strict';
import { parseConfig } from '../../src/config/parse.ts';
import { compile } from '../../src/plan/compile.ts';
import { encodePlan } from '../../src/plan/encode.ts';
import { findRoute } from '../../src/plan/match.ts';
import type { Plan } from '../../src/plan/plan.ts';
import {
  type Contestant,
  jsContestant,
  loopContestant,
  type MicroCase,
  type Tools,
} from './rounds.ts';

const COUNTS = [1, 10, 100, 1000] as const;
const HOST = 'www.example.com';

export function routingCases(tools: Tools): readonly MicroCase[] {
  return COUNTS.map((count) => ({
    group: 'routing',
    name: count === 1 ? '1 route' : `the last of ${count} routes`,
    bytes: null,
    prepare: () => contestantsFor(tools, count),
  }));
}

/** Half of the routes name a host and half do not; all share the first letters of their paths. */
function planWith(count: number): Plan {
  const routes = Array.from({ length: count }, (_, i) => ({
    match: { path: `/service-${i}/*`, ...(i % 2 === 0 ? { host: HOST } : {}) },
    pool: 'any',
  }));
  const listeners = { web: { address: '127.0.0.1:8080', protocol: 'http', routes } };
  const pools = { any: { targets: ['10.0.0.1:3000'] } };
  return compile(parseConfig({ listeners, pools }), new Map(), 1);
}

async function contestantsFor({ loops, crossing }: Tools, count: number): Promise<Contestant[]> {
  const plan = planWith(count);
  const [listener] = plan.listeners;
  assert.ok(listener);
  const last = count - 1;
  const path = `/service-${last}/orders/7`;
  const request = { host: HOST, path };
  assert.equal(findRoute(plan, listener, request)?.index, last);
  const contestants: Contestant[] = [];
  if (loops !== null) {
    await loops.takePlan(plan);
    assert.equal((await loops.route(0, HOST, path, 0)).route, last);
    contestants.push(loopContestant((milliseconds) => loops.route(0, HOST, path, milliseconds)));
  }
  if (crossing !== null) {
    assert.equal(crossing.takePlan(encodePlan(plan)), '');
    assert.equal(crossing.route(0, HOST, path), last);
    contestants.push(jsContestant('crossing', () => crossing.route(0, HOST, path)));
  }
  contestants.push(jsContestant('js', () => findRoute(plan, listener, request)?.index ?? -1));
  return contestants;
}
