// Holds the tree to ARCHITECTURE.md: floors, walls, words. That each check objects to what is wrong is shown by
// test/unit/support/architecture.test.ts.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe as group, test } from 'node:test';
import { loadAddon } from '../src/engine/native/load.ts';
import {
  assertNone,
  checkAbsent,
  checkCasts,
  checkFacts,
  checkFloors,
  checkVocabulary,
  checkWalls,
  excuse,
  readTree,
} from './support/architecture.ts';
import { checkAddon, checkGyp, checkNames, compareNames } from './support/architecture-build.ts';
import {
  ALLOCATES,
  ALLOCATION_EXCEPTIONS,
  BARREL_EXCEPTIONS,
  BYTE_PATH,
  CPP_PASSAGES,
  CPP_STOREYS,
  CPP_WALLS,
  LOAD_WALLS,
  NAMELESS_EXCEPTIONS,
  READS_ERRNO,
  TS_STOREYS,
  TS_WALLS,
  WALL_EXCEPTIONS,
} from './support/architecture-rules.ts';
import { interfaceMembers, type SourceFile } from './support/typescript-source.ts';

const root = new URL('..', import.meta.url);
const read = (file: string): SourceFile => ({
  file,
  text: readFileSync(new URL(file, root), 'utf8'),
});

const src = readTree(root, ['src'], ['.ts']);
const typescript = [
  ...src,
  ...readTree(root, ['test', 'bench', 'examples', 'scripts'], ['.ts', '.mjs']),
  ...readTree(root, ['bin'], ['.js']),
];
const everyNative = readTree(root, ['native'], ['.h', '.cc']);
/** The bench's generators are programs of their own: rivals are measured with them, so nothing of ours is in them. */
const load = everyNative.filter(({ file }) => file.startsWith('native/load/'));
const native = everyNative.filter((file) => !load.includes(file));
const production = native.filter(({ file }) => !/^native\/(test|fuzz|micro)\//.test(file));
const documents = [
  read('ARCHITECTURE.md'),
  ...readTree(root, ['docs'], ['.md']).filter(({ file }) => file !== 'docs/configuration.md'),
];

group('the tree', () => {
  test('has files on every floor that is listed and built', () => {
    const files = [...src, ...native].map(({ file }) => file);
    for (const { at } of [...TS_STOREYS, ...CPP_STOREYS]) {
      const isThere = files.some((file) => file === at || file.startsWith(`${at}/`));
      assert.ok(isThere, at);
    }
  });

  test('imports downwards', () => {
    assertNone(checkFloors(src, TS_STOREYS));
    assertNone(checkFloors(native, CPP_STOREYS, CPP_PASSAGES));
  });

  test('keeps its walls', () => {
    assertNone(checkWalls(src, TS_WALLS));
    assertNone(excuse(checkWalls(native, CPP_WALLS), WALL_EXCEPTIONS));
  });

  test('keeps the load generators apart', () => {
    assert.ok(load.length > 5);
    assertNone(checkWalls(everyNative, LOAD_WALLS));
  });

  test('reads errno in native/net only', () => {
    const others = native.filter(({ file }) => !file.startsWith('native/net/'));
    assertNone(checkAbsent(others, READS_ERRNO, 'errno is read in native/net only'));
  });

  test('does not allocate on the byte path', () => {
    const path = production.filter(({ file }) => BYTE_PATH.test(file));
    assert.ok(path.length > 30);
    const rule = 'http/, balance/, policy/, socks/ and relay/ do not allocate';
    assertNone(excuse(checkAbsent(path, ALLOCATES, rule), ALLOCATION_EXCEPTIONS));
  });

  test('reinterprets memory only where a reason stands', () => {
    assertNone(checkCasts(native));
  });

  test('loads the addon in src/engine/native/load.ts only', () => {
    const rule = 'the addon is loaded in src/engine/native/load.ts only';
    const others = typescript.filter(
      ({ file }) =>
        /^(src|bin)\//.test(file) && !/^src\/engine\/(native|uws)\/load\.ts$/.test(file),
    );
    assertNone(checkFacts(others, 'loads', rule));
    assert.ok(checkFacts([read('src/engine/native/load.ts')], 'loads', rule).length > 0);
  });

  test('exports names, and passes them on in src/index.ts only', () => {
    const named = checkFacts(typescript, 'namelessExports', 'exports have names');
    assertNone(excuse(named, NAMELESS_EXCEPTIONS));
    const others = src.filter(({ file }) => file !== 'src/index.ts');
    const passedOn = checkFacts(others, 'passedOn', 'only src/index.ts passes on what it imports');
    assertNone(excuse(passedOn, BARREL_EXCEPTIONS));
  });

  test('has no enum and no namespace in TypeScript', () => {
    const rule = 'TypeScript without enum and namespace';
    assertNone(checkFacts(typescript, 'enumsAndNamespaces', rule));
  });

  test('has one word per thing', () => {
    assertNone(checkVocabulary([...src, ...everyNative]));
  });

  test('lists every native source in binding.gyp, floor by floor', () => {
    const sources = production.map(({ file }) => file).filter((file) => file.endsWith('.cc'));
    assertNone(checkGyp(read('binding.gyp'), sources, CPP_STOREYS));
  });

  test('defines what addon.d.ts declares', () => {
    const declared = read('src/engine/native/addon.d.ts');
    assertNone(checkAddon(declared, read('native/addon/addon.cc')));
  });

  test('declares what the built addon has', (t) => {
    const { addon, reason } = loadAddon();
    if (!addon) return t.skip(reason);
    const declared = read('src/engine/native/addon.d.ts');
    const members = interfaceMembers(declared);
    const engine = addon.createEngine(1, 'epoll');
    const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(engine));
    engine.close();
    const found = {
      NativeAddon: Object.keys(addon).sort(),
      NativeEngine: methods.filter((name) => name !== 'constructor').sort(),
    };
    for (const [name, names] of Object.entries(found)) {
      assertNone(compareNames(declared, name, members.get(name) ?? [], names));
    }
  });

  test('has the files and functions that its documents name', () => {
    const exists = (path: string): boolean => existsSync(new URL(path, root));
    const named = [...typescript, ...everyNative];
    assertNone(documents.flatMap((document) => checkNames(document, named, exists)));
  });
});
