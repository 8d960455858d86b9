// A strict reader of the pages that we write: stricter than a browser, so that nothing is mended silently.
import assert from 'node:assert/strict';

export interface Element {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: (Element | string)[];
}

const VOID = ['meta', 'link', 'br', 'hr', 'img', 'input'];
const RAW = ['style', 'script'];
const ENTITY = /^&(?:amp|lt|gt|quot|#39);/;

/** The tree of a page; fails at the first tag that is not closed, attribute without quotes, or stray character. */
export function readPage(page: string): Element {
  const root: Element = { name: '', attributes: new Map(), children: [] };
  const open: Element[] = [root];
  let at = 0;
  const fail = (problem: string): never => {
    assert.fail(`${problem}, before: ${JSON.stringify(page.slice(at, at + 80))}`);
  };
  const current = (): Element => open.at(-1) ?? root;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(page);
    if (found) at += found[0].length;
    return found;
  };
  match(/<!doctype html>\n/y) ?? fail('no doctype');
  while (at < page.length) {
    const text = match(/[^<&]+/y);
    if (text) {
      if (/(?![\t\n\r])[\p{Cc}\p{Cs}]/u.test(text[0])) fail('a control character');
      current().children.push(text[0]);
      continue;
    }
    if (page[at] === '&') {
      const entity = ENTITY.exec(page.slice(at, at + 8))?.[0] ?? fail('an & that is no entity');
      current().children.push(unescapeText(entity));
      at += entity.length;
      continue;
    }
    const close = match(/<\/([a-z0-9]+)>/y);
    if (close) {
      const ended = open.pop();
      if (ended?.name !== close[1]) fail(`</${close[1]}> ends <${ended?.name}>`);
      continue;
    }
    const begin = match(/<([a-z][a-z0-9]*)/y) ?? fail('a < that begins no tag');
    const attributes = new Map<string, string>();
    for (;;) {
      const attribute = match(/\s+([a-zA-Z][a-zA-Z0-9:-]*)="([^"<]*)"/y);
      if (!attribute) break;
      const [, key = '', value = ''] = attribute;
      if (attributes.has(key)) fail(`${key} comes twice`);
      if (/&(?!(?:amp|lt|gt|quot|#39);)/.test(value)) fail('an & that is no entity');
      attributes.set(key, unescapeText(value));
    }
    const end = match(/\s*(\/?)>/y) ?? fail(`<${begin[1]}> does not end`);
    const element: Element = { name: begin[1] ?? '', attributes, children: [] };
    current().children.push(element);
    if (RAW.includes(element.name)) {
      const until = page.indexOf(`</${element.name}`, at);
      if (until < 0) fail(`<${element.name}> does not end`);
      element.children.push(page.slice(at, until));
      at = until;
      open.push(element);
    } else if (end[1] !== '/' && !VOID.includes(element.name)) {
      open.push(element);
    }
  }
  if (open.length !== 1) fail(`<${current().name}> is not closed`);
  return root;
}

export function elementsOf(of: Element, name: string): readonly Element[] {
  return of.children.flatMap((child) =>
    typeof child === 'string'
      ? []
      : [...(child.name === name ? [child] : []), ...elementsOf(child, name)],
  );
}

/** All text in it, but for what only shows when pointed at. */
export function textOf(of: Element): string {
  return of.children
    .map((child) =>
      typeof child === 'string'
        ? child
        : ['title', 'style', 'script'].includes(child.name)
          ? ''
          : textOf(child),
    )
    .join('');
}

function unescapeText(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}
