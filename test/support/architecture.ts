// The rules of ARCHITECTURE.md as functions from sources to violations. Nothing here reads a file but readTree(), so
// that test/architecture.test.ts can show each rule something that breaks it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { codePlaces, cppTypesOf, hasRuleAbove, includesOf } from './cpp-source.ts';
import { type Import, type Place, readTypeScript, type SourceFile } from './typescript-source.ts';

export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly found: string;
}

/** A breach that is known and meant. */
export interface Exception {
  readonly file: string;
  readonly found: string;
  readonly times: number;
  readonly reason: string;
}

/** A folder, or a file that stands on a floor of its own. */
export interface Storey {
  readonly at: string;
  readonly floor: number;
}

/** Certain imports may stand in certain files only. */
export interface Wall {
  readonly rule: string;
  /** Which files it is about; all by default. */
  readonly of?: RegExp;
  /** What is meant: a path of the repository, else the specifier as written. */
  readonly imports: RegExp;
  /** Where it may stand nevertheless. */
  readonly only?: RegExp;
}

/** Fails with a line a violation: where, which rule, what. */
export function assertNone(violations: readonly Violation[]): void {
  const lines = violations.map(
    ({ file, line, rule, found }) => `${file}:${line}: ${rule}: ${found}`,
  );
  if (lines.length > 0) assert.fail(`\n${lines.join('\n')}`);
}

/** The text files below `folders` whose name ends with one of `suffixes`, in order. */
export function readTree(
  root: URL,
  folders: readonly string[],
  suffixes: readonly string[],
): SourceFile[] {
  const files: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(new URL(`${folder}/`, root), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      else if (suffixes.some((suffix) => path.endsWith(suffix))) files.push(path);
    }
  };
  for (const folder of folders) walk(folder);
  return files.sort().map((file) => ({ file, text: readFileSync(new URL(file, root), 'utf8') }));
}

export const isCpp = ({ file }: SourceFile): boolean => /\.(h|cc)$/.test(file);

export function importsOf(source: SourceFile): readonly Import[] {
  return isCpp(source) ? includesOf(source) : readTypeScript(source).imports;
}

/** What is left of `violations` after `exceptions`; an exception that is not needed as stated is one too many. */
export function excuse(
  violations: readonly Violation[],
  exceptions: readonly Exception[],
): Violation[] {
  const isMeant = (violation: Violation, { file, found }: Exception): boolean =>
    violation.file === file && violation.found === found;
  const left = violations.filter((one) => !exceptions.some((exception) => isMeant(one, exception)));
  for (const exception of exceptions) {
    const its = violations.filter((one) => isMeant(one, exception));
    if (its.length === exception.times) continue;
    const { file, found, times } = exception;
    const rule = `an exception is listed for ${times} of these and there are ${its.length}`;
    left.push(
      ...(its.length > 0 ? its : [{ file, line: 1, found }]).map((at) => ({ ...at, rule })),
    );
  }
  return left;
}

/** A file imports its own folder or a lower floor; `except` lists `from -> to`. */
export function checkFloors(
  sources: readonly SourceFile[],
  storeys: readonly Storey[],
  except: readonly string[] = [],
): Violation[] {
  const rule = 'a file imports its own folder or a lower floor';
  const all = new Set(sources.map(({ file }) => file));
  return sources.flatMap((source) => {
    const from = storeyOf(source.file, storeys);
    if (!from) {
      return [{ file: source.file, line: 1, rule: 'every file stands on a floor', found: 'none' }];
    }
    return importsOf(source).flatMap(({ file, line, target }) => {
      if (target === null) return [];
      const to = storeyOf(target, storeys);
      if (!to || !all.has(target)) {
        return [{ file, line, rule: 'an import names a file that is there', found: target }];
      }
      const passage = `${from.at} -> ${to.at}`;
      const isOpen = from === to || to.floor < from.floor || except.includes(passage);
      return isOpen ? [] : [{ file, line, rule, found: `${target} (${passage})` }];
    });
  });
}

function storeyOf(file: string, storeys: readonly Storey[]): Storey | undefined {
  return storeys
    .filter(({ at }) => file === at || file.startsWith(`${at}/`))
    .sort((a, b) => b.at.length - a.at.length)[0];
}

export function checkWalls(sources: readonly SourceFile[], walls: readonly Wall[]): Violation[] {
  return sources.flatMap((source) =>
    importsOf(source).flatMap(({ file, line, specifier, target }) => {
      const found = target ?? specifier;
      return walls
        .filter(({ of, imports, only }) => {
          return (of?.test(file) ?? true) && imports.test(found) && !only?.test(file);
        })
        .map(({ rule }) => ({ file, line, rule, found }));
    }),
  );
}

/** `pattern` stands in no code of `sources`. */
export function checkAbsent(
  sources: readonly SourceFile[],
  pattern: RegExp,
  rule: string,
): Violation[] {
  return sources.flatMap((source) => at(source, rule, codePlaces(source, pattern)));
}

export function checkCasts(sources: readonly SourceFile[]): Violation[] {
  const rule =
    'reinterpret_cast only in native/net/socket_address.cc, or below a comment `RULE: why`';
  return checkAbsent(
    sources.filter(({ file }) => file !== 'native/net/socket_address.cc'),
    /\breinterpret_cast\b/,
    rule,
  ).filter(({ file, line }) => {
    const source = sources.find((one) => one.file === file);
    return source && !hasRuleAbove(source, line);
  });
}

/** Of the facts about a TypeScript file. */
export function checkFacts(
  sources: readonly SourceFile[],
  which: 'namelessExports' | 'passedOn' | 'enumsAndNamespaces' | 'loads',
  rule: string,
): Violation[] {
  return sources.flatMap((source) => at(source, rule, readTypeScript(source)[which]));
}

const at = ({ file }: SourceFile, rule: string, places: readonly Place[]): Violation[] =>
  places.map(({ line, found }) => ({ file, line, rule, found }));

const NOT_OUR_WORDS = [
  ...['backend', 'server', 'endpoint', 'peer', 'node', 'downstream', 'manager', 'helper'],
  ...['util', 'utility', 'utilities'],
];

/** What TLS itself calls its two sides (RFC 8446) and the name that a client asks for (RFC 6066). */
const WORDS_OF_TLS = /server[-_]?(?:tls|names?|context)|peer[-_]?certificate/gi;

/** One word per thing: files, folders and types are not called by the words that we do without. */
export function checkVocabulary(sources: readonly SourceFile[]): Violation[] {
  return sources.flatMap((source) => {
    const types = isCpp(source) ? cppTypesOf(source) : readTypeScript(source).types;
    const names = [{ line: 1, found: source.file }, ...types];
    return names.flatMap((place) => {
      const word = wordsOf(place.found.replaceAll(WORDS_OF_TLS, '')).find((one) =>
        NOT_OUR_WORDS.includes(one),
      );
      const rule = `"${word}" is not a word of ours for a type, file or folder`;
      return word === undefined ? [] : at(source, rule, [place]);
    });
  });
}

function wordsOf(name: string): string[] {
  const words = name.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g) ?? [];
  return words.map((word) => word.toLowerCase()).map((word) => word.replace(/([^s])s$/, '$1'));
}
