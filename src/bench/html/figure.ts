// The frame of every plot: a title that says what is better, the drawing with its text alternative, and the numbers
// beneath it.
import { type Content, html, type Markup } from './markup.ts';

/** Width of every drawing, in its own units; the page scales it. */
export const WIDTH = 480;

export interface Plot {
  readonly height: number;
  readonly drawing: Markup;
}

export interface FigureParts {
  readonly title: string;
  /** What is better, such as `less is better`. */
  readonly better: string;
  /** What the picture shows, for those who cannot see it. */
  readonly description: string;
  readonly plot: Plot;
  readonly beneath?: Content;
}

export function figure(parts: FigureParts): Markup {
  const { title, better, description, plot, beneath = null } = parts;
  return html`<figure class="plot">
<figcaption>${title} <span class="better">${better}</span></figcaption>
${drawing(plot, description)}
${beneath}</figure>
`;
}

export function drawing({ height, drawing }: Plot, description: string): Markup {
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${description}" xmlns="http://www.w3.org/2000/svg">${drawing}</svg>`;
}

export interface TextStyle {
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly kind?: 'label' | 'tick' | 'value' | 'axis';
  /** What is shown when the pointer rests on it: the whole of a text that was cut. */
  readonly whole?: string;
}

export function textAt(x: number, y: number, text: string, style: TextStyle = {}): Markup {
  const { anchor = 'start', kind = 'label', whole } = style;
  const title = whole !== undefined && whole !== text && html`<title>${whole}</title>`;
  return html`<text class="${kind}" x="${x}" y="${y}" text-anchor="${anchor}">${title}${text}</text>`;
}

export function lineBetween(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  kind: 'grid' | 'axis' | 'whisker' | 'reference' | 'leader',
): Markup {
  return html`<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
}

export function details(summary: string, content: Content): Markup {
  return html`<details><summary>${summary}</summary>
${content}</details>
`;
}
