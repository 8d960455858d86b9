// What a person sees of a run while it goes on.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clock, Progress } from '../../src/bench/progress.ts';

const ERASE_LINE = '\r\x1b[K';

class Paper {
  written = '';
  readonly isTTY: boolean;
  readonly columns = 40;

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.written += text;
  }
}

describe('progress', () => {
  it('is one line a case where there is no terminal', () => {
    const paper = new Paper(false);
    let now = 10;
    const progress = new Progress(paper, () => now);
    progress.estimate(125);
    progress.enter('rivals/udp-64x4');
    progress.doing('nginx, round 1 of 2');
    now = 75;
    progress.say('figures');
    progress.end();
    assert.equal(paper.written, '[0:00 of about 2:05] rivals/udp-64x4\nfigures\n');
  });

  it('is one line that is rewritten on a terminal, cut to its width, and makes room for what stays', () => {
    const paper = new Paper(true);
    const progress = new Progress(paper, () => 0);
    progress.enter('a/b');
    progress.doing(`nginx, round 1 of 2, ${'and so on '.repeat(9)}`);
    progress.say('figures');
    progress.end();
    const lines = paper.written.split('\n');
    assert.equal(lines.length, 2);
    for (const line of lines) {
      for (const part of line.split(ERASE_LINE)) assert.ok(part.length < 40, part);
    }
    assert.ok(paper.written.includes(`${ERASE_LINE}figures\n[0:00] a/b: nginx`));
    assert.ok(paper.written.endsWith(ERASE_LINE));
  });

  it('writes minutes and seconds', () => {
    assert.equal(clock(0), '0:00');
    assert.equal(clock(59.6), '1:00');
    assert.equal(clock(725), '12:05');
  });
});
