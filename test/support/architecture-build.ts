// Rules about what holds the sources together: the list of native sources, the addon's contract, and the names that
// documents use.
import type { Storey, Violation } from './architecture.ts';
import { interfaceMembers, type SourceFile } from './typescript-source.ts';

/** binding.gyp lists every source once, below the heading of its floor, floors ascending. */
export function checkGyp(
  gyp: SourceFile,
  natives: readonly string[],
  storeys: readonly Storey[],
): Violation[] {
  const violations: Violation[] = [];
  const lineOf = new Map<string, number>();
  let heading = -1;
  gyp.text.split('\n').forEach((text, i) => {
    const report = (rule: string, found: string): void => {
      violations.push({ file: gyp.file, line: i + 1, rule, found });
    };
    const next = /^\s*#\s*F(\d+)\s*$/.exec(text)?.[1];
    if (next !== undefined) {
      if (Number(next) <= heading) report('floors are listed in ascending order', `F${next}`);
      heading = Number(next);
    }
    const source = /^\s*"(native\/[^"]+\.cc)"/.exec(text)?.[1];
    if (source === undefined) return;
    if (lineOf.has(source)) report('a source is listed once', source);
    lineOf.set(source, i + 1);
    if (!natives.includes(source)) report('a source that is listed is there', source);
    const floor = storeys.find((storey) => source.startsWith(`${storey.at}/`))?.floor;
    if (floor !== heading) report(`a source is listed below its floor, F${floor}`, source);
  });
  for (const source of natives) {
    if (lineOf.has(source)) continue;
    violations.push({ file: gyp.file, line: 1, rule: 'every source is listed', found: source });
  }
  return violations;
}

/** The methods, exports and failures that addon.cc defines are those that addon.d.ts promises. */
export function checkAddon(declared: SourceFile, addon: SourceFile): Violation[] {
  const defined = {
    NativeEngine: namesIn(addon.text, /InstanceMethod<[^>]+>\(\s*"(\w+)"/g),
    NativeAddon: namesIn(addon.text, /napi_set_named_property\(\s*env,\s*exports,\s*"(\w+)"/g),
    NativeFailure: namesIn(addon.text, /\bset\(\s*failure,\s*"(\w+)"/g),
  };
  const members = interfaceMembers(declared);
  return Object.entries(defined).flatMap(([name, names]) =>
    compareNames(declared, name, members.get(name) ?? [], names),
  );
}

export function compareNames(
  { file, text }: SourceFile,
  interfaceName: string,
  declared: readonly string[],
  defined: readonly string[],
): Violation[] {
  const line = text.split('\n').findIndex((one) => one.includes(`interface ${interfaceName}`)) + 1;
  const found = `${interfaceName} declares ${declared.join(', ')}; the addon has ${defined.join(', ')}`;
  const isSame = declared.length > 0 && declared.join() === defined.join();
  const rule = 'addon.d.ts declares what the addon exports';
  return isSame ? [] : [{ file, line: Math.max(line, 1), rule, found }];
}

function namesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = '']) => name).sort();
}

/**
 * What a document names in `code`, the sources have: paths, links, functions `f()`, and members `Owner::f()` in the file
 * that declares their owner.
 */
export function checkNames(
  document: SourceFile,
  sources: readonly SourceFile[],
  exists: (path: string) => boolean,
): Violation[] {
  const codes = sources.map(({ text }) => text.replace(/^\s*(\/\/|\/?\*).*$/gm, ''));
  const isNamed = (span: string): boolean => {
    const [name = '', ...owners] = (span.match(/\w+/g) ?? []).reverse();
    const patterns = [
      new RegExp(`\\b${name}\\s*[(<]`),
      ...owners.map(
        (owner) =>
          new RegExp(`\\b(class|struct|namespace)\\s+(alignas\\(\\w+\\)\\s+)?(\\w+::)*${owner}\\b`),
      ),
    ];
    return codes.some((code) => patterns.every((pattern) => pattern.test(code)));
  };
  const folder = document.file.replace(/[^/]*$/, '');
  return document.text.split('\n').flatMap((text, i) => {
    const report = (rule: string, found: string): Violation[] => [
      { file: document.file, line: i + 1, rule, found },
    ];
    const links = [...text.matchAll(/\]\((?!\w+:)([^)#]+)/g)].flatMap(([, link = '']) =>
      exists(new URL(link, `file:///${folder}`).pathname.slice(1))
        ? []
        : report('a document links to what is there', link),
    );
    const names = [...text.matchAll(/`([^`]+)`/g)].flatMap(([, span = '']) => {
      if (/^(src|native|test|docs|bench|scripts|examples)\/[^\s<>*]*$/.test(span)) {
        return exists(span) ? [] : report('a document names files that are there', span);
      }
      if (!/^#?[A-Za-z_]\w*(?:(?:::|\.#?)\w+)*\(\)$/.test(span)) return [];
      return isNamed(span) ? [] : report('a document names functions that are there', span);
    });
    return [...links, ...names];
  });
}
