// HTML and SVG as tagged templates: whatever is put into one is escaped, unless it came out of one. So a host that is
// called <script> is text wherever it is shown.

const MADE = Symbol('markup');

/** Text that is markup already. Made by html`…` only. */
export interface Markup {
  readonly [MADE]: true;
  readonly text: string;
}

export type Content = string | number | Markup | null | false | readonly Content[];

export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  const text = strings.reduce((all, part, i) => all + render(values[i - 1] ?? null) + part);
  return { [MADE]: true, text };
}

/** Safe between tags and within quoted attributes. */
export function escapeText(text: string): string {
  return Array.from(text, (character) => ESCAPES[character] ?? withoutControls(character)).join('');
}

/** Text of our own source that is not to be escaped, such as a style sheet; never anything from a report. */
export function trusted(text: string): Markup {
  return { [MADE]: true, text };
}

/** JSON for a <script type="application/json">: nothing in it can end the element or begin a comment. */
export function embedJson(value: unknown): Markup {
  const text = JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return { [MADE]: true, text };
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Neither HTML nor XML has a place for control characters and halves of surrogate pairs. */
function withoutControls(character: string): string {
  const code = character.charCodeAt(0);
  const isControl = (code < 0x20 && !'\t\n\r'.includes(character)) || (code >= 0x7f && code < 0xa0);
  const isHalf = character.length === 1 && code >= 0xd800 && code < 0xe000;
  return isControl || isHalf || code === 0xfffe || code === 0xffff ? '\ufffd' : character;
}

function render(value: Content): string {
  if (value === null || value === false) return '';
  if (typeof value === 'number') return Number.isInteger(value) ? `${value}` : roundForSvg(value);
  if (typeof value === 'string') return escapeText(value);
  if (MADE in value) return value.text;
  return value.map(render).join('');
}

/** Coordinates need no more than a hundredth of a pixel. */
function roundForSvg(value: number): string {
  return Number.isFinite(value) ? String(Math.round(value * 100) / 100) : '0';
}
