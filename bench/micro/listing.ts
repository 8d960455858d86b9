// Looking hosts up in a list of a million, as rules of forward proxies do it: by every name that a host ends with.
import assert from 'node:assert/strict';
import { parseConfig } from '../../src/config/parse.ts';
import { compile } from '../../src/plan/compile.ts';
import { HostSet, HostSetBuilder } from '../../src/plan/host-set.ts';
import type { Plan, PlanList } from '../../src/plan/plan.ts';
import {
  type Contestant,
  jsContestant,
  loopContestant,
  type MicroCase,
  type Tools,
} from './rounds.ts';

const NAMES = 1_000_000;
/** So many that what they touch is not in a cache when they come round again. */
const ASKED = 200_000;
const MOST_BYTES = 40;

/** Names of lists that people use have about twenty letters and two or three labels. Half stand for what is below. */
function nameAt(i: number): string {
  const word = (Math.imul(i, 0x9e3779b1) >>> 0).toString(36);
  return `${word}.${i % 3 === 0 ? `ads${i % 7}.` : ''}site${i % 4099}.example`;
}

const standsForMore = (i: number): boolean => i % 2 === 0;

interface Shape {
  readonly name: string;
  /** The host to ask for, by the number of a name. */
  hostAt(i: number): string;
  isListed(i: number): boolean;
}

const SHAPES: readonly Shape[] = [
  { name: 'a host that is listed', hostAt: nameAt, isListed: () => true },
  { name: 'a host that is not', hostAt: (i) => `x${nameAt(i)}`, isListed: () => false },
  {
    name: 'a host six labels below one that may be',
    hostAt: (i) => `a.b.c.d.e.${i % 10}.${nameAt(i)}`,
    isListed: standsForMore,
  },
];

export function listingCases(tools: Tools, names = NAMES): readonly MicroCase[] {
  // Built once, when the first of them is prepared.
  let made: { readonly list: PlanList; readonly plan: Plan } | undefined;
  const listed = () => {
    made ??= planWith(names);
    return made;
  };
  return SHAPES.map((shape) => ({
    group: 'lists',
    name: shape.name,
    bytes: null,
    prepare: () => contestantsFor(tools, shape, listed(), names),
    remark: () =>
      `${names} names, ${(listed().list.hosts.length / names).toFixed(1)} bytes each, all included`,
  }));
}

function planWith(names: number): { readonly list: PlanList; readonly plan: Plan } {
  const builder = new HostSetBuilder();
  for (let i = 0; i < names; i++) {
    builder.add({ host: nameAt(i), exact: true, subdomains: standsForMore(i) });
  }
  const list: PlanList = {
    name: 'names',
    digest: `${names} names`,
    hosts: builder.finish(),
    blocks: [],
  };
  const listeners = { web: { address: '127.0.0.1:8080', protocol: 'http', pool: 'any' } };
  const pools = { any: { targets: ['10.0.0.1:3000'] } };
  const plan = compile(parseConfig({ listeners, pools }), new Map(), 1);
  return { list, plan: { ...plan, lists: [list] } };
}

async function contestantsFor(
  { loops }: Tools,
  { hostAt, isListed }: Shape,
  { list, plan }: { readonly list: PlanList; readonly plan: Plan },
  names: number,
): Promise<Contestant[]> {
  assert.ok(list.hosts.length <= MOST_BYTES * names, `${list.hosts.length} bytes`);
  // Far from each other.
  const asked = Array.from({ length: ASKED }, (_, i) => (i * 7_919) % names);
  const hosts = asked.map(hostAt);
  const set = new HostSet(list.hosts);
  for (const [i, number] of asked.entries()) {
    assert.equal(set.has(hosts[i] ?? ''), isListed(number), hosts[i]);
  }
  const contestants: Contestant[] = [];
  if (loops !== null) {
    await loops.takePlan(plan);
    await loops.takeHosts(hosts);
    const places = asked.flatMap((number, i) => (isListed(number) ? [i] : []));
    const { found, places: sum } = await loops.lookUp(0, 0);
    assert.equal(found, places.length);
    assert.equal(
      sum,
      places.reduce((a, b) => a + b, 0),
    );
    contestants.push(loopContestant((milliseconds) => loops.lookUp(0, milliseconds)));
  }
  contestants.push(jsContestant('js', (i) => (set.has(hosts[i % ASKED] ?? '') ? 1 : 0)));
  return contestants;
}
