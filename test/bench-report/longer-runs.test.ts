// Longer runs beside a full one: which are let in, and what the performance page then claims from which.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { admitLonger, goalClaims, rivalClaims } from '../../src/bench/longer-runs.ts';
import { renderPerformance } from '../../src/bench/performance-page.ts';
import type { CaseRecord, Report } from '../../src/bench/report.ts';
import { makeCase, makeReport, makeSample } from './sample.ts';

type Costs = Readonly<Record<string, readonly number[]>>;

const GOALS = [{ metric: 'cost', of: 'native', to: 'nginx', most: 0.8 }] as const;

/** With these costs in µs, an entry a round. */
function caseOf(id: string, costs: Costs, fields: Partial<CaseRecord> = {}): CaseRecord {
  const samples = Object.entries(costs).flatMap(([contestant, rounds]) =>
    rounds.map((cost, round) =>
      makeSample(contestant, round, { work: 1_000_000, cpuSeconds: cost }),
    ),
  );
  return makeCase(id, { goals: GOALS, samples, ...fields });
}

/** Only who has samples takes part. */
function reportOf(
  rounds: number,
  cases: readonly CaseRecord[],
  fields: Partial<Report> = {},
): Report {
  const base = makeReport();
  const ids = new Set(cases.flatMap(({ samples }) => samples.map((one) => one.contestant)));
  return makeReport({
    method: { ...base.method, rounds },
    contestants: base.contestants.filter(({ id }) => ids.has(id)),
    cases,
    ...fields,
  });
}

const always = (rounds: number, cost: number): readonly number[] => Array(rounds).fill(cost);
const SHAKY = [6, 8, 10, 7, 9];

/** Shows nothing of nginx in `rivals/a`, and a loss to http-proxy. */
const full = reportOf(5, [
  caseOf('rivals/a', { native: SHAKY, nginx: always(5, 10), 'http-proxy': always(5, 3) }),
  caseOf('rivals/b', { native: always(5, 7), nginx: always(5, 10) }),
]);

function longerOf(cost: number, fields: Partial<Report> = {}): Report {
  return reportOf(
    11,
    [caseOf('rivals/a', { native: always(11, cost), nginx: always(11, 10) })],
    fields,
  );
}

const file = (report: Report, subject = 'long.json') => ({ subject, report });

