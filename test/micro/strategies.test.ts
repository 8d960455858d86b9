// What `sluice bench` says about strategies. Figures of time are only looked at for being there.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { before, test } from 'node:test';
import { clientHost, clientKeys, JsPicks, measureRound } from '../../src/bench/js-picks.ts';
import { makeMicro } from '../../src/bench/native-loops.ts';
import { pinOwnThread } from '../../src/bench/own-affinity.ts';
import type { StrategyFigure } from '../../src/bench/report.ts';
import { measureStrategies } from '../../src/bench/strategies.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { STRATEGIES } from '../../src/contract/codes.ts';
import { compile } from '../../src/plan/compile.ts';

const ROUNDS = 2;
const notes: string[] = [];
let figures: readonly StrategyFigure[] = [];

before(async () => {
  figures = await measureStrategies({
    rounds: ROUNDS,
    isQuick: true,
    cores: [],
    onNote: (text) => notes.push(text),
  });
});

const figuresOf = (wanted: Partial<StrategyFigure>): StrategyFigure[] =>
  figures.filter((figure) =>
    Object.entries(wanted).every(([key, value]) => figure[key as keyof StrategyFigure] === value),
  );

const nameOf = ({ engine, strategy, targets, weights }: StrategyFigure): string =>
  `${engine} ${strategy} ${targets} ${weights}`;

test('every strategy has a figure for each engine, number of targets and kind of weights', () => {
  assert.equal(figures.length, STRATEGIES.length * 2 * 3 * 2, notes.join('\n'));
  assert.equal(new Set(figures.map(nameOf)).size, figures.length);
  for (const figure of figures) {
    assert.equal(figure.pickNs.length, ROUNDS, nameOf(figure));
    assert.ok(
      figure.pickNs.every((ns) => ns > 0 && Number.isFinite(ns)),
      nameOf(figure),
    );
    assert.ok(figure.picks >= 10_000 && Number.isInteger(figure.picks), nameOf(figure));
  }
});

test('no pool is more even than perfect', () => {
  for (const figure of figures) {
    assert.ok(figure.imbalance >= 1 - 1e-12, nameOf(figure));
    assert.ok(figure.imbalance < 2, `${nameOf(figure)}: ${figure.imbalance}`);
  }
});

test('round-robin keeps what the weights promise', () => {
  for (const figure of figuresOf({ strategy: 'round-robin' })) {
    assert.ok(Math.abs(figure.imbalance - 1) < 1e-12, nameOf(figure));
  }
});

test('least-connections follows the weights as long as work stays', () => {
  for (const figure of figuresOf({ strategy: 'least-connections' })) {
    assert.ok(figure.imbalance < 1.01, `${nameOf(figure)}: ${figure.imbalance}`);
  }
});

test('two choices are more even than one', () => {
  for (const weights of ['equal', 'skewed'] as const) {
    const [one] = figuresOf({ strategy: 'random', engine: 'js', targets: 100, weights });
    const [two] = figuresOf({
      strategy: 'power-of-two-choices',
      engine: 'js',
      targets: 100,
      weights,
    });
    assert.ok(one && two && two.imbalance < one.imbalance);
  }
});

test('both engines pick alike, to the last client', () => {
  for (const native of figuresOf({ engine: 'native' })) {
    const { strategy, targets, weights } = native;
    const [js] = figuresOf({ engine: 'js', strategy, targets, weights });
    assert.equal(native.picks, js?.picks, nameOf(native));
    assert.equal(native.imbalance, js?.imbalance, nameOf(native));
    assert.equal(native.moved, js?.moved, nameOf(native));
  }
});

test('only strategies that are keyed by client say how many clients moved', () => {
  for (const figure of figures) {
    const isKeyed = figure.strategy === 'ip-hash' || figure.strategy === 'maglev';
    assert.equal(figure.moved !== null, isKeyed, nameOf(figure));
  }
});

test('when one of ten equal targets goes, maglev moves its clients and few others', () => {
  for (const { moved } of figuresOf({ strategy: 'maglev', targets: 10, weights: 'equal' })) {
    assert.ok(moved !== null && moved > 0.09 && moved < 0.25, String(moved));
  }
});

test('when one of n equal targets goes, ip-hash moves whoever a table of n - 1 puts elsewhere', () => {
  for (const targets of [2, 10, 100]) {
    // The table is the targets in order. A client h stays when position h % n, which is one less behind
    // the target that went, is h % (n - 1).
    const gone = targets >> 1;
    let stays = 0;
    for (let hash = 0; hash < targets * (targets - 1); hash++) {
      const position = hash % targets;
      const now = position > gone ? position - 1 : position;
      if (position !== gone && now === hash % (targets - 1)) stays++;
    }
    const expected = 1 - stays / (targets * (targets - 1));
    for (const { moved } of figuresOf({ strategy: 'ip-hash', targets, weights: 'equal' })) {
      assert.ok(moved !== null && Math.abs(moved - expected) < 0.02, `${moved} for ${expected}`);
    }
  }
});

test('a missing compiler leaves the native figures out and says so', async () => {
  const path = process.env.PATH;
  const told: string[] = [];
  try {
    process.env.PATH = '/nonexistent';
    const rest = await measureStrategies({
      rounds: 1,
      isQuick: true,
      cores: [0],
      onNote: (text) => told.push(text),
    });
    assert.equal(rest.length, STRATEGIES.length * 3 * 2);
    assert.ok(rest.every(({ engine }) => engine === 'js'));
  } finally {
    process.env.PATH = path;
  }
  assert.match(
    told.join('\n'),
    /no native picks: make does not run \(apt-get install make g\+\+\)/,
  );
  assert.match(told.join('\n'), /not pinned/);
});

const allowedCores = (): string =>
  spawnSync('taskset', ['-p', '-c', String(process.pid)], { encoding: 'utf8' }).stdout ?? '';

test('a thread that was pinned is free again afterwards', (t) => {
  const atStart = allowedCores();
  if (atStart === '') return t.skip('taskset is not installed');
  const core = Number(/list: (\d+)/.exec(atStart)?.[1]);
  const pinned = pinOwnThread([core]);
  try {
    assert.equal(pinned.problem, null);
    assert.match(allowedCores(), new RegExp(`list: ${core}\n`));
  } finally {
    pinned.restore();
  }
  assert.equal(allowedCores(), atStart);
  const other = pinOwnThread([4000]);
  assert.match(other.problem ?? '', /\S/);
  other.restore();
  assert.equal(allowedCores(), atStart);
});

test('make that fails is quoted', async () => {
  await assert.rejects(makeMicro('no-such-target'), /native\/micro failed .*\n.*no-such-target/s);
});

test('clients are distinct and their keys are those of their addresses', () => {
  const hosts = Array.from({ length: 5000 }, (_, i) => clientHost(i));
  assert.equal(new Set(hosts).size, 5000);
  const config = parseConfig({
    listeners: { any: { address: '127.0.0.1:8080', protocol: 'tcp', pool: 'all' } },
    pools: { all: { strategy: 'maglev', targets: ['10.0.0.1:80', '10.0.0.2:80'] } },
  });
  const plan = compile(config, new Map(), 1);
  const picks = new JsPicks(plan, plan.pools[0]!);
  const keys = clientKeys(5000);
  hosts.forEach((host, i) => {
    assert.equal(picks.pick(host), picks.pickByKey(keys[i]!));
  });
});

test('a measured round counts its work', () => {
  let calls = 0;
  const { ns, ops } = measureRound(1, (i) => {
    assert.equal(i, calls++);
    return i;
  });
  assert.ok(ops > 0 && ops < calls && ns > 0);
});
