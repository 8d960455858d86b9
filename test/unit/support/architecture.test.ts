// The checks behind test/architecture.test.ts: each must object to a file that is wrong, and to no other.
import assert from 'node:assert/strict';
import { describe as group, test } from 'node:test';
import {
  assertNone,
  checkAbsent,
  checkCasts,
  checkFacts,
  checkFloors,
  checkVocabulary,
  checkWalls,
  excuse,
  type Violation,
} from '../../support/architecture.ts';
import {
  checkAddon,
  checkGyp,
  checkNames,
  compareNames,
} from '../../support/architecture-build.ts';
import {
  ALLOCATES,
  CPP_PASSAGES,
  CPP_STOREYS,
  CPP_WALLS,
  READS_ERRNO,
  TS_STOREYS,
  TS_WALLS,
} from '../../support/architecture-rules.ts';
import type { SourceFile } from '../../support/typescript-source.ts';

const source = (file: string, ...lines: readonly string[]): SourceFile => ({
  file,
  text: lines.join('\n'),
});

function assertFinds(violations: readonly Violation[], expected: readonly string[]): void {
  assert.deepEqual(
    violations.map(({ file, line, found }) => `${file}:${line}: ${found}`),
    expected,
  );
}

group('a violation', () => {
  test('names file, line and rule', () => {
    const violation = { file: 'src/a.ts', line: 7, rule: 'a rule', found: 'a breach' };
    assert.throws(
      () => assertNone([violation]),
      /^AssertionError.*: \nsrc\/a\.ts:7: a rule: a breach$/,
    );
    assert.doesNotThrow(() => assertNone([]));
  });

  test('is excused by an exception that fits it exactly', () => {
    const one = { file: 'a.cc', line: 3, rule: 'r', found: 'new' };
    const exception = { file: 'a.cc', found: 'new', times: 1, reason: 'once' };
    assertFinds(excuse([one], [exception]), []);
    assertFinds(excuse([one, { ...one, line: 9 }], [exception]), ['a.cc:3: new', 'a.cc:9: new']);
    assertFinds(excuse([], [exception]), ['a.cc:1: new']);
    assertFinds(excuse([{ ...one, found: 'malloc' }], [exception]), [
      'a.cc:3: malloc',
      'a.cc:1: new',
    ]);
  });
});

group('the floors', () => {
  const there = (...files: readonly string[]): SourceFile[] => files.map((file) => source(file));

  test('let imports go down and sideways within a folder, in any form', () => {
    const files = [
      source(
        'src/plan/a.ts',
        "import { b } from './b.ts';",
        "import type { c } from '../contract/c.ts';",
        "export { d } from '../balance/d.ts';",
        "const late = () => import('../config/e.ts');",
        "import fs from 'node:fs';",
      ),
      ...there('src/plan/b.ts', 'src/contract/c.ts', 'src/balance/d.ts', 'src/config/e.ts'),
    ];
    assertFinds(checkFloors(files, TS_STOREYS), []);
  });

  test('stop imports that go up, whatever their form', () => {
    const up = source(
      'src/contract/a.ts',
      "// import { x } from '../plan/p.ts'; says a comment",
      "import { p } from '../plan/p.ts';",
      "export type { q } from '../plan/p.ts';",
      "type R = import('../plan/p.ts').R;",
      "const late = () => import('../plan/p.ts');",
    );
    const breach = 'src/plan/p.ts (src/contract -> src/plan)';
    assertFinds(
      checkFloors([up, ...there('src/plan/p.ts')], TS_STOREYS),
      [2, 3, 4, 5].map((line) => `src/contract/a.ts:${line}: ${breach}`),
    );
  });

  test('stop imports of a sibling, unless listed', () => {
    const files = [
      source('native/plan/a.h', '#include <vector>', '#include "net/b.h"'),
      source('native/base/c.h', '/*', '#include "plan/a.h"', '*/', '#include "generated/d.h"'),
      ...there('native/net/b.h', 'native/generated/d.h'),
    ];
    assertFinds(checkFloors(files, CPP_STOREYS, CPP_PASSAGES), [
      'native/plan/a.h:2: native/net/b.h (native/plan -> native/net)',
    ]);
    assertFinds(checkFloors(files, CPP_STOREYS), [
      'native/plan/a.h:2: native/net/b.h (native/plan -> native/net)',
      'native/base/c.h:4: native/generated/d.h (native/base -> native/generated)',
    ]);
  });

  test('keep the engines apart and below what makes them', () => {
    const files = [
      source('src/engine/js/a.ts', "import '../native/b.ts';", "import '../select.ts';"),
      source('src/engine/native/b.ts', "import '../engine.ts';"),
      source('src/engine/select.ts', "import './js/a.ts';"),
      ...there('src/engine/engine.ts'),
    ];
    assertFinds(checkFloors(files, TS_STOREYS), [
      'src/engine/js/a.ts:1: src/engine/native/b.ts (src/engine/js -> src/engine/native)',
      'src/engine/js/a.ts:2: src/engine/select.ts (src/engine/js -> src/engine/select.ts)',
    ]);
  });

  test('know every file, and every file that is imported', () => {
    const files = [source('src/misc/a.ts'), source('src/plan/b.ts', '', "import './gone.ts';")];
    assertFinds(checkFloors(files, TS_STOREYS), [
      'src/misc/a.ts:1: none',
      'src/plan/b.ts:2: src/plan/gone.ts',
    ]);
    const include = [source('native/plan/a.cc', '#include "a.h"'), source('native/plan/a.h')];
    assertFinds(checkFloors(include, CPP_STOREYS), ['native/plan/a.cc:1: native/a.h']);
  });
});

