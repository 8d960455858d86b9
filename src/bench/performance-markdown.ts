// Text and tables in Markdown, whatever they hold.

/** Figures stand right: every column from `figuresFrom` on whose cells begin with a digit or are empty. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  figuresFrom = 1,
): string {
  const rule = head.map((_, i) => {
    const isFigures = i >= figuresFrom && rows.every((row) => /^(?:[\d–]|$)/.test(row[i] ?? ''));
    return isFigures ||
      (i === 0 && figuresFrom > 1 && rows.every((row) => /^\d/.test(row[0] ?? '')))
      ? '---:'
      : '---';
  });
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${rule.join('|')}|`, ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return inline(text).replaceAll('|', '\\|');
}

/** A host or a reason may hold anything: it stays text, on one line. Bold of our own is let through. */
export function inline(text: string): string {
  const isBold = /^\*\*[a-z]+\*\*$/.test(text);
  if (isBold) return text;
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_[\]]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;');
}
