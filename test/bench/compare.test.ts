// The arithmetic and the parsers of the comparison. Run with: node --import tsx --test test/bench/*.test.ts
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseOptions } from '../../src/bench/options.ts';
import { parseBusy, parseSmaps, parseStat } from '../../src/bench/proc.ts';
import { bootstrapMedian, median, pairedRatio } from '../../src/bench/statistics.ts';
import { difference, parseStrace, syscallGoals } from '../../src/bench/syscalls.ts';

describe('statistics', () => {
  it('takes the middle of an odd and the mean of the two middles of an even number of samples', () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.ok(Number.isNaN(median([])));
  });

  it('takes ratios within rounds and leaves out a round that one side lacks', () => {
    const ours = new Map([
      [0, 10],
      [1, 20],
      [2, 60],
    ]);
    const theirs = new Map([
      [0, 20],
      [1, 40],
      [3, 1],
    ]);
    assert.deepEqual(pairedRatio(ours, theirs), { median: 0.5, low: 0.5, high: 0.5, pairs: 2 });
  });

  it('cancels a drift that hits both sides of each round', () => {
    const drift = [1, 3, 2, 7, 5];
    const ours = new Map(drift.map((factor, round) => [round, 0.8 * factor]));
    const theirs = new Map(drift.map((factor, round) => [round, factor]));
    const { low, high } = pairedRatio(ours, theirs);
    assert.ok(Math.abs(low - 0.8) < 1e-9 && Math.abs(high - 0.8) < 1e-9);
  });

  it('gives the same interval for the same samples, around the median and within the samples', () => {
    const samples = [1, 1.1, 0.9, 1.3, 0.8, 1.05, 1.2];
    const interval = bootstrapMedian(samples);
    assert.deepEqual(interval, bootstrapMedian(samples));
    assert.ok(interval.low >= 0.8 && interval.low < 1.05);
    assert.ok(interval.high <= 1.3 && interval.high > 1.05);
  });
});

describe('/proc', () => {
  it('reads CPU time past a command name with spaces and parentheses', () => {
    const line = '77 (nginx: (a) b) S 12 77 77 0 -1 4194560 1 2 3 4 250 150 0 0 20 0 1 0 99';
    assert.deepEqual(parseStat(line, 100), { parent: 12, userSeconds: 2.5, systemSeconds: 1.5 });
  });

  it('counts everything but idle, waiting and stolen time as busy', () => {
    assert.equal(parseBusy('cpu  100 10 50 9000 800 5 35 700 0 0\ncpu0 1 2 3\n', 100), 2);
  });

  it('reads memory in bytes', () => {
    const text = 'Rss:  300 kB\nPss:  200 kB\nPrivate_Clean:  40 kB\nPrivate_Dirty: 100 kB\n';
    const KIB = 1024;
    assert.deepEqual(parseSmaps(text), {
      pssBytes: 200 * KIB,
      privateBytes: 140 * KIB,
      rssBytes: 300 * KIB,
    });
  });
});

describe('system calls', () => {
  it('reads the table of strace and leaves out its rules, head and total', () => {
    const table =
      '    calls syscall\n--------- ----------------\n     2000 recvfrom\n       50 epoll_wait\n--------- ----------------\n     2050 total\n';
    assert.deepEqual(parseStrace(table), { recvfrom: 2000, epoll_wait: 50 });
  });

  it('leaves out of two traces what both spent on their connections', () => {
    const short = { work: 100, calls: { recvfrom: 264, accept4: 64 } };
    const long = { work: 300, calls: { recvfrom: 664, accept4: 64, brk: 1 } };
    assert.deepEqual(difference(long, short), {
      work: 200,
      calls: { recvfrom: 400, accept4: 0, brk: 1 },
    });
    assert.throws(() => difference(short, long), /no more work/);
  });

  it('holds calls that are neither receive, send nor wait against the goal', () => {
    const calls = { recvfrom: 2000, writev: 2000, epoll_wait: 300, epoll_ctl: 900 };
    const goals = syscallGoals({ contestant: 'native', work: 1000, calls, problem: null });
    assert.deepEqual(
      goals.map(({ isMet }) => isMet),
      [true, true, true, false],
    );
  });
});

describe('options', () => {
  it('chooses a case by its name and all cases of a group by the group', () => {
    assert.deepEqual(parseOptions(['--scenario', 'tcp-bulk,idle'])?.cases, [
      'tcp-bulk/pull',
      'tcp-bulk/push',
      'idle',
    ]);
    assert.deepEqual(parseOptions(['--scenario', 'udp/64x4'])?.cases, ['udp/64x4']);
  });

  it('refuses what it does not know rather than measuring something else', () => {
    assert.throws(() => parseOptions(['--scenario', 'http']), /no case 'http'/);
    assert.throws(() => parseOptions(['--proxies', 'apache']), /no contestant 'apache'/);
    assert.throws(() => parseOptions(['--rounds', '0']), /--rounds/);
    assert.throws(() => parseOptions(['--proxy-core', '0']), /a core each/);
    assert.throws(() => parseOptions(['--fast']));
  });
});