group('the walls', () => {
  test('of TypeScript stop what they are there for', () => {
    const imports = [
      ['src/engine/js/a.ts', '../../config/config.ts', 'src/config/config.ts'],
      ['src/engine/js/a.ts', '../../plan/compile.ts', 'src/plan/compile.ts'],
      ['src/proxy.ts', './engine/js/engine.ts', 'src/engine/js/engine.ts'],
      ['src/cli/a.ts', '../engine/native/addon.d.ts', 'src/engine/native/addon.d.ts'],
      ['src/engine/js/a.ts', 'uWebSockets.js', 'uWebSockets.js'],
      ['src/plan/a.ts', 'node:fs', 'node:fs'],
      ['src/contract/a.ts', 'zod', 'zod'],
    ] as const;
    for (const [file, specifier, found] of imports) {
      const violations = checkWalls([source(file, `import '${specifier}';`)], TS_WALLS);
      assert.ok(violations.length > 0, `${file} may import ${specifier}`);
      for (const one of violations) assert.equal(one.found, found);
    }
  });

  test('of TypeScript let the rest pass', () => {
    const imports = [
      ['src/engine/js/a.ts', '../../plan/match.ts'],
      ['src/engine/select.ts', './js/engine.ts'],
      ['src/engine/native/a.ts', './addon.d.ts'],
      ['src/engine/uws/a.ts', 'uWebSockets.js'],
      ['src/config/a.ts', 'zod'],
      ['src/plan/a.ts', '../contract/codes.ts'],
    ] as const;
    for (const [file, specifier] of imports) {
      assertFinds(checkWalls([source(file, `import '${specifier}';`)], TS_WALLS), []);
    }
  });

  test('of C++ stop what they are there for', () => {
    const includes = [
      ['native/worker/a.cc', 'napi.h', 'native/addon/a.cc'],
      ['native/worker/a.cc', 'node_api.h', 'native/addon/a.cc'],
      ['native/relay/a.cc', 'cerrno', 'native/net/a.cc'],
      ['native/relay/a.cc', 'errno.h', 'native/net/a.cc'],
      ['native/http/a.cc', 'sys/socket.h', 'native/net/a.cc'],
      ['native/relay/a.cc', 'sys/epoll.h', 'native/net/a.cc'],
      ['native/upstream/a.cc', 'netinet/in.h', 'native/net/a.cc'],
    ] as const;
    for (const [file, header, allowed] of includes) {
      const line = `#include <${header}>`;
      assertFinds(checkWalls([source(file, line)], CPP_WALLS), [`${file}:1: ${header}`]);
      assertFinds(checkWalls([source(allowed, line)], CPP_WALLS), []);
    }
  });
});

