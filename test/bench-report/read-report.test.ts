// report.json from disk, whole or not, and the page of documentation that is printed from it and from longer runs.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { renderPerformance } from '../../src/bench/performance-page.ts';
import { parseReport, readReport } from '../../src/bench/read-report.ts';
import {
  makeCase,
  makeReport,
  makeSample,
  makeSamples,
  nastyReport,
  REQUEST,
  sampleReport,
} from './sample.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-read-report-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('reading a report', () => {
  it('gives back what was written', () => {
    for (const report of [sampleReport(), nastyReport(), makeReport()]) {
      const written = JSON.stringify(report);
      assert.deepEqual(parseReport(written, 'r.json'), JSON.parse(written));
    }
  });

  const whole = JSON.stringify(sampleReport());
  for (const [what, written, problem] of [
    ['truncated JSON', whole.slice(0, 5_000), /^r\.json is not whole JSON \(5000 characters\)/],
    ['an empty file', '', /^r\.json is not whole JSON \(0 characters\)/],
    [
      'another format',
      '{"format":1}',
      /of format 1, and format 2 is needed; run sluice bench again/,
    ],
    ['something else', '[]', /says no format/],
    ['null', 'null', /says no format/],
    [
      'missing fields',
      '{"format":2}',
      /^r\.json is not a whole report:\n {2}at: .*\n(?:.*\n)+ {2}and \d+ more/,
    ],
    [
      'a wrong field deep within',
      whole.replace('"round":3', '"round":"3"'),
      /cases\[\d+\]\.samples\[\d+\]\.round: .*number.*string/,
    ],
  ] as const) {
    it(`refuses ${what} in one error that names the file and the place`, () => {
      assert.throws(() => parseReport(written, 'r.json'), { message: problem });
    });
  }

  it('refuses a case or a contestant that comes twice', () => {
    const cases = [makeCase('rivals/a'), makeCase('rivals/a')];
    assert.throws(() => parseReport(JSON.stringify(makeReport({ cases })), 'r.json'), {
      message: "r.json has the case 'rivals/a' twice",
    });
  });

  it('names a file that is not there', () => {
    assert.throws(() => readReport(join(folder, 'none.json')), {
      message: /none\.json cannot be read: ENOENT/,
    });
  });
});

describe('the performance page', () => {
  const run = (...parameters: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(
      process.execPath,
      ['--import', 'tsx', 'scripts/print-performance.ts', ...parameters],
      {
        cwd: root,
        encoding: 'utf8',
      },
    );

  it('says where we lose, computed from the figures', () => {
    const page = renderPerformance(sampleReport());
    const section = /## Where we lose\n([\s\S]*?)\n## /.exec(page)?.[1] ?? '';
    assert.match(section, /In 2 of \d+ comparisons/);
    assert.match(section, /HAProxy, splicing \| CPU time \|.*\*\*worse\*\*/);
    assert.match(section, /nginx \| CPU time \|.*no difference shown/);
  });

  it('says so when there is nothing to lose, and when ours did not do the work at all', () => {
    const samples = makeSamples({ native: 10, nginx: 20 }, REQUEST, { seed: 1 });
    const good = makeReport({ cases: [makeCase('rivals/a', { samples })] });
    assert.match(renderPerformance(good), /In none of 1 comparison with rivals/);
    const bad = makeCase('rivals/b', {
      title: 'A case that we failed',
      absent: { native: 'answered wrongly' },
      samples: [makeSample('nginx', 0)],
    });
    assert.match(
      renderPerformance(makeReport({ cases: [bad] })),
      /Rivals have figures where we have none:\n\n- A case that we failed: Sluice native: answered wrongly/,
    );
  });

  it('names machine, versions, congestion control and date', () => {
    const page = renderPerformance(sampleReport());
    for (const fact of [
      '2025-11-22 09:30 UTC',
      'cubic',
      'Linux 6.1.0-28-amd64',
      '1.22.1',
      '2.6.12',
    ]) {
      assert.ok(page.includes(fact), fact);
    }
  });

  it('keeps its tables whole whatever a report holds', () => {
    const page = renderPerformance(nastyReport());
    assert.doesNotMatch(page, /<script/);
    const lines = page.split('\n');
    for (const [i, line] of lines.entries()) {
      if (!/^\|(?:-+:?\|)+$/.test(line)) continue;
      const cells = (text: string): number => text.replace(/\\\|/g, '').split('|').length;
      for (const other of [lines[i - 1] ?? '', ...lines.slice(i + 1, lines.indexOf('', i))]) {
        assert.equal(cells(other), cells(line), other);
      }
    }
  });

  it('is printed by a script, which can check it too', () => {
    const [report, page] = [join(folder, 'report.json'), join(folder, 'page.md')];
    writeFileSync(report, JSON.stringify(sampleReport()));
    assert.equal(run(report, page, '--check').status, 1);
    assert.equal(run(report, page).status, 0);
    assert.equal(readFileSync(page, 'utf8'), renderPerformance(sampleReport()));
    assert.equal(run(report, page, '--check').status, 0);
    assert.match(String(run().stderr), /usage/);
    assert.match(String(run(report, page, '--longer', '').stderr), /usage/);
  });

  it('is printed with longer runs too, and not with runs that are not longer', () => {
    const [report, again, page] = ['full.json', 'again.json', 'both.md'].map((name) =>
      join(folder, name),
    ) as [string, string, string];
    const full = sampleReport();
    const record = full.cases.find(({ id }) => id === 'rivals/http-small-64');
    assert.ok(record);
    const longer = {
      ...full,
      method: { ...full.method, rounds: 15 },
      cases: [record],
      strategies: [],
    };
    writeFileSync(report, JSON.stringify(full));
    writeFileSync(again, JSON.stringify(longer));
    assert.equal(run(report, page, '--longer', again).status, 0);
    assert.match(readFileSync(page, 'utf8'), /^## Longer runs$/m);
    assert.equal(run(report, page, `--longer=${again}`, '--check').status, 0);
    assert.equal(run(report, page, '--check').status, 1);
    const twice = run(report, page, '--longer', `${again},${again}`);
    assert.equal(twice.status, 1);
    assert.match(
      String(twice.stderr),
      /has the case 'rivals\/http-small-64', which .*again\.json has too/,
    );
  });
});
