// The page that tells why a forward proxy refused: HTML with places that engines fill in, escaped.
import { PAGE_PARTS } from '../contract/codes.ts';
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
