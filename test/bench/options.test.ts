// The command line of `sluice bench`.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BenchCommand, parseCommand, type RunOptions } from '../../src/bench/options.ts';

const CORES = 4;

function options(...parameters: string[]): RunOptions {
  const command = parseCommand(parameters, CORES);
  assert.equal(command.kind, 'run');
  return (command as Extract<BenchCommand, { kind: 'run' }>).options;
}

describe('options of a run', () => {
  it('takes everything by default', () => {
    const { cases, hasStrategies, contestants, network, driver, out } = options();
    for (const scenario of ['layers', 'engines', 'rivals', 'tls', 'forward', 'scale']) {
      assert.ok(
        cases.some((id) => id.startsWith(`${scenario}/`)),
        scenario,
      );
    }
    assert.ok(hasStrategies && contestants.includes('nginx'));
    assert.deepEqual({ network, driver, out }, { network: 'own', driver: 'native', out: null });
  });

  it('chooses scenarios, cases, and all cases that begin alike', () => {
    assert.deepEqual(options('--scenario', 'rivals/udp-64x4').cases, ['rivals/udp-64x4']);
    assert.deepEqual(options('--scenario', 'rivals/udp,rivals/tcp-bulk').cases, [
      'rivals/tcp-bulk-pull',
      'rivals/tcp-bulk-push',
      'rivals/udp-64x4',
      'rivals/udp-512x1',
    ]);
    assert.ok(options('--scenario', 'engines').cases.every((id) => id.startsWith('engines/')));
    assert.equal(options('--scenario', 'engines').hasStrategies, false);
    const strategies = options('--scenario', 'strategies');
    assert.deepEqual([strategies.cases, strategies.hasStrategies], [[], true]);
  });

  it('takes a contestant with its variants', () => {
    const { contestants } = options('--proxies', 'native,haproxy');
    assert.ok(contestants.includes('native-tcp-splice') && contestants.includes('haproxy'));
    assert.ok(!contestants.includes('nginx') && !contestants.includes('haproxy-splice'));
  });

  it('takes fewer points, rounds and seconds when it is to be quick', () => {
    const [quick, full] = [options('--quick'), options()];
    assert.ok(quick.cases.length < full.cases.length);
    assert.ok(quick.rounds < full.rounds && quick.seconds < full.seconds);
    assert.equal(options('--quick', '--rounds', '7').rounds, 7);
  });

  it('reads cores as taskset writes them', () => {
    const { proxyCores, loadCores } = options('--proxy-cores', '1-2', '--load-cores', '3,0');
    assert.deepEqual(
      [proxyCores, loadCores],
      [
        [1, 2],
        [0, 3],
      ],
    );
  });

  it('has one core do it all where there is only one', () => {
    const command = parseCommand([], 1);
    assert.ok(command.kind === 'run');
    assert.deepEqual(command.options.proxyCores, [0]);
    assert.ok(command.options.cases.includes('scale/workers-1'));
    assert.ok(!command.options.cases.some((id) => id === 'scale/workers-2'));
  });

  for (const [parameters, complaint] of [
    [['--scenario', 'http'], /no case 'http'/],
    [['--scenario', 'rivals/'], /no case 'rivals\/'/],
    [['--scenario', 'rivals/udp-64'], /no case/],
    [['--proxies', 'apache'], /no contestant 'apache'/],
    [['--rounds', '0'], /--rounds takes a whole number/],
    [['--rounds', '2.5'], /--rounds takes a whole number/],
    [['--rounds', ''], /--rounds/],
    [['--rounds', '1e9'], /from 1 to 1000/],
    [['--seconds', '0'], /--seconds takes a number from 0.1/],
    [['--seconds', 'long'], /--seconds/],
    [['--driver', 'ab'], /--driver takes native, wrk, autocannon/],
    [['--network', 'mine'], /--network takes own, host/],
    [['--proxy-cores', '4'], /core 4: there are 4/],
    [['--proxy-cores', '2-1'], /--proxy-cores takes cores/],
    [['--load-cores', 'all'], /--load-cores takes cores/],
    [['--load-cores', ''], /--load-cores takes cores/],
    [['--out', ''], /--out takes a folder/],
    [['--fast'], /--fast/],
    [['rivals'], /rivals/],
  ] as const) {
    it(`refuses ${parameters.join(' ')}`, () => {
      assert.throws(() => parseCommand(parameters, CORES), complaint);
    });
  }
});

describe('commands beside the run', () => {
  it('compares two reports', () => {
    assert.deepEqual(parseCommand(['compare', 'a.json', 'b.json']), {
      kind: 'compare',
      before: 'a.json',
      after: 'b.json',
    });
    assert.throws(() => parseCommand(['compare', 'a.json']), /two reports/);
    assert.throws(() => parseCommand(['compare', 'a', 'b', 'c']), /two reports/);
  });

  it('holds a report against an expression', () => {
    assert.deepEqual(
      parseCommand(['assert', 'a.json', 'cost(js)>1', '--case', 'x/y', '--strict']),
      {
        kind: 'assert',
        file: 'a.json',
        expression: 'cost(js)>1',
        caseId: 'x/y',
        isStrict: true,
      },
    );
    assert.throws(() => parseCommand(['assert', 'a.json']), /an expression/);
    assert.throws(() => parseCommand(['assert', 'a', 'b', '--lenient']), /--lenient/);
  });

  it('tells how it is used, wherever it is asked', () => {
    for (const parameters of [['--help'], ['compare', '--help'], ['assert', '--help']]) {
      assert.equal(parseCommand(parameters).kind, 'help');
    }
  });
});
