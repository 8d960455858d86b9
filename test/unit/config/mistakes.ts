// Tables of mistakes and of what is said about each, word for word.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { parseConfig } from '../../../src/config/parse.ts';
import { SluiceError } from '../../../src/contract/errors.ts';

/** What is put into the mistaken place of an otherwise good configuration, and the problems as sentences. */
export type Row = readonly [mistake: string, problems: readonly string[]];

export function problemsOf(yaml: string): readonly string[] {
  try {
    parseConfig(parseYaml(yaml), { baseFolder: '/etc/sluice' });
  } catch (error) {
    assert.ok(error instanceof SluiceError, String(error));
    return error.problems.map(
      ({ path, expected, received, hint }) =>
        `${path}: ${expected}; ${received}${hint === undefined ? '' : `; ${hint}`}`,
    );
  }
  return [];
}

export function describeTable(
  place: string,
  wrap: (mistake: string) => string,
  rows: readonly Row[],
): void {
  describe(`a mistake in ${place}`, () => {
    for (const [mistake, problems] of rows) {
      it(`is named: ${mistake.replaceAll('\n', ' ')}`, () => {
        assert.deepEqual(problemsOf(wrap(mistake)), problems);
      });
    }
  });
}

export const POOLS =
  'pools: { p: { targets: ["127.0.0.1:1"] }, api: { targets: ["127.0.0.1:2"] } }';
export const LISTENERS = 'listeners: { web: { address: "127.0.0.1:80", protocol: http, pool: p } }';
