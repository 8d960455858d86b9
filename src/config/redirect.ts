// The template of `redirect.to`: literal text and {scheme} {host} {path} {query}. The shape is held to what
// cannot send a client to a host that the request's path names.
import { closest } from './closest.ts';
import { type Parsed, parsed, refused } from './parsed.ts';

export interface TemplatePart {
  readonly part: 'literal' | 'scheme' | 'host' | 'path' | 'query';
  /** The text of a literal, '' otherwise. */
  readonly text: string;
}

const PARTS = ['scheme', 'host', 'path', 'query'] as const;

export function parseRedirect(text: string): Parsed<readonly TemplatePart[]> {
  const expected = 'where to, such as https://{host}{path}{query} or /new{path}';
  if (/[^\x21-\x7e]/.test(text))
    return refused(expected, 'no spaces, line ends or non-ASCII characters: escape them as %XX');
  const parts: TemplatePart[] = [];
  for (const piece of text.split(/(\{[^{}]*\})/)) {
    if (piece === '') continue;
    if (!/[{}]/.test(piece)) {
      parts.push({ part: 'literal', text: piece });
      continue;
    }
    const name = piece.slice(1, -1);
    const part = PARTS.find((known) => piece === `{${known}}`);
    if (part === undefined) {
      const near = closest(name, PARTS);
      return refused(
        expected,
        near === null ? 'the parts are {scheme} {host} {path} {query}' : `did you mean {${near}}?`,
      );
    }
    parts.push({ part, text: '' });
  }
  const problem = describeOpenTemplate(text);
  return problem === null ? parsed(parts) : refused(expected, problem);
}

/** A path such as //other.example at the front of a Location names a host: only a fixed beginning rules that out. */
function describeOpenTemplate(text: string): string | null {
  if (/^(?:https?|\{scheme\}):\/\/(?:\{host\}|[^/{}?#@]+)(?:[/{?#]|$)/.test(text)) return null;
  if (/^\/(?:$|[^/\\{])/.test(text)) return null;
  if (text.startsWith('{path}')) return `write {scheme}://{host}${text}`;
  return 'begin with http://, https://, {scheme}:// and a host, or with a slash and text';
}