group('words in C++', () => {
  test('count in code, not in comments, literals and includes', () => {
    const text = source(
      'native/http/a.cc',
      '#include <new>',
      '// a new line; malloc',
      '/* std::string',
      '   new */ const char* a = "new \\" malloc"; char q = \'"\'; int n = 1\'000; // new',
      'const char* raw = R"x(new "quoted" malloc)x";',
      'std::string_view view; renew(); newest_ = nullptr;',
      'int* b = new int; free(malloc(1)); std::string s;',
      "long c = 1'000'000; char d = 'n'; auto e = std::make_unique<int>(3);",
    );
    assertFinds(checkAbsent([text], ALLOCATES, 'no'), [
      'native/http/a.cc:7: new',
      'native/http/a.cc:7: malloc',
      'native/http/a.cc:7: std::string',
      'native/http/a.cc:8: std::make_unique',
    ]);
  });

  test('tell errno from words that contain it', () => {
    const text = source('a.cc', 'if (errno == EAGAIN) {}', 'set("errno"); int errnoName;');
    assertFinds(checkAbsent([text], READS_ERRNO, 'no'), ['a.cc:1: errno']);
  });

  test('let a cast pass with its reason above it only', () => {
    const cast = 'auto* p = reinterpret_cast<char*>(q);';
    const breach = 'native/http/a.cc:3: reinterpret_cast';
    const check = (...above: readonly string[]) =>
      checkCasts([source('native/http/a.cc', ...above, cast)]);
    assertFinds(check('', ''), [breach]);
    assertFinds(check('// RULE:', '// a comment'), [breach]);
    assertFinds(check('// RULE: bytes are bytes', ''), [breach]);
    assertFinds(check('// a comment', 'int RULE = 1;'), [breach]);
    assertFinds(check('', '// RULE: the kernel fills it with chars'), []);
    assertFinds(check('// RULE: the kernel fills', '// it with chars'), []);
    assertFinds(checkCasts([source('native/net/socket_address.cc', cast)]), []);
  });
});

group('words in TypeScript', () => {
  test('that make exports nameless are found, in code only', () => {
    const text = source(
      'src/a.ts',
      "const s = 'export default x'; // export default y",
      'export default function f() {}',
      'export { s as default };',
      "export * from './b.ts';",
      'export = s;',
      'export { s, s as t };',
    );
    assertFinds(checkFacts([text], 'namelessExports', 'no'), [
      'src/a.ts:2: export default',
      'src/a.ts:3: export default',
      'src/a.ts:4: export *',
      'src/a.ts:5: export =',
    ]);
    assertFinds(checkFacts([source('a.ts', 'export default 1;')], 'namelessExports', 'no'), [
      'a.ts:1: export default',
    ]);
  });

  test('that pass on what was imported are found', () => {
    const text = source(
      'src/plan/a.ts',
      "import { b, type c as d } from './b.ts';",
      'const own = 1;',
      'export { own, b, d as e };',
      "export type { f } from './f.ts';",
    );
    assertFinds(checkFacts([text], 'passedOn', 'no'), [
      'src/plan/a.ts:3: export { b }',
      'src/plan/a.ts:3: export { d }',
      "src/plan/a.ts:4: export … from './f.ts'",
    ]);
  });

  test('that erase to nothing are told from those that do not', () => {
    const text = source('a.ts', 'z.enum([]);', 'const enum A {}', 'namespace B {}', 'type C = 1;');
    assertFinds(checkFacts([text], 'enumsAndNamespaces', 'no'), [
      'a.ts:2: enum A',
      'a.ts:3: namespace B',
    ]);
  });

  test('that load an addon are found', () => {
    const text = source(
      'src/a.ts',
      "import { createRequire } from 'node:module';",
      "process.dlopen(module, '/x/build/Release/sluice.node');",
      "import 'node:fs';",
    );
    assertFinds(checkFacts([text], 'loads', 'no'), [
      'src/a.ts:1: createRequire',
      'src/a.ts:2: dlopen',
      'src/a.ts:2: /x/build/Release/sluice.node',
    ]);
  });
});

