// What the bench reads from /proc and from strace.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  cpuBetween,
  parseBusy,
  parseSchedstat,
  parseSmaps,
  parseStat,
} from '../../src/bench/proc.ts';
import { difference, parsePerf, parseStrace } from '../../src/bench/syscalls.ts';

describe('/proc', () => {
  it('reads CPU time past a command name with spaces and parentheses', () => {
    const line = '77 (nginx: (a) b) S 12 77 77 0 -1 4194560 1 2 3 4 250 150 30 20 20 0 1 0 99';
    assert.deepEqual(parseStat(line, 100), {
      parent: 12,
      userSeconds: 2.5,
      systemSeconds: 1.5,
      childrenSeconds: 0.5,
    });
  });

  it('takes the total from the scheduler and only its division from the ticks', () => {
    assert.equal(parseSchedstat('1500000000 77 3\n'), 1.5);
    const before = { seconds: 1, userSeconds: 0.5, systemSeconds: 0.5 };
    const after = { seconds: 1.123, userSeconds: 0.53, systemSeconds: 0.59 };
    const { cpuSeconds, userSeconds } = cpuBetween(before, after);
    assert.ok(Math.abs(cpuSeconds - 0.123) < 1e-9);
    assert.ok(Math.abs(userSeconds - 0.123 / 4) < 1e-9);
    assert.equal(cpuBetween(before, { ...before, seconds: 1.001 }).userSeconds, 0);
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

  it('adds up the tables that perf prints for each thread, and does not believe it when it lost events', () => {
    const table = (count: number): string =>
      ` Summary of events:\n\n node (29009), 971 events, 47.1%\n\n   syscall            calls  errors  total\n   --------------- --------  ------ --------\n   epoll_pwait          ${count}      0   364.684     0.000\n   read                 138      2     4.185     0.018\n`;
    assert.deepEqual(parsePerf(table(133) + table(7)), { epoll_pwait: 140, read: 276 });
    assert.throws(() => parsePerf(`LOST 3 events!\n${table(1)}`), /lost events/);
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
});
