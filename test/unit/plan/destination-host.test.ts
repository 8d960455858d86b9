import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import {
  type DestinationHost,
  parseDestination,
  parseDestinationHost,
} from '../../../src/plan/destination-host.ts';
import { readVectors } from './vectors.ts';

const kindOf = (host: DestinationHost): string => (host.kind === 'name' ? 'name' : host.family);

test('destinations are read as the shared vectors say', () => {
  let count = 0;
  for (const [what, text = '', ...rest] of readVectors('destination')) {
    if (what === 'authority') {
      const [defaultPort, expected] = rest;
      const read = parseDestination(text, defaultPort === '-' ? null : Number(defaultPort));
      const actual = read === null ? '-' : `${kindOf(read)} ${read.host} ${read.port}`;
      assert.equal(actual, expected, JSON.stringify(text));
    } else {
      const read = parseDestinationHost(text);
      const actual = read === null ? '-' : `${kindOf(read)} ${read.host}`;
      assert.equal(actual, rest[0], JSON.stringify(text));
    }
    count++;
  }
  assert.ok(count > 300);
});

test('what has been read reads the same again, and an address is one to Node too', () => {
  for (const [what, text = ''] of readVectors('destination')) {
    const read = what === 'authority' ? parseDestination(text, 80) : parseDestinationHost(text);
    if (read === null) continue;
    const { host } = read;
    const again = parseDestinationHost(host);
    assert.deepEqual(again && { kind: again.kind, host: again.host }, { kind: read.kind, host });
    assert.equal(isIP(host) !== 0, read.kind === 'address', host);
  }
});

test('letters beyond ASCII that fold to ASCII letters are no letters of a name', () => {
  for (const text of [
    '\u212a.example',
    '\u0130.example',
    'ex\u00e4mple',
    '\uff11.2.3.4',
    'a\u3002b',
  ]) {
    assert.equal(parseDestinationHost(text), null, text);
  }
});
