// The page that tells why a forward proxy refused: HTML with places that engines fill in, escaped.
import { PAGE_PARTS, type PagePart } from '../contract/codes.ts';
import type { PagePiece } from './plan.ts';

const DEFAULT_PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Refused</title></head>
<body><h1>Refused</h1>
<p>The proxy does not let you reach <b>{host}</b>: {reason}.</p>
</body></html>
`;

/** null: the built-in page. What stands in braces and is no known word stays as it is. */
export function readPage(text: string | null): readonly PagePiece[] {
  const pieces: PagePiece[] = [];
  const words = PAGE_PARTS.filter((part) => part !== 'literal');
  for (const piece of (text ?? DEFAULT_PAGE).split(new RegExp(`(\\{(?:${words.join('|')})\\})`))) {
    const word = words.find((one) => piece === `{${one}}`);
    if (word !== undefined) pieces.push({ part: word, text: '' });
    else if (piece !== '') pieces.push({ part: 'literal', text: piece });
  }
  return pieces;
}

/** What the page tells of. */
export type PageValues = Readonly<Record<Exclude<PagePart, 'literal'>, string>>;

/** The page as HTML. Everything filled in is escaped: hosts and users are what a client wrote. */
export function fillPage(page: readonly PagePiece[], values: PageValues): string {
  return page
    .map(({ part, text }) => (part === 'literal' ? text : escapeHtml(values[part])))
    .join('');
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}
