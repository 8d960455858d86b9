// One pick of each strategy among ten equal targets, from a client's address to a position.
import assert from 'node:assert/strict';
import { clientHost, JsPicks } from '../../src/bench/js-picks.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { STRATEGIES, type StrategyName } from '../../src/contract/codes.ts';
import { compile } from '../../src/plan/compile.ts';
import { encodePlan } from '../../src/plan/encode.ts';
import {
  type Contestant,
  jsContestant,
  loopContestant,
  type MicroCase,
  type Tools,
} from './rounds.ts';

const TARGETS = Array.from({ length: 10 }, (_, i) => `10.0.0.${i + 1}:3000`);
/** Clients that take turns; a power of two. */
const CLIENTS = 4096;
const SEED = 7;
const HOSTS = Array.from({ length: CLIENTS }, (_, client) => clientHost(client));

export function pickingCases(tools: Tools): readonly MicroCase[] {
  return STRATEGIES.map((strategy) => ({
    group: 'picking',
    name: strategy,
    bytes: null,
    prepare: () => contestantsFor(tools, strategy),
  }));
}

async function contestantsFor(
  { loops, crossing }: Tools,
  strategy: StrategyName,
): Promise<Contestant[]> {
  const plan = compile(
    parseConfig({
      listeners: { any: { address: '127.0.0.1:8080', protocol: 'tcp', pool: strategy } },
      pools: { [strategy]: { strategy, targets: TARGETS } },
    }),
    new Map(),
    1,
  );
  const [pool] = plan.pools;
  assert.ok(pool);
  const js = new JsPicks(plan, pool);
  const contestants: Contestant[] = [];
  if (loops !== null) {
    await loops.takePlan(plan);
    const work = { seed: SEED, picks: CLIENTS, inFlight: TARGETS.length };
    assert.deepEqual(await loops.spread(0, work), js.spread(work), `${strategy}: C++ loop`);
    contestants.push(loopContestant((milliseconds) => loops.pick(0, milliseconds)));
  }
  if (crossing !== null) {
    assert.equal(crossing.takePlan(encodePlan(plan)), '');
    crossing.restart(0, SEED);
    js.restart(SEED);
    const picked = HOSTS.map((_, client) => crossing.pick(0, client));
    assert.deepEqual(
      picked,
      HOSTS.map((host) => js.pick(host)),
      `${strategy}: N-API`,
    );
    contestants.push(jsContestant('crossing', (i) => crossing.pick(0, i % CLIENTS)));
  }
  contestants.push(jsContestant('js', (i) => js.pick(HOSTS[i % CLIENTS] ?? '')));
  return contestants;
}
