// `bench assert`: what an expression may say, and when it holds.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertReport } from '../../src/bench/assert.ts';
import type { CaseRecord, Report } from '../../src/bench/report.ts';
import { ratioOf } from '../../src/bench/statistics.ts';
import { makeCase, makeReport, makeSample } from './sample.ts';

const STEADY = [1, 1.01, 0.99, 1.02, 0.98, 1, 1.01];

function caseOf(id: string, costs: Readonly<Record<string, readonly number[]>>): CaseRecord {
  const samples = Object.entries(costs).flatMap(([contestant, rounds]) =>
    rounds.map((cost, round) =>
      makeSample(contestant, round, { work: 1_000_000, cpuSeconds: cost, rate: 1e6 / cost }),
    ),
  );
  return makeCase(id, { samples });
}

const times = (factor: number): readonly number[] => STEADY.map((one) => factor * one);

const REPORT: Report = makeReport({
  cases: [
    caseOf('rivals/small', { native: times(10), nginx: times(20) }),
    caseOf('rivals/bulk', { native: times(30), nginx: times(40), 'haproxy-splice': times(28) }),
    caseOf('rivals/alone', { nginx: times(1) }),
    caseOf('rivals/short', { native: [1, 2], js: [4, 5] }),
    // Each round is another matter: 10 to 30.
    caseOf('rivals/shaky', { native: [10, 30, 20, 12, 28, 15, 25], js: times(20) }),
  ],
});

function check(expression: string, caseId?: string, isStrict = false): readonly [boolean, string] {
  const { holds, text } = assertReport(REPORT, expression, { caseId, isStrict });
  return [holds, text.split(':')[0] ?? ''];
}

describe('an assertion', () => {
  it('holds, or does not, when the whole interval says so', () => {
    assert.deepEqual(check('cost(native)/cost(nginx) < 0.85', 'rivals/small'), [true, 'holds']);
    assert.deepEqual(check('cost(native)/cost(nginx) < 0.45', 'rivals/small'), [
      false,
      'does not hold',
    ]);
    assert.deepEqual(check('rate(native) > rate(nginx)', 'rivals/small'), [true, 'holds']);
    assert.deepEqual(check('0.6 >= cost(native)/cost(nginx)', 'rivals/small'), [true, 'holds']);
  });

  it('is not shown when the interval includes the limit, which only --strict fails', () => {
    assert.deepEqual(check('cost(native)/cost(js) < 1', 'rivals/shaky'), [true, 'not shown']);
    assert.deepEqual(check('cost(native)/cost(js) < 1', 'rivals/shaky', true), [
      false,
      'not shown, which --strict fails',
    ]);
  });

  it('is not shown by few rounds, however plain they look', () => {
    assert.deepEqual(check('cost(native) > 1000', 'rivals/short'), [true, 'not shown']);
  });

  it('judges exactly the ratio that the report shows', () => {
    const record = REPORT.cases[4];
    const ratio = record && ratioOf(record, 'native', 'js');
    const limit = ratio?.high ?? 0;
    assert.deepEqual(check(`cost(native)/cost(js) <= ${limit}`, 'rivals/shaky'), [true, 'holds']);
    assert.deepEqual(check(`cost(native)/cost(js) < ${limit - 1e-6}`, 'rivals/shaky'), [
      true,
      'not shown',
    ]);
  });

  it('must hold in every case that has all contestants, if it names none', () => {
    assert.deepEqual(check('cost(native)/cost(nginx) < 0.8'), [true, 'holds']);
    const { holds, text } = assertReport(REPORT, 'cost(native)/cost(nginx) < 0.6', {
      isStrict: false,
    });
    assert.equal(holds, false);
    assert.match(text, /rivals\/small: holds/);
    assert.match(text, /rivals\/bulk: does not hold/);
    assert.match(text, /3 of 5 cases do not have all of these figures/);
  });

  it('does not hold where nothing could be judged', () => {
    assert.deepEqual(check('cost(uws) < 1'), [false, 'no figure']);
    const { holds, text } = assertReport(REPORT, 'cost(uws) < 1', {
      caseId: 'rivals/small',
      isStrict: false,
    });
    assert.equal(holds, false);
    assert.match(text, /uWebSockets\.js is not installed/);
    assert.deepEqual(check('p99(native) < 1', 'rivals/small'), [false, 'no figure']);
  });

  it('leaves out loudly a case in which somebody failed', () => {
    const wrong = [0, 1].map((round) => makeSample('native', round, { errors: ['wrong bytes'] }));
    const cases = [...REPORT.cases, makeCase('rivals/wrong', { samples: wrong })];
    const { text } = assertReport({ ...REPORT, cases }, 'cost(native) < 50', { isStrict: false });
    assert.match(text, /!! rivals\/wrong: left out: .*wrong bytes/);
  });

  it('compares across cases', () => {
    const growth = 'cost(native, rivals/bulk) / cost(native, rivals/small)';
    assert.deepEqual(check(`${growth} < 3.2`), [true, 'holds']);
    assert.deepEqual(check(`${growth} > 3.2`), [false, 'does not hold']);
    assert.deepEqual(check('cost(haproxy-splice,rivals/bulk) <= cost(nginx,rivals/bulk)'), [
      true,
      'holds',
    ]);
  });

  it('computes as one would expect', () => {
    const one = 'cost(nginx, rivals/small) / cost(nginx, rivals/small)';
    for (const [left, right] of [
      ['1 + 2 * 3', '7'],
      ['(1 + 2) * 3', '9'],
      ['10 - 4 - 3', '3'],
      ['16 / 4 / 2', '2'],
      ['-2 * -.5', '1e0'],
      ['2.5e-1 * 4', '1'],
    ] as const) {
      assert.deepEqual(check(`(${left}) * (${one}) <= ${right}`), [true, 'holds'], left);
      assert.deepEqual(check(`(${left}) * (${one}) < ${right}`), [false, 'does not hold'], left);
    }
  });
});

