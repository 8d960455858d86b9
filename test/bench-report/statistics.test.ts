// Samples to figures, and what may be claimed from them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SLOTS } from '../../src/bench/html/palette.ts';
import { formatBytes, formatChange, formatNumber, formatPlain } from '../../src/bench/numbers.ts';
import type { CaseRecord } from '../../src/bench/report.ts';
import {
  bootstrapMedian,
  differenceOf,
  figuresOf,
  ratioOf,
  roundsOf,
  surenessOf,
} from '../../src/bench/statistics.ts';
import { goalVerdicts, headlineOf, isLoss, standingsOf } from '../../src/bench/verdicts.ts';
import { warningsOf } from '../../src/bench/warnings.ts';
import { GIGABYTE, makeCase, makeReport, makeSample } from './sample.ts';

/** A case with these costs in µs, an entry a round. */
function caseOf(costs: Readonly<Record<string, readonly number[]>>): CaseRecord {
  return makeCase('rivals/a', {
    samples: Object.entries(costs).flatMap(([contestant, rounds]) =>
      rounds.map((cost, round) =>
        makeSample(contestant, round, { work: 1_000_000, cpuSeconds: cost }),
      ),
    ),
  });
}

describe('figures', () => {
  it('are medians over rounds, in the unit of the case', () => {
    const record = caseOf({ native: [12, 10, 14] });
    const [figure] = figuresOf(record);
    assert.equal(figure?.cost?.median, 12);
    assert.deepEqual([figure?.cost?.least, figure?.cost?.most, figure?.used], [10, 14, 3]);
    const samples = [makeSample('native', 0, { work: 4, cpuSeconds: 2 })];
    const [bulk] = figuresOf(makeCase('rivals/b', { unit: GIGABYTE, samples }));
    assert.equal(bulk?.cost?.median, 0.5);
  });

  it('leave out samples with errors or without work, and say so', () => {
    const samples = [
      makeSample('native', 0, { work: 100, cpuSeconds: 1 }),
      makeSample('native', 1, { cpuSeconds: 99, errors: ['wrong', 'late'] }),
      makeSample('native', 2, { work: 0 }),
    ];
    const [figure] = figuresOf(makeCase('rivals/a', { samples }));
    assert.deepEqual([figure?.used, figure?.unused], [1, 2]);
    assert.deepEqual(figure?.errors, ['wrong', 'late']);
    assert.equal(figure?.cost?.median, 10_000);
  });

  it('have no cost where there was no proxy', () => {
    const samples = [makeSample('direct', 0, { cpuSeconds: 0, userSeconds: 0 })];
    const record = makeCase('layers/direct', { samples });
    assert.equal(figuresOf(record)[0]?.cost, null);
    assert.equal(figuresOf(record)[0]?.rate?.median, 33_333);
    assert.equal(headlineOf(record), 'rate');
  });

  it('count several samples of one round as one', () => {
    const samples = [1, 3].map((cpuSeconds) =>
      makeSample('native', 4, { work: 1_000_000, cpuSeconds }),
    );
    assert.deepEqual([...roundsOf(makeCase('rivals/a', { samples }), 'native', 'cost')], [[4, 2]]);
  });

  it('stand in the order of presentation', () => {
    const record = caseOf({ nginx: [1], native: [1], other: [1] });
    const ids = figuresOf(record, ['native', 'js', 'nginx']).map(({ contestant }) => contestant);
    assert.deepEqual(ids, ['native', 'nginx', 'other']);
  });
});

describe('ratios and claims', () => {
  it('pair rounds, so that a drift of the machine cancels', () => {
    const drift = [1, 4, 2, 8, 3];
    const record = caseOf({ native: drift.map((d) => 3 * d), nginx: drift.map((d) => 4 * d) });
    const ratio = ratioOf(record, 'native', 'nginx');
    assert.deepEqual(ratio, { median: 0.75, low: 0.75, high: 0.75, pairs: 5 });
    assert.equal(ratio && differenceOf(ratio), 'less');
    assert.equal(ratioOf(record, 'native', 'nobody'), null);
  });

  it('show no difference when the interval includes 1, nor from few rounds', () => {
    const ratio = { median: 0.9, low: 0.8, high: 1, pairs: 9 };
    assert.equal(differenceOf(ratio), 'no difference shown');
    assert.equal(differenceOf({ ...ratio, high: 0.99 }), 'less');
    assert.equal(differenceOf({ ...ratio, low: 1.01, high: 1.2 }), 'more');
    assert.equal(differenceOf({ ...ratio, high: 0.99, pairs: 4 }), 'too few rounds');
  });

  it('have an interval that no round of its own can leave, the same every time', () => {
    const values = [5, 1, 4, 2, 3, 9];
    const interval = bootstrapMedian(values);
    assert.deepEqual(bootstrapMedian(values), interval);
    assert.ok(interval.low >= 1 && interval.high <= 9 && interval.low < interval.high);
    assert.deepEqual(bootstrapMedian([7]), { low: 7, high: 7 });
    assert.equal(surenessOf(5), 0.9375);
    assert.equal(surenessOf(60), 0.95);
  });

  it('meet a goal, miss it, or show neither', () => {
    const goal = { metric: 'cost', of: 'native', to: 'nginx' } as const;
    const steady = caseOf({ native: [8, 8, 8, 8, 8], nginx: [10, 10, 10, 10, 10] });
    const shaky = caseOf({ native: [6, 8, 10, 7, 9], nginx: [10, 10, 10, 10, 10] });
    const stateOf = (record: CaseRecord, most: number): string | undefined =>
      goalVerdicts(makeReport({ cases: [{ ...record, goals: [{ ...goal, most }] }] }))[0]?.state;
    assert.equal(stateOf(steady, 0.8), 'met');
    assert.equal(stateOf(steady, 0.7), 'not met');
    assert.equal(stateOf(shaky, 0.8), 'not shown');
    assert.equal(stateOf(caseOf({ native: [1, 1], nginx: [10, 10] }), 0.8), 'not shown');
    assert.equal(stateOf(caseOf({ native: [1, 1, 1, 1, 1] }), 0.8), 'no figure');
  });

  it('count as a loss whatever is not shown to be better, among rivals only', () => {
    const record = caseOf({
      native: [10, 10, 10, 10, 10],
      js: [9, 9, 9, 9, 9],
      nginx: [8, 8, 8, 8, 8],
      haproxy: [10, 11, 9, 10, 10],
      'http-proxy': [90, 90, 90, 90, 90],
    });
    const report = makeReport({ cases: [record] });
    assert.deepEqual(
      standingsOf(report, record)
        .filter(isLoss)
        .map(({ to, difference }) => [to, difference]),
      [
        ['nginx', 'more'],
        ['haproxy', 'no difference shown'],
      ],
    );
    assert.equal(standingsOf(report, record).length, 4);
  });
});

