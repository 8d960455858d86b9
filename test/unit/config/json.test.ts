import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findJsonMistakes } from '../../../src/config/json.ts';

const accepts = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe('mistakes in JSON', () => {
  it('are found where JSON.parse finds any, and nowhere else', () => {
    const base =
      '{"a": [1, -2.5e+3, "x\\n\\u00e9\\\\", true], "b": {"c": null, "d": []}, "e": {}} ';
    const inserts = [
      '',
      '"',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '1',
      ' ',
      '\n',
      '\\',
      'x',
      '\u0001',
      '-',
      '.',
      'é',
      '\x7f',
    ];
    let refused = 0;
    for (let place = 0; place <= base.length; place++) {
      for (const insert of inserts) {
        for (const drop of [0, 1]) {
          const text = base.slice(0, place) + insert + base.slice(place + drop);
          const isFine = findJsonMistakes(text).every(
            ({ expected }) => expected === 'each key once',
          );
          assert.equal(isFine, accepts(text), JSON.stringify(text));
          refused += Number(!isFine);
        }
      }
    }
    assert.ok(refused > 1000);
    for (const text of [
      '',
      ' ',
      '1',
      '"a"',
      'null',
      '01',
      '1.',
      '-',
      'nul',
      'truee',
      "'a'",
      '1 2',
      '[1,]',
      '\uFEFF1',
    ]) {
      assert.equal(findJsonMistakes(text).length === 0, accepts(text), JSON.stringify(text));
    }
  });

  it('have a place and say what could have stood there', () => {
    assert.deepEqual(findJsonMistakes('{"a" 1}'), [
      { index: 5, expected: 'a colon', received: '"1"' },
    ]);
    assert.deepEqual(findJsonMistakes('[1 2]'), [
      { index: 3, expected: 'a comma or ]', received: '"2"' },
    ]);
    assert.deepEqual(findJsonMistakes('{a: 1}'), [
      { index: 1, expected: 'a key in double quotes or }', received: '"a"' },
    ]);
    assert.deepEqual(findJsonMistakes('{} // comment'), [
      { index: 3, expected: 'nothing more', received: '"//"' },
    ]);
  });

  it('are repeated keys, however they are escaped, each in its own map', () => {
    assert.deepEqual(findJsonMistakes('{"a": {"a": 1}, "b": 1, "\\u0061": 2}'), [
      { index: 24, expected: 'each key once', received: '"\\u0061" again' },
    ]);
  });

  it('do not need a deep stack', () => {
    assert.equal(findJsonMistakes('['.repeat(100_000))[0]?.expected, 'a value or ]');
  });
});
