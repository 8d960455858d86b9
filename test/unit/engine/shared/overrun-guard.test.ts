import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OverrunGuard } from '../../../../src/engine/shared/overrun-guard.ts';

interface Stream {
  /** Heads that are not the last one. */
  readonly interim: string;
  readonly head: string;
  readonly rest: string;
}

/** Whether the guard cries, with the stream cut in two at `cut`; node's parser is played by counting heads. */
function cries({ interim, head, rest }: Stream, length: number | null, cut: number): boolean {
  const bytes = Buffer.from(interim + head + rest);
  const ends = [...interim.matchAll(/\r\n\r\n/g)].map((match) => match.index + 4);
  ends.push(interim.length + head.length);
  const guard = new OverrunGuard();
  for (const [from, to] of [
    [0, cut],
    [cut, bytes.length],
  ] as const) {
    if (from === to) continue;
    const heads = ends.filter((end) => end > from && end <= to).length;
    guard.take(bytes.subarray(from, to), heads, (ends.at(-1) ?? 0) <= to);
  }
  return guard.hasOverrun(length);
}

function alwaysCries(stream: Stream, length: number | null): boolean[] {
  const size = stream.interim.length + stream.head.length + stream.rest.length;
  const seen = new Set<boolean>();
  for (let cut = 0; cut <= size; cut++) seen.add(cries(stream, length, cut));
  return [...seen];
}

const head = 'HTTP/1.1 200 OK\r\nX: y\r\n\r\n';
const interim = 'HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\n';

test('a body of the announced length is no overrun, wherever the packets are cut', () => {
  for (const early of ['', interim]) {
    assert.deepEqual(alwaysCries({ interim: early, head, rest: 'body' }, 4), [false]);
    assert.deepEqual(alwaysCries({ interim: early, head, rest: 'a\r\n\r\nb' }, 6), [false]);
    assert.deepEqual(alwaysCries({ interim: early, head, rest: '' }, 0), [false]);
  }
});

test('one byte more is an overrun, wherever the packets are cut', () => {
  for (const early of ['', interim]) {
    assert.deepEqual(alwaysCries({ interim: early, head, rest: 'body!' }, 4), [true]);
    assert.deepEqual(alwaysCries({ interim: early, head, rest: 'H' }, 0), [true]);
  }
});

test('half a head behind the last chunk is an overrun, and trailers are none', () => {
  const rest = '4\r\nbody\r\n0\r\n\r\n';
  assert.deepEqual(alwaysCries({ interim, head, rest }, null), [false]);
  const trailers = '4\r\nbody\r\n0\r\nX: y\r\n\r\n';
  assert.deepEqual(alwaysCries({ interim, head, rest: trailers }, null), [false]);
  assert.deepEqual(alwaysCries({ interim, head, rest: `${rest}HTTP/1.1 200` }, null), [true]);
});