describe('warnings', () => {
  it('are not said twice in two wordings', () => {
    const { machine, method } = makeReport();
    const slow = { ...machine, congestionControl: 'bbr', loadAverage: 3 };
    const quick = { ...method, rounds: 2 };
    const silent = warningsOf(makeReport({ machine: slow, method: quick, contestants: [] }));
    assert.equal(silent.length, 3);
    const notes = [
      'fewer than 5 rounds: nothing is measured',
      'the machine was busy: load average 3',
      'congestion control bbr is in force',
    ];
    assert.deepEqual(
      warningsOf(makeReport({ machine: slow, method: quick, contestants: [], notes })),
      notes,
    );
  });
});

describe('numbers as text', () => {
  it('have three significant digits, or all of the integer part', () => {
    const shown = [0, 1.5, 12.345, 9.996, 999.6, 123_456, 0.01234, 1e-7, 2.5e20, -3.1428];
    assert.deepEqual(shown.map(formatNumber), [
      '0',
      '1.50',
      '12.3',
      '10.0',
      '1000',
      '123456',
      '0.0123',
      '1.00e-7',
      '2.50e20',
      '-3.14',
    ]);
    assert.equal(formatNumber(Number.NaN), '–');
  });

  it('are exact where the value is', () => {
    assert.deepEqual([16, 0.25, 4_194_304, 1e12].map(formatPlain), [
      '16',
      '0.25',
      '4\u202f194\u202f304',
      '1e12',
    ]);
    assert.deepEqual([100, 1_024, 4 * 1024 ** 2].map(formatBytes), ['100 B', '1 KiB', '4 MiB']);
  });

  it('say by how much something changed', () => {
    assert.deepEqual([1, 0.9, 1.255, 12, 1.0004].map(formatChange), [
      '±0 %',
      '−10 %',
      '+25 %',
      '× 12.0',
      '±0 %',
    ]);
  });
});

describe('the colours of contestants', () => {
  const paper = { light: '#ffffff', dark: '#15171b' };

  it('stand out from the page by 3 to 1 in either scheme', () => {
    for (const scheme of ['light', 'dark'] as const) {
      for (const slot of SLOTS) {
        const [one, other] = [luminance(slot[scheme]), luminance(paper[scheme])];
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        assert.ok(contrast >= 3, `${slot[scheme]} on ${paper[scheme]}: ${contrast.toFixed(2)}`);
      }
    }
  });

  it('differ for people who see red and green alike, or by their marker', () => {
    for (const [i, slot] of SLOTS.entries()) {
      for (const other of SLOTS.slice(i + 1)) {
        const isSameMark = slot.marker === other.marker && slot.dash === other.dash;
        assert.ok(!isSameMark, `${slot.light} and ${other.light} have one marker and dash`);
      }
    }
    // The nine that are fixed also keep apart by colour alone, as deuteranopes see it.
    const seen = SLOTS.slice(0, 9).map(({ light }) => deuteranopic(light));
    for (const [i, [x = 0, y = 0, z = 0]] of seen.entries()) {
      for (const [a = 0, b = 0, c = 0] of seen.slice(i + 1)) {
        assert.ok(Math.hypot(x - a, y - b, z - c) > 0.03);
      }
    }
  });
});

function linear(colour: string): readonly number[] {
  return [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = linear(colour);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Machado, Oliveira and Fernandes 2009, severity 1. */
function deuteranopic(colour: string): readonly number[] {
  const [r = 0, g = 0, b = 0] = linear(colour);
  return [
    0.367322 * r + 0.860646 * g - 0.227968 * b,
    0.280085 * r + 0.672501 * g + 0.047413 * b,
    -0.01182 * r + 0.04294 * g + 0.968881 * b,
  ];
}
