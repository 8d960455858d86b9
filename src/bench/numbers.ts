// Figures as people read them, in text of any kind: three significant digits, and tables for a terminal.
import type { Interval } from './statistics.ts';

/** Stands where there is no figure. */
export const NO_FIGURE = '–';

/** Three significant digits, or all of the integer part; far from one, as a power of ten. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return NO_FIGURE;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e15 || size < 1e-4) return value.toExponential(2).replace('e+', 'e');
  // toPrecision() rounds first, so that 9.996 gives 10.0 and not 10.00.
  const rounded = Math.abs(Number(value.toPrecision(3)));
  return value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(rounded))));
}

/** With the thousands set apart, for columns of large numbers. */
export function formatGrouped(value: number): string {
  return formatNumber(value).replace(/^-?\d{5,}$/, (digits) =>
    digits.replace(/\B(?=(\d{3})+$)/g, '\u202f'),
  );
}

/** A value that is exact, such as a tick or a number of connections: all of its digits and no more. */
export function formatPlain(value: number): string {
  if (!Number.isFinite(value)) return NO_FIGURE;
  const plain = String(Number(value.toPrecision(12)));
  if (plain.includes('e') || Math.abs(value) >= 1e9)
    return value.toExponential().replace('e+', 'e');
  const [whole = '', part] = plain.split('.');
  const grouped = whole.length < 5 ? whole : whole.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return part === undefined ? grouped : `${grouped}.${part}`;
}

/** ISO 8601 to the minute, for people. */
export function dateOf(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  return `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

export function formatInterval({ low, high }: Interval): string {
  return `${formatGrouped(low)} – ${formatGrouped(high)}`;
}

/** A ratio as a change: `+12.3 %`, `−4.0 %`. */
export function formatChange(ratio: number): string {
  if (!Number.isFinite(ratio)) return NO_FIGURE;
  if (ratio >= 10) return `× ${formatNumber(ratio)}`;
  const percent = (ratio - 1) * 100;
  const digits = Math.abs(percent) < 9.95 ? 1 : 0;
  const text = Math.abs(percent).toFixed(digits);
  if (Number(text) === 0) return '±0 %';
  return `${percent < 0 ? '−' : '+'}${text} %`;
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Bytes in the largest power of 1024 that leaves at least one. */
export function formatBytes(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < SIZES.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${formatNumber(size).replace(/\.0+$/, '')} ${SIZES[unit] ?? 'B'}`;
}

/** Columns as wide as their widest cell; the first stands left, as does one with words, figures stand right. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const columns = head.map((_, i) => ({
    width: Math.max(...all.map((row) => (row[i] ?? '').length)),
    isText: i === 0 || rows.some((row) => /^\p{L}/u.test(row[i] ?? '')),
  }));
  const line = (row: readonly string[]): string =>
    columns
      .map(({ width, isText }, i) => {
        const cell = row[i] ?? '';
        return isText ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  return all.map((row) => `  ${line(row)}`).join('\n');
}
