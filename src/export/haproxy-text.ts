// How HAProxy's configuration is written: words that nothing in a configuration of ours can break out of, sections,
// conditions.
import { indent } from './exported.ts';

const BARE = /^[A-Za-z0-9_./:@=,+-]+$/;
/** HAProxy takes 64 words a line; a list leaves room for what stands around it. */
const MAX_LIST = 40;

/** One word, as it stands: HAProxy knows these escapes in double quotes, and bytes as \xHH. */
export function word(text: string): string {
  if (BARE.test(text)) return text;
  const inner = [...Buffer.from(text)].map((byte) => {
    const character = String.fromCharCode(byte);
    if (/[\\"$]/.test(character)) return `\\${character}`;
    return /[\x20-\x7e]/.test(character) ? character : `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  return `"${inner.join('')}"`;
}

/** A word that means exactly `text` where HAProxy would look for `%[…]` in it. It takes no empty word. */
export function value(text: string): string {
  return word(text === '' ? '%[var(txn.nothing)]' : plain(text));
}

/** Text of a format that stands for itself. */
export function plain(text: string): string {
  return text.replaceAll('%', '%%');
}

export function section(head: string, body: readonly string[]): string[] {
  return ['', head, ...indent(body)];
}

/** A rule under a condition; '' is none. */
export function when(condition: string, rule: string): string {
  return condition === '' ? rule : `${rule} if ${condition}`;
}

export function chunks<T>(items: readonly T[], size = MAX_LIST): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}
