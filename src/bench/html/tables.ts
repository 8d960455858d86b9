// Tables of numbers, which can be scrolled where the window is narrow.
import { type Content, html, type Markup } from './markup.ts';

export interface Column {
  readonly title: string;
  readonly kind: 'text' | 'number' | 'prose';
}

export const text = (title: string): Column => ({ title, kind: 'text' });
export const number = (title: string): Column => ({ title, kind: 'number' });
export const prose = (title: string): Column => ({ title, kind: 'prose' });

/** The first cell of a row is its heading. */
export function table(columns: readonly Column[], rows: readonly (readonly Content[])[]): Markup {
  return html`<div class="scroll"><table><thead><tr>${columns.map(
    ({ title, kind }) => html`<th scope="col" class="${kind}">${title}</th>`,
  )}</tr></thead><tbody>
${rows.map(
  (row) => html`<tr>${columns.map(({ kind }, i) =>
    i === 0
      ? html`<th scope="row" class="${kind}">${row[i] ?? null}</th>`
      : html`<td class="${kind}">${row[i] ?? null}</td>`,
  )}</tr>
`,
)}</tbody></table></div>
`;
}
