import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileRegex, MAX_TABLE_STATES, tableMatches } from '../../../src/config/regex.ts';

/** A small generator with a fixed seed: a failure can be repeated. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function assertSame(source: string, texts: Iterable<string>): number {
  const compiled = compileRegex(source);
  assert.ok(compiled.ok, `${source}: ${compiled.ok ? '' : compiled.hint}`);
  const reference = new RegExp(source);
  let matched = 0;
  for (const text of texts) {
    const expected = reference.test(text);
    matched += Number(expected);
    assert.equal(
      tableMatches(compiled.value, text),
      expected,
      `/${source}/ on ${JSON.stringify(text)}`,
    );
  }
  return matched;
}

const PATHS = [
  '',
  '/',
  '//',
  '/a',
  '/a/',
  '/b',
  '/ab/ba',
  '/api',
  '/api/',
  '/api/v1/users',
  '/apix',
  '/v1/',
  '/v12/x',
  '/v/x',
  '/static/app.min.js',
  '/static/app.js.map',
  '/img/photo.JPEG',
  '/img/photo.jpeg',
  '/users/42/posts/7',
  '/users/42',
  '/users/x',
  '/%2F/%C3%BC',
  '/a.b-c_d~e',
  '/index.php;x=1,2',
  '/2024-01-31/report',
  '/aaa',
  '/aaaa',
  '/aaaaaaaaaaaa!',
  '/x\x00y',
  '/x\n',
  '/\xa0\xff\x80',
];

const PATTERNS = [
  '^/v[0-9]+/',
  '^/api(/|$)',
  '\\.(css|js|png|jpe?g)$',
  '^/users/\\d+(/posts/\\d+)?$',
  'api',
  '^/$',
  '$',
  '^',
  '^$',
  '$^',
  '^^/a$$',
  '(^/a|b$)',
  '(?:^|/)b',
  'a|b|',
  '(a|b)*ab',
  '^/(?:a{2}){2}$',
  '^/a{3}$',
  '^/a{2,}$',
  '^/a{0,2}$',
  '^/a{0}$',
  '^/a{1,3}?/?$',
  '(a+)+!$',
  '^(?:/[^/]*){2}$',
  '^/[^a-z]',
  '[\\w-]+\\.[\\w]{2,4}$',
  '^/\\S*$',
  '\\s',
  '\\W\\D\\S',
  '[\\d\\s]',
  '[^\\w/]',
  '^.+$',
  '^/.*/.*$',
  '[]',
  '[^]',
  '\\x2f\\u0061',
  '\\/a\\.b\\-c',
  '[\\/\\]\\-]',
  '(?<year>\\d{4})-(?<month>\\d{2})',
  '^/%2F',
  '\\t|\\n|\\v|\\f|\\r|\\0',
  '\\cJ',
  '(?:a*)*b',
  '(?:a?){3}b',
  '((a|)*|b)+$',
  '(?:^/)*a',
  '(?:b$)*',
  '[a-cx-z]{2,3}/',
];

