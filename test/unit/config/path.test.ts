import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  isQueryAllowed,
  normalizePath,
  parsePathPattern,
  parsePathPrefix,
} from '../../../src/config/path.ts';

const vectors = readFileSync(new URL('../../vectors/path.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split('\t') as [string, string]);

function bytesOf(text: string): string {
  return text.replace(/\\(?:x([0-9a-f]{2})|\\)/g, (_, hex: string | undefined) =>
    hex === undefined ? '\\' : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

describe('the normal form of a path', () => {
  it('is what the shared vectors say', () => {
    assert.ok(vectors.length > 100);
    for (const [input, expected] of vectors) {
      assert.equal(normalizePath(bytesOf(input)) ?? '-', expected, input);
    }
  });

  it('is its own normal form', () => {
    const alphabet = ['/', '.', '%2e', '%2E', '%2f', '%25', 'a', '%61', '..', '%', '2', 'e'];
    let seed = 12345;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    let accepted = 0;
    for (let round = 0; round < 20_000; round++) {
      const length = random(8);
      const path = `/${Array.from({ length }, () => alphabet[random(alphabet.length)]).join('')}`;
      const normal = normalizePath(path);
      if (normal === null) continue;
      accepted++;
      assert.equal(normalizePath(normal), normal, path);
      assert.ok(normal.startsWith('/'));
      assert.ok(!/(?:^|\/)\.\.?(?:\/|$)/.test(normal), `${path} -> ${normal}`);
    }
    assert.ok(accepted > 5000);
  });

  it('agrees with WHATWG URLs on dot segments that stay below the root', () => {
    for (const path of [
      '/a/b/../c',
      '/a/./b/.',
      '/a/%2e%2E/b',
      '/a//../b',
      '/a/b/..',
      '//a/../b',
    ]) {
      assert.equal(normalizePath(path), new URL(`http://h${path}`).pathname, path);
    }
  });

  it('leaves queries alone and refuses what could split a request', () => {
    for (const query of ['', '?', '?a=%zz&b=..//\\"<>|^`{}'])
      assert.equal(isQueryAllowed(query), true);
    for (const query of ['?a b', '?a\r\n', '?\0', '?ü', '?#', '?\x7f', '?\x80']) {
      assert.equal(isQueryAllowed(query), false, JSON.stringify(query));
    }
  });
});

describe('a path pattern', () => {
  const read = (text: string) => {
    const result = parsePathPattern(text);
    return result.ok ? result.value : result.hint;
  };

  it('is exact, a prefix, or everything', () => {
    assert.deepEqual(read('/status'), { kind: 'exact', value: '/status' });
    assert.deepEqual(read('/'), { kind: 'exact', value: '/' });
    assert.deepEqual(read('/api/*'), { kind: 'prefix', value: '/api' });
    assert.deepEqual(read('/a//b/*'), { kind: 'prefix', value: '/a//b' });
    assert.deepEqual(read('/*'), { kind: 'any' });
  });

  it('that could never match is refused with what to write instead', () => {
    assert.equal(read('*'), 'write /* for every path');
    assert.equal(read('/api*'), 'a prefix ends on a segment border: write /api/*');
    assert.equal(
      read('/*/x'),
      'a * may only stand at the end, after a slash; use pathRegex for more',
    );
    assert.equal(read('api'), 'begin with a slash: /api');
    assert.equal(read('/a?b=1'), 'routes look at the path only: leave out the query');
    assert.equal(read('/a/../b'), 'paths are compared in normal form: write /b');
    assert.equal(read('/%7Euser'), 'paths are compared in normal form: write /~user');
    assert.equal(read('/%c3%bc'), 'paths are compared in normal form: write /%C3%BC');
    assert.equal(read('/für'), 'paths are compared in escaped form: write /f%C3%BCr');
    assert.match(String(read('/a b')), /are refused in requests too/);
    assert.match(String(read('/../a')), /climbing above the root/);
  });
});

describe('a prefix to strip or to add', () => {
  it('loses its trailing slash', () => {
    assert.deepEqual(parsePathPrefix('/api/'), { ok: true, value: '/api' });
    assert.deepEqual(parsePathPrefix('/api'), { ok: true, value: '/api' });
  });

  it('is refused when it means nothing', () => {
    for (const text of ['/', '', 'api', '/api/*', '/a/../b', '/a?b', '/a\r\nb']) {
      assert.equal(parsePathPrefix(text).ok, false, JSON.stringify(text));
    }
  });
});
