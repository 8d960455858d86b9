import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { loadConfigFile } from '../../../src/config/load.ts';
import { SluiceError } from '../../../src/contract/errors.ts';

const YAML = `
listeners:
  web: { address: ":0", protocol: http, pool: p, accessLog: logs/web.log }
pools:
  p: { targets: ["127.0.0.1:1"] }
`;
const OBJECT = `{
  listeners: { web: { address: ':0', protocol: 'http', pool: 'p', accessLog: 'logs/web.log' } },
  pools: { p: { targets: [\`127.0.0.1:\${1}\`] } },
}`;
const JSON_TEXT = JSON.stringify({
  listeners: { web: { address: ':0', protocol: 'http', pool: 'p', accessLog: 'logs/web.log' } },
  pools: { p: { targets: ['127.0.0.1:1'] } },
});

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-load-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function errorOf(path: string): Promise<SluiceError> {
  try {
    await loadConfigFile(path);
  } catch (error) {
    assert.ok(error instanceof SluiceError, String(error));
    return error;
  }
  throw new Error(`${path} was accepted`);
}

/** A read failure is one line that names the file. */
async function assertUnreadable(path: string, reason: string | RegExp): Promise<void> {
  const error = await errorOf(path);
  assert.equal(error.code, 'config_unreadable');
  assert.ok(!error.message.includes('\n'), error.message);
  if (typeof reason === 'string') assert.equal(error.message, `cannot read ${path}: ${reason}`);
  else assert.match(error.message, reason);
}

describe('loadConfigFile', () => {
  const kinds: Record<string, string> = {
    'good.yaml': YAML,
    'good.yml': `\uFEFF# with a byte order mark\n${YAML}`,
    'good.json': JSON_TEXT,
    'good.mjs': `export default ${OBJECT};`,
    'good.ts': `const config: object = ${OBJECT};\nexport default config;`,
    'good.mts': `export default await Promise.resolve(${OBJECT} satisfies object);`,
    'good.js': `module.exports = ${OBJECT};`,
  };
  for (const [name, text] of Object.entries(kinds)) {
    it(`reads ${name}, and finds its log file from its folder`, async () => {
      const config = await loadConfigFile(file(name, text));
      assert.equal(config.listeners.web?.accessLog, join(folder, 'logs/web.log'));
      assert.equal(config.pools.p?.targets[0]?.address.text, '127.0.0.1:1');
    });
  }

  it('reads a module afresh each time', async () => {
    for (const extension of ['mjs', 'ts']) {
      const write = (workers: number) =>
        file(
          `again.${extension}`,
          `export default { workers: ${workers}, listeners: { a: { address: ':0', protocol: 'http', routes: [{ respond: {} }] } } };`,
        );
      assert.equal((await loadConfigFile(write(2))).workers, 2);
      assert.equal((await loadConfigFile(write(3))).workers, 3);
    }
  });

  it('follows anchors, aliases and merge keys', async () => {
    const path = file(
      'anchors.yaml',
      `
pools:
  a: &base { strategy: random, targets: &targets ["127.0.0.1:1"] }
  b: { <<: *base, strategy: maglev }
  c: { targets: *targets }
listeners: { web: { address: ":0", protocol: tcp, pool: a } }
`,
    );
    const { pools } = await loadConfigFile(path);
    assert.deepEqual(
      Object.values(pools).map((pool) => [pool.strategy, pool.targets.length]),
      [
        ['random', 1],
        ['maglev', 1],
        ['round-robin', 1],
      ],
    );
  });

  it('names the file in front of the problems of what it says', async () => {
    const path = file('wrong.yaml', YAML.replace('pool: p', 'pool: q'));
    const error = await errorOf(path);
    assert.equal(error.code, 'config_invalid');
    assert.equal(
      error.message,
      `${path} has 1 problem:\n  listeners.web.pool: expected the name of a pool but found "q" (text) (did you mean p?)`,
    );
  });
});