describe('a regular expression as a table', () => {
  it('matches what RegExp matches', () => {
    const matches = PATTERNS.map((pattern) => assertSame(pattern, PATHS));
    assert.ok(matches.reduce((sum, count) => sum + count) > 300);
  });

  it('matches what RegExp matches on every byte', () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
    for (const pattern of [
      '.',
      '\\w',
      '\\W',
      '\\d',
      '\\D',
      '\\s',
      '\\S',
      '[^a]',
      '[\\s\\S]',
      '[!-~]',
    ]) {
      assertSame(pattern, bytes);
    }
  });

  it('matches what RegExp matches for random expressions on random text', () => {
    const random = seeded(20_261_122);
    const atoms = [
      'a',
      'b',
      '/',
      '.',
      '[ab]',
      '[^a]',
      '\\w',
      '^',
      '$',
      '(a|b/)',
      '(?:ab|)',
      '(b)',
      '\\d',
      '1',
    ];
    const quantifiers = ['', '', '', '*', '+', '?', '{2}', '{1,2}', '{0,1}', '*?', '{2,}'];
    const letters = ['a', 'b', '/', '1', '.', 'c'];
    const pick = (list: readonly string[]): string => list[random(list.length)] ?? '';
    const build = (depth: number): string => {
      const parts = Array.from({ length: 1 + random(4) }, () => {
        const atom = depth > 0 && random(3) === 0 ? `(?:${build(depth - 1)})` : pick(atoms);
        return /^[$^]/.test(atom) ? atom : atom + pick(quantifiers);
      });
      return random(4) === 0 ? `${parts.join('')}|${pick(atoms)}` : parts.join('');
    };
    let matched = 0;
    for (let round = 0; round < 1500; round++) {
      const texts = Array.from({ length: 12 }, () =>
        Array.from({ length: random(9) }, () => pick(letters)).join(''),
      );
      matched += assertSame(build(2), texts);
    }
    assert.ok(matched > 2000 && matched < 16_000, `${matched} of 18000 match`);
  });

  it('takes time linear in the path where backtracking takes for ever', () => {
    const compiled = compileRegex('^(/[a-z]+)+(x+x+)+y$');
    assert.ok(compiled.ok);
    assert.equal(tableMatches(compiled.value, `/${'x'.repeat(100_000)}`), false);
  });

  it('is laid out as the plan says: dead state 0, start 1, classes below classCount', () => {
    const compiled = compileRegex('^/v[0-9]+/');
    assert.ok(compiled.ok);
    const { classCount, classes, next, accepting } = compiled.value;
    assert.equal(classes.length, 256);
    assert.ok(classes.every((one) => one < classCount));
    assert.equal(next.length, accepting.length * classCount);
    assert.ok(next.every((state) => state < accepting.length));
    assert.ok(
      next.subarray(0, classCount).every((state) => state === 0),
      'nothing leaves the dead state',
    );
    assert.equal(accepting[0], 0);
  });
});

describe('a regular expression that cannot be a table', () => {
  const hintOf = (source: string): string | undefined => {
    const compiled = compileRegex(source);
    assert.equal(compiled.ok, false, source);
    return compiled.ok ? undefined : compiled.hint;
  };

  it('is refused, naming the construct', () => {
    const without = (construct: string) =>
      `${construct} cannot be compiled to a table: write it without`;
    assert.equal(hintOf('(a)\\1'), without('back-references (\\1)'));
    assert.equal(hintOf('(?<n>a)\\k<n>'), without('back-references (\\k<n>)'));
    assert.equal(hintOf('a(?=b)'), without('lookahead ((?=b))'));
    assert.equal(hintOf('a(?!b)'), without('lookahead ((?!b))'));
    assert.equal(hintOf('(?<=a)b'), without('lookbehind ((?<=a))'));
    assert.equal(hintOf('(?<!a)b'), without('lookbehind ((?<!a))'));
    assert.equal(hintOf('\\bfoo'), without('word boundaries (\\b)'));
    assert.equal(hintOf('foo\\B'), without('word boundaries (\\B)'));
    assert.equal(hintOf('(?i:a)'), without('flags ((?i:a))'));
  });

  it('is refused, saying where the syntax breaks', () => {
    assert.equal(hintOf('(a'), 'unterminated group, near character 2');
    assert.equal(hintOf('a)'), "unmatched ')', near character 2");
    assert.equal(hintOf('[a'), 'unterminated character class, near character 2');
    assert.equal(hintOf('*a'), 'nothing to repeat, near character 2');
    assert.equal(hintOf('a{2'), 'incomplete quantifier, near character 3');
    assert.equal(hintOf('[b-a]'), 'range out of order in character class, near character 5');
    assert.equal(hintOf('\\p{L}'), 'invalid escape, near character 2');
  });

  it('is refused when it is too large, in little time', () => {
    const started = process.cpuUsage();
    assert.equal(hintOf(`a.{12}$`), `it needs more than ${MAX_TABLE_STATES} states: simplify it`);
    assert.match(hintOf('(?:a{1000}){1000}') ?? '', /too large/);
    assert.match(hintOf('((((((a{9}){9}){9}){9}){9}){9})') ?? '', /too large/);
    assert.match(hintOf('^(?:a?){990}(?:b?){990}c') ?? '', /takes too long/);
    assert.match(hintOf('a'.repeat(1001)) ?? '', /under 1000 characters/);
    const { user } = process.cpuUsage(started);
    assert.ok(user < 10_000_000, 'compiling is bounded by counted steps');
  });

  it('is refused when it is not ASCII', () => {
    assert.match(hintOf('ü') ?? '', /escape other characters as %XX/);
    assert.match(hintOf('a\n') ?? '', /escape other characters/);
  });
});
