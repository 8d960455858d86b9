import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { poolIndex } from '../../../src/contract/ids.ts';
import { findNameRoute } from '../../../src/plan/match.ts';
import type { HostMatch, PlanNameRoute } from '../../../src/plan/plan.ts';

const lines = readFileSync(new URL('../../vectors/name-route.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split('\t'));

const textOf = (field = ''): string => (field === "''" ? '' : field);
const listOf = (field = ''): string[] => textOf(field).split(',').filter(Boolean);

function hostOf(field = ''): HostMatch {
  if (field === '*') return { kind: 'any' };
  return field.startsWith('*.')
    ? { kind: 'suffix', value: field.slice(1) }
    : { kind: 'exact', value: field };
}

test('clients go where the shared vectors of name routes say', () => {
  let routes: PlanNameRoute[] = [];
  let hellos = 0;
  for (const [what, first, second, third] of lines) {
    if (what === 'listener') routes = [];
    else if (what === 'route') {
      routes.push({ host: hostOf(first), alpn: listOf(second), pool: poolIndex(0) });
    } else {
      const found = findNameRoute(routes, { serverName: textOf(first), alpn: listOf(second) });
      const actual = found === null ? '-' : String(routes.indexOf(found));
      assert.equal(actual, third, `${first} ${second}`);
      hellos++;
    }
  }
  assert.ok(hellos > 20);
});