test('the vocabulary covers files, folders and types of both languages, not what others named', () => {
  const files = [
    source('src/peers/list.ts', "import { type Server } from 'node:http';", 'let s: Server;'),
    source('src/a.ts', 'interface HttpServer {}', 'type Nodes = 1;', 'class RouteHelper {}'),
    source('src/observe/a.ts', 'type Observer = 1;', 'const server = 1; // class Server {}'),
    source('native/net/peer_table.cc', 'enum class Backend : int {};'),
    source('native/net/b.h', 'struct [[nodiscard]] SocketManager;', 'namespace a::util {}'),
    source('native/net/c.h', 'using Endpoint = int;', 'enum class Field { Server };'),
  ];
  assertFinds(checkVocabulary(files), [
    'src/peers/list.ts:1: src/peers/list.ts',
    'src/a.ts:1: HttpServer',
    'src/a.ts:2: Nodes',
    'src/a.ts:3: RouteHelper',
    'native/net/peer_table.cc:1: native/net/peer_table.cc',
    'native/net/peer_table.cc:1: Backend',
    'native/net/b.h:1: SocketManager',
    'native/net/b.h:2: a::util',
    'native/net/c.h:1: Endpoint',
  ]);
});

group('binding.gyp', () => {
  const sources = ['native/plan/a.cc', 'native/http/b.cc'];
  const check = (...lines: readonly string[]) =>
    checkGyp(source('binding.gyp', ...lines), sources, CPP_STOREYS);

  test('that lists all once below their floors is right', () => {
    assertFinds(check('# F1', '"native/plan/a.cc",', '# F2', '"native/http/b.cc"'), []);
  });

  test('that forgets, repeats, invents or misplaces one is not', () => {
    assertFinds(check('# F1', '"native/plan/a.cc",'), ['binding.gyp:1: native/http/b.cc']);
    const lines = ['# F2', '"native/http/b.cc",', '"native/http/b.cc",', '"native/http/c.cc",'];
    assertFinds(check(...lines, '# F1', '"native/plan/a.cc"'), [
      'binding.gyp:3: native/http/b.cc',
      'binding.gyp:4: native/http/c.cc',
      'binding.gyp:5: F1',
    ]);
    assertFinds(check('# F1', '"native/plan/a.cc",', '"native/http/b.cc"'), [
      'binding.gyp:3: native/http/b.cc',
    ]);
  });
});

test("the addon's contract must name what the addon defines", () => {
  const declared = source(
    'addon.d.ts',
    'export interface NativeFailure { readonly kind: string; }',
    'export interface NativeEngine { apply(): void; close(): void; }',
    'export interface NativeAddon { readonly abi: string; }',
  );
  const addon = (method: string) =>
    source(
      'addon.cc',
      `InstanceMethod<&E::apply>("apply"), InstanceMethod<&E::x>("${method}")`,
      'set(failure, "kind", x); napi_set_named_property(env, exports, "abi", x);',
    );
  assertFinds(checkAddon(declared, addon('close')), []);
  assertFinds(checkAddon(declared, addon('drain')), [
    'addon.d.ts:2: NativeEngine declares apply, close; the addon has apply, drain',
  ]);
  assert.equal(compareNames(declared, 'NativeGone', [], []).length, 1);
});

test('documents may name and link to what is there only', () => {
  const code = [
    source('native/a.h', '// spin(): what class Loop never does', 'class Loop { void turn(); };'),
    source('b.ts', 'async function run<T>(x: T) {}', '/* halt() */'),
  ];
  const exists = (path: string) => ['docs/b.md', 'native/a.h', 'README.md'].includes(path);
  const document = source(
    'docs/a.md',
    'See `native/a.h`, `Loop::turn()`, `run()`, `any words`, [b](b.md), [r](../README.md#top).',
    'See `native/gone.h`, `Loop::run()`, `halt()`, [c](c.md), [web](https://example.com).',
    '`Loop::spin()`',
  );
  assertFinds(checkNames(document, code, exists), [
    'docs/a.md:2: c.md',
    'docs/a.md:2: native/gone.h',
    'docs/a.md:2: Loop::run()',
    'docs/a.md:2: halt()',
    'docs/a.md:3: Loop::spin()',
  ]);
});