describe('a file that is not well formed', () => {
  const rows: [
    name: string,
    text: string,
    problems: [path: string, expected: string, received: RegExp][],
  ][] = [
    ['a.yaml', 'a: [1, 2\nb: 3\n', [['line 2, column 1', 'YAML', /Flow sequence/]]],
    ['b.yaml', 'pools: {}\npools: {}\n', [['line 2, column 1', 'each key once', /unique/]]],
    ['c.yaml', 'a: 1\n---\nb: 2\n', [['line 2, column 1', 'one document', /multiple documents/]]],
    [
      'd.yaml',
      'a: !secret x\n',
      [['line 1, column 4', 'no tags but those of YAML itself', /Unresolved tag/]],
    ],
    ['e.yaml', 'a:\n\tb: 1\n', [['line 2, column 1', 'spaces for indentation', /[Tt]ab/]]],
    ['f.json', '{\n  "a": 1,\n  "b": }\n', [['line 3, column 8', 'a value', /^"}"$/]]],
    ['g.json', '{ "a": 1', [['line 1, column 9', 'a comma or }', /^the end of the file$/]]],
    [
      'h.json',
      '{ "pools": {},\n  "pools": {} }',
      [['line 2, column 3', 'each key once', /^"pools" again$/]],
    ],
    ['i.json', '{ "a": 1, }', [['line 1, column 11', 'a key in double quotes', /^"}"$/]]],
    ['j.json', '', [['line 1, column 1', 'a value', /^the end of the file$/]]],
  ];
  for (const [name, text, problems] of rows) {
    it(`says where: ${JSON.stringify(text)}`, async () => {
      const error = await errorOf(file(name, text));
      assert.equal(error.code, 'config_invalid');
      assert.deepEqual(
        error.problems.slice(0, problems.length).map(({ path, expected }) => [path, expected]),
        problems.map(([path, expected]) => [path, expected]),
      );
      problems.forEach(([, , received], i) => {
        assert.match(error.problems[i]?.received ?? '', received);
      });
    });
  }

  it('cannot exhaust the stack by nesting', async () => {
    const nested = (open: string, close: string) => open.repeat(50_000) + close.repeat(50_000);
    const deep: Record<string, string> = {
      'deep.json': nested('[', ']'),
      'flow.yaml': nested('[', ']'),
      'open.yaml': nested('{a: ', ''),
      'dashes.yaml': nested('- ', ''),
      'keys.yaml': nested('? ', ''),
      'steps.yaml': Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    };
    for (const [name, text] of Object.entries(deep)) {
      assert.equal((await errorOf(file(name, text))).code, 'config_invalid', name);
    }
    const quoted = YAML.replace('pool: p', `routes: [{ respond: { body: "${'['.repeat(900)}" } }]`);
    const { web } = (await loadConfigFile(file('quoted.yaml', quoted))).listeners;
    assert.equal(web?.protocol === 'http' ? web.pool : undefined, null);
    const inside = `{"listeners": {"web": ${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}}`;
    assert.equal((await errorOf(file('inside.json', inside))).code, 'config_invalid');
  });

  it('cannot blow memory up with aliases', async () => {
    const levels = Array.from({ length: 12 }, (_, i) => {
      const previous = i === 0 ? '"x"' : `*a${i - 1}`;
      return `a${i}: &a${i} [${Array.from({ length: 10 }, () => previous).join(', ')}]`;
    });
    const error = await errorOf(file('bomb.yaml', levels.join('\n')));
    assert.equal(error.code, 'config_invalid');
    assert.match(error.problems[0]?.received ?? '', /alias/);
  });
});

describe('a file that cannot be read', () => {
  it('is named with the reason', async () => {
    await assertUnreadable(join(folder, 'none.yaml'), 'there is no such file');
    await assertUnreadable(join(folder, 'none.ts'), 'there is no such file');
    mkdirSync(join(folder, 'folder.yaml'));
    await assertUnreadable(join(folder, 'folder.yaml'), 'it is a folder');
    await assertUnreadable(
      join(file('plain.yaml', YAML), 'x.yaml'),
      'a part of its path is not a folder',
    );
    const kinds = '.yaml, .yml, .json, .ts, .mts, .js or .mjs';
    await assertUnreadable(
      file('sluice.toml', ''),
      `the name of a configuration file ends with ${kinds}`,
    );
    await assertUnreadable(
      file('latin1.yaml', Buffer.from('a: \xfc', 'latin1')),
      'it is not UTF-8 text',
    );
    await assertUnreadable(
      file('large.yaml', Buffer.alloc(17 * 1024 * 1024, ' ')),
      'it is larger than 16MiB',
    );
  });

  it('is named when permission is lacking', {
    skip: process.getuid?.() === 0 && 'root may read everything',
  }, async () => {
    const path = file('secret.yaml', YAML);
    chmodSync(path, 0);
    await assertUnreadable(path, 'permission denied');
  });

  it('is named when it is a module that fails or exports nothing', async () => {
    await assertUnreadable(
      file('throws.mjs', 'throw new RangeError("no\\nluck");'),
      /throws\.mjs: it fails when run: RangeError: no$/,
    );
    await assertUnreadable(
      file('throws.ts', 'throw new Error("luck: " + (1 as number));'),
      /it fails when run: Error: luck: 1$/,
    );
    await assertUnreadable(
      file('syntax.mjs', 'export default {'),
      /it fails when run: SyntaxError/,
    );
    await assertUnreadable(
      file('syntax.ts', 'export default {'),
      /it fails when run: .*syntax\.ts:1:16: ERROR: Expected identifier/,
    );
    await assertUnreadable(
      file('rejects.mjs', 'export default Promise.reject(new Error("later"));'),
      /it fails when run: Error: later$/,
    );
    await assertUnreadable(
      file('nothing.mjs', 'export const config = {};'),
      'it has no default export: write export default defineConfig({ … })',
    );
    await assertUnreadable(
      file('function.ts', 'export default () => ({});'),
      'its default export is a function: export what it returns',
    );
  });
});