describe('a longer run', () => {
  it('gives the verdict on the goals of its cases, whichever way it came out', () => {
    for (const [cost, state] of [
      [7, 'met'],
      [9, 'not met'],
    ] as const) {
      const claims = goalClaims(full, admitLonger(full, [file(longerOf(cost))]));
      assert.deepEqual(
        claims.map(({ run, of }) => [of.record.id, run.name, of.found?.rounds, of.state]),
        [
          ['rivals/a', 'A', 11, state],
          ['rivals/b', null, 5, 'met'],
        ],
      );
    }
  });

  it('is held to the goals of the full run, not to those of its own time', () => {
    const lax = longerOf(9);
    const cases = lax.cases.map((one) => ({ ...one, goals: [{ ...GOALS[0], most: 5 }] }));
    const [claim] = goalClaims(full, admitLonger(full, [file({ ...lax, cases })]));
    assert.equal(claim?.of.state, 'not met');
    assert.equal(claim.of.goal.most, 0.8);
  });

  it('leaves to the full run what it did not measure', () => {
    const alone = reportOf(11, [caseOf('rivals/a', { native: always(11, 7) })]);
    const [claim] = goalClaims(full, admitLonger(full, [file(alone)]));
    assert.equal(claim?.run.name, null);
    const claims = rivalClaims(full, admitLonger(full, [file(longerOf(7))]));
    assert.deepEqual(
      claims.map(({ run, of }) => [of.record.id, of.to, run.name, of.difference]),
      [
        ['rivals/a', 'nginx', 'A', 'less'],
        ['rivals/a', 'http-proxy', null, 'more'],
        ['rivals/b', 'nginx', null, 'less'],
      ],
    );
  });

  it('does not hide behind the full run when a contestant failed in it', () => {
    const whole = longerOf(7);
    const cases = whole.cases.map((one) => ({
      ...one,
      absent: { native: 'answered wrongly' },
      samples: one.samples.filter(({ contestant }) => contestant !== 'native'),
    }));
    const failed = file({ ...whole, cases });
    const [claim] = goalClaims(full, admitLonger(full, [failed]));
    assert.deepEqual([claim?.run.name, claim?.of.state], ['A', 'no figure']);
    assert.match(
      renderPerformance(full, [failed]),
      /where we have none:\n\n- rivals\/a: Sluice native: answered wrongly \(run A\)/,
    );
  });

  it('adds the rivals that only it has', () => {
    const costs = { native: always(11, 7), haproxy: always(11, 7) };
    const run = reportOf(11, [caseOf('rivals/b', costs)]);
    const claims = rivalClaims(full, admitLonger(full, [file(run)]));
    assert.deepEqual(
      claims.slice(-2).map(({ run, of }) => [of.to, run.name]),
      [
        ['nginx', null],
        ['haproxy', 'A'],
      ],
    );
  });

  const { machine, method } = longerOf(7);
  const other = caseOf('rivals/a', { native: always(11, 7) }, { title: 'Twice the clients' });
  for (const [what, report, problem] of [
    [
      'another machine',
      longerOf(7, { machine: { ...machine, host: 'elsewhere' } }),
      'long.json cannot stand beside the full run: host: elsewhere; the full run: example',
    ],
    [
      'another CPU',
      longerOf(7, { machine: { ...machine, cpu: 'Faster' } }),
      'long.json cannot stand beside the full run: CPU: Faster; the full run: Example CPU @ 2.60GHz',
    ],
    [
      'another kernel',
      longerOf(7, { machine: { ...machine, kernel: '6.18.0' } }),
      'long.json cannot stand beside the full run: kernel: 6.18.0; the full run: 6.1.0-28-amd64',
    ],
    [
      'another congestion control',
      longerOf(7, { machine: { ...machine, congestionControl: 'bbr' } }),
      /^long\.json cannot stand beside the full run: network: .*bbr; the full run: .*cubic$/,
    ],
    [
      'other cores',
      longerOf(7, { method: { ...method, proxyCores: [0] } }),
      /^long\.json cannot stand beside the full run: cores used: proxies 0;/,
    ],
    [
      'no more rounds',
      longerOf(7, { method: { ...method, rounds: 5 } }),
      'long.json is not a longer run: it has 5 rounds, and the full run has 5',
    ],
    [
      'shorter samples',
      longerOf(7, { method: { ...method, seconds: 0.5 } }),
      "long.json is not a longer run: its samples take 0.5 s, and the full run's 3 s",
    ],
    [
      'a case that the full run has not',
      reportOf(11, [caseOf('rivals/c', {})]),
      "long.json has the case 'rivals/c', and the full run has not",
    ],
    [
      'a case that has become another one',
      reportOf(11, [other]),
      'long.json has another case \'rivals/a\' than the full run: its title is "Twice the clients", not "rivals/a"',
    ],
    ['no case', reportOf(11, []), 'long.json has no case'],
    [
      'picks of strategies',
      longerOf(7, {
        strategies: [
          {
            strategy: 'random',
            engine: 'js',
            targets: 2,
            weights: 'equal',
            pickNs: [1],
            imbalance: 1,
            picks: 1,
            moved: null,
          },
        ],
      }),
      'long.json has picks of strategies, which only the full run is read for',
    ],
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.throws(() => admitLonger(full, [file(report)]), { message: problem });
    });
  }

  it('is refused with a case of another longer run: nobody picks the better one', () => {
    const files = [file(longerOf(9), 'one.json'), file(longerOf(7), 'two.json')];
    assert.throws(() => admitLonger(full, files), {
      message: "two.json has the case 'rivals/a', which one.json has too",
    });
  });
});

describe('the performance page with longer runs', () => {
  const at = '2025-11-23T10:00:00.000Z';
  const machine = { ...makeReport().machine, isModified: true };
  const page = renderPerformance(full, [file(longerOf(7, { at, machine }))]);
  const sectionOf = (title: string): string =>
    page.split(/^## /m).find((section) => section.startsWith(title)) ?? '';

  it('says beside each verdict how many rounds it has, and from which run', () => {
    assert.match(sectionOf('Goals'), /^\| rivals\/a: .* \| 11, run A \| met \|$/m);
    assert.match(sectionOf('Goals'), /^\| rivals\/b: .* \| 5 \| met \|$/m);
    assert.match(sectionOf('Where we lose'), /^In 1 of 3 comparisons/m);
    assert.match(sectionOf('Where we lose'), /^\| rivals\/a \| http-proxy .* \| 5 \|/m);
  });

  it('prints date, commit, rounds and tables of each, and points to it from the scenario', () => {
    const section = sectionOf('Longer runs');
    for (const fact of [
      '### Run A',
      '2025-11-23 10:00 UTC',
      `${machine.commit} with changes`,
      '11 of 3 s',
      'Files differed from the commit',
      '#### rivals/a',
    ]) {
      assert.ok(section.includes(fact), fact);
    }
    assert.doesNotMatch(section, /http-proxy|rivals\/b/);
    const again = sectionOf('Scenario').match(/Measured again with 11 rounds: \[run A\]/g);
    assert.equal(again?.length, 1);
  });

  it('says nothing of them where there are none', () => {
    assert.doesNotMatch(renderPerformance(full), /longer run/i);
  });
});
