// `bench compare`: what changed from one report to another.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changeOf, compareReports } from '../../src/bench/compare.ts';
import type { CaseRecord, Report } from '../../src/bench/report.ts';
import { makeCase, makeReport, makeSample } from './sample.ts';

const DRIFT = [1, 1.01, 0.99, 1.02, 0.98, 1, 1.01];

function reportOf(
  costs: Readonly<Record<string, number>>,
  fields: Partial<Report> = {},
  rounds = 7,
): Report {
  return makeReport({ cases: [caseOf('rivals/a', costs, rounds)], ...fields });
}

function caseOf(id: string, costs: Readonly<Record<string, number>>, rounds = 7): CaseRecord {
  const samples = Object.entries(costs).flatMap(([contestant, cost]) =>
    DRIFT.slice(0, rounds).map((drift, round) =>
      makeSample(contestant, round, { work: 1_000_000, cpuSeconds: cost * drift }),
    ),
  );
  return makeCase(id, { title: 'a case', samples });
}

function lineOf(text: string, start: string): string {
  return text.split('\n').find((line) => line.trim().startsWith(start)) ?? `no line ${start}`;
}

describe('comparing two reports', () => {
  it('shows the change of each contestant and of our ratio to each rival', () => {
    const text = compareReports(
      reportOf({ native: 10, nginx: 20 }),
      reportOf({ native: 8, nginx: 20 }),
    );
    assert.match(lineOf(text, 'Sluice native '), /10\.0 → 8\.00 +−20 % .* better$/);
    assert.match(lineOf(text, 'nginx'), /no difference shown$/);
    assert.match(lineOf(text, 'Sluice native ÷ nginx'), /0\.500 → 0\.400 +−20 % .* better$/);
  });

  it('says that nothing was shown when a report is compared with itself', () => {
    const report = reportOf({ native: 10, nginx: 20 });
    const text = compareReports(report, report);
    assert.doesNotMatch(text, /better|worse|!!/);
    assert.match(lineOf(text, 'Sluice native ÷ nginx'), /no difference shown$/);
  });

  it('compares nothing but ratios to rivals when machines differ, and says why', () => {
    const before = reportOf({ native: 10, nginx: 20 });
    const machine = { ...before.machine, host: 'another', kernel: '7.0' };
    const text = compareReports(before, reportOf({ native: 16, nginx: 40 }, { machine }));
    assert.match(text, /!! the host differs: example before, another after/);
    assert.match(text, /!! the kernel differs/);
    assert.match(lineOf(text, 'Sluice native '), /not comparable$/);
    assert.match(lineOf(text, 'Sluice native ÷ nginx'), /better$/);
  });

  it('warns when a rival has another version', () => {
    const before = reportOf({ native: 10, nginx: 20 });
    const contestants = before.contestants.map((one) =>
      one.id === 'nginx' ? { ...one, version: '1.29' } : one,
    );
    const text = compareReports(before, reportOf({ native: 10, nginx: 20 }, { contestants }));
    assert.match(text, /!! nginx was 1\.22\.1 before and is 1\.29 after/);
  });

  it('claims nothing from few rounds', () => {
    const text = compareReports(reportOf({ native: 10 }, {}, 2), reportOf({ native: 1 }, {}, 2));
    assert.match(lineOf(text, 'Sluice native'), /no difference shown \(2 of 5 rounds\)$/);
  });

  it('lists cases and contestants of one report only', () => {
    const before = makeReport({
      cases: [caseOf('rivals/a', { native: 1, js: 1 }), caseOf('rivals/b', {})],
    });
    const after = makeReport({
      cases: [caseOf('rivals/a', { native: 1 }), caseOf('rivals/c', {})],
    });
    const text = compareReports(before, after);
    assert.match(text, /Sluice js has a figure only before/);
    assert.match(text, /rivals\/b: only before/);
    assert.match(text, /rivals\/c: only after/);
    assert.match(compareReports(makeReport(), before), /no case in common/);
  });

  it('knows that more throughput is better', () => {
    const ofRate = (rate: number): Report =>
      makeReport({
        cases: [
          makeCase('layers/direct', {
            samples: DRIFT.map((drift, round) =>
              makeSample('direct', round, { cpuSeconds: 0, rate: rate * drift }),
            ),
          }),
        ],
      });
    assert.match(lineOf(compareReports(ofRate(100), ofRate(150)), 'no proxy'), /\+50 % .* better$/);
    assert.match(lineOf(compareReports(ofRate(150), ofRate(100)), 'no proxy'), /worse$/);
  });

  it('draws the rounds of the two runs independently', () => {
    const values = [8, 12, 9, 11, 10, 10.5, 9.5];
    const change = changeOf(values, values);
    assert.equal(change?.median, 1);
    assert.ok(change && change.low < 0.97 && change.high > 1.03);
    assert.equal(changeOf([], values), null);
  });
});
