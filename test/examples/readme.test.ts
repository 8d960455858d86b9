// What README and CONTRIBUTING tell is there.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/parse.ts';
import { configWarnings } from '../../src/config/warnings.ts';

const root = new URL('../../', import.meta.url);
const read = (file: string) => readFileSync(new URL(file, root), 'utf8');
const documents = ['README.md', 'CONTRIBUTING.md'];

test('the configuration in the README is right', () => {
  const [, text = ''] = /```yaml\n(.*?)```/s.exec(read('README.md')) ?? [];
  const config = parseConfig(parse(text));
  assert.deepEqual(configWarnings(config), []);
  assert.deepEqual(Object.keys(config.listeners), ['web', 'database', 'dns']);
});

test('every script that they name exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = documents.flatMap((file) => [...read(file).matchAll(/npm run ([\w:]+)/g)]);
  assert.ok(named.length > 10);
  for (const [, script] of named) assert.ok(script && scripts[script], script);
});

test('every file and folder that they link to exists', () => {
  for (const file of documents) {
    for (const [, link] of read(file).matchAll(/\]\((?!http)([^)#]+)\)/g)) {
      assert.ok(existsSync(new URL(link ?? '', root)), `${file}: ${link}`);
    }
  }
});
