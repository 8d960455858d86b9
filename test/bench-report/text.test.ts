// What a run says on the terminal.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { headingText } from '../../src/bench/text.ts';
import { makeReport } from './sample.ts';

describe('the heading of a run', () => {
  const namedBy = (...ids: readonly string[]): string => {
    const contestants = ids.map((id) => ({ id, label: id, version: '1', missing: null }));
    return headingText(makeReport({ contestants })).split('\n')[1] ?? '';
  };

  it('names each program once', () => {
    const named = namedBy('native', 'native-epoll', 'native-http', 'nginx', 'direct');
    assert.equal(named, 'commit 0123456789ab; native 1, nginx 1; load by load-http 0.1.0');
  });

  it('names a form of the native engine that takes part alone', () => {
    assert.match(namedBy('native-epoll', 'direct'), /; native-epoll 1; load by/);
  });

  it('has no empty place when no proxy takes part', () => {
    assert.equal(namedBy('direct'), 'commit 0123456789ab; load by load-http 0.1.0');
    assert.equal(namedBy(), 'commit 0123456789ab; load by load-http 0.1.0');
  });
});
