// What the architecture test wants to know of a C++ file. Comments and literals are blanked first, so that words in
// them count for nothing.
import type { Import, Place, SourceFile } from './typescript-source.ts';

/** The text with the contents of comments, strings and characters replaced by blanks; lines stay where they are. */
export function blankCpp(text: string): string {
  const blank = (part: string): string => part.replace(/[^\n]/g, ' ');
  // In the order of the alternatives: comments, raw strings, strings, numbers (whose separators are quotes), characters.
  const pattern =
    /\/\/(?:\\\n|[^\n])*|\/\*[\s\S]*?(?:\*\/|$)|R"([^\s()\\]{0,16})\([\s\S]*?\)\1"|"(?:\\[\s\S]|[^"\\\n])*"|\b\d(?:'?[\w.])*|'(?:\\[\s\S]|[^'\\\n])+'/g;
  return text.replace(pattern, (part) => (/^\d/.test(part) ? part : blank(part)));
}

/** Every `#include`; quoted ones are paths from native/. */
export function includesOf({ file, text }: SourceFile): Import[] {
  const code = blankCpp(text).split('\n');
  return text.split('\n').flatMap((line, i) => {
    const [, mark, specifier = ''] = /^\s*#\s*include\s*([<"])([^>"]+)[>"]/.exec(line) ?? [];
    if (!mark || !/^\s*#\s*include/.test(code[i] ?? '')) return [];
    return [{ file, line: i + 1, specifier, target: mark === '"' ? `native/${specifier}` : null }];
  });
}

/** Where `pattern` stands in the code; `#include` lines are not code. */
export function codePlaces({ text }: SourceFile, pattern: RegExp): Place[] {
  return blankCpp(text)
    .split('\n')
    .flatMap((line, i) =>
      /^\s*#\s*include/.test(line)
        ? []
        : [...line.matchAll(new RegExp(pattern, 'g'))].map(([found]) => ({ line: i + 1, found })),
    );
}

/** Names of the classes, structs, unions, enums, concepts, namespaces and aliases declared. */
export function cppTypesOf({ text }: SourceFile): Place[] {
  const declaration =
    /\b(?:class|struct|union|enum(?:\s+(?:class|struct))?|concept|namespace|using)\s+(?:\[\[[^\]]*\]\]\s*|alignas\s*\([^)]*\)\s*)*([A-Za-z_][\w:]*)/g;
  return blankCpp(text)
    .split('\n')
    .flatMap((line, i) =>
      [...line.matchAll(declaration)].map(([, found = '']) => ({ line: i + 1, found })),
    );
}

/** Whether the comment that ends on the line above gives a reason that begins with `RULE:`. */
export function hasRuleAbove({ text }: SourceFile, line: number): boolean {
  const lines = text.split('\n');
  for (let above = line - 2; above >= 0 && /^\s*\/\//.test(lines[above] ?? ''); above--) {
    if (/\bRULE:\s*\S+\s+\S+/.test(lines[above] ?? '')) return true;
  }
  return false;
}