describe('a mistaken assertion', () => {
  for (const [expression, problem] of [
    ['cost(natve) < 1', /character 6: .*no contestant 'natve'; did you mean native\?/],
    ['cst(native) < 1', /character 1: .*no metric 'cst'; did you mean cost\?/],
    ['cost(native, rivals/smal) < 1', /no case 'rivals\/smal'; did you mean rivals\/small\?/],
    ['cost(native < 1', /character 13: expected '\)' but found '<'/],
    ['cost native < 1', /expected '\(' behind cost but found 'n'/],
    ['cost(native)', /expected <, <=, > or >= but found the end/],
    ['cost(native) < 1 < 2', /one comparison only but found '<'/],
    ['cost(native) == 1', /expected <, <=, > or >= but found '='/],
    ['', /expected a number, a metric .* but found the end/],
    ['cost() < 1', /expected a contestant/],
    ['((1) < 2', /expected '\)'/],
    ['1 < 2', /names no metric/],
    ['process.exit(1) < 2', /no metric 'process'/],
    [`${'('.repeat(3_000)}1`, /too long/],
  ] as const) {
    it(`is refused with its place: ${expression.slice(0, 40)}`, () => {
      assert.throws(() => assertReport(REPORT, expression, { isStrict: false }), {
        message: problem,
      });
    });
  }

  it('shows where, below the expression', () => {
    assert.throws(() => assertReport(REPORT, 'cost(native) % 2', { isStrict: false }), {
      message: /\n {2}cost\(native\) % 2\n {2} {13}\^$/,
    });
  });

  it('names the cases that there are when --case is wrong', () => {
    assert.throws(
      () => assertReport(REPORT, 'cost(native) < 1', { caseId: 'rivals/smoll', isStrict: false }),
      { message: /--case: .*did you mean rivals\/small\?/ },
    );
  });
});
